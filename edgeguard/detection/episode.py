"""An episode: one rule's view of one subject from its first loud window until it is quiet.

Frozen; every look returns the next one. It remembers what a window forgets: since when, the peak,
the seconds over a limit, and what was already reported.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, replace

from edgeguard.clock import SECOND
from edgeguard.config import Judging
from edgeguard.model import Band, Kind, Target

RANK = {None: 0, Band.WARN: 1, Band.ACT: 2, Band.HARD: 3}
BANDS = (Band.WARN, Band.ACT, Band.HARD)
GRADE = {Kind.BUSY: 0, Kind.SCAN: 1}  # the others are floods
FLOOD = 2
STANDS_OUT = 0.5  # of the packets: targets with less together leave most of a forged flood running

TargetKey = tuple[str, int, int | None]
Ends = tuple[int, ...]
AT_NO_TARGET: TargetKey = ("forged senders", 0, None)  # reported: a forged flood of which no target stands out


def grade(kind: Kind) -> int:
    """How bad a kind is: a scan that becomes a flood is news, the other way round is none."""
    return GRADE.get(kind, FLOOD)


@dataclass(frozen=True, slots=True)
class Episode:
    """`over`: by band, the ends of one-second windows over its limit, none of which overlap.

    `told`: grade and rank of every verdict that was given.
    """

    since: int
    last_loud: int
    peak: int = 0
    looks: int = 0  # windows seen, one a slot
    sum: int = 0  # of their packets
    over: tuple[Ends, Ends, Ends] = ((), (), ())
    band: Band | None = None  # the highest reported
    told_as: frozenset[tuple[int, int]] = frozenset()
    reported: frozenset[TargetKey] = frozenset()
    forging: bool = False  # was reported
    doubted: bool = False  # nothing was done about it because a measurement was in doubt

    def after(self, packets: int, at: int, loud: bool, passed: Set[Band], judging: Judging) -> Episode:
        """The episode after a window of `packets` that ended at `at` and reached the limits of the bands `passed`."""
        warn, act, hard = (
            _with(ends, at, judging.sustain_of * SECOND, band in passed)
            for ends, band in zip(self.over, BANDS, strict=True)
        )
        return replace(
            self,
            last_loud=at if loud else self.last_loud,
            peak=max(self.peak, packets),
            looks=self.looks + 1,
            sum=self.sum + packets,
            over=(warn, act, hard),
        )

    @property
    def mean(self) -> float:
        """Packets a second, over the windows seen."""
        return self.sum / self.looks if self.looks else 0.0

    @property
    def told_flood(self) -> bool:
        return any(g == FLOOD for g, _ in self.told_as)

    def told_lower(self, band: Band, kind: Kind) -> bool:
        """Whether the same kind, or as bad a one, was told in a lower band before."""
        return any(g == grade(kind) and rank < RANK[band] for g, rank in self.told_as)

    def holds(self, band: Band, judging: Judging, in_doubt: bool) -> bool:
        """Whether a band that this window reached holds: hard at once, the others when sustained.

        In doubt about what came back, hard must be sustained too, and what would be a warning is none.
        """
        if in_doubt and band is Band.WARN:
            return False
        if band is Band.HARD and not in_doubt:
            return True
        return len(self.over[BANDS.index(band)]) >= judging.sustain_seconds

    def is_close_to(self, band: Band, judging: Judging) -> bool:
        """One more second over its limit, and the band holds."""
        return len(self.over[BANDS.index(band)]) == judging.sustain_seconds - 1

    def says_more(
        self, band: Band, targets: tuple[Target, ...], kind: Kind = Kind.FLOOD, forging: bool = False
    ) -> bool:
        """A verdict is due when band or kind is worse than any told, when forging begins, or when a target is new.

        Targets are news at act and above, of floods.
        """
        if not any(g >= grade(kind) and rank >= RANK[band] for g, rank in self.told_as):
            return True
        if forging and not self.forging:
            return True
        return any(not self._knows(key) for key in _actionable(band, targets, kind))

    def _knows(self, key: TargetKey) -> bool:
        place, protocol, _ = key
        return key in self.reported or (place, protocol, None) in self.reported

    def told(self, band: Band, targets: tuple[Target, ...], kind: Kind = Kind.FLOOD, forging: bool = False) -> Episode:
        """The episode once a verdict was given.

        Where forging begins and the targets are less than half, it is the forged packets that are decided about:
        the targets are news once more, to be decided about as well.
        """
        begins = forging and not self.forging and sum(target.share for target in targets) < STANDS_OUT
        return replace(
            self,
            band=band if RANK[band] > RANK[self.band] else self.band,
            told_as=self.told_as | {(grade(kind), RANK[band])},
            reported=self.reported | _actionable(band, () if begins else targets, kind),
            forging=self.forging or forging,
        )

    def forget(self) -> Episode:
        """Nothing is null-routed any more: what goes on is to be reported again."""
        return replace(self, band=None, told_as=frozenset(), reported=frozenset(), forging=False)


def _actionable(band: Band, targets: tuple[Target, ...], kind: Kind) -> frozenset[TargetKey]:
    """What a null route could be about."""
    if RANK[band] < RANK[Band.ACT] or grade(kind) < FLOOD:
        return frozenset()
    keys = frozenset(target.key() for target in targets)
    return keys | {AT_NO_TARGET} if kind is Kind.FORGED else keys


def _with(ends: Ends, at: int, last: int, over: bool) -> Ends:
    """Those of the windows that ended within the `last` nanoseconds, and this one where it overlaps none of them.

    Taking each window as soon as it overlaps none before is as many as can be taken (intervals of one
    length, earliest end first), so no other seconds, aligned or not, hold more.
    """
    kept = tuple(end for end in ends if at - last < end <= at)
    return (*kept, at) if over and (not kept or at - kept[-1] >= SECOND) else kept
