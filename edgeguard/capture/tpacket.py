"""Live capture: one ring over all taps, which follows them as they come and go."""

from __future__ import annotations

import math
import select
import time
from collections.abc import Callable

from edgeguard.capture.points import Points
from edgeguard.capture.taps import Change, Taps
from edgeguard.clock import MILLISECOND, now
from edgeguard.config import CaptureSettings
from edgeguard.model import Tap
from edgeguard.native import Ring, Totals
from edgeguard.native.headers import Headers
from edgeguard.reading import Health
from edgeguard.record import NOBODY, RECORD, Records, aligned

SMALLEST_SLOT = 128  # bytes a frame takes in a block at least: header 48, address 20, offload 10, frame
ROOM = 8192  # records of one read, 512 KiB: they stay in the second-level cache until they are counted
BUSY = 1024  # frames in one read: 250,000 a second, each block was full before it was closed by time
PAUSE_MS = 4  # a turn of the daemon's loop costs the same for few frames as for many
STEP_NS = 50 * MILLISECOND  # the wall clock against the steady one; NTP slews far slower
_READINGS = 5


class RingCapture:
    """The frames of every tap of this namespace as records.

    `assign` gives the point index of a tap when it appears or changes, or NOBODY to leave it out;
    index and tap are the caller's to remember. `place` asks for it again.
    """

    def __init__(self, settings: CaptureSettings, taps: Taps, points: Points, assign: Callable[[Tap], int]) -> None:
        self._taps, self._points, self._assign = taps, points, assign
        self._totals = Totals()
        self._rows = aligned(ROOM, RECORD)
        self._times = self._rows["ts"]
        self._read = 0
        self._lag = 0
        self._offset = _clock_offset()
        self._changes: list[Change] = []
        self._generation = taps.generation
        self._ring = Ring(settings.block_bytes, settings.blocks, max(1, settings.retire // MILLISECOND))
        self._links = select.poll()
        self._links.register(taps.fileno(), select.POLLIN)
        self._poll = select.poll()
        self._poll.register(self._ring.fileno(), select.POLLIN)
        self._poll.register(taps.fileno(), select.POLLIN)
        for tap in taps.current().values():
            self._apply(Change("appeared", tap))
        self._narrow()

    def read(self, timeout_s: float) -> Records:
        """The next records; empty when nothing came in time. Valid until the next call.

        When the last one found many, and all there were, this one waits `PAUSE_MS` for more in any case.
        """
        if self._links.poll(PAUSE_MS if BUSY <= self._read < ROOM else 0):
            self._follow()
        n = self._decode()
        if n == 0 and timeout_s > 0 and self._poll.poll(math.ceil(timeout_s * 1000)):
            if self._links.poll(0):
                self._follow()
            n = self._decode()
        self._read = n
        return self._rows[:n]

    def changes(self) -> list[Change]:
        """Taps that appeared, changed or are gone since the last call; at first, all there are."""
        changes, self._changes = self._changes, []
        return changes

    def place(self, tap: Tap) -> None:
        """Ask again for the point of a tap that is there: its frames are that point's from the next read on."""
        index = self._assign(tap)
        if index == NOBODY:
            self._points.remove(tap.ifindex)
        else:
            self._points.put(tap.ifindex, index, self._taps.reversed(tap.ifindex))

    def keep(self, headers: Headers) -> None:
        """From now on the last frames of each point are kept there."""
        self._headers = headers  # must live as long as the rings
        for ring in self._rings():
            headers.keep(ring)

    def totals(self) -> dict[str, int]:
        """Running totals by name (struct eg_totals)."""
        return self._totals.by_name()

    def passed_over(self) -> int:
        """Frames of interfaces that are no attachment points and that no filter kept out, running total."""
        return self._ring.unknown()

    def health(self) -> Health:
        """Loss so far, age of the youngest record, and whether the clock stepped since the last call."""
        received, lost, _ = self._ring.statistics()
        before, self._offset = self._offset, _clock_offset()
        return Health(received, lost, self._lag, abs(self._offset - before) > STEP_NS)

    def fileno(self) -> int:
        """The ring's descriptor, readable when a block is ready."""
        return self._ring.fileno()

    def close(self) -> None:
        for ring in self._rings():
            ring.close()

    def _rings(self) -> tuple[Ring, ...]:
        return (self._ring,)

    def _decode(self) -> int:
        n = self._fill()
        if n:
            self._lag = max(0, now() - int(self._times[n - 1]))
        return n

    def _fill(self) -> int:
        """Decode into the rows what is ready; how many."""
        return self._ring.read(self._points.table, self._rows, self._totals)

    def _narrow(self) -> None:
        """Tell the ring which interfaces it may leave out."""
        self._ring.exclude(self._taps.excluded())

    def _follow(self) -> None:
        """Take in link changes; costs one system call when there are none."""
        for change in self._taps.poll():
            self._apply(change)
        if self._generation != self._taps.generation:
            self._generation = self._taps.generation
            self._narrow()

    def _apply(self, change: Change) -> None:
        if change.what == "gone":
            self._points.remove(change.tap.ifindex)
        else:
            self.place(change.tap)
        self._changes.append(change)


def _clock_offset() -> int:
    """The wall clock minus the steady one, of the closest of some readings: others may run between the two."""
    readings = ((time.monotonic_ns(), time.time_ns(), time.monotonic_ns()) for _ in range(_READINGS))
    before, wall, after = min(readings, key=lambda r: r[2] - r[0])
    return wall - (before + after) // 2
