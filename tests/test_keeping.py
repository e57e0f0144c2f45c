"""Who may keep a null route, how long, and what ends it: a real engine and a real database, in packet time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from persons import Kept, live
from test_engine import T, calm, feed, flood

from edgeguard import clock, config
from edgeguard.clock import HOUR, SECOND
from edgeguard.daemon.releasing import release
from edgeguard.daemon.working import work
from edgeguard.errors import ConfigError, DaemonError, StoreError, UsageError
from edgeguard.grace import Disposition, Grace
from edgeguard.model import Act
from edgeguard.request import (
    AppealCase,
    CloseCase,
    HoldCase,
    ReleaseNullRoute,
    ReopenCase,
    UpholdCase,
    read_request,
    written,
)
from edgeguard.word import Said, Word

CLOCKS = {
    "quiet": "3s",
    "lifetime": "60s",
    "moves": "10s",
    "hold": "100s",
    "second_voice": "30s",
    "upheld_quiet": "50s",
    "read_again": "200s",
    "appeal": "40s",
    "appeal_full": "10s",
}
LIST = ("the server was rebuilt",)
Flooded = tuple[Any, Kept, "Now"]


class Now:
    """The wall clock of a test, beside packet time."""

    def __init__(self) -> None:
        self.at = T + 2 * SECOND

    def __call__(self) -> int:
        return self.at


@pytest.fixture
def flooded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flooded]:
    now = Now()
    monkeypatch.setattr(clock, "now", now)
    made, world = live(tmp_path, {"clocks": CLOCKS})
    feed(made.engine, flood(T, 2 * SECOND))
    yield made, world, now
    world.store.close()


def passes(made: Any, now: Now, seconds: int, loud: bool = False) -> None:
    """Time goes on for a VM that is quiet, or floods on."""
    until = now.at + seconds * SECOND
    packets = flood if loud else calm
    feed(made.engine, packets(now.at, seconds * SECOND))
    made.engine.look(until)
    now.at = until


def stands(made: Any) -> int:
    return len(made.engine.ledger)


def state(world: Kept) -> str:
    return world.store.find("vm-0")[0].state


def notes(world: Kept) -> list[str]:
    (case,) = world.store.find("vm-0")
    return [entry.text for entry in world.store.timeline(case.id) if entry.what == "note"]


def refused(made: Any, world: Kept, ask: Any, by: str, match: str) -> None:
    """In one line, and recorded; nothing else of the case changes."""
    before = (state(world), [entry.order for entry in made.engine.ledger])
    said = len(notes(world))
    with pytest.raises(UsageError, match=match) as error:
        work(made, ask, by)
    assert "\n" not in str(error.value)
    assert notes(world)[said:] and notes(world)[-1].startswith(f"{by}: refused: case.")
    assert before == (state(world), [entry.order for entry in made.engine.ledger])


# ---- hold ------------------------------------------------------------------------------------------


def test_a_held_null_route_stays_although_it_is_quiet(flooded: Flooded) -> None:
    """Until its end, which the kernel is given, and no longer; without it three quiet seconds end it."""
    made, world, now = flooded
    assert "held until" in work(made, HoldCase("web0", "the owner restores a snapshot", 90 * SECOND), "alex")["text"]
    held = world.orders[-1]
    assert (held.act, held.until, held.decision) == (Act.NULL_ROUTE, now.at + 90 * SECOND, world.orders[0].decision)
    assert world.store.standing()[0].order == held
    assert state(world) == "review"
    passes(made, now, 89)
    assert stands(made) == 1
    passes(made, now, 2)
    assert stands(made) == 0 and world.decisions[-1].act is Act.RELEASE
    assert state(world) in ("probation", "closed")


def test_a_short_hold_ends_by_quiet(flooded: Flooded) -> None:
    """One that ends before the lifetime leaves the kernel's end as it is, and quiet ends it at its end."""
    made, world, now = flooded
    work(made, HoldCase("web0", "x", 20 * SECOND), "alex")
    assert len(world.orders) == 1
    passes(made, now, 19)
    assert stands(made) == 1
    passes(made, now, 2)
    assert stands(made) == 0 and "quiet" in world.decisions[-1].reason


def test_it_is_held_once_and_for_so_long_at_most(flooded: Flooded) -> None:
    """Neither the same nor another person holds it again, and nobody for longer; a free one is held by nobody."""
    made, world, now = flooded
    refused(made, world, HoldCase("web0", "x", 101 * SECOND), "alex", "1 min 40 s at most")
    work(made, HoldCase("web0", "x"), "alex")
    for by in ("alex", "robin"):
        refused(made, world, HoldCase("web0", "y"), by, "alex has held it once, until .*takes two")
    passes(made, now, 101)
    assert stands(made) == 0
    with pytest.raises(UsageError):
        work(made, HoldCase("web0", "y"), "robin")


