"""Capture at mirror ports: copies of many machines' frames on a few interfaces, told apart by MAC and VLAN.

A mirror port is a switch's (SPAN), or one that the host fills itself (tc mirred, Open vSwitch).
The taps are followed all the same: null routes are set there, and their kernel counters are the
independent count.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

import numpy as np

from edgeguard.capture.points import Points
from edgeguard.capture.taps import Change, Taps
from edgeguard.capture.tpacket import RingCapture
from edgeguard.config import CaptureSettings
from edgeguard.model import Tap
from edgeguard.native import Mirror, Twins
from edgeguard.reading import Health

# Packets that a record may stand for: a slot of 100 ms holds 4,000 such records before a count wraps.
MOST = {"packets": 1 << 20, "bytes": np.iinfo(np.uint32).max}


class Machines(Protocol):
    """Whoever gives attachment points to MACs."""

    points: Points  # by MAC and VLAN, changed by the methods below
    overflow: int  # where senders are counted that get no point of their own

    def assign(self, tap: Tap) -> int:
        """A tap appeared or changed."""

    def meet(self, key: int) -> bool:
        """A sender nobody knows was met: give it a point. Whether there is room for another one."""

    def host(self, macs: Iterable[str]) -> None:
        """The MACs of the host's own links from now on."""


class MirrorCapture(RingCapture):
    """The frames of the mirror ports as records; reads like RingCapture.

    With `sampling` above 1 packets and bytes of each record are multiplied by it.
    """

    def __init__(self, settings: CaptureSettings, taps: Taps, machines: Machines) -> None:
        """CaptureError where a mirror port is missing or down."""
        taps.require_mirrors(settings.mirror)
        self._names, self._tunnelled, self._sampling = settings.mirror, settings.vxlan, settings.sampling
        self._machines, self._twins = machines, Twins()
        self._mirror = Mirror(settings.vxlan_port if settings.vxlan else 0, machines.overflow)
        self._ports: list[int] = []
        super().__init__(settings, taps, machines.points, machines.assign)

    def health(self) -> Health:
        """As of a ring over taps, and how many frames came twice."""
        looked, twice = self._twins.totals()
        return replace(super().health(), looked=looked, twice=twice)

    def opened(self) -> int:
        """Frames taken out of VXLAN, running total."""
        return self._mirror.totals()[0]

    def overflowed(self) -> int:
        """Frames of senders that got no attachment point of their own, running total."""
        return self._mirror.totals()[1]

    def _fill(self) -> int:
        n = 0
        while True:
            rows = self._rows[n:]
            n += self._ring.read_mirror(self._mirror, self._points.table, self._twins, rows, self._totals)
            stranger = self._mirror.stranger()
            if not stranger:
                break
            if not self._machines.meet(stranger):
                self._mirror.fill()
        if self._sampling > 1:
            self._scale(n)
        return n

    def _scale(self, n: int) -> None:
        rows = self._rows[:n]
        for name, most in MOST.items():
            rows[name] = np.minimum(rows[name].astype(np.uint64) * self._sampling, most)

    def _narrow(self) -> None:
        self._machines.host(self._taps.macs())
        ports = sorted(self._taps.named(self._names))
        if ports != self._ports:
            self._ports = ports
            self._mirror.listen(ports)
            self._ring.only(ports, self._tunnelled)

    def _apply(self, change: Change) -> None:
        if change.what != "gone":
            self._assign(change.tap)
        self._changes.append(change)
