"""The host around the engine, in a scenario's time: an inventory, taps, their kernel counters, and loss."""

from __future__ import annotations

import numpy as np

from bench.quality.frames import Array
from edgeguard.cases.case import Case
from edgeguard.clock import SECOND
from edgeguard.decision.question import KernelCount, Window
from edgeguard.model import Decision, Order, Tap, TapKind, Verdict, Vm
from edgeguard.record import NOBODY, Records

Told = Verdict | Decision


class World:
    """Surroundings that remember what they are told. Orders are taken and never refused."""

    replayed = False

    def __init__(self, machines: tuple[Vm, ...]) -> None:
        self._machines = machines
        self._passed: list[tuple[Array, Array, Array]] = []  # times, point left, lost: of the last two parts
        self._now = 0
        self.told: list[Told] = []
        self.orders: list[Order] = []
        self.closed_at: list[int] = []

    def pass_by(self, records: Records, lost: Array) -> None:
        """Frames that pass now, those that the capture loses among them."""
        self._passed = [*self._passed[-1:], (records["ts"].copy(), records["out_of"].copy(), lost)]

    # ---- what the engine asks ------------------------------------------------------------------

    def vm(self, point: int) -> Vm | None:
        return self._machines[point] if 0 <= point < len(self._machines) else None

    def tap(self, point: int) -> Tap | None:
        vm = self.vm(point)
        return Tap(100 + point, vm.taps[0], "02:00:5e:20:00:01", TapKind.ROUTED, "routed") if vm else None

    def window(self) -> Window | None:
        lost, kept = self._last_second(None)
        return Window(lost=lost, received=kept, lag_ns=0, stepped=False)

    def kernel_count(self, point: int) -> KernelCount | None:
        lost, kept = self._last_second(point)
        return KernelCount(ours=kept, kernel=kept + lost)

    def _last_second(self, point: int | None) -> tuple[int, int]:
        """Frames lost and frames counted in the second until now: of a point, or of the whole host."""
        lost = kept = 0
        for at, out_of, gone in self._passed:
            first, last = np.searchsorted(at, (self._now - SECOND, self._now), side="right")
            part = slice(int(first), int(last))
            mine = np.ones(len(at[part]), bool) if point is None else out_of[part] == point
            lost += int((gone[part] & mine).sum())
            kept += int((~gone[part] & mine).sum())
        return lost, kept

    # ---- what it tells ---------------------------------------------------------------------------

    def verdict(self, verdict: Verdict) -> None:
        self._now = verdict.at
        self.told.append(verdict)

    def decided(self, case: Case, verdict: Verdict | None, decision: Decision, orders: tuple[Order, ...]) -> bool:
        self.told.append(decision)
        self.orders += orders
        return True

    def closed(self, case: Case, at: int) -> None:
        self.closed_at.append(at)


def points_of(records: Records) -> Array:
    """Which points frames left, where known."""
    known: Array = np.unique(records["out_of"][records["out_of"] != NOBODY])
    return known