def test_one_person_frees_what_is_held_or_upheld(flooded: Flooded) -> None:
    """A release needs nobody else, whatever was said before, and what was said binds nothing afterwards."""
    made, world, now = flooded
    work(made, HoldCase("web0", "x"), "alex")
    for by in ("alex", "robin"):
        work(made, UpholdCase("web0", "x", LIST), by)
    assert state(world) == "upheld"
    assert made.engine.release(tuple(made.engine.ledger), now.at, "clean", "kim", Grace(Disposition.FIXED))
    assert stands(made) == 0 and state(world) == "probation"
    (case,) = world.store.find("vm-0")
    assert made.engine.ends.binding(case.id).upheld is None


# ---- uphold ----------------------------------------------------------------------------------------


def test_upholding_takes_two_different_people(flooded: Flooded) -> None:
    """One voice changes nothing: its clocks end it as if nobody had spoken."""
    made, world, now = flooded
    refused(made, world, UpholdCase("web0", "x"), "alex", "say what is enough to end it")
    assert "one of two voices" in work(made, UpholdCase("web0", "third flood", LIST), "alex")["text"]
    assert state(world) == "narrow" and len(world.orders) == 1
    refused(made, world, UpholdCase("web0", "x", LIST), "alex", "nothing is upheld by one person")
    passes(made, now, 4)
    assert stands(made) == 0


def test_what_two_uphold_lasts_until_it_was_quiet_for_long(flooded: Flooded) -> None:
    """Its end is two weeks away (here 200 s), for the kernel too; attempts keep it, quiet of a day (50 s) ends it."""
    made, world, now = flooded
    work(made, UpholdCase("web0", "x", LIST), "alex")
    told = work(made, UpholdCase("web0", "I have read it"), "robin")["text"]
    assert "upheld by alex and robin" in told
    assert state(world) == "upheld"
    assert world.orders[-1].until == now.at + 200 * SECOND
    assert world.store.standing()[0].order.until == now.at + 200 * SECOND
    passes(made, now, 49)
    assert stands(made) == 1
    passes(made, now, 2, loud=True)
    passes(made, now, 49)
    assert stands(made) == 1
    passes(made, now, 2)
    assert stands(made) == 0 and "one of the conditions" in world.decisions[-1].reason


def test_what_nobody_reads_again_ends(flooded: Flooded) -> None:
    """At its end, however loud; read again by two it lasts as long once more."""
    made, world, now = flooded
    for by in ("alex", "robin"):
        work(made, UpholdCase("web0", "x", LIST), by)
    passes(made, now, 150, loud=True)
    for by in ("kim", "alex"):
        work(made, UpholdCase("web0", "read again", LIST), by)
    passes(made, now, 150, loud=True)
    assert stands(made) == 1
    passes(made, now, 51, loud=True)
    (ended,) = [d for d in world.decisions if d.act is Act.RELEASE]
    assert "no two people read it again" in ended.reason


def test_a_second_voice_that_comes_too_late_is_a_first_one(flooded: Flooded) -> None:
    """After the time for it, another person's voice waits for a second one itself."""
    made, world, now = flooded
    work(made, UpholdCase("web0", "x", LIST), "alex")
    passes(made, now, 31, loud=True)
    assert "one of two voices" in work(made, UpholdCase("web0", "x", LIST), "robin")["text"]
    assert state(world) == "narrow"
    assert "upheld by robin and alex" in work(made, UpholdCase("web0", "x"), "alex")["text"]


def test_what_came_later_is_upheld_by_nobody(flooded: Flooded) -> None:
    """A null route that stands only after the first voice keeps its own clocks."""
    made, world, now = flooded
    work(made, UpholdCase("web0", "x", LIST), "alex")
    feed(made.engine, flood(now.at, SECOND, dst="198.51.100.2"))
    now.at += SECOND
    assert stands(made) == 2
    work(made, UpholdCase("web0", "x"), "robin")
    passes(made, now, 5)
    assert [entry.decision.id for entry in made.engine.ledger] == [world.orders[0].decision]


def test_the_owner_is_told(flooded: Flooded) -> None:
    """Of a hold and of an upholding a mail goes out: why, by whom, until when, and what is enough; of a voice none."""
    made, world, _ = flooded
    (case,) = world.store.find("vm-0")

    def mails() -> int:
        return len(world.store.letters(case.id))

    before = mails()
    work(made, HoldCase("web0", "x"), "alex")
    assert mails() == before + 1 and world.store.letters(case.id)[-1].kind == "held"
    work(made, UpholdCase("web0", "third flood", LIST), "alex")
    assert mails() == before + 1
    work(made, UpholdCase("web0", "agreed"), "robin")
    assert mails() == before + 2
    (body,) = world.store._db.execute("SELECT whole(body, packed) FROM outbox ORDER BY seq DESC LIMIT 1").fetchone()
    assert "the server was rebuilt" in body and "alex and robin" in body


