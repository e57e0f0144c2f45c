"""Attachment points by key: Python writes the table, C reads it, a dict is the oracle."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edgeguard.capture.points import MAX_INDEX, REVERSED, Points
from edgeguard.record import NOBODY

KEYS = st.integers(1, 40) | st.integers(1, 2**64 - 1)  # few, so that they meet again; and any


class PointsAgainstDict(RuleBasedStateMachine):
    @initialize(capacity=st.integers(0, 8))
    def begin(self, capacity: int) -> None:
        self.points = Points(capacity)
        self.expected: dict[int, int] = {}

    @rule(key=KEYS, index=st.integers(0, MAX_INDEX), reversed=st.booleans())
    def put(self, key: int, index: int, reversed: bool) -> None:
        self.points.put(key, index, reversed)
        self.expected[key] = index | (REVERSED if reversed else 0)

    @rule(key=KEYS)
    def remove(self, key: int) -> None:
        self.points.remove(key)
        self.expected.pop(key, None)

    @rule(key=KEYS)
    def find(self, key: int) -> None:
        assert self.points.find(key) == self.expected.get(key, NOBODY)

    @invariant()
    def all_are_found(self) -> None:
        if hasattr(self, "points"):
            assert len(self.points) == len(self.expected)
            assert 2 * len(self.points) <= len(self.points.keys)
            assert {key: self.points.find(key) for key in self.expected} == self.expected


PointsAgainstDict.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestPointsAgainstDict = PointsAgainstDict.TestCase
TestPointsAgainstDict.__doc__ = "After any puts and removals C finds what a dict would."


@given(st.sets(st.integers(1, 2**48 - 1), min_size=1, max_size=400), st.data())
@settings(max_examples=30, deadline=None)
def test_removal_keeps_probe_chains(keys: set[int], data: st.DataObject) -> None:
    """Keys that were pushed past a removed one are still found."""
    points = Points(len(keys))
    for index, key in enumerate(sorted(keys)):
        points.put(key, index)
    gone = data.draw(st.sets(st.sampled_from(sorted(keys))))
    for key in gone:
        points.remove(key)
    for index, key in enumerate(sorted(keys)):
        assert points.find(key) == (NOBODY if key in gone else index)


def test_room_for_a_full_hypervisor() -> None:
    """1,025 points fit, although 1,024 were announced."""
    points = Points(1024)
    for key in range(1, 1026):
        points.put(key, key - 1)
    assert all(points.find(key) == key - 1 for key in range(1, 1026))


@pytest.mark.parametrize(("key", "index"), [(0, 1), (-1, 1), (2**64, 1), (1, -1), (1, MAX_INDEX + 1), (1, NOBODY)])
def test_what_cannot_be_held(key: int, index: int) -> None:
    """Key 0 means empty and 0xffff means nobody, so neither can be put."""
    with pytest.raises(ValueError, match="point"):
        Points(4).put(key, index)


def test_nobody() -> None:
    """An empty table knows nobody, key 0 included."""
    points = Points(0)
    points.remove(7)
    points.remove(0)
    assert (points.find(7), points.find(0), len(points)) == (NOBODY, NOBODY, 0)
