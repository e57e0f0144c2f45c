"""The host around the engine, in a scenario's time: an inventory, taps, their kernel counters, and loss."""

from __future__ import annotations

import numpy as np

from bench.quality.frames import Array
from bench.quality.scenario import START
from edgeguard.cases.case import Case
from edgeguard.clock import SECOND
from edgeguard.decision.question import KernelCount, Window
from edgeguard.decision.writing import Writing
from edgeguard.harm.return_path import ReturnPath
from edgeguard.harm.sender import Sender
from edgeguard.model import Decision, Order, Tap, TapKind, Verdict, Vm
from edgeguard.reading import Circumstances
from edgeguard.record import Records

Told = Verdict | Decision


class World:
    """Surroundings that remember what they are told. Orders are taken and never refused."""

    replayed = False

    def __init__(self, machines: tuple[Vm, ...]) -> None:
        self.machines = machines
        self._passed: list[tuple[Array, Array, Array]] = []  # times, point left, lost: of the last two parts
        self._now = self._seconds = 0
        self._return_path = ReturnPath()
        self.told: list[Told] = []
        self.orders: list[Order] = []
        self.closed_at: list[int] = []

    def pass_by(self, records: Records, lost: Array) -> None:
        """Frames that pass now, those that the capture loses among them."""
        self._passed = [*self._passed[-1:], (records["ts"].copy(), records["out_of"].copy(), lost)]

    def sample(self, senders: list[Sender]) -> None:
        """What the rows have sent and got by the end of a second."""
        self._seconds += 1
        self._return_path.take(START + self._seconds * SECOND, senders)

    # ---- what the engine asks ------------------------------------------------------------------

    def vm(self, point: int) -> Vm | None:
        return self.machines[point] if 0 <= point < len(self.machines) else None

    def tap(self, point: int) -> Tap | None:
        vm = self.vm(point)
        return Tap(100 + point, vm.taps[0], "02:00:5e:20:00:01", TapKind.ROUTED, "routed") if vm else None

    def window(self) -> Window | None:
        lost, kept = self._last_second(None)
        return Window(lost=lost, received=kept, lag_ns=0, stepped=False)

    def kernel_count(self, point: int) -> KernelCount | None:
        lost, kept = self._last_second(point)
        return KernelCount(ours=kept, kernel=kept + lost)

    def circumstances(self, point: int) -> Circumstances:
        vm = self.vm(point)
        return Circumstances(in_doubt=self._return_path.doubt(vm.customer if vm else None))

    def killed(self) -> str | None:
        return None

    def customers(self) -> int:
        return len({vm.customer for vm in self.machines if vm.customer is not None})

    def taps_of(self, vm: Vm) -> list[tuple[int, Tap]]:
        return []

    def permit(self) -> bool | None:
        return None

    def writing(self) -> Writing:
        return Writing()

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

    def amended(self, decision: Decision, order: Order) -> None:
        """Nothing is ordered here."""

    def page(self, cause: str, case: str, line: str) -> None:
        """Nobody is woken here."""

    def closed(self, case: Case, at: int) -> None:
        self.closed_at.append(at)
