"""How far the counts can be trusted: the ring's loss and lag, and the kernel's own counter of each tap.

Snapshots are taken once a second. A question about a tap is answered over the span from the
youngest snapshot that is old enough to the moment of asking: our frames lag the kernel's by what
waits in the ring, which would outweigh a span of a few milliseconds. And over the span before it as well, as the
window that is judged reaches back a second: what came in its first half alone must have been seen, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from edgeguard.clock import MILLISECOND
from edgeguard.counting.counted import Counted
from edgeguard.decision.question import KernelCount, Window
from edgeguard.model import Tap
from edgeguard.native import link_counters
from edgeguard.reading import Health

OLD_ENOUGH = 200 * MILLISECOND
BACKLOG = 100 * MILLISECOND
FEW_SAMPLES, FEW_FRAMES = 100, 1000  # fewer of ours, of the kernel's, in a second say nothing of how many are carried
FEW_LOOKED = 50  # fewer frames looked at say nothing of how many came twice


class TapCounter(Protocol):
    """What the kernel has counted at a tap; native.LinkCounter is one."""

    @property
    def rx_frames(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Frames out of each tap by ifindex, as the kernel and as we counted them; `points`: our rows of it."""

    at: int = 0
    kernel: dict[int, int] = field(default_factory=dict)
    ours: dict[int, int] = field(default_factory=dict)
    received: int = 0
    lost: int = 0
    points: dict[int, list[int]] = field(default_factory=dict)
    looked: int = 0
    twice: int = 0


class Vitals:
    """Two snapshots and what has happened since."""

    def __init__(
        self,
        counting: Counted,
        mirrored: bool = False,
        sampling: int = 1,
        counters: Callable[[], Mapping[int, TapCounter]] = link_counters,
    ) -> None:
        """`mirrored`: frames come from a mirror port, which carries one of so many. `counters`: by ifindex."""
        self._counting = counting
        self._counters = counters
        self._mirrored, self._sampling = mirrored, sampling
        self._carried: tuple[float | None, float | None] = (None, None)  # over the last two spans
        self.steps = 0  # of the wall clock, since the start
        self._young = self._old = Snapshot()
        self.health = Health()
        self._stepped_at = 0

    def take(self, now: int, taps: list[tuple[int, Tap]]) -> None:
        """The snapshot of this second. None while a backlog waits in the ring: our count would not be of its time."""
        if self.health.lag_ns > BACKLOG:
            return
        kernel = {index: counter.rx_frames for index, counter in self._counters().items()}
        points: dict[int, list[int]] = {}
        for point, tap in taps:
            points.setdefault(tap.ifindex, []).append(point)
        ours = {ifindex: self._frames(rows) for ifindex, rows in points.items()}
        health = self.health
        taken = Snapshot(now, kernel, ours, health.received, health.lost, points, health.looked, health.twice)
        self._old, self._young = self._young, taken
        self._carried = self._carried[1], self._share_carried(self._old, taken) if self._mirrored else None

    def _frames(self, points: list[int]) -> int:
        """Frames out of these rows, as many as they stand for."""
        return self._sampling * sum(self._counting.frames(point)[0] for point in points)

    def _share_carried(self, before: Snapshot, after: Snapshot) -> float | None:
        """Our frames of a span, per frame that the taps' kernel counters saw; None where either is too few to say.

        Only taps of which something came: a mirror port need not carry them all.
        """
        ours = kernel = 0
        for ifindex, points in after.points.items():
            known = before.points.get(ifindex) == points and ifindex in before.kernel and ifindex in after.kernel
            if known and (came := after.ours[ifindex] - before.ours[ifindex]) > 0:
                ours += came
                kernel += after.kernel[ifindex] - before.kernel[ifindex]
        few = ours < FEW_SAMPLES * self._sampling or kernel < FEW_FRAMES
        return None if few or after.lost > before.lost else ours / kernel

    def note(self, now: int, health: Health) -> None:
        """The ring's state, as often as the engine asks for it."""
        self.health = health
        if health.stepped:
            self.steps += 1
            self._stepped_at = now

    def window(self, now: int) -> Window:
        """Loss, lag and clock over the last one to two seconds."""
        return Window(
            lost=self.health.lost - self._old.lost,
            received=self.health.received - self._old.received,
            lag_ns=self.health.lag_ns,
            stepped=bool(self._stepped_at) and abs(now - self._stepped_at) < 60_000 * MILLISECOND,
            duplicates=self._duplicates(),
            sampling=self._sampling,
            carried=self.carried,
        )

    def _duplicates(self) -> float:
        looked = self.health.looked - self._old.looked
        return (self.health.twice - self._old.twice) / looked if looked >= FEW_LOOKED else 0.0

    @property
    def carried(self) -> float | None:
        """Of the frames that the taps' kernel counters saw, the share that the mirror port brought in two
        spans one after the other: the one nearer to all of them. None: not known.
        """
        first, second = self._carried
        if first is None or second is None:
            return None
        return min(first, second, key=lambda share: max(share, 1 / share))

    def kernel_count(self, now: int, point: int, tap: Tap) -> KernelCount | None:
        """Frames out of a tap over the same span, of two spans the one of which the kernel saw the smaller share.

        None when its counter cannot be read, or our row is younger.
        """
        counter = self._counters().get(tap.ifindex)
        if counter is None:
            return None
        found = (self._since(since, counter.rx_frames, point, tap.ifindex) for since in self._snapshots(now))
        return min((count for count in found if count), key=_share_seen, default=None)

    def _snapshots(self, now: int) -> Iterator[Snapshot]:
        if now - self._young.at >= OLD_ENOUGH:
            yield self._young
        yield self._old

    def _since(self, since: Snapshot, kernel: int, point: int, ifindex: int) -> KernelCount | None:
        points = since.points.get(ifindex, [])
        if ifindex not in since.kernel or point not in points:
            return None
        ours = self._frames(points) - since.ours[ifindex]
        if ours < 0:  # the row began anew within the span
            return None
        return KernelCount(ours=ours, kernel=kernel - since.kernel[ifindex])


def _share_seen(count: KernelCount) -> float:
    return count.kernel / count.ours if count.ours else math.inf
