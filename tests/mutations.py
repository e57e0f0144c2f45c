"""What is taken out of the house, one at a time, to see whether anything notices: safeties, and ways of the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from edgeguard.decision import safeties
from edgeguard.decision.question import Question
from edgeguard.model import SafetyAnswer
from edgeguard.states import TABLE, Transition

Safety = Callable[[Question], SafetyAnswer]
LISTS = ("ALL", "OF_SUM", "OF_VICTIM")


def name(safety: Safety) -> str:
    """As the answers are called."""
    return safety.__name__.replace("_", " ")


@contextmanager
def without_safety(listed: str, safety: str) -> Iterator[None]:
    """That list of decision/safeties.py, built without one."""
    every: tuple[Safety, ...] = getattr(safeties, listed)
    kept = tuple(one for one in every if name(one) != safety)
    assert len(kept) == len(every) - 1, f"{safety} is not one of {listed}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(safeties, listed, kept)
        yield


@contextmanager
def without_way(state: str, event: str) -> Iterator[None]:
    """The table that everybody goes by, without one of its ways."""
    with _ways({key: way for key, way in TABLE.ways.items() if key != (state, event)}):
        yield


@contextmanager
def not_theirs(state: str, event: str, who: str) -> Iterator[None]:
    """The same, with one fewer who may go a way; without it where nobody is left."""
    others = tuple(one for one in TABLE.ways[state, event].who if one != who)
    with whose(state, event, others) if others else without_way(state, event):
        yield


@contextmanager
def whose(state: str, event: str, who: tuple[str, ...]) -> Iterator[None]:
    """The same, with others who may go a way."""
    way = replace(TABLE.ways[state, event], who=who)
    with _ways({**TABLE.ways, (state, event): way}):
        yield


@contextmanager
def _ways(changed: dict[tuple[str, str], Transition]) -> Iterator[None]:
    """In their order, afterwards, too: the drawing in the manual has it."""
    ways, before = TABLE.ways, dict(TABLE.ways)
    assert isinstance(ways, dict)
    ways.clear()
    ways.update(changed)
    try:
        yield
    finally:
        ways.clear()
        ways.update(before)
