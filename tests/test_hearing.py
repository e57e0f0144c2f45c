"""What owners answer moves their cases, and never makes an end later: real replies in a real database, packet time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from persons import Kept, live
from test_engine import T, flood
from test_keeping import CLOCKS, Flooded, Now, feed, passes, stands, state
from test_outbox import settings as mail_settings

from edgeguard import clock, config
from edgeguard.clock import SECOND
from edgeguard.daemon import resuming
from edgeguard.daemon.hearing import Hearing
from edgeguard.daemon.keeping import bound_by
from edgeguard.daemon.working import work
from edgeguard.incoming import Keyword, Reply, Sort
from edgeguard.intake import Intake
from edgeguard.letters import Notice
from edgeguard.model import Act
from edgeguard.request import HoldCase, UpholdCase
from edgeguard.states import TABLE
from edgeguard.word import OWNER, Said

ROSTER = config.build({}).roster
OWNERS = "ops0@example.net"
SENDERS = st.sampled_from([OWNERS, "OPS0@example.net", "else@example.com"])


def begin(folder: Path, now: Now) -> tuple[Any, Kept]:
    """A flood that is null-routed, and its owner was written to."""
    made, world = live(folder, {"clocks": CLOCKS})
    feed(made.engine, flood(T, 2 * SECOND))
    (case,) = world.store.find("vm-0")
    notice = Notice("notice-1", case.id, world.decisions[0].id, "narrow", OWNERS)
    with world.store._writing("a notice"):
        from edgeguard.cases.box import put_notice  # noqa: PLC0415

        put_notice(world.store._db, notice, now.at)
    return made, world


@pytest.fixture
def flooded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flooded]:
    now = Now()
    monkeypatch.setattr(clock, "now", now)
    made, world = begin(tmp_path, now)
    yield made, world, now
    world.store.close()


def reply(world: Kept, at: int, keyword: Keyword | None = None, sender: str = OWNERS, id: str = "r-1") -> None:
    case = world.store.find("vm-0")[-1]  # the first
    text = f"{keyword or ''} it was our dump".strip()
    Intake(world.store, mail_settings(25), ROSTER).take(
        Reply(id, Sort.REPLY, sender, (case.id,), keyword, text=text), at
    )


def test_a_reply_brings_the_case_to_review(flooded: Flooded) -> None:
    """It is a word of the owner, once, and quiet ends the null route as if it had not come."""
    made, world, now = flooded
    reply(world, now.at)
    hearing = Hearing(made)
    for at in (now.at, now.at + 5 * SECOND, now.at + 10 * SECOND):
        hearing.look(at)
    (case,) = world.store.find("vm-0")
    assert [(word.said, word.by) for word in world.store.words(case.id)] == [(Said.REPLY, OWNER)]
    assert case.state == "review"
    passes(made, now, 4)
    assert stands(made) == 0


def test_appeal_in_a_reply_starts_the_clock_of_an_appeal(flooded: Flooded) -> None:
    """Of one whom the case's mails went to; undecided it ends, from when the reply came in."""
    made, world, now = flooded
    for by in ("alex", "robin"):
        work(made, UpholdCase("web0", "x", ("it is clean",)), by)
    reply(world, now.at, Keyword.APPEAL, "OPS0@example.net")
    Hearing(made).look(now.at + SECOND)
    assert state(world) == "appealed"
    passes(made, now, 39, loud=True)
    assert stands(made) == 1
    passes(made, now, 1, loud=True)
    assert any("decided the appeal" in d.reason for d in world.decisions if d.act is Act.RELEASE)


def test_appeal_of_a_stranger_is_a_reply(flooded: Flooded) -> None:
    """Anybody can write a sender: it is in review, the story says why it is no appeal, and nothing else changes."""
    made, world, now = flooded
    reply(world, now.at, Keyword.APPEAL, "else@example.com")
    Hearing(made).look(now.at)
    (case,) = world.store.find("vm-0")
    assert case.state == "review" and made.engine.ends.binding(case.id).appeal is None
    story = [entry.text for entry in world.store.timeline(case.id)]
    assert any("a person enters it with 'case appeal'" in text for text in story)
    assert any(text.startswith("else@example.com (unknown sender) answered APPEAL:") for text in story)
    assert "an unknown sender: an answer was heard; every clock goes on" in story


