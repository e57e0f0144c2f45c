"""The rule of everything: packets out of a subject, whatever they are, except answers, in a second.

SYN-ACKs and resets answer TCP that came in. Where most of the rest is answered and what is not is below
*act*, it is a busy client: told, never dropped. So no healthy traffic hides a flood beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from edgeguard.config import Judging, Limits
from edgeguard.detection import fragments, icmp, oneway, rule, syn, tcp, udp
from edgeguard.detection.attempts import is_half_open
from edgeguard.detection.episode import Episode
from edgeguard.detection.oneway import Amount, Sent
from edgeguard.detection.rule import CALM
from edgeguard.model import Alternative, Kind
from edgeguard.reading import Circumstances, Flow, Reading
from edgeguard.units import count, percent

NAME = "total"
LEAST = 20  # bytes: an IPv4 header
LARGEST_ANSWER = 100  # bytes: IPv6 and TCP headers with all options
ANY = 0  # protocol: whatever goes there
UNANSWERED = 0.5  # of what is measured: from there on it is a flood, whatever else is sent


def packets(reading: Reading, _: Judging) -> int:
    came_in = reading.packets.get("syn-in", 0) + reading.packets.get("tcp-in", 0) + reading.syn_acks
    return max(0, reading.packets.get(NAME, 0) - min(reading.answers, came_in))


def unanswered(reading: Reading, judging: Judging) -> int:
    """What the other rules measure, together."""
    parts = (udp.packets, icmp.packets, fragments.packets, tcp.packets)
    return syn.half_open(reading, judging) + sum(part(reading, judging) for part in parts)


def flows(reading: Reading, judging: Judging) -> tuple[Flow, ...]:
    """Where unanswered packets go, whatever their rule: lower bounds of different packets add up."""
    found: dict[tuple[object, int | None], Flow] = {}
    for flow in _unanswered(reading, judging):
        key = flow.address, flow.length
        found[key] = _both(found[key], flow) if key in found else flow
    return tuple(sorted(found.values(), key=lambda flow: -flow.packets))


def _unanswered(reading: Reading, judging: Judging) -> Iterator[Flow]:
    yield from (flow for flow in syn.flows(reading) if is_half_open(flow, judging))
    for part in (udp, icmp, fragments, tcp):
        yield from part.flows(reading, judging)


def _both(one: Flow, other: Flow) -> Flow:
    same = one.protocol == other.protocol
    port = one.port if same and one.port == other.port else None
    return replace(
        one,
        protocol=one.protocol if same else ANY,
        port=port,
        packets=one.packets + other.packets,
        port_packets=one.port_packets + other.port_packets if port is not None else 0,
    )


def measure(reading: Reading, judging: Judging) -> Amount:
    measured, sent, size = packets(reading, judging), reading.packets.get(NAME, 0), reading.bytes.get(NAME, 0)
    certain = max(LEAST * measured, size - LARGEST_ANSWER * (sent - measured))
    return Amount(NAME, measured, oneway.scaled(size, measured, sent), certain)


def judge(
    reading: Reading, limits: Limits, judging: Judging, episode: Episode | None, around: Circumstances = CALM
) -> rule.Judged:
    if episode is None and rule.is_silent(reading.packets.get(NAME, 0), limits):
        return None, None
    mine = measure(reading, judging)
    return oneway.judge(mine, lambda: _sent(reading, mine, limits, judging), reading, limits, judging, episode, around)


def _sent(reading: Reading, mine: Amount, limits: Limits, judging: Judging) -> Sent:
    silent = min(unanswered(reading, judging), mine.packets)
    floods = silent >= min(limits.act, UNANSWERED * mine.packets)
    return Sent(
        flows=flows(reading, judging),
        what="packets that nobody answers",
        back=reading.packets.get("total-in", 0),
        also=lambda: _tried(silent, mine, limits, floods),
        kind=None if floods else Kind.BUSY,
        packets=silent,
    )


def _tried(silent: int, mine: Amount, limits: Limits, floods: bool) -> Iterator[Alternative]:
    told = f"{count(silent)} of {count(mine.packets)} packets are answered by nobody"
    needs = f"a flood from {percent(UNANSWERED)} or {count(limits.act)} on, else a busy client"
    yield Alternative(Kind.BUSY, not floods, f"{told}; {needs}")
