"""Pages: one an hour and cause, the others counted; recorded whatever the disk says."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from samples import CASE, DECISION, ORDER, VERDICT, T, notices

from edgeguard.cases.store import Store
from edgeguard.clock import HOUR, MINUTE
from edgeguard.daemon.pages import Pages
from edgeguard.errors import StoreError
from edgeguard.hooks.page import LINES, page, text
from edgeguard.letters import Channel, Delivery
from edgeguard.model import PAGES

EVERY = tuple(Channel)
LATER = T + 100 * HOUR


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "cases.sqlite") as opened:
        yield opened


class Told:
    """What whoever hands pages over was told."""

    def __init__(self) -> None:
        self.woken = 0
        self.at_once_told: list[Delivery] = []

    def wake(self) -> None:
        self.woken += 1

    def at_once(self, page: Delivery) -> None:
        self.at_once_told.append(page)


def at(minutes: int, cause: str = "breaker", line: str = "too many customers") -> Delivery:
    return page(cause, "hv1", T + minutes * MINUTE, None, [f"{line}, minute {minutes}"])


def states(store: Store) -> list[tuple[str, str]]:
    return [tuple(row) for row in store._db.execute("SELECT cause, state FROM deliveries ORDER BY seq")]


def test_one_page_an_hour_and_cause(store: Store) -> None:
    """Of one cause the first page is handed over, those of the hour are kept back, and the next one tells how many."""
    store.deliver([at(0), at(1), at(59), at(30, "not stopped"), at(60)])
    assert states(store) == [
        ("breaker", "ready"),
        ("breaker", "grouped"),
        ("breaker", "grouped"),
        ("not stopped", "ready"),
        ("breaker", "ready"),
    ]
    due = store.tray().due(EVERY, LATER)
    assert [(one.delivery.cause, one.grouped) for one in due] == [("breaker", 0), ("not stopped", 0), ("breaker", 2)]


def test_a_clock_that_was_far_ahead_silences_nothing(store: Store) -> None:
    """A page from next year, written while the clock was wrong, must not keep back those of today."""
    store.deliver([at(60 * 24 * 365), at(0)])
    assert [state for _, state in states(store)] == ["ready", "ready"]


def test_a_page_belongs_to_its_decision(store: Store) -> None:
    """A decision's deliveries are in its transaction: when that fails, none of them is recorded."""
    wanted = page("not stopped", "hv1", T, CASE.id, ["it goes on"], decision=DECISION.id)
    with pytest.raises(StoreError):
        store.record(CASE, VERDICT, replace(DECISION, until=None), notices(), ORDER, [wanted])
    assert not states(store)
    store.record(CASE, VERDICT, DECISION, notices(), ORDER, [wanted])
    assert states(store) == [("not stopped", "ready")]


def test_a_page_is_five_lines_and_commands(store: Store) -> None:
    """However much is said, and whatever a name holds, the text has a subject, five safe lines, and the commands."""
    said = [f"line {number} \x1b[2J\r\nBcc: x@example.net {'long' * 100}" for number in range(9)]
    document = json.loads(page("breaker", "hv1", T, "EG-1", said, ["edgeguard case show EG-1"]).body)
    lines = text(document, grouped=3).splitlines()
    assert lines[0] == "[EdgeGuard] hv1: breaker (EG-1)"
    assert len(lines) == 1 + LINES + 2 and lines[-2].startswith("3 more pages were kept back")
    assert lines[-1] == "  edgeguard case show EG-1"
    assert all(line.isprintable() and len(line) <= 200 for line in lines)


def test_saying_is_recording(store: Store) -> None:
    """`say` leaves one row however often it is said within an hour, and wakes who hands it over."""
    courier = Told()
    pages = Pages(store, "hv1", courier)
    for _ in range(100):
        pages.say(PAGES[2], None, ["the kernel holds what the ledger does not"], ["edgeguard status"])
    assert states(store) == [("disagreement", "ready")] and courier.woken == 1


def test_a_broken_database_loses_no_page(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the database refuses is handed over at once, one of a cause, and written when it takes something again."""
    courier = Told()
    pages = Pages(store, "hv1", courier)

    def refuse(deliveries: object) -> None:
        raise StoreError("the disk is full") from sqlite3.OperationalError()

    with monkeypatch.context() as patched:
        patched.setattr(store, "deliver", refuse)
        for line in ("six customers in ten minutes", "seven customers in ten minutes"):
            pages.say("breaker", None, [line])
            pages.record()
    assert not states(store)
    (one,) = courier.at_once_told
    assert "six customers" in one.body
    pages.record()
    assert states(store) == [("breaker", "ready"), ("breaker", "grouped")]
