"""Packets that nobody answers, over a limit: what the rules of UDP, ICMP, fragments, TCP and everything share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from edgeguard.config import Judging, Limits
from edgeguard.detection import aim, forging, rule
from edgeguard.detection.aim import Aim, Flood
from edgeguard.detection.episode import Episode
from edgeguard.detection.forging import Forging
from edgeguard.detection.rule import Level, Measured, Reads
from edgeguard.model import Alternative, CameBack, Kind
from edgeguard.reading import Circumstances, Flow, Reading
from edgeguard.units import count

IP_AND_UDP = 28  # bytes of IPv4 and UDP (or ICMP) headers: the least that any such packet has


@dataclass(frozen=True, slots=True)
class Amount:
    """A rule's packets of a window that nobody answers. `certain`: bytes that they have at least."""

    rule: str
    packets: int
    bytes: int
    certain: int


@dataclass(frozen=True, slots=True)
class Sent:
    """The same packets looked at: where they went, in words, and what came back.

    `few`: packets a target in a prefix, below which a carpet is a scan. `also`: what else the rule tried.
    `kind`: where the rule knows more than where it aims.
    """

    flows: tuple[Flow, ...]
    what: str
    back: int
    also: Callable[[], Iterable[Alternative]]
    few: int = 0
    kind: Kind | None = None
    protocol: int | None = None  # of the targets; None: that of the flow
    packets: int | None = None  # that the flows are part of; None: those of the amount


Look = Callable[[], Sent]


def of_rule(reading: Reading, name: str, protocol: int | None = None) -> Iterable[Flow]:
    """A rule's flows; by the protocol where no rule is named."""
    return (f for f in reading.flows if f.rule == name or (not f.rule and f.protocol == protocol))


def is_one_way(flow: Flow, ratio: int) -> bool:
    return flow.back * ratio < flow.packets


def scaled(whole: int, part: int, of: int) -> int:
    """Bytes of a part, as if all packets were of one size."""
    return round(whole * part / of) if of else 0


def judge(
    mine: Amount,
    look: Look,
    reading: Reading,
    limits: Limits,
    judging: Judging,
    episode: Episode | None,
    around: Circumstances,
) -> rule.Judged:
    foreign = None if reading.foreign is None else min(mine.packets, reading.foreign.get(mine.rule, 0))
    measured = Measured(
        packets=mine.packets,
        bytes=mine.bytes,
        foreign=foreign,
        crossed=reading.crossed.get(mine.rule, 0),
        levels=rule.levels(mine.packets, mine.bytes, mine.certain, limits, around),
    )

    def read(_: Level) -> Reads:
        return reads(mine, look(), reading, foreign, limits, judging)

    return rule.judge(mine.rule, reading, measured, read, judging, episode, around)


def reads(mine: Amount, sent: Sent, reading: Reading, foreign: int | None, limits: Limits, judging: Judging) -> Reads:
    spread = (reading.spread or {}).get(mine.rule)
    packets = mine.packets if sent.packets is None else sent.packets
    where = aim.take(
        Flood(
            packets=packets,
            flows=sent.flows,
            missing=reading.missing,
            what=sent.what,
            share=judging.target_share,
            act=limits.act,
            targets=spread.targets if spread else None,
            few=sent.few,
        )
    )
    forged = forging.of(packets, foreign, reading, mine.rule, sent.what, limits.act)
    kind = sent.kind or where.kind or (Kind.FORGED if forged.holds else Kind.SPRAY)
    targets = () if kind is Kind.BUSY else where.targets(mine.packets, sent.protocol)
    back = CameBack(sent.back, unreachable=reading.unreachable)
    return Reads(kind, targets, forged.holds and kind is not Kind.BUSY, back, lambda: _tried(sent, kind, where, forged))


def _tried(sent: Sent, kind: Kind, where: Aim, forged: Forging) -> Iterator[Alternative]:
    yield from sent.also()
    yield from where.tried(kind)
    if kind is Kind.SPRAY:
        spray = (
            f"no target and no prefix stands out of {count(where.flood.packets)} {sent.what}: nothing narrow to drop"
        )
    else:
        spray = "something stands out, or it is something else"
    yield Alternative(Kind.SPRAY, kind is Kind.SPRAY, spray)
    yield from forged.tried()
