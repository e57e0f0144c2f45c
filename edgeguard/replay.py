"""Replaying a savefile: the same engine as live, in the file's time, enforcing nothing.

Everything printed derives from the file and the configuration: two runs give the same bytes.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgeguard.capture.points import Points
from edgeguard.capture.savefile import SavefileCapture
from edgeguard.cases.case import Case
from edgeguard.clock import MINUTE, SLOT
from edgeguard.config import Config
from edgeguard.counting.distinct import Distinct
from edgeguard.counting.readings import ratios
from edgeguard.counting.state import POINTS, SOURCE_KEY
from edgeguard.counting.window import Counting
from edgeguard.decision.question import KernelCount, Window
from edgeguard.decision.writing import Writing
from edgeguard.engine import Engine
from edgeguard.errors import ConfigError
from edgeguard.inventory import Inventory
from edgeguard.letters import Notice
from edgeguard.model import Decision, Order, Subject, Tap, Verdict, Vm
from edgeguard.notice.values import background, compose
from edgeguard.reading import Circumstances
from edgeguard.record import Records, point_key
from edgeguard.way_back import WayBack

SOURCES = 1 << 20  # lines for the sources of a savefile: 256 MiB, of which only what is used is touched
BATCH = 8192  # records: 512 KiB, so that a batch is still in the L2 cache when it is counted
KEY = (0, 0)  # of the distinct counts: the same in every replay, so who makes a capture could aim at a cell
HOST = "savefile"  # nothing of the machine that replays may get into what is printed

Found = Verdict | Decision | Notice


class FileTime:
    """When the time of a savefile ran backwards, by more than a slot: less is only the order of its queues."""

    def __init__(self) -> None:
        self._seen = 0
        self._last = 0
        self._minutes: set[int] = set()  # that a step left, and that it led to

    def pass_by(self, records: Records, steps: int) -> None:
        """The next records, with which the steps back of the file have become so many."""
        if steps != self._seen:
            self._seen = steps
            times = np.concatenate([[self._last], records["ts"]])
            back = np.flatnonzero(np.diff(times) < -SLOT)
            self._minutes.update((np.concatenate([times[back], times[back + 1]]) // MINUTE).tolist())
        self._last = int(records["ts"][-1])

    def stepped(self, at: int) -> bool:
        """Whether that was within a minute of a time."""
        return any(at // MINUTE + n in self._minutes for n in (-1, 0, 1))


class Replay:
    """A savefile's surroundings: an inventory by MAC, or none; no tap, no kernel, no database.

    `tell` is called with every verdict, decision and notice, in order.
    """

    replayed = True

    def __init__(self, path: Path, config: Config, inventory: Inventory, tell: Callable[[Found], None]) -> None:
        self._vms = [vm for vm in inventory.vms() if vm.macs]
        if len(self._vms) > POINTS:
            raise ConfigError([f"[inventory]: {len(self._vms)} VMs with a MAC; one replay can tell {POINTS} apart"])
        self._tell = tell
        self._duplicates = config.capture.duplicates
        self._background = background(config, config.host.name or HOST)
        self._ended: dict[str, Decision] = {}
        self.capture = SavefileCapture(path, self._points() if self._vms else None, room=BATCH)
        self._time = FileTime()
        self.counting = Counting(
            SOURCES,
            ratios=ratios(config.judging),
            judge_sources=not self._vms,
            distinct=Distinct(KEY, len(self._vms)) if self._vms else None,
            key=tuple(secrets.randbits(64) for _ in SOURCE_KEY),  # of speed only: nothing that is printed knows it
        )
        self._way_back = WayBack(self.counting, self._vms)
        self.engine = Engine(config, self.counting, self)
        for point, vm in enumerate(self._vms):
            tap = vm.taps[0] if vm.taps else None
            self.counting.assign(point, Subject(vm.id, tap, None), vm.addresses)
            self.counting.customers.hang(point, vm.customer)
            self.engine.policies.fit(point, vm)

    def _points(self) -> Points:
        macs = [(point_key(mac, vm.vlan), point) for point, vm in enumerate(self._vms) for mac in vm.macs]
        points = Points(len(macs))
        for key, point in macs:
            points.put(key, point)
        return points

    def run(self, progress: Callable[[float], None] | None = None) -> None:
        """Read the file to its end. `progress` is told the share that was read."""
        while len(records := self.capture.read(0)):
            self._time.pass_by(records, self.capture.steps_back)
            for part in self._way_back.seconds(records):
                self.engine.feed(part)
            if progress:
                progress(self.capture.done / self.capture.size)
        self.engine.look(self.counting.slot_end)
        self.counting.close()

    # ---- what the engine asks and tells --------------------------------------------------------

    def vm(self, point: int) -> Vm | None:
        return self._vms[point] if point < len(self._vms) else None

    def tap(self, point: int) -> Tap | None:
        return None

    def taps_of(self, vm: Vm) -> list[tuple[int, Tap]]:
        return []

    def window(self) -> Window | None:
        """None: nothing is in doubt. Frames that came twice are, and time that ran backwards."""
        share, stepped = self.capture.duplicates(), self._time.stepped(self.counting.slot_end)
        if share <= self._duplicates and not stepped:
            return None
        return Window(0, self.capture.totals()["frames"], 0, stepped, duplicates=share)

    def kernel_count(self, point: int) -> KernelCount | None:
        return None

    def circumstances(self, point: int) -> Circumstances:
        return self._way_back.circumstances(point)

    def killed(self) -> str | None:
        """A file in the host's own tree forbids nothing to a savefile."""
        return None

    def customers(self) -> int:
        return len(self.counting.customers.names())

    def permit(self) -> bool | None:
        """Nobody is asked: what is replayed is not to happen."""
        return None

    def writing(self) -> Writing:
        """Nobody is written to."""
        return Writing()

    def verdict(self, verdict: Verdict) -> None:
        self._tell(verdict)

    def decided(self, case: Case, verdict: Verdict | None, decision: Decision, orders: tuple[Order, ...]) -> bool:
        self._ended[decision.id] = decision
        self._tell(decision)
        ended = [self._ended[id] for id in decision.releases]
        vm = next((vm for vm in self._vms if vm.id == case.vm), None)
        for notice in compose(decision, verdict, vm, self._background, ended):
            self._tell(notice)
        return True

    def amended(self, decision: Decision, order: Order) -> None:
        """Nothing is ordered here."""

    def page(self, cause: str, case: str, line: str) -> None:
        """Nobody is woken here."""

    def closed(self, case: Case, at: int) -> None:
        """Nothing is recorded in a replay."""
