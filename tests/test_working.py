"""Working a case as the daemon answers it: claimed, noted, closed by a person; a real engine and a real database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from persons import Kept, live
from test_engine import T, calm, feed, flood

from edgeguard import clock
from edgeguard.clock import SECOND
from edgeguard.daemon.working import work
from edgeguard.errors import DaemonError, UsageError
from edgeguard.grace import Disposition, Grace
from edgeguard.model import Act
from edgeguard.request import ClaimCase, CloseCase, NoteCase, read_request, written


@pytest.fixture
def flooded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Kept]]:
    made, world = live(tmp_path)
    feed(made.engine, flood(T, 2 * SECOND))
    monkeypatch.setattr(clock, "now", lambda: T + 2 * SECOND)
    yield made, world
    world.store.close()


def story(world: Kept) -> list[str]:
    (case,) = world.store.find("vm-0")
    return [entry.text for entry in world.store.timeline(case.id) if entry.what == "note"]


def test_a_claimed_case_is_in_review_and_its_clocks_go_on(flooded: tuple[Any, Kept]) -> None:
    """It says who has it; quiet frees it as if nobody had claimed it."""
    made, world = flooded
    assert "alex has it now" in work(made, ClaimCase("web0", "I call the owner"), "alex")["text"]
    (case,) = world.store.find("vm-0")
    assert case.state == "review" and story(world) == ["alex: claimed: I call the owner"]
    feed(made.engine, calm(T + 2 * SECOND, 5 * SECOND))
    assert world.decisions[-1].act is Act.RELEASE and "quiet" in world.decisions[-1].reason
    assert world.cases[-1].state == "probation"


def test_a_note_is_a_line_of_the_story(flooded: tuple[Any, Kept]) -> None:
    """With who wrote it; the state stays."""
    made, world = flooded
    work(made, NoteCase("192.0.2.10", "owner called back"), "alex")
    assert story(world) == ["alex: owner called back"]
    assert world.store.find("vm-0")[0].state == "narrow"
    with pytest.raises(UsageError, match="no case of that name"):
        work(made, NoteCase("nobody", "x"), "alex")


def test_what_is_null_routed_is_not_closed(flooded: tuple[Any, Kept]) -> None:
    """It is released first: nobody stays null-routed by a case that is closed."""
    made, world = flooded
    with pytest.raises(UsageError, match="release it first"):
        work(made, CloseCase("vm-0", "done", "confirmed"), "alex")
    assert world.store.open_cases() and len(made.engine.ledger)


def test_a_person_closes_once_and_what_goes_on_is_another_case(flooded: tuple[Any, Kept]) -> None:
    """Outcome, cause and name are kept; a second word is refused; the next flood has a case of its own."""
    made, world = flooded
    assert made.engine.release(tuple(made.engine.ledger), T + 2 * SECOND, "why", "alex", Grace(Disposition.FIXED))
    work(made, CloseCase("vm-0", "a miner, removed", "confirmed"), "alex")
    (case,) = world.store.find("vm-0")
    assert (case.state, case.outcome, case.closed) == ("closed", "confirmed", T + 2 * SECOND)
    assert story(world) == ["alex: closed as confirmed: a miner, removed"]
    for again in (CloseCase("vm-0", "x", "overturned"), ClaimCase("vm-0", "x")):
        with pytest.raises(UsageError):
            work(made, again, "robin")
    made.engine.look(T + 30 * SECOND)
    feed(made.engine, flood(T + 30 * SECOND, 2 * SECOND, dst="203.0.113.9"))
    assert len(world.store.find("vm-0")) == 2


@pytest.mark.parametrize("outcome", ["confirmed", "undetermined", "overturned"])
@pytest.mark.parametrize("found", [Disposition.OUR_FAULT, Disposition.FIXED, Disposition.UNVERIFIED])
def test_a_close_against_an_apology_is_said(flooded: tuple[Any, Kept], found: Disposition, outcome: str) -> None:
    """Confirmed after our-fault is taken, in a sentence that names who released it and the way back; no other is."""
    made, world = flooded
    assert made.engine.release(tuple(made.engine.ledger), T + 2 * SECOND, "why", "alex", Grace(found))
    (case,) = world.store.find("vm-0")
    text = work(made, CloseCase("vm-0", "a miner, removed", outcome), "robin")["text"]
    told = f"although alex released it as our-fault at {clock.utc(T + 2 * SECOND)}"
    against = outcome == "confirmed" and found is Disposition.OUR_FAULT
    assert (told in text and f"edgeguard case reopen {case.id}" in text) is against
    assert against or text == f"{case.id}: closed as {outcome}"


def test_what_the_clock_settled_is_judged_later(flooded: tuple[Any, Kept]) -> None:
    """Its end stays when it was; its outcome is the person's, once."""
    made, world = flooded
    feed(made.engine, calm(T + 2 * SECOND, 10 * SECOND))
    (settled,) = world.store.find("vm-0")
    assert settled.outcome == "quiet"
    work(made, CloseCase("vm-0", "an announced load test", "overturned"), "alex")
    (judged,) = world.store.find("vm-0")
    assert (judged.outcome, judged.closed) == ("overturned", settled.closed)
    with pytest.raises(UsageError, match="has said how it ended already: overturned"):
        work(made, CloseCase("vm-0", "x", "confirmed"), "robin")


def test_an_outcome_is_one_of_three(flooded: tuple[Any, Kept]) -> None:
    """Neither the socket nor the database takes another, nor automation's word for a person's."""
    _, world = flooded
    with pytest.raises(DaemonError, match="confirmed, undetermined, overturned"):
        read_request(written(CloseCase("vm-0", "x", "quiet")).strip(), "alex")
    (case,) = world.store.find("vm-0")
    db = sqlite3.connect(world.store.path)
    for row in ((case.id, 1, "quiet", "alex", "x"), (case.id, 1, "confirmed", "automation", "x")):
        with pytest.raises(sqlite3.IntegrityError):
            db.execute("INSERT INTO judgements VALUES (?, ?, ?, ?, ?)", row)
    db.close()