# ---- appeal ----------------------------------------------------------------------------------------


def upheld(made: Any) -> None:
    for by in ("alex", "robin"):
        work(made, UpholdCase("web0", "x", LIST), by)


def test_an_appeal_goes_to_a_third_person(flooded: Flooded) -> None:
    """Neither of the two who upheld decides it; the third one's word keeps it, once."""
    made, world, now = flooded
    upheld(made)
    work(made, AppealCase("web0", "the owner says it is a dump"), "alex")
    assert state(world) == "appealed"
    for by in ("alex", "robin"):
        refused(made, world, UpholdCase("web0", "x"), by, "decided by somebody who has not")
    refused(made, world, AppealCase("web0", "x"), "kim", "appealed already")
    assert "the appeal is decided" in work(made, UpholdCase("web0", "it was no dump"), "kim")["text"]
    assert state(world) == "upheld"
    refused(made, world, AppealCase("web0", "x"), "alex", "was decided already")
    passes(made, now, 45)
    assert stands(made) == 1


@pytest.mark.parametrize(("by", "kind"), [("kim", "appeal-decided"), ("alex", "released-by-person")])
def test_an_appeal_that_ends_in_release_is_told_so(flooded: Flooded, by: str, kind: str) -> None:
    """As decided where who released had no part in it; one of the two frees it as well, and decides nothing."""
    made, world, _ = flooded
    upheld(made)
    work(made, AppealCase("web0", "the owner says it is a dump"), "alex")
    release(made, ReleaseNullRoute("vm-0", "it was a dump", "fixed"), by)
    (case,) = world.store.find("vm-0")
    assert case.state == "probation" and world.store.letters(case.id)[-1].kind == kind


def test_an_undecided_appeal_ends_in_release(flooded: Flooded) -> None:
    """After its time, however loud it is; not before."""
    made, world, now = flooded
    upheld(made)
    work(made, AppealCase("web0", "x"), "alex")
    passes(made, now, 39, loud=True)
    assert stands(made) == 1
    passes(made, now, 1, loud=True)
    released = [d for d in world.decisions if d.act is Act.RELEASE]
    assert [d.reason for d in released] == ["no third person decided the appeal within 40 s"]


def test_an_appeal_of_what_nobody_upheld_takes_two_to_keep(flooded: Flooded) -> None:
    """No single person upholds, on appeal neither; meanwhile quiet ends it as ever."""
    made, world, _ = flooded
    work(made, AppealCase("web0", "x"), "alex")
    assert "one of two voices" in work(made, UpholdCase("web0", "x", LIST), "robin")["text"]
    assert state(world) == "appealed"
    assert "upheld by robin and kim" in work(made, UpholdCase("web0", "x"), "kim")["text"]
    refused(made, world, AppealCase("web0", "x"), "alex", "was decided already")


def test_an_appeal_slows_no_way_out(flooded: Flooded) -> None:
    """Three quiet seconds end an appealed null route as they would have without."""
    made, world, now = flooded
    work(made, AppealCase("web0", "x"), "alex")
    passes(made, now, 4)
    assert stands(made) == 0 and "quiet" in world.decisions[-1].reason


def test_of_a_whole_vm_an_appeal_is_decided_sooner(flooded: Flooded) -> None:
    """Where everything is dropped ten seconds (four hours) are enough to decide."""
    made, world, now = flooded
    for n in (2, 3):
        feed(made.engine, flood(now.at, 2 * SECOND, dst=f"198.51.100.{n}"))
        now.at += 2 * SECOND
    assert [e.decision.scope for e in made.engine.ledger][-1] == "full"
    work(made, AppealCase("web0", "x"), "alex")
    passes(made, now, 9, loud=True)
    assert stands(made) == 3
    passes(made, now, 1, loud=True)
    assert "within 10 s" in next(d for d in world.decisions if d.act is Act.RELEASE).reason


# ---- reopen ----------------------------------------------------------------------------------------


def test_a_closed_case_is_reopened_until_a_person_closes_it(flooded: Flooded) -> None:
    """No clock settles it again; nothing is null-routed by it; a second judgement stands then."""
    made, world, now = flooded
    refused(made, world, ReopenCase("web0", "x"), "alex", "it is open")
    passes(made, now, 10)
    assert state(world) == "closed"
    work(made, CloseCase("web0", "announced", "overturned"), "alex")
    work(made, ReopenCase("web0", "the reporter sent a capture"), "robin")
    assert state(world) == "observed" and stands(made) == 0
    passes(made, now, 60)
    assert state(world) == "observed"
    work(made, CloseCase("web0", "it was none", "confirmed"), "robin")
    (case,) = world.store.find("vm-0")
    assert (case.state, case.outcome) == ("closed", "confirmed")


