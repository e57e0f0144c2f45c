"""The rule of everything: packets out of a subject, whatever they are, except answers, in a second.

SYN-ACKs and resets answer TCP that came in. What the other side answers counts here as well: this is the
limit of what a VM may send at all, above what any healthy one does. Where what nobody answers reaches
*act* by itself, or is half, only that is aimed at: no healthy traffic beside a flood is dropped for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from edgeguard.config import Judging, Limits
from edgeguard.detection import fragments, icmp, oneway, rule, silent, syn, tcp, udp
from edgeguard.detection.attempts import is_half_open
from edgeguard.detection.episode import Episode
from edgeguard.detection.oneway import Amount, Sent
from edgeguard.detection.rule import CALM
from edgeguard.model import Alternative
from edgeguard.reading import OUT, Circumstances, Flow, Reading
from edgeguard.units import count, percent

NAME = "total"
LEAST = 20  # bytes: an IPv4 header
LARGEST_ANSWER = 100  # bytes: IPv6 and TCP headers with all options
ANY = 0  # protocol: whatever goes there
UNANSWERED = 0.5  # of what is measured: from there on nothing else is aimed at


def packets(reading: Reading, _: Judging) -> int:
    came_in = reading.packets.get("syn-in", 0) + reading.packets.get("tcp-in", 0) + reading.syn_acks
    return max(0, reading.packets.get(NAME, 0) - min(reading.answers, came_in))


def unanswered(reading: Reading, judging: Judging) -> int:
    """What the other rules measure, together."""
    parts = (udp.packets, icmp.packets, fragments.packets, tcp.packets)
    return syn.half_open(reading, judging) + sum(part(reading, judging) for part in parts)


def unnamed(reading: Reading) -> int:
    """Packets whose targets nobody counts: of other protocols, and SYN-ACKs that answer no SYN.

    Where these make the limit, the targets that are known are those of healthy traffic beside them.
    """
    named = sum(reading.packets.get(name, 0) for name in OUT if name != NAME)
    return max(0, reading.packets.get(NAME, 0) - named - reading.packets.get("syn-in", 0))


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
    quiet = min(unanswered(reading, judging), mine.packets)
    apart = quiet >= min(limits.act, UNANSWERED * mine.packets)
    hidden = not apart and unnamed(reading) >= min(limits.act, UNANSWERED * mine.packets)
    return Sent(
        flows=() if hidden else _added(_unanswered(reading, judging) if apart else reading.flows),
        what="packets that nobody answers" if apart else "packets",
        back=reading.packets.get("total-in", 0),
        also=lambda: _tried(quiet, mine, apart, limits),
        packets=quiet if apart else None,
    )


# ---- where they go -------------------------------------------------------------------------------


def _unanswered(reading: Reading, judging: Judging) -> Iterator[Flow]:
    yield from silent.flows(syn.flows(reading), lambda flow: is_half_open(flow, judging), reading.missing)
    for part in (udp, icmp, fragments, tcp):
        yield from part.flows(reading, judging)


def _added(flows: Iterable[Flow]) -> tuple[Flow, ...]:
    """By place, whatever their rule. Lower bounds of different packets add up; the rule's own hold all of them."""
    found: dict[tuple[object, int | None, bool], Flow] = {}
    for flow in flows:
        key = flow.address, flow.length, flow.rule == NAME
        found[key] = _both(found[key], flow) if key in found else flow
    largest: dict[tuple[object, int | None], Flow] = {}
    for flow in sorted(found.values(), key=lambda flow: -flow.packets):
        largest.setdefault((flow.address, flow.length), flow)
    return tuple(largest.values())


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


# ---- in words ------------------------------------------------------------------------------------


def _tried(quiet: int, mine: Amount, apart: bool, limits: Limits) -> Iterator[Alternative]:
    told = f"{count(quiet)} of {count(mine.packets)} packets are answered by nobody"
    needs = f"from {percent(UNANSWERED)} or {count(limits.act)} on only those are aimed at"
    yield Alternative("unanswered", apart, f"{told}; {needs}")
    alike = f"{count(mine.packets - quiet)} packets are answered: a fast healthy transfer looks the same"
    yield Alternative("transfer", not apart, f"{alike}; this limit is of everything")
