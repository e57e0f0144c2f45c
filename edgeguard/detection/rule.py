"""What every rule shares: from a measured window and an episode to a verdict with its arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from edgeguard.clock import SECOND, SLOT
from edgeguard.config import Judging, Limits
from edgeguard.detection.episode import Episode
from edgeguard.model import Alternative, Band, CameBack, Kind, Spread, Target, Verdict, identity
from edgeguard.reading import INTO, Circumstances, Flow, Reading

# A port is named as the target's only when nearly all of the target's packets go there: a narrower
# null route than the flood would let the rest through.
PORT_SHARE = 0.9
WINDOW_S = 1
CALM = Circumstances()
PACKETS, BITS = "packets", "bits"

Judged = tuple[Episode | None, Verdict | None]
Judge = Callable[[Reading, Limits, Judging, Episode | None, Circumstances], Judged]


@dataclass(frozen=True, slots=True)
class Level:
    """One comparison with one limit. It is passed when what is certain reaches the limit."""

    band: Band
    measured: int
    at_least: int
    limit: int
    unit: str = PACKETS
    part: str = ""  # which of the window's packets, where a rule tells them apart
    harm: str | None = None
    harmless: bool = False  # no flood's packets

    @property
    def loud(self) -> bool:
        return 2 * self.measured >= self.limit

    @property
    def passed(self) -> bool:
        return self.at_least >= self.limit


@dataclass(frozen=True, slots=True)
class Measured:
    """What a rule read from a window. `levels`: the highest band first. `packets` is exact."""

    packets: int
    bytes: int
    foreign: int | None
    crossed: int
    levels: tuple[Level, ...]

    @property
    def loud(self) -> bool:
        """Half of any limit begins an episode."""
        return any(level.loud for level in self.levels)

    def keeps(self, episode: Episode) -> bool:
        """And keeps it alive. Once a flood was told, what is no flood's does not: or a busy client is never freed."""
        return any(level.loud and not (level.harmless and episode.told_flood) for level in self.levels)


@dataclass(frozen=True, slots=True)
class Reads:
    """What a rule takes a window over a limit for. `tried` says so in words, when a verdict is given."""

    kind: Kind
    targets: tuple[Target, ...]
    forging: bool
    came_back: CameBack
    tried: Callable[[], Iterable[Alternative]]


def is_silent(packets: int, limits: Limits) -> bool:
    """Below every level's half, whatever the rule makes of them: nothing to measure. The way of most looks."""
    return 2 * packets < limits.warn and limits.bits is None


def levels(packets: int, size: int, certain: int, limits: Limits, around: Circumstances) -> tuple[Level, ...]:
    """All limits of a rule that tells no parts apart; `size` and what of it is `certain` in bytes."""
    found = []
    for band in (Band.HARD, Band.ACT, Band.WARN):
        found.append(Level(band, packets, packets, limits.of(band)))
        found += in_bits(band, size, certain, limits, around)
    return tuple(found)


def in_bits(band: Band, size: int, certain: int, limits: Limits, around: Circumstances) -> Iterator[Level]:
    """The limit of a band in bits, where there is one. A share of the uplink is hard only while others suffer."""
    limit = getattr(limits.bits, band) if limits.bits else None
    if limit is None:
        return
    needs_harm = band is Band.HARD and limits.bits is not None and limits.bits.only_in_harm
    if not needs_harm:
        yield Level(band, 8 * size, 8 * certain, limit, BITS)
    elif around.harm is not None:
        yield Level(band, 8 * size, 8 * certain, limit, BITS, harm=around.harm)


def target(flow: Flow, packets: int, protocol: int | None = None) -> Target:
    """A flow as what can be null-routed; its share is of `packets`."""
    leads = flow.port is not None and flow.port_packets >= PORT_SHARE * flow.packets
    return Target(
        address=flow.address,
        protocol=flow.protocol if protocol is None else protocol,
        port=flow.port if leads else None,
        share=round(min(1.0, flow.packets / packets), 4) if packets else 0.0,
        packets=flow.packets,
        length=flow.length,
    )


