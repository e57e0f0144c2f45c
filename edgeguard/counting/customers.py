"""The sum over all attachment points of one customer: exact, for any window that ends now.

It costs a packet nothing. If k points send T together in a window, one of them sends ceil(T / k) or
more of it (pigeonhole principle). So a customer's points are hot from that level on, and its sum is
taken at the end of every slot in which one of them is. Nothing is missed:

- every packet of a point compares that point's window with the level, and no window grows without one;
- a level that falls, because a VM joined, is compared with the windows at once;
- a point is cooled only when its window is below the level.

Whose a window is, is asked when it ends: a VM that changed hands brings its last second along.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edgeguard.counting.state import NEVER, Array

Pair = tuple[int, int]  # of SYN and UDP packets

RULES = 2  # the first metrics of a window


class Rows(Protocol):
    """Rows of counters, as `window.Counting` and `shards.Shards` have them."""

    def windows(self, points: Array, at: int) -> Array:
        """[point, metric]: the windows that end at `at`."""

    def level(self, points: Array, loud: Pair) -> None:
        """Rows are hot from these windows on, or from those of their own limits where these are less."""

    def loud(self, points: Array, at: int) -> Array:
        """[point]: whether its window that ends at `at` reaches a level of its own limits."""

    def least(self, points: Array) -> Array:
        """[point, SYN and UDP]: the levels of their own limits."""

    def cool(self, point: int) -> None:
        """A row is not hot any more."""


@dataclass(frozen=True, slots=True)
class Sum:
    """The windows of one customer's points that end at `at`."""

    customer: str
    point: int  # of the sum itself: below zero, the same as long as this process lives
    at: int
    points: Array
    windows: Array  # [point, metric]


class Customers:
    """Which points are whose, from which level on they are hot, and the sums."""

    def __init__(self, counted: Rows) -> None:
        self._counted = counted
        self._sums: Pair = (NEVER, NEVER)
        self._of: dict[int, str] = {}
        self._points: dict[str, Array] = {}
        self._levels: dict[str, Array] = {}  # [point, SYN and UDP]: from where the sum may be worth a look
        self._numbers: dict[str, int] = {}
        self._loud: set[int] = set()  # points that were loud by their own limits when they were last judged

    # ---- who is whose --------------------------------------------------------------------------

    def limits(self, sums: Pair) -> None:
        """From which window [packets] a sum is worth judging. NEVER: not at all."""
        self._sums = sums
        for customer in self._points:
            self._relevel(customer)

    def hang(self, point: int, customer: str | None) -> None:
        """A point belongs to this customer from now on; None: to nobody that is known."""
        before = self._of.pop(point, None)
        if before is not None:
            self._put(before, [p for p in self._points[before] if p != point])
        self._counted.level(np.array([point]), (NEVER, NEVER))
        if customer is not None:
            self._of[point] = customer
            self._put(customer, [*self._points.get(customer, ()), point])

    def begin(self, point: int) -> None:
        """A point's counts begin anew: another VM hangs there, whose customer is to be said."""
        self.forget(point)
        self.hang(point, None)

    def _put(self, customer: str, points: Sequence[int]) -> None:
        if not points:
            del self._points[customer], self._levels[customer]
            return
        self._points[customer] = np.array(points, np.int64)
        self._relevel(customer)

    def relevel(self, point: int) -> None:
        """A point has other limits of its own."""
        customer = self._of.get(point)
        if customer is not None:
            self._relevel(customer)

    def _relevel(self, customer: str) -> None:
        points = self._points[customer]
        syn, udp = (NEVER if total == NEVER else -(-total // len(points)) for total in self._sums)
        self._levels[customer] = np.minimum(self._counted.least(points), (syn, udp))
        self._counted.level(points, (syn, udp))

    def names(self) -> tuple[str, ...]:
        """Every customer with a point here."""
        return tuple(self._points)

    def number(self, customer: str) -> int:
        """A number below zero that stands for a customer where an attachment point's would."""
        return self._numbers.setdefault(customer, -1 - len(self._numbers))

    # ---- looking -------------------------------------------------------------------------------

    def due(self, hot: list[int], at: int) -> list[int]:
        """Of the hot points those to be judged by themselves: loud by their own limits, or so until just now.

        The others are hot only for the sake of their customer's sum.
        """
        lowered = [point for point in hot if self._is_lowered(point)]
        if not lowered:
            return hot
        points = np.array(lowered)
        loud = points[self._counted.loud(points, at)]
        rest = set(lowered).difference(loud.tolist(), self._loud)
        return [point for point in hot if point not in rest]

    def _is_lowered(self, point: int) -> bool:
        customer = self._of.get(point)
        if customer is None:
            return False
        levels = self._levels[customer][self._points[customer] == point]
        return bool((levels < self._counted.least(np.array([point]))).any())

    def judged(self, point: int, at: int, loud: bool) -> None:
        """A point was judged by itself. It is cooled when it is quiet and its customer's sum does not need it."""
        if loud:
            self._loud.add(point)
            return
        self._loud.discard(point)
        customer = self._of.get(point)
        if customer is None or point not in self._over(customer, at):
            self._counted.cool(point)

    def forget(self, point: int) -> None:
        """What was judged of a point is another's now, or nobody's."""
        self._loud.discard(point)

    def _over(self, customer: str, at: int) -> list[int]:
        """The points whose window alone makes the sum worth a look."""
        points = self._points[customer]
        windows = self._counted.windows(points, at)[:, :RULES]
        found: list[int] = points[(windows >= self._levels[customer]).any(axis=1)].tolist()
        return found

    def worth(self, hot: set[int], at: int) -> list[Sum]:
        """The customers of these points with their windows; points that no sum needs any more are cooled."""
        if self._sums == (NEVER, NEVER):
            return []
        found = dict.fromkeys(self._of[point] for point in sorted(hot) if point in self._of)
        sums = [self.sum(customer, at) for customer in found]
        for one in sums:
            below = set(one.points.tolist()).difference(self._over(one.customer, at))
            for point in (hot & below) - self._loud:  # loud by a rule of its own that no sum is taken of
                self._counted.cool(point)
        return sums

    def sum(self, customer: str, at: int) -> Sum:
        """The windows of a customer's points that end at `at`."""
        points = self._points[customer]
        return Sum(customer, self.number(customer), at, points, self._counted.windows(points, at))
