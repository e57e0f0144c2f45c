"""The clocks of people: told before, when and after they break, to whom, and what the reaper does: in virtual time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from samples import CASE, DECISION, ORDER, VERDICT, T, notices
from test_dispositions import EXEMPTION
from test_outbox import settings as mail_settings

from edgeguard import clock, config, reaping
from edgeguard.cases.case import Case
from edgeguard.cases.store import Store
from edgeguard.clock import HOUR, MINUTE
from edgeguard.config import Config
from edgeguard.deadlines import Deadline, deadlines
from edgeguard.incoming import Reply, Sort
from edgeguard.intake import Intake
from edgeguard.model import Act, Happened, Outcome, Scope
from edgeguard.reminding import Reminding
from edgeguard.states import AUTOMATION
from edgeguard.urgent import urgent
from edgeguard.word import OWNER, Said, Word

DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
ALWAYS = {"name": "alex", "days": DAYS, "from": "00:00", "to": "24:00", "mail": "alex@example.net"}
REPLY = Reply("reply-1", Sort.REPLY, "ops@example.net", (CASE.id,), text="HELP", answerable=True)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "cases.sqlite") as opened:
        until = T + 30 * 24 * HOUR
        opened.record(CASE, VERDICT, replace(DECISION, until=until), notices(), replace(ORDER, until=until))
        yield opened


def built(*shifts: dict[str, Any]) -> Config:
    return config.build({"roster": {"zone": "UTC", "shift": list(shifts)}})


def say(store: Store, said: Said, by: str, at: int, until: int | None = None) -> None:
    store.say(CASE, Word(CASE.id, said, at, by, "x", until, (DECISION.id,)))


def kinds(store: Store, at: int, settings: Config | None = None) -> dict[str, int]:
    return {one.kind: one.due for one in deadlines(store, settings or built(ALWAYS), at)}


def told(store: Store) -> list[tuple[str, str, str]]:
    """Channel, whom, and the first line that it says."""
    found = []
    for channel, body in store._db.execute("SELECT channel, whole(body, packed) FROM deliveries ORDER BY seq"):
        document = json.loads(body)
        line = document["lines"][1] if channel == "page" else document["text"].partition("\n")[0]
        found.append((channel, document.get("to", ""), line))
    return found


def run(store: Store, settings: Config, begin: int, end: int, step: int = MINUTE) -> None:
    """The daemon's look, all that time."""
    reminding = Reminding(store, lambda: settings, "hv1", lambda: None)
    for at in range(begin, end + 1, step):
        reminding.look(at)


def test_a_null_route_is_decided_by_a_person_within_four_hours(store: Store) -> None:
    """Whoever is on duty is told half an hour before, by a page too, then at the end, then every hour; once each."""
    run(store, built(ALWAYS), T, T + 6 * HOUR)
    run(store, built(ALWAYS), T, T + 6 * HOUR)
    found = told(store)
    assert [channel for channel, _, _ in found] == ["desk", "page", "desk", "desk", "desk"]
    assert {to for channel, to, _ in found if channel == "desk"} == {"alex@example.net"}
    assert all(f"A person decides by {clock.utc(T + 4 * HOUR)}" in line for _, _, line in found)


def beside(store: Store, number: int, at: int, customer: str | None = CASE.customer) -> Case:
    """One more VM's null route."""
    case = replace(CASE, id=f"EG-{number}", vm=f"vm-{number}", opened=at, customer=customer)
    made = replace(DECISION, id=f"d-{number}", case=case.id, verdict=f"v-{number}", at=at, until=T + 30 * 24 * HOUR)
    written = [replace(one, id=f"n-{number}-{n}", case=case.id, decision=made.id) for n, one in enumerate(notices())]
    order = replace(ORDER, decision=made.id, until=made.until)
    store.record(case, replace(VERDICT, id=f"v-{number}"), made, written, order)
    return case


def mailed(store: Store) -> list[dict[str, Any]]:
    """What leaves, in order; of pages the one an hour."""
    rows = store._db.execute("SELECT whole(body, packed) FROM deliveries WHERE state = 'ready' ORDER BY seq")
    return [json.loads(body) for (body,) in rows]


