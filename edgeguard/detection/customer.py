"""The sum over a customer's attachment points, put together from their readings for the rules to judge.

Which points are part of it: all but those whose VM has an act or hard verdict of its own standing,
as that speaks for them already. So one flood is no news twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from edgeguard.config import Limits
from edgeguard.detection import udp
from edgeguard.detection.episode import RANK, Episode
from edgeguard.model import Band, Share, Subject
from edgeguard.reading import Flow, Reading
from edgeguard.record import PROTOCOL_UDP

SHOWN = 16  # flows, as in the reading of one point


def speaks(episode: Episode | None, measured: int, limits: Limits) -> bool:
    """Whether a point's own verdict stands for what it sends now, so that the sum leaves it out."""
    return episode is not None and RANK[episode.band] >= RANK[Band.ACT] and measured >= limits.act


def packets(reading: Reading, rule: str) -> int:
    """What a rule measures of a reading."""
    return reading.one_way if rule == udp.NAME else reading.packets[rule]


def together(
    customer: str, point: int, at: int, readings: Sequence[Reading], apart: Sequence[Reading], rule: str, ratio: int
) -> Reading:
    """One reading of many, for one rule. `apart`: of the points that are left out, for the shares only.

    Counts add up. Each reading shows its largest flows only, so what may be missing from a flow of
    the sum is, beside what each reading may miss, as much as the smallest that it shows.
    """
    unknown = any(reading.foreign is None for reading in readings)
    return Reading(
        point=point,
        subject=Subject(None, None, None, customer),
        at=at,
        packets=_added(reading.packets for reading in readings),
        bytes=_added(reading.bytes for reading in readings),
        foreign=None if unknown else _added(reading.foreign or {} for reading in readings),
        crossed=dict.fromkeys(("syn", "udp"), 0),
        longer={rule: _longer(readings, rule)},
        flows=_flows(readings, ratio),
        missing=sum(map(_missing, readings)),
        syn_acks=sum(reading.syn_acks for reading in readings),
        resets=sum(reading.resets for reading in readings),
        one_way=sum(reading.one_way for reading in readings),
        one_way_back=sum(reading.one_way_back for reading in readings),
        shares=_shares(readings, apart, rule),
    )


def _added(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter({"syn": 0, "udp": 0})
    for count in counts:
        total.update(count)
    return dict(total)


def _longer(readings: Sequence[Reading], rule: str) -> tuple[tuple[int, int], ...]:
    total: Counter[int] = Counter()
    for reading in readings:
        total.update(dict(reading.longer[rule]))
    return tuple(sorted(total.items()))


def _missing(reading: Reading) -> int:
    return reading.missing + (reading.flows[-1].packets if len(reading.flows) >= SHOWN else 0)


def _flows(readings: Sequence[Reading], ratio: int) -> tuple[Flow, ...]:
    """The targets of all, largest first. UDP that is answered where it was sent from is none of a flood's."""
    found: dict[Any, list[Flow]] = {}
    for reading in readings:
        for flow in reading.flows:
            if flow.protocol != PROTOCOL_UDP or flow.back * ratio < flow.packets:
                found.setdefault((flow.address, flow.protocol), []).append(flow)
    merged = sorted(map(_merged, found.values()), key=lambda flow: -flow.packets)
    return tuple(merged[:SHOWN])


def _merged(flows: list[Flow]) -> Flow:
    """One target of several points; its port is the one that leads in all of them together."""
    ports: Counter[int] = Counter()
    for flow in flows:
        if flow.port is not None:
            ports[flow.port] += flow.port_packets
    port, port_packets = ports.most_common(1)[0] if ports else (None, 0)
    return Flow(
        address=flows[0].address,
        protocol=flows[0].protocol,
        port=port,
        packets=sum(flow.packets for flow in flows),
        port_packets=port_packets,
        back=sum(flow.back for flow in flows),
    )


def _shares(readings: Sequence[Reading], apart: Sequence[Reading], rule: str) -> tuple[Share, ...]:
    shares = [_share(reading, rule, True) for reading in readings] + [_share(reading, rule, False) for reading in apart]
    return tuple(sorted((s for s in shares if s.packets), key=lambda s: (not s.counted, -s.packets)))


def _share(reading: Reading, rule: str, counted: bool) -> Share:
    return Share(reading.subject.vm, reading.subject.tap, packets(reading, rule), counted)
