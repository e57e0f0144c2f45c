"""Live capture by several threads: a ring for each, which share the frames of every tap."""

from __future__ import annotations

import math
import secrets
import select
from collections.abc import Callable
from dataclasses import replace

from edgeguard.capture.points import Points
from edgeguard.capture.taps import Taps
from edgeguard.capture.tpacket import SMALLEST_SLOT, RingCapture
from edgeguard.clock import MILLISECOND, now
from edgeguard.config import CaptureSettings
from edgeguard.model import Tap
from edgeguard.native import Ring, Totals, fanout
from edgeguard.reading import Health
from edgeguard.record import RECORD, Records, aligned


class Channel:
    """One thread's ring, with rows and totals of its own."""

    def __init__(self, ring: Ring, points: Points, room: int) -> None:
        """`room` for the records of a block."""
        self.ring, self._points = ring, points
        self.totals = Totals()
        self.lag_ns = 0
        self._rows = aligned(room, RECORD)
        self._poll = select.poll()
        self._poll.register(ring.fileno(), select.POLLIN)

    def read(self) -> Records:
        """What is ready of one block, without waiting. Valid until the next call."""
        n = self.ring.read(self._points.table, self._rows, self.totals)
        if n:
            self.lag_ns = max(0, now() - int(self._rows["ts"][n - 1]))
        return self._rows[:n]

    def wait(self, timeout_s: float) -> None:
        """Until a block is ready."""
        self._poll.poll(math.ceil(timeout_s * 1000))

    def health(self) -> Health:
        received, lost, _ = self.ring.statistics()
        return Health(received, lost, self.lag_ns)


class FanoutCapture(RingCapture):
    """As RingCapture, in several channels, each for a thread of its own.

    Taps are followed, and numbers asked for, only while no thread reads.
    """

    def __init__(self, settings: CaptureSettings, taps: Taps, points: Points, assign: Callable[[Tap], int]) -> None:
        self._further: list[Ring] = []
        super().__init__(settings, taps, points, assign)
        try:
            self._share(settings)
        except BaseException:
            self.close()
            raise
        room = settings.block_bytes // SMALLEST_SLOT
        self.channels = tuple(Channel(ring, points, room) for ring in (self._ring, *self._further))

    def _share(self, settings: CaptureSettings) -> None:
        group = fanout.share(self._ring, secrets.randbits(32))
        for _ in range(settings.threads - 1):
            ring = Ring(settings.block_bytes, settings.blocks, max(1, settings.retire // MILLISECOND))
            self._further.append(ring)
            fanout.join(ring, group)
        self._narrow()

    def follow(self) -> None:
        """Take in link changes, for `changes`."""
        self._follow()

    def totals(self) -> dict[str, int]:
        each = [channel.totals.by_name() for channel in self.channels]
        return {name: sum(totals[name] for totals in each) for name in each[0]}

    def passed_over(self) -> int:
        return sum(channel.ring.unknown() for channel in self.channels)

    def health(self) -> Health:
        """Of all rings: what they received and lost together, and the lag of the one farthest behind."""
        each = self.shares()
        return replace(
            super().health(),
            received=sum(health.received for health in each),
            lost=sum(health.lost for health in each),
            lag_ns=max(health.lag_ns for health in each),
        )

    def shares(self) -> list[Health]:
        """Of each ring by itself."""
        return [channel.health() for channel in self.channels]

    def _rings(self) -> tuple[Ring, ...]:
        return (self._ring, *self._further)

    def _narrow(self) -> None:
        for ring in self._rings():
            ring.exclude(self._taps.excluded())
