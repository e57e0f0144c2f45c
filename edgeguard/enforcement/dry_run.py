"""An enforcer that only writes down what it is told: nothing is null-routed, nothing is answered."""

from __future__ import annotations

import os
from collections.abc import Iterable

from edgeguard.model import Order, Outcome


class DryRun:
    """The same verbs as Enforcer; `orders` and `kept` are what would have been done."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.kept: list[Order] = []
        self._silence = os.eventfd(0, os.EFD_CLOEXEC)  # never readable

    def order(self, order: Order) -> None:
        """Write an order down."""
        self.orders.append(order)

    def reconcile(self, orders: Iterable[Order]) -> None:
        """Write down what would stand."""
        self.kept = list(orders)

    def poll(self) -> list[Outcome]:
        """Nothing happens, so nothing has happened."""
        return []

    def fileno(self) -> int:
        """A descriptor that is never readable."""
        return self._silence

    def close(self, remove: bool = False) -> None:
        """Let the descriptor go; `remove` has nothing to take away."""
        if self._silence >= 0:
            os.close(self._silence)
            self._silence = -1
