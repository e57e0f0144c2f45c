"""An episode: one rule's view of one subject from its first loud window until it is quiet.

Frozen; every look returns the next one. It remembers what a window forgets: since when, the peak,
the whole seconds over a limit, and which targets were already reported.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgeguard.clock import SECOND
from edgeguard.config import Judging, Limits
from edgeguard.model import Band, Target

RANK = {None: 0, Band.WARN: 1, Band.ACT: 2, Band.HARD: 3}

TargetKey = tuple[str, int, int | None]


@dataclass(frozen=True, slots=True)
class Episode:
    """`over` holds, for warn and act, the whole seconds (Unix) that were over the limit."""

    since: int
    last_loud: int
    peak: int = 0
    looks: int = 0  # windows seen, one a slot
    sum: int = 0  # of their packets
    over_warn: tuple[int, ...] = ()
    over_act: tuple[int, ...] = ()
    band: Band | None = None  # the highest reported
    reported: frozenset[TargetKey] = frozenset()
    doubted: bool = False  # nothing was done about it because a measurement was in doubt

    def after(self, measured: int, at: int, limits: Limits, judging: Judging) -> Episode:
        """The episode after a window of `measured` packets that ended at `at`."""
        second, rest = divmod(at, SECOND)
        over = 0 if rest else measured  # else the window was a whole second of Unix time
        last = range(second - judging.sustain_of, second)
        return replace(
            self,
            last_loud=at if 2 * measured >= limits.warn else self.last_loud,
            peak=max(self.peak, measured),
            looks=self.looks + 1,
            sum=self.sum + measured,
            over_warn=_with(self.over_warn, last, over >= limits.warn),
            over_act=_with(self.over_act, last, over >= limits.act),
        )

    @property
    def mean(self) -> float:
        """Packets a second, over the windows seen."""
        return self.sum / self.looks if self.looks else 0.0

    def found(self, measured: int, limits: Limits, judging: Judging) -> Band | None:
        """The band that holds now: hard at once, act and warn when sustained and over the limit now.

        "Now" because the window's targets are those of the verdict: after a flood they are anybody's.
        """
        if measured >= limits.hard:
            return Band.HARD
        if measured >= limits.act and len(self.over_act) >= judging.sustain_seconds:
            return Band.ACT
        if measured >= limits.warn and len(self.over_warn) >= judging.sustain_seconds:
            return Band.WARN
        return None

    def says_more(self, band: Band, targets: tuple[Target, ...]) -> bool:
        """A verdict is due when the band rises, or at act and above when a target is new."""
        if RANK[band] > RANK[self.band]:
            return True
        return RANK[band] >= RANK[Band.ACT] and any(not self._knows(target) for target in targets)

    def _knows(self, target: Target) -> bool:
        address, protocol, port = target.key()
        return (address, protocol, port) in self.reported or (address, protocol, None) in self.reported

    def told(self, band: Band, targets: tuple[Target, ...]) -> Episode:
        """The episode once a verdict was given."""
        higher = band if RANK[band] > RANK[self.band] else self.band
        return replace(self, band=higher, reported=self.reported | {target.key() for target in targets})

    def forget(self) -> Episode:
        """Nothing is null-routed any more: what goes on is to be reported again."""
        return replace(self, band=None, reported=frozenset())


def _with(seconds: tuple[int, ...], last: range, over: bool) -> tuple[int, ...]:
    """Those of the seconds that are among the last ones, and the very last where it was over."""
    kept = tuple(s for s in seconds if s in last)
    return (*kept, last[-1]) if over and last[-1] not in kept else kept
