"""The sum over a customer's attachment points, put together from their readings for the rules to judge.

Which points are part of it: all but those whose VM has an act or hard verdict of its own standing,
as that speaks for them already. So one flood is no news twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from edgeguard.config import Judging, Limits
from edgeguard.detection import oneway, rules, syn
from edgeguard.detection.attempts import is_half_open
from edgeguard.detection.episode import RANK, Episode
from edgeguard.model import Band, Share, Subject
from edgeguard.reading import Flow, Reading
from edgeguard.record import PROTOCOL_TCP

SHOWN = 16  # flows, as in the reading of one point


def speaks(episode: Episode | None, measured: int, limits: Limits) -> bool:
    """Whether a point's own verdict stands for what it sends now, so that the sum leaves it out."""
    return episode is not None and RANK[episode.band] >= RANK[Band.ACT] and measured >= limits.act


def together(
    customer: str,
    point: int,
    at: int,
    readings: Sequence[Reading],
    apart: Sequence[Reading],
    rule: str,
    judging: Judging,
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
        crossed={},
        longer={rule: _longer(readings, rule)},
        flows=_flows(readings, rule, judging),
        missing=sum(_missing(reading, rule) for reading in readings),
        shares=_shares(readings, apart, rule, judging),
        **_sums(readings),
    )


ADDED = (
    "syn_acks",
    "resets",
    "one_way",
    "one_way_back",
    "third_acks",
    "half_open",
    "half_open_acks",
    "one_way_tcp",
    "one_way_fragments",
    "unreachable",
    "icmp_answers",
    "answers",
    "service",
)


def _sums(readings: Sequence[Reading]) -> dict[str, Any]:
    """The counts that simply add up. Nothing is known of how many different addresses there are in all."""
    sizes = zip(*(reading.sizes for reading in readings if reading.sizes), strict=False)
    added = {name: sum(getattr(reading, name) for reading in readings) for name in ADDED}
    return {**added, "sizes": tuple(map(sum, sizes))}


def _added(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter({"syn": 0, "udp": 0})
    for count in counts:
        total.update(count)
    return dict(total)


def _longer(readings: Sequence[Reading], rule: str) -> tuple[tuple[int, int], ...]:
    total: Counter[int] = Counter()
    for reading in readings:
        total.update(dict(reading.longer.get(rule, ())))
    return tuple(sorted(total.items()))


def _missing(reading: Reading, rule: str) -> int:
    shown = [flow.packets for flow in reading.flows if flow.rule in ("", rule) and flow.length is None]
    return reading.missing + (shown[-1] if len(shown) >= SHOWN else 0)


def _flows(readings: Sequence[Reading], rule: str, judging: Judging) -> tuple[Flow, ...]:
    """The targets of all, largest first. What one VM got answered is added to no silent target of another."""
    found: dict[Any, list[Flow]] = {}
    for reading in readings:
        for flow in reading.flows:
            key = flow.address, flow.length, flow.protocol, flow.rule, _is_answered(flow, judging)
            found.setdefault(key, []).append(flow)
    merged = sorted(map(_merged, found.values()), key=lambda flow: -flow.packets)
    return tuple([flow for flow in merged if flow.rule in ("", rule)][:SHOWN])


def _is_answered(flow: Flow, judging: Judging) -> bool:
    if flow.protocol == PROTOCOL_TCP and flow.rule in ("", syn.NAME):
        return not is_half_open(flow, judging)
    return not oneway.is_one_way(flow, judging.one_way_ratio)


def _merged(flows: list[Flow]) -> Flow:
    """One target of several points; its port is the one that leads in all of them together."""
    ports: Counter[int] = Counter()
    for flow in flows:
        if flow.port is not None:
            ports[flow.port] += flow.port_packets
    port, port_packets = ports.most_common(1)[0] if ports else (None, 0)
    return replace(
        flows[0],
        port=port,
        packets=sum(flow.packets for flow in flows),
        port_packets=port_packets,
        back=sum(flow.back for flow in flows),
        third_acks=sum(flow.third_acks for flow in flows),
        resets=sum(flow.resets for flow in flows),
        bytes=sum(flow.bytes for flow in flows),
        back_bytes=sum(flow.back_bytes for flow in flows),
    )


def _shares(readings: Sequence[Reading], apart: Sequence[Reading], rule: str, judging: Judging) -> tuple[Share, ...]:
    measure = _share_of(readings, rule, judging)
    shares = [_share(reading, measure(reading), True) for reading in readings]
    shares += [_share(reading, measure(reading), False) for reading in apart]
    return tuple(sorted((s for s in shares if s.packets), key=lambda s: (not s.counted, -s.packets)))


def _share_of(readings: Sequence[Reading], rule: str, judging: Judging) -> Callable[[Reading], int]:
    """Of SYNs the half-open ones, where they are most of the sum: a busy VM is not whom the sum is about."""
    if rule == syn.NAME:
        half = sum(syn.half_open(reading, judging) for reading in readings)
        if 2 * half >= sum(reading.packets.get(rule, 0) for reading in readings):
            return lambda reading: syn.half_open(reading, judging)
    return lambda reading: rules.measured(rule, reading, judging)


def _share(reading: Reading, packets: int, counted: bool) -> Share:
    return Share(reading.subject.vm, reading.subject.tap, packets, counted)