def judge(
    rule: str,
    reading: Reading,
    measured: Measured,
    read: Callable[[Level], Reads],
    judging: Judging,
    episode: Episode | None,
    around: Circumstances,
) -> Judged:
    """One look of one rule at one window: the episode after it, and a verdict when there is news."""
    if episode is None:
        if not measured.loud:
            return None, None
        episode = Episode(since=(reading.at - 1) // SLOT * SLOT, last_loud=reading.at)
    passed = {level.band for level in measured.levels if level.passed}
    episode = episode.after(measured.packets, reading.at, measured.keeps(episode), passed, judging)
    level = _found(measured.levels, episode, reading.at, judging, around)
    if level is None:
        return episode, None
    reads = read(level)
    if not episode.says_more(level.band, reads.targets, reads.kind, reads.forging):
        return episode, None
    verdict = _verdict(rule, reading, measured, level, reads, judging, episode, around)
    return episode.told(level.band, reads.targets, reads.kind, reads.forging), verdict


def _found(all_: tuple[Level, ...], episode: Episode, at: int, judging: Judging, around: Circumstances) -> Level | None:
    """The highest level that is passed now and holds.

    "Now" because the window's targets are those of the verdict: after a flood they are anybody's. A warning
    that a higher band would follow within a second waits for the end of the running one, to be one message and
    not two. In doubt about what came back, act is a warning.
    """
    doubt = around.in_doubt is not None
    passed = [level for level in all_ if level.passed]
    level = next((level for level in passed if episode.holds(level.band, judging, doubt)), None)
    if level is None:
        return None
    found = replace(level, band=Band.WARN) if doubt and level.band is Band.ACT else level
    higher = Band.HARD if doubt else Band.ACT
    rises = any(level.band is higher for level in passed) and episode.is_close_to(higher, judging)
    return None if found.band is Band.WARN and rises and at % SECOND != 0 else found


def _verdict(
    rule: str,
    reading: Reading,
    measured: Measured,
    level: Level,
    reads: Reads,
    judging: Judging,
    episode: Episode,
    around: Circumstances,
) -> Verdict:
    at_once = level.band is Band.HARD and around.in_doubt is None
    return Verdict(
        id=identity("v", rule, level.band, reading.subject, reading.at),
        at=reading.at,
        rule=rule,
        band=level.band,
        subject=reading.subject,
        point=reading.point,
        window_s=WINDOW_S,
        measured=level.measured,
        at_least=level.at_least,
        limit=level.limit,
        since=episode.since,
        crossed=_crossed(reading.at, measured.crossed) if at_once and level.unit == PACKETS else reading.at,
        targets=reads.targets,
        target_error=reading.missing,
        came_back=CameBack(None) if around.in_doubt else reads.came_back,
        bytes=_bytes(measured, level),
        peak=episode.peak,
        mean=round(episode.mean, 1),
        foreign=_foreign(measured, level),
        longer=reading.longer.get(rule, ()),
        spread=_spread(rule, reading),
        shares=reading.shares,
        sustain=_sustain(at_once, judging),
        kind=reads.kind,
        unit=level.unit,
        forging=reads.forging,
        alternatives=(*reads.tried(), *_doubt(around, judging)),
        harm=level.harm,
    )


def _foreign(measured: Measured, level: Level) -> int | None:
    """Of the packets that are told, so never more than those."""
    if measured.foreign is None or level.unit != PACKETS:
        return measured.foreign
    return min(measured.foreign, level.measured)


def _bytes(measured: Measured, level: Level) -> int:
    """Of the packets that the level compared: a rule that tells parts apart has counted the bytes of all."""
    if level.unit == BITS:
        return level.measured // 8
    return measured.bytes * level.measured // measured.packets if measured.packets else measured.bytes


def _crossed(at: int, crossed: int) -> int:
    """The packet that reached the limit, where it is one of this window; else nothing finer is known."""
    return crossed if at - SECOND <= crossed <= at else at


def _spread(rule: str, reading: Reading) -> Spread | None:
    """Of what reaches a subject about how many senders there are is known, of SYNs and UDP together."""
    spreads = reading.spread or {}
    out = spreads.get(rule.removesuffix("-in"))
    return replace(out, targets=0) if out and rule in INTO and rule not in spreads else spreads.get(rule)


def _sustain(at_once: bool, judging: Judging) -> str:
    return "at once" if at_once else f"{judging.sustain_seconds} of the last {judging.sustain_of} seconds"


def _doubt(around: Circumstances, judging: Judging) -> Iterator[Alternative]:
    if around.in_doubt is not None:
        needs = f"hard needs {judging.sustain_seconds} s, act is a warning, and less is not told"
        yield Alternative("doubt", True, f"what came back is unknown, not zero: {around.in_doubt}; {needs}")