def test_what_is_reopened_is_no_prior(flooded: Flooded) -> None:
    """A case that was confirmed counts against its customer until it is open again, and after it is closed so again."""
    made, _, now = flooded
    vm = made.engine.around.vm(0)

    def counts() -> bool:
        return made.engine.allowances.context(vm, "another", now.at, 30 * 24 * HOUR).prior is not None

    passes(made, now, 10)
    work(made, CloseCase("web0", "it was none", "confirmed"), "alex")
    assert counts()
    work(made, ReopenCase("web0", "the reporter sent a capture"), "robin")
    assert not counts()
    work(made, CloseCase("web0", "it was none after all", "confirmed"), "robin")
    assert counts()


# ---- the record ------------------------------------------------------------------------------------


def test_the_database_refuses_what_one_person_says(flooded: Flooded) -> None:
    """Whoever writes: a second hold, an upholding without another's voice, an appeal kept by one of the two, more
    than 12 hours or 14 days, a word taken back or changed."""
    _, world, now = flooded
    (case,) = world.store.find("vm-0")

    def say(said: Said, by: str, until: int | None = None, store: Any = world.store) -> None:
        store.say(case, Word(case.id, said, now.at, by, "x", until))

    for said, by, until in (
        (Said.HOLD, "alex", now.at + 12 * HOUR + 1),
        (Said.HOLD, "automation", now.at + HOUR),
        (Said.HOLD, "the owner", now.at + HOUR),
        (Said.HOLD, "alex", None),
        (Said.UPHOLD, "alex", now.at + HOUR),
        (Said.KEEP, "alex", now.at + HOUR),
    ):
        with pytest.raises(StoreError):
            say(said, by, until)
    say(Said.HOLD, "alex", now.at + 12 * HOUR)
    say(Said.VOICE, "alex")
    for said, by, until in (
        (Said.HOLD, "robin", now.at + HOUR),
        (Said.UPHOLD, "alex", now.at + HOUR),
        (Said.UPHOLD, "robin", now.at + 14 * 24 * HOUR + 1),
    ):
        with pytest.raises(StoreError):
            say(said, by, until)
    say(Said.UPHOLD, "robin", now.at + 14 * 24 * HOUR)
    say(Said.APPEAL, "the owner")
    for by in ("alex", "robin"):
        with pytest.raises(StoreError, match="a third person"):
            say(Said.KEEP, by, now.at + HOUR)
    say(Said.KEEP, "kim", now.at + HOUR)
    db = sqlite3.connect(world.store.path)
    for wrong in ("DELETE FROM words", "UPDATE words SET principal = 'sam'"):
        with pytest.raises(sqlite3.IntegrityError):
            db.execute(wrong)
    db.close()


def test_due_process_is_no_matter_of_taste() -> None:
    """The limits may be shorter, never longer."""
    day = (("hold", "12h"), ("upheld_quiet", "24h"), ("read_again", "14d"), ("appeal_full", "4h"))
    for name, most in (*day, ("lifetime", "4h"), ("undecided", "4h")):
        config.build({"clocks": {name: most}})
        with pytest.raises(ConfigError, match=f"{name}: .* at most"):
            config.build({"clocks": {name: "15d"}})


def test_what_upholds_is_checked_on_the_wire() -> None:
    """A list that is none, too long a list, a line break in it: one sentence."""
    for wrong in ("rebuilt", ["a\nb"], [""], [7], ["x"] * 9):
        with pytest.raises(DaemonError, match="conditions must be at most 8 lines"):
            read_request(written(replace(UpholdCase("web0", "x"), conditions=wrong)).strip(), "alex")  # type: ignore[arg-type]
    asked = read_request(written(UpholdCase("web0", "x", LIST)).strip(), "alex")
    assert asked.ask == UpholdCase("web0", "x", LIST)


def test_a_step_of_the_wall_clock_neither_frees_nor_binds(flooded: Flooded) -> None:
    """Held for 20 s: a clock set forward by a day ends it no sooner, and it ends as much later by the new clock."""
    made, _, now = flooded
    work(made, HoldCase("web0", "x", 20 * SECOND), "alex")
    passes(made, now, 5)
    now.at += 24 * HOUR
    made.engine.stepped(24 * HOUR, now.at)
    passes(made, now, 14)
    assert stands(made) == 1
    passes(made, now, 6)
    assert stands(made) == 0
