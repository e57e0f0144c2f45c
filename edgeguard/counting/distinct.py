"""Distinct counts: about how many targets and sources a VM's SYNs and UDP packets had, in any window to 20 s.

Estimates, for operators and for rules that tell a scan from a flood; nothing is null-routed for them, and no
customer is shown one. What is seen: the targets of the SYNs and of the UDP packets that left a VM, each by
themselves; the sources of whatever left it that are not its own (of SYN and UDP all, where its addresses are not
known); the sources of SYN and UDP that reached it. Answers but those of UDP are no SYNs, so that nobody who is
answered counts as a target. docs/counting.md has the error.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np

from edgeguard.counting import distinct_kernels, distinct_state, state
from edgeguard.model import Spread
from edgeguard.record import Records

TARGETS = {"syn": distinct_state.SYN_TARGETS, "udp": distinct_state.UDP_TARGETS}
LONGEST_S = distinct_state.MOST_SLOTS // state.WINDOW


class Distinct:
    """The distinct counts of `points` attachment points. The key must be secret where senders may aim."""

    def __init__(self, key: tuple[int, int], points: int = state.POINTS) -> None:
        self._cells = distinct_state.cells(points)
        self._points = distinct_state.points(points)
        self._state = distinct_state.state(key)

    def shard(self) -> Distinct:
        """One more feeder of the same cells, for a thread of its own: it costs no memory, and there is
        nothing to merge. Both have clocks of packet time of their own, at most a second apart."""
        self._state["lag"] = distinct_state.LAG
        other = copy.copy(self)
        other._state = self._state.copy()
        return other

    @property
    def points(self) -> int:
        """Attachment points there is room for."""
        return len(self._points)

    @property
    def memory(self) -> int:
        """Bytes, fixed at start."""
        return int(self._cells.nbytes + self._points.nbytes)

    def add(self, records: Records, start: int, stop: int) -> None:
        """See the addresses of records[start:stop]."""
        distinct_kernels.add(records, start, stop, self._cells, self._points, self._state)

    def turn_back(self, at: int) -> None:
        """Packet time is `at` from now on, wherever it was: another feeder knows that the clock was set back."""
        distinct_kernels.turn_back(self._points, self._state, at)

    def assign(self, point: int) -> None:
        """A point is another VM's now: empty."""
        distinct_kernels.empty(self._cells, self._points, point, int(self._state["slot"][0]))

    def own(self, point: int, prefixes: Sequence[tuple[int, int, int, int, int]]) -> None:
        """The addresses (hi, lo, mask hi, mask lo, family) that a point's VM may send from; none: not known."""
        row = self._points[point : point + 1]
        row["prefixes"] = 0  # while they change
        row["prefix"][0, : len(prefixes)] = np.array(prefixes, np.uint64).reshape(-1, 5)
        row["prefixes"] = len(prefixes)

    def estimate(self, point: int, count: int, at: int, slots: int) -> int:
        """About how many different addresses a count has in the `slots` slots that end with the one before `at`."""
        row = point * distinct_state.COUNTS + count
        found: float = distinct_kernels.estimate(self._cells, self._points, row, (at - 1) // state.SLOT, slots)
        return round(found)

    def spread(self, point: int, at: int, seconds: int = 1) -> dict[str, Spread]:
        """By rule: what was seen in the seconds, at most 20, that end at `at`."""
        if not 1 <= seconds <= LONGEST_S:
            raise ValueError(f"{seconds} s: distinct counts are kept for 1 to {LONGEST_S} whole seconds")
        slots = seconds * state.WINDOW
        out = self.estimate(point, distinct_state.SOURCES_OUT, at, slots)
        into = self.estimate(point, distinct_state.SOURCES_IN, at, slots)
        return {rule: Spread(self.estimate(point, count, at, slots), out, into) for rule, count in TARGETS.items()}
