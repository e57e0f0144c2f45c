"""What is taken out of the house, one at a time, to see whether anything notices: safeties, and ways of the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from edgeguard.decision import safeties
from edgeguard.decision.question import Question
from edgeguard.model import SafetyAnswer
from edgeguard.states import TABLE

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
    assert isinstance(TABLE.ways, dict)
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(TABLE.ways, (state, event))
        yield
