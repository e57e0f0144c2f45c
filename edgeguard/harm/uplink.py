"""The uplinks: how full they are, what they drop, and whose it is.

Only the way out counts: that is what floods that leave VMs fill. What a link drops inward (`rx_dropped`)
also holds frames of protocols that nobody listens to. One in a hundred frames dropped is harm; fewer are
the ordinary way in which a queue tells TCP to slow down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edgeguard.clock import SECOND
from edgeguard.harm.queue import ROUND
from edgeguard.harm.sender import Sender
from edgeguard.units import bits_per_second, percent

FULL = 0.85  # of the speed
LOST = 0.01  # of the frames that were to leave ...
LOST_AT_LEAST = 100  # ... and so many a second: three of two hundred are no flood
HALF = 0.5  # of an uplink's speed, or of what it carries: from here on it is this VM's doing
LONGEST = 10 * SECOND  # between two samples: older ones say nothing of now


@dataclass(frozen=True, slots=True)
class Uplink:
    """One device by which frames leave the host, as counted so far. `speed`: bits a second; None: not known."""

    name: str
    speed: int | None
    frames: int  # sent
    bytes: int
    dropped: int  # by the device
    queued_out: int | None = None  # dropped by the queue before it, modulo 2^32; None: no queue
    below: bool = False  # a port or a lower device of an uplink: it carries that one's frames, and may carry others'


@dataclass(frozen=True, slots=True)
class Load:
    """What an uplink did in the last second or so: a second's rates."""

    name: str
    speed: int | None
    bits: float
    frames: float
    dropped: float

    @property
    def fill(self) -> float | None:
        return self.bits / self.speed if self.speed else None

    @property
    def lost(self) -> float:
        """The share of frames that did not leave."""
        return self.dropped / (self.frames + self.dropped) if self.dropped else 0.0

    def suffers(self) -> str | None:
        """In words, how whoever sends by this uplink suffers; None: nobody does."""
        said = []
        if self.speed and self.bits > FULL * self.speed:
            said.append(f"{percent(self.bits / self.speed)} full ({_of(self.bits, self.speed)})")
        if self.lost > LOST and self.dropped >= LOST_AT_LEAST:
            said.append(f"dropping {self.dropped:,.0f} frames a second ({percent(self.lost)})")
        return f"uplink {self.name}: {' and '.join(said)}" if said else None

    def share(self, bits: float, frames: float) -> float:
        """How much of it one sender is: by bits, of its speed where that is known; where it drops, by frames too."""
        by_bits = bits / (self.speed or self.bits or 1)
        by_frames = frames / (self.frames + self.dropped) if self.frames + self.dropped else 0.0
        return min(1.0, max(by_bits, by_frames if self.lost > LOST else 0.0))


def _of(bits: float, speed: int) -> str:
    return f"{bits_per_second(bits)} of {bits_per_second(speed)}"


class Uplinks:
    """Two samples of every uplink and of the taps, and what lies between them."""

    def __init__(self, together: int = 0) -> None:
        """`together`: bits a second that all uplinks carry, as configured; 0: nobody says."""
        self._together = together
        self._at = 0
        self._before: Mapping[str, Uplink] = {}
        self._taps: dict[int, tuple[int, int]] = {}
        self._rates: dict[int, tuple[float, float]] = {}  # by point: bits, frames a second out of its tap
        self.loads: tuple[Load, ...] = ()

    def take(self, now: int, uplinks: Sequence[Uplink], senders: Sequence[Sender]) -> None:
        taps = {s.point: (s.tap_bytes, s.tap_frames or 0) for s in senders if s.tap_bytes is not None}
        span = now - self._at
        if 0 < span <= LONGEST:
            seconds = span / SECOND
            self.loads = self._loads(uplinks, seconds)
            self._rates = {
                point: (8 * max(0, n - self._taps[point][0]) / seconds, max(0, m - self._taps[point][1]) / seconds)
                for point, (n, m) in taps.items()
                if point in self._taps
            }
        else:
            self.loads, self._rates = (), {}
        self._at, self._before, self._taps = now, {uplink.name: uplink for uplink in uplinks}, taps

    def _loads(self, uplinks: Sequence[Uplink], seconds: float) -> tuple[Load, ...]:
        """Each device's; what is configured of all together is the speed of a single one, else a load of its own."""
        tops = [uplink.name for uplink in uplinks if not uplink.below]
        loads = [_load(self._before[u.name], u, seconds) for u in uplinks if u.name in self._before]
        if not self._together:
            return tuple(loads)
        if len(tops) == 1:
            return tuple(replace(load, speed=self._together) if load.name in tops else load for load in loads)
        sent = [load for load in loads if load.name in tops]
        whole = Load(
            " and ".join(tops), self._together, sum(load.bits for load in sent), sum(load.frames for load in sent), 0.0
        )
        return (whole, *loads)

    @property
    def is_clear(self) -> bool:
        """No uplink suffers."""
        return all(load.suffers() is None for load in self.loads)

    def harm(self, point: int) -> str | None:
        """In words, how this row's frames harm others at an uplink; None: they do not, or are not most of it."""
        bits, frames = self._rates.get(point, (0.0, 0.0))
        for load in self.loads:
            suffers = load.suffers()
            if suffers and load.share(bits, frames) >= HALF:
                return f"{suffers}; {bits_per_second(bits)} and {frames:,.0f} frames a second of it are this VM's"
        return None

    def told(self) -> list[dict[str, object]]:
        """For `status`."""
        return [
            {
                "name": load.name,
                "speed_bits": load.speed,
                "bits": round(load.bits),
                "fill": None if load.fill is None else round(load.fill, 4),
                "frames": round(load.frames),
                "dropped": round(load.dropped),
                "suffers": load.suffers() is not None,
            }
            for load in self.loads
        ]


def _load(before: Uplink, after: Uplink, seconds: float) -> Load:
    """Counters that began anew (a device that was made again) count from there."""
    frames, octets, dropped = (
        b - a if b >= a else b
        for a, b in (
            (before.frames, after.frames),
            (before.bytes, after.bytes),
            (before.dropped, after.dropped),
        )
    )
    if before.queued_out is not None and after.queued_out is not None and after.frames >= before.frames:
        dropped += (after.queued_out - before.queued_out) % ROUND
    return Load(after.name, after.speed, 8 * octets / seconds, frames / seconds, dropped / seconds)
