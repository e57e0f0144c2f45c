"""The kernel of a host in virtual time: it does as it is ordered, and says so a moment later.

What a real one does is for the lab's other scenarios, for `--real`, and for tests/netns.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from edgeguard.clock import MILLISECOND, SECOND
from edgeguard.model import Act, Happened, Order, Outcome

ACKNOWLEDGED = 3 * MILLISECOND  # after the order, as measured (docs/measured.md)
VERIFIED = SECOND + 10 * MILLISECOND
RELEASED = 3 * MILLISECOND


class Kernel:
    """Orders in, outcomes out when their time has come."""

    def __init__(self) -> None:
        self._coming: list[tuple[int, int, Outcome]] = []
        self._number = count()
        self._standing: set[str] = set()

    def take(self, order: Order, at: int) -> None:
        """An order of this moment."""
        if order.act is Act.RELEASE:
            self._standing.discard(order.decision)
            self._later(order, at + RELEASED, Happened.RELEASED, "")
            return
        self._standing.add(order.decision)
        self._later(order, at + ACKNOWLEDGED, Happened.ACKNOWLEDGED, "")
        self._later(order, at + VERIFIED, Happened.VERIFIED, "in virtual time: as ordered")

    @property
    def next(self) -> int | None:
        """When the next outcome comes."""
        return self._coming[0][0] if self._coming else None

    def outcomes(self, now: int) -> list[Outcome]:
        """Those that have come; none about a null route whose end was ordered before."""
        found = []
        while self._coming and self._coming[0][0] <= now:
            outcome = heapq.heappop(self._coming)[2]
            if outcome.happened is Happened.RELEASED or outcome.decision in self._standing:
                found.append(outcome)
        return found

    def _later(self, order: Order, at: int, what: Happened, detail: str) -> None:
        heapq.heappush(self._coming, (at, next(self._number), Outcome(order.decision, at, what, detail)))


@dataclass(frozen=True, slots=True)
class Enforcer:
    """Who gives a kernel its orders, at the moment that it is now."""

    kernel: Kernel
    now: Callable[[], int]

    def order(self, order: Order) -> None:
        self.kernel.take(order, self.now())