def test_the_story_says_whose_answer_it_was(flooded: Flooded) -> None:
    """The owner's is his, a stranger's or one without an address never; and no state is told that it did not bring."""
    made, world, now = flooded
    for by in ("alex", "robin"):
        work(made, UpholdCase("web0", "x", ("it is clean",)), by)
    (case,) = world.store.find("vm-0")
    intake = Intake(world.store, mail_settings(25), ROSTER)
    intake.take(Reply("r-1", Sort.REPLY, "OPS0@example.net", (case.id,), text="see"), now.at)
    intake.take(Reply("r-2", Sort.UNREADABLE, None, (case.id,), defect="it is larger than 10 MiB"), now.at)
    Hearing(made).look(now.at)
    story = [entry.text for entry in world.store.timeline(case.id)]
    assert state(world) == "upheld" and not any("in review" in text for text in story)
    assert [text for text in story if text.endswith("an answer was heard; every clock goes on")] == [
        "the owner: an answer was heard; every clock goes on",
        "an unknown sender: an answer was heard; every clock goes on",
    ]
    assert any(text.startswith("OPS0@example.net answered: see") for text in story)
    assert "a mail from somebody without an address (unknown sender) cannot be read: it is larger than 10 MiB" in story


def test_a_reply_that_a_person_filed_is_heard(flooded: Flooded) -> None:
    """What named no case counts in the one that a person put it under, and only there."""
    made, world, now = flooded
    Intake(world.store, mail_settings(25), ROSTER).take(Reply("r-1", Sort.REPLY, OWNERS, text="who cut us?"), now.at)
    Hearing(made).look(now.at)
    assert state(world) == "narrow"
    (case,) = world.store.find("vm-0")
    assert world.store.replies.file(world.store.replies.unmatched()[0].seq, case.id, now.at, "alex")
    Hearing(made).look(now.at)
    assert state(world) == "review" and [word.said for word in world.store.words(case.id)] == [Said.REPLY]


def test_a_reply_to_what_is_free_changes_nothing(flooded: Flooded) -> None:
    """On probation and settled there is nothing to contest: the word is kept, the state stays."""
    made, world, now = flooded
    passes(made, now, 4)
    free = state(world)
    reply(world, now.at, Keyword.APPEAL)
    Hearing(made).look(now.at)
    assert state(world) == free and not TABLE.is_null_routed(free)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 11), st.sampled_from([None, *Keyword]), SENDERS), max_size=4),
    st.sampled_from([(), ("hold",), ("uphold",), ("hold", "uphold")]),
    st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_no_replies_make_any_release_later(
    tmp_path_factory: pytest.TempPathFactory, replies: list[Any], kept: tuple[str, ...], loud: list[bool]
) -> None:
    """Whatever owners write, when, under whatever keyword: it is free no later than if nothing had been written."""

    def freed(written: list[Any]) -> int | None:
        now = Now()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(clock, "now", now)
            made, world = begin(tmp_path_factory.mktemp("trace"), now)
            first = world.decisions[0].id
            if "hold" in kept:
                work(made, HoldCase("web0", "x", 30 * SECOND), "alex")
            if "uphold" in kept:
                for by in ("alex", "robin"):
                    work(made, UpholdCase("web0", "x", ("it is clean",)), by)
            hearing = Hearing(made)
            for step, noisy in enumerate(loud):
                for number, (_, keyword, sender) in enumerate(one for one in written if one[0] == step):
                    reply(world, now.at, keyword, sender, f"r-{step}-{number}")
                hearing.look(now.at)
                passes(made, now, 5, noisy)
            world.store.close()
        return next((d.at for d in world.decisions if first in d.releases), None)

    without, with_them = freed([]), freed(replies)
    assert without is None or (with_them is not None and with_them <= without)


def test_what_was_said_outlasts_a_restart(flooded: Flooded, tmp_path: Path) -> None:
    """Another engine over the same database keeps what is upheld as long, and knows whose voices it had."""
    made, world, now = flooded
    for by in ("alex", "robin"):
        work(made, UpholdCase("web0", "x", ("it is clean",)), by)
    again, other = live(tmp_path, {"clocks": CLOCKS})
    other.store.close()
    again.store = other.store = world.store
    ordered: list[Any] = []
    again.enforcer = SimpleNamespace(order=other.orders.append, reconcile=ordered.extend)
    again.attachments = SimpleNamespace(point_of=lambda tap: tap.ifindex - 10, vm=lambda point: other.vms[point])
    again.remember = lambda decision: None
    resuming.resume(again)
    assert [order.until for order in ordered] == [now.at + 200 * SECOND]
    (case,) = world.store.find("vm-0")
    people = again.engine.ends.binding(case.id)
    assert people.upheld is not None and bound_by(again, case.id, []) == {"alex", "robin"}
    assert people.upheld.conditions == ("it is clean",)
