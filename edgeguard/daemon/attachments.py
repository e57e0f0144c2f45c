"""The attachment points that are counted: which row each tap has, and whose VM hangs on it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from edgeguard.counting.counted import Counted
from edgeguard.counting.state import POINTS
from edgeguard.inventory import Inventory
from edgeguard.model import Subject, Tap, Vm

ROWS = POINTS + 1  # one for each of so many taps, and the overflow row
FURTHER = "further taps"

log = logging.getLogger("edgeguard")


class Attachments:
    """Rows by tap. A row is given to a tap when it appears and taken back when it is gone.

    Taps beyond `points` are counted together in the overflow row, the one after them, which is never
    judged, and wait there for a row of their own.
    """

    noun = "tap"

    def __init__(
        self,
        counting: Counted,
        inventory: Inventory,
        points: int = POINTS,
        began: Callable[[int], None] = lambda point: None,
    ) -> None:
        """`began` is told of each row that is another subject's from then on."""
        self._counting = counting
        self._began = began
        self._inventory = inventory
        self.fit: Callable[[int, Vm | None], None] = lambda point, vm: None  # told whose row it is now
        self._free = list(range(points - 1, -1, -1))
        self._point: dict[int, int] = {}  # by ifindex
        self._taps: dict[int, Tap] = {}
        self._vms: dict[int, Vm | None] = {}
        self._waiting: dict[int, Tap] = {}  # by ifindex: taps at the overflow row, the longest there first
        self._overflow = points
        self._overflowed = False

    def assign(self, tap: Tap) -> int:
        """The row of a tap, new or changed; the overflow row when all others are taken."""
        point = self._point.get(tap.ifindex)
        if point is None:
            if not self._free:
                return self._refuse(tap)
            self._waiting.pop(tap.ifindex, None)
            point = self._point[tap.ifindex] = self._free.pop()
        vm = self._inventory.by_tap(tap.name)
        before, self._taps[point] = self._taps.get(point), tap
        if before is None or (before.name, before.mac) != (tap.name, tap.mac):
            self._hang(point, vm, anew=True)
        elif vm != self._vms.get(point):
            self._hang(point, vm, anew=not self._stays(point, vm))
        return point

    def _refuse(self, tap: Tap) -> int:
        if not self._overflowed:
            self._overflowed = True
            self._counting.assign(self._overflow, Subject(None, FURTHER, None), ())
            self._counting.never_judge(self._overflow)
        if tap.ifindex not in self._waiting:
            log.warning(
                "tap %s: all %s rows are taken: it is counted together with other taps, not judged and never acted "
                "upon until a row is free",
                tap.name,
                f"{self._overflow:,}",
            )
        self._waiting[tap.ifindex] = tap
        return self._overflow

    @property
    def refused(self) -> int:
        """How many taps are at the overflow row now."""
        return len(self._waiting)

    def waiting(self) -> list[Tap]:
        """The taps at the overflow row."""
        return list(self._waiting.values())

    def due(self) -> list[Tap]:
        """Of these, the ones for which a row is free: whoever captures them must have them assigned again."""
        return self.waiting()[: len(self._free)]

    def overflowed(self) -> tuple[int, int]:
        """Every frame out of and into taps at the overflow row so far."""
        return self._counting.frames(self._overflow) if self._overflowed else (0, 0)

    def _stays(self, point: int, vm: Vm | None) -> bool:
        before = self._vms.get(point)
        return vm is not None and before is not None and vm.id == before.id

    def _hang(self, point: int, vm: Vm | None, *, anew: bool) -> None:
        self._vms[point] = vm
        addresses = vm.addresses if vm else ()
        if anew:
            self._began(point)
            subject = Subject(vm.id if vm else None, self._taps[point].name, None)
            self._counting.assign(point, subject, addresses)
        else:
            self._counting.own(point, addresses)
        self._counting.customers.hang(point, vm.customer if vm else None)
        self.fit(point, vm)

    def gone(self, tap: Tap) -> int | None:
        """The row that a tap had to itself, free again."""
        self._waiting.pop(tap.ifindex, None)
        point = self._point.pop(tap.ifindex, None)
        if point is not None:
            del self._taps[point]
            self._vms.pop(point, None)
            self._counting.customers.hang(point, None)
            self._free.append(point)
        return point

    def look_up_again(self) -> list[int]:
        """The inventory changed: ask it again for every tap. The rows that are another VM's now.

        A row that stays its VM's keeps its counts.
        """
        others = []
        for point, tap in self._taps.items():
            vm = self._inventory.by_tap(tap.name)
            if vm != self._vms.get(point):
                stays = self._stays(point, vm)
                self._hang(point, vm, anew=not stays)
                others += [] if stays else [point]
        return others

    def tap(self, point: int) -> Tap | None:
        return self._taps.get(point)

    def rows(self) -> list[tuple[int, Vm | None]]:
        """Every row in use, and whose it is."""
        return list(self._vms.items())

    def vm(self, point: int) -> Vm | None:
        return self._vms.get(point)

    def point_of(self, tap: Tap) -> int | None:
        """The row of this very tap: same ifindex, same MAC."""
        point = self._point.get(tap.ifindex)
        return point if point is not None and self._taps[point].mac == tap.mac else None

    def of_vm(self, vm: str) -> list[tuple[int, Tap]]:
        return [(point, tap) for point, tap in self._taps.items() if (known := self._vms.get(point)) and known.id == vm]

    def taps(self) -> list[tuple[int, Tap]]:
        """Every row in use with its tap."""
        return list(self._taps.items())

    def unknown(self) -> list[Tap]:
        """Taps without an inventory entry: counted, reported, never acted upon."""
        return [tap for point, tap in self._taps.items() if self._vms.get(point) is None]
