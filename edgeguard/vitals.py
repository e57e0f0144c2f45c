"""How far the counts can be trusted: the ring's loss and lag, and the kernel's own counter of each tap.

Snapshots are taken once a second. A question about a tap is answered over the span from the
youngest snapshot that is old enough to the moment of asking: our frames lag the kernel's by what
waits in the ring, which would outweigh a span of a few milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from edgeguard.clock import MILLISECOND
from edgeguard.counting.window import Counting
from edgeguard.decision.question import KernelCount, Window
from edgeguard.model import Health, Tap
from edgeguard.native import link_counters

OLD_ENOUGH = 200 * MILLISECOND
BACKLOG = 100 * MILLISECOND


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Frames out of each tap by ifindex, as the kernel and as we counted them."""

    at: int = 0
    kernel: dict[int, int] = field(default_factory=dict)
    ours: dict[int, int] = field(default_factory=dict)
    received: int = 0
    lost: int = 0


class Vitals:
    """Two snapshots and what has happened since."""

    def __init__(self, counting: Counting) -> None:
        self._counting = counting
        self._young = self._old = Snapshot()
        self.health = Health()
        self._stepped_at = 0

    def take(self, now: int, taps: list[tuple[int, Tap]]) -> None:
        """The snapshot of this second. None while a backlog waits in the ring: our count would not be of its time."""
        if self.health.lag_ns > BACKLOG:
            return
        kernel = {index: counter.rx_frames for index, counter in link_counters().items()}
        ours = {tap.ifindex: self._counting.frames(point)[0] for point, tap in taps}
        self._old = self._young
        self._young = Snapshot(now, kernel, ours, self.health.received, self.health.lost)

    def note(self, now: int, health: Health) -> None:
        """The ring's state, as often as the engine asks for it."""
        self.health = health
        if health.stepped:
            self._stepped_at = now

    def window(self, now: int) -> Window:
        """Loss, lag and clock over the last one to two seconds."""
        return Window(
            lost=self.health.lost - self._old.lost,
            received=self.health.received - self._old.received,
            lag_ns=self.health.lag_ns,
            stepped=bool(self._stepped_at) and abs(now - self._stepped_at) < 60_000 * MILLISECOND,
        )

    def kernel_count(self, now: int, point: int, tap: Tap) -> KernelCount | None:
        """Frames out of a tap over the same span; None when its counter cannot be read, or our row is younger."""
        counter = link_counters().get(tap.ifindex)
        since = self._young if now - self._young.at >= OLD_ENOUGH else self._old
        if counter is None or tap.ifindex not in since.kernel or tap.ifindex not in since.ours:
            return None
        ours = self._counting.frames(point)[0] - since.ours[tap.ifindex]
        if ours < 0:  # the row began anew within the span
            return None
        return KernelCount(ours=ours, kernel=counter.rx_frames - since.kernel[tap.ifindex])