def test_of_what_goes_together_one_mail_tells(store: Store) -> None:
    """At each stage, naming all, with the command for all; of another customer's and of one that is later by itself;
    once each, whoever looks again."""
    for number in range(9):
        beside(store, number, T + number)
    late = beside(store, 20, T + 5 * MINUTE)
    other = beside(store, 30, T, "another")
    for _ in range(2):
        run(store, built(ALWAYS), T + MINUTE // 2, T + 4 * HOUR + 10 * MINUTE)
    mails = [one for one in mailed(store) if one["kind"] == "desk"]
    stages = [("is due", CASE.id), ("is due", other.id), ("is due", late.id)]
    stages += [(f"{when} now", id) for when, id in stages]
    found = [(one["subject"].split(": ")[1].partition(" ")[2], one["subject"].split(": ")[2]) for one in mails]
    named = {CASE.id: f"{CASE.id} and 9 more", other.id: other.id, late.id: late.id}
    assert sorted(found) == sorted((when, named[id]) for when, id in stages)
    for one in mails:
        together = "9 more" in one["subject"]
        assert (f"edgeguard case release {CASE.id} --together --as DISPOSITION" in one["text"]) is together
        assert ("The same of what goes with it: EG-0, EG-1," in one["text"]) is together
    (page,) = [one for one in mailed(store) if one["kind"] == "page"]
    assert page["case"] == CASE.id and f"edgeguard case hold {CASE.id} --together" in " ".join(page["commands"])
    story = [entry.text for entry in store.timeline("EG-3")]
    assert sum("another of what goes with it tells it" in text for text in story) == 2


@pytest.mark.parametrize("said", [Said.HOLD, Said.UPHOLD])
def test_a_decision_stops_that_clock(store: Store, said: Said) -> None:
    """A hold or an upholding is one; a claim, a note or one voice of two is none."""
    store.note(CASE.id, T + 1, "alex", "I look at it")
    say(store, Said.VOICE, "alex", T + 2)
    assert kinds(store, T + HOUR) == {"decision": T + 4 * HOUR, "voice": T + 2 + 24 * HOUR}
    say(store, said, "robin", T + 3, T + 12 * HOUR)
    assert "decision" not in kinds(store, T + HOUR)


def more(store: Store, id: str, at: int, by: str = AUTOMATION) -> None:
    """One more null route of the same case."""
    made = replace(DECISION, id=id, at=at, by=by, verdict=None, until=T + 30 * 24 * HOUR)
    store.record(CASE, None, made, (), replace(ORDER, decision=id, until=made.until))


def test_what_a_person_ordered_decides_on_nothing_else(store: Store) -> None:
    """That of automation beside it waits for a person as before; that of a person waits for none."""
    more(store, "by-hand", T + MINUTE, by="root")
    assert kinds(store, T + HOUR) == {"decision": T + 4 * HOUR}
    store.outcome(Outcome(DECISION.id, T + HOUR, Happened.RELEASED, ""))
    assert kinds(store, T + HOUR) == {}


@pytest.mark.parametrize("said", [Said.HOLD, Said.UPHOLD])
def test_a_decision_is_on_what_stood_then(store: Store, said: Said) -> None:
    """What automation null-routes in the same case after it waits for a person of its own, from its own beginning."""
    say(store, Said.VOICE, "alex", T + HOUR)
    say(store, said, "robin", T + HOUR, T + 13 * HOUR)
    assert "decision" not in kinds(store, T + HOUR)
    more(store, "later", T + 90 * MINUTE)
    assert kinds(store, T + 2 * HOUR)["decision"] == T + 90 * MINUTE + 4 * HOUR


def test_a_reply_is_read_within_half_an_hour_while_somebody_is_there(store: Store) -> None:
    """Told as it comes, ten minutes before, then at the end, then every quarter of an hour until a person was there."""
    settings = built(ALWAYS)
    Intake(store, mail_settings(25), settings.roster).take(REPLY, T)
    run(store, settings, T, T + 59 * MINUTE)
    replies = [(channel, line) for channel, _, line in told(store)]
    assert [channel for channel, _ in replies] == ["desk", "desk", "page", "desk", "desk"]
    assert replies[0][1] == f"ops@example.net answered a mail of {CASE.id}:", "told of as it was taken, by that itself"
    due = f"A person reads the answer by {clock.utc(T + 30 * MINUTE)}: "
    assert all(line.startswith(due) for _, line in replies[1:]), "not the owner's: its sender may be anybody"
    store.note(CASE.id, T + HOUR, "alex", "read")
    run(store, settings, T + HOUR, T + 3 * HOUR)
    assert len(told(store)) == 5
    assert "reply" not in kinds(store, T + 2 * HOUR)


@pytest.mark.parametrize("state", ["warned", "probation"])
def test_a_reply_has_a_clock_where_nothing_is_null_routed(tmp_path: Path, state: str) -> None:
    """Somebody who was warned only, or is free again, is answered within the same time; nobody is woken for it."""
    settings = built(ALWAYS)
    with Store(tmp_path / "warned.sqlite") as store:
        warned = replace(DECISION, act=Act.NONE, scope=Scope.WARN, until=None)
        store.record(replace(CASE, state=state), VERDICT, warned, notices(warned), None)
        Intake(store, mail_settings(25), settings.roster).take(REPLY, T)
        assert kinds(store, T) == {"reply": T + 30 * MINUTE}
        run(store, settings, T, T + 44 * MINUTE)
        assert [(channel, to) for channel, to, _ in told(store)] == [("desk", "alex@example.net")] * 3
        (first,) = urgent(store, settings, T)
        assert first.why[1:] == ("an answer waits to be read",) and [wait.kind for wait in first.waits] == ["reply"]
        store.note(CASE.id, T + HOUR, "alex", "read")
        assert kinds(store, T + HOUR) == {} and len(urgent(store, settings, T + HOUR)[0].why) == 1


def test_what_was_promised_is_told_to_the_desk_once(store: Store) -> None:
    """The desk hears of a promise before it breaks by another way; a page wakes somebody all the same."""
    settings = config.build({"mail": {"read_within": "30m"}})
    Intake(store, mail_settings(25, read_within="30m"), settings.roster).take(REPLY, T)
    run(store, settings, T, T + 44 * MINUTE)
    assert [channel for channel, _, _ in told(store)] == ["desk", "page", "desk"]
    assert "answered a mail of" in told(store)[0][2], "that it came in was told by the taking itself"


def test_without_a_roster_nothing_is_promised_and_the_desk_is_told(store: Store) -> None:
    """A reply has no time then, and is told of as it comes, and in the queue; what has one is the desk's."""
    settings = config.build({})
    Intake(store, mail_settings(25), settings.roster).take(REPLY, T)
    assert kinds(store, T, settings) == {"decision": T + 4 * HOUR}
    assert "an answer waits to be read" in urgent(store, settings, T)[0].why
    run(store, settings, T, T + 4 * HOUR)
    assert [(channel, to) for channel, to, _ in told(store)] == [("desk", ""), ("desk", ""), ("page", ""), ("desk", "")]


def test_what_people_keep_has_its_own_clocks(store: Store) -> None:
    """A hold's end, the time to read again, and that of an appeal, each as it was said."""
    say(store, Said.HOLD, "alex", T, T + 12 * HOUR)
    assert kinds(store, T) == {"hold": T + 12 * HOUR}
    say(store, Said.VOICE, "alex", T + 1)
    say(store, Said.UPHOLD, "robin", T + 2, T + 2 + 14 * 24 * HOUR)
    assert kinds(store, T + 3) == {"reading": T + 2 + 14 * 24 * HOUR}
    say(store, Said.APPEAL, OWNER, T + 3)
    assert kinds(store, T + 4) == {"appeal": T + 3 + 24 * HOUR, "reading": T + 2 + 14 * 24 * HOUR}
    run(store, built(ALWAYS), T + 4, T + 25 * HOUR, 10 * MINUTE)
    assert [(channel, "third person" in line) for channel, _, line in told(store)] == [
        ("desk", True),
        ("desk", True),
        ("page", True),
        ("desk", True),
    ]


def test_an_exemption_is_remembered_a_week_before_its_end(store: Store) -> None:
    """By the desk, whoever is on duty, twice: then and at its end; nobody is woken."""
    store.exempt(EXEMPTION)
    end = EXEMPTION.until
    say(store, Said.HOLD, "alex", T, T + 1)
    reminding = Reminding(store, lambda: built(ALWAYS), "hv1", lambda: None)
    for at in (end - 8 * 24 * HOUR, end - 7 * 24 * HOUR, end - 6 * 24 * HOUR, end - 1):
        reminding.look(at)
    found = [line for _, to, line in told(store) if to == "" and "exempted until" in line]
    assert len(found) == 1 and clock.utc(end) in found[0]
    assert all(channel == "desk" for channel, _, _ in told(store))


def test_a_stage_begins_where_the_one_before_ends() -> None:
    """Nothing before its lead, then each once, and after a day of them no more; somebody who waits is new at once."""
    one = Deadline("x", "c", "reply", 100 * MINUTE, 10 * MINUTE, 15 * MINUTE, "says")
    stages = [one.stage(n * MINUTE) for n in (89, 90, 99, 100, 114, 115, 130, 100 + 96 * 15, 10**6)]
    assert stages == [None, "before", "before", "at", "at", "after 1", "after 2", "after 96", "after 96"]
    assert replace(one, began=0).stage(89 * MINUTE) == "new" and replace(one, lead=0).stage(99 * MINUTE) is None
    for stage in ("before", "at", "after 1"):
        assert one.stage(one.since(stage)) == stage and one.stage(one.since(stage) - 1) != stage


class NoKernel:
    """What the reaper asks of a kernel in which nothing stands; tests/netns has the real one."""

    def keep_only(self, orders: Any) -> int:
        self.kept = [order.decision for order in orders]
        return 0


def test_the_reaper_ends_what_nobody_decided(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """No daemon runs: an appeal whose time is over ends its null routes, with a decision and a notice; a day later
    than said it would have been too late, and before it what is upheld stays."""
    settings = config.build({"inventory": {"vm": []}})
    monkeypatch.setattr(reaping, "_over", lambda one, inventory: None)  # its tap is not here
    say(store, Said.VOICE, "alex", T)
    say(store, Said.UPHOLD, "robin", T, T + 14 * 24 * HOUR)
    say(store, Said.APPEAL, OWNER, T + HOUR)
    for hours, ended in ((24, False), (25, True)):
        monkeypatch.setattr(clock, "now", lambda hours=hours: T + hours * HOUR)
        kernel: Any = NoKernel()
        done = reaping._settle(settings, store, kernel, 0)
        assert bool(done.ended) is ended and bool(kernel.kept) is not ended
    assert "no third person decided the appeal by" in done.ended[0]
    assert store.decisions(CASE.id)[-1].reason.startswith("no third person decided")
    assert store.standing() == []
