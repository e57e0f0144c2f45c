"""The UDP rule: one-way UDP out of a subject, packets in a second; later fragments are of a rule of their own.

One-way means: to targets from which fewer than one packet came back per `one_way_ratio` sent in the
same window. Targets too small for a place of their own are judged together.

Reflection is answered, and a flood all the same: the requests are forged, the answers hit who never asked.
So where most UDP comes from a service's port, a target that gets many times what it sent counts as well.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgeguard.config import Judging, Limits
from edgeguard.detection import oneway, rule, silent
from edgeguard.detection.episode import Episode
from edgeguard.detection.oneway import IP_AND_UDP, Amount, Sent
from edgeguard.detection.rule import CALM
from edgeguard.detection.silent import IsSilent
from edgeguard.model import Alternative, Kind
from edgeguard.reading import Circumstances, Flow, Reading
from edgeguard.record import PROTOCOL_UDP
from edgeguard.units import count, percent

NAME = "udp"
SERVICE = 0.5  # of the UDP out: from ports of services that are used for reflection
# Bytes to a target, for each byte that it sent. Signed answers of a name server are four times their questions on
# average; services that are worth forging requests to give 28 (DNS) to 556 times (NTP): US-CERT TA14-017A.
AMPLIFIED = 5
UP_TO = (128, 512, 1024)  # bytes: the lengths of Reading.sizes


def packets(reading: Reading, judging: Judging) -> int:
    """One-way, and what is reflected beside it. Of a prefix some may be one-way as well: never counted twice."""
    found = reflected(reading, judging)
    answered = (f for f in found if f.length is None and not oneway.is_one_way(f, judging.one_way_ratio))
    return max(reading.one_way + sum(flow.packets for flow in answered), sum(flow.packets for flow in found))


def reflected(reading: Reading, judging: Judging) -> tuple[Flow, ...]:
    """Hosts that stand out of all UDP and get several times what they asked for, and prefixes of which no host does.

    They must have asked.
    """
    sent = reading.packets.get(NAME, 0)
    if not reading.service or reading.service < SERVICE * sent:
        return ()
    least = judging.target_share * sent
    found = [flow for flow in oneway.of_rule(reading, NAME, PROTOCOL_UDP) if _is_reflected(flow, least)]
    hosts = [flow for flow in found if flow.length is None]
    prefixes = [flow for flow in found if flow.length is not None]
    return (*hosts, *(prefix for prefix in prefixes if not any(silent.is_inside(host, prefix) for host in hosts)))


def _is_reflected(flow: Flow, stands_out: float) -> bool:
    return flow.packets >= stands_out and flow.back_bytes > 0 and flow.bytes >= AMPLIFIED * flow.back_bytes


def _hosts(reading: Reading) -> tuple[Flow, ...]:
    return tuple(flow for flow in oneway.of_rule(reading, NAME, PROTOCOL_UDP) if flow.length is None)


def flows(reading: Reading, judging: Judging) -> tuple[Flow, ...]:
    """Those that are measured, largest first."""
    mine = oneway.of_rule(reading, NAME, PROTOCOL_UDP)
    return silent.flows(mine, _is_measured(reading, judging), reading.missing)


def _is_measured(reading: Reading, judging: Judging) -> IsSilent:
    counted = reflected(reading, judging)
    prefixes = [flow for flow in counted if flow.length is not None]

    def is_measured(flow: Flow) -> bool:
        if oneway.is_one_way(flow, judging.one_way_ratio) or flow in counted:
            return True
        return any(silent.is_inside(flow, prefix) for prefix in prefixes)

    return is_measured


def measure(reading: Reading, judging: Judging) -> Amount:
    """Bytes are exact for the targets that were counted, and by the mean of the rest for the rest."""
    measured, sent, size = packets(reading, judging), reading.packets.get(NAME, 0), reading.bytes.get(NAME, 0)
    hosts = _hosts(reading)
    if not any(flow.bytes for flow in hosts):
        return Amount(NAME, measured, oneway.scaled(size, measured, sent), IP_AND_UDP * measured)
    mine = [*filter(_is_measured(reading, judging), hosts)]
    rest = max(0, measured - sum(flow.packets for flow in mine))
    exact = sum(flow.bytes for flow in mine)
    others = max(0, sent - sum(flow.packets for flow in hosts))
    others_size = max(0, size - sum(flow.bytes for flow in hosts))
    return Amount(NAME, measured, exact + oneway.scaled(others_size, rest, others), exact + IP_AND_UDP * rest)


def judge(
    reading: Reading, limits: Limits, judging: Judging, episode: Episode | None, around: Circumstances = CALM
) -> rule.Judged:
    if episode is None and rule.is_silent(reading.packets.get(NAME, 0), limits):
        return None, None
    mine = measure(reading, judging)
    return oneway.judge(mine, lambda: _sent(reading, mine, judging), reading, limits, judging, episode, around)


def _sent(reading: Reading, mine: Amount, judging: Judging) -> Sent:
    requested = reflected(reading, judging)
    reflects = bool(mine.packets) and 2 * sum(flow.packets for flow in requested) >= mine.packets
    return Sent(
        flows=flows(reading, judging),
        what="answers of services" if reflects else "one-way UDP packets",
        back=reading.one_way_back,
        also=lambda: _tried(reading, mine, requested, reflects),
        kind=Kind.REFLECTION if reflects else None,
    )


# ---- in words ------------------------------------------------------------------------------------


def _tried(reading: Reading, mine: Amount, requested: tuple[Flow, ...], reflects: bool) -> Iterator[Alternative]:
    sent = reading.packets.get(NAME, 0)
    answered = f"{count(max(0, sent - mine.packets))} of {count(sent)} UDP packets went to targets that answer"
    yield Alternative("answered", False, f"{answered}, and are left out")
    yield Alternative(Kind.REFLECTION, reflects, _reflection(reading, sent, requested))
    if not reflects:
        alike = "a stream that nobody answers (iperf3 -u, an RTP push) looks the same at the port"
        yield Alternative("one-way stream", True, alike + _sizes(reading))


def _reflection(reading: Reading, sent: int, requested: tuple[Flow, ...]) -> str:
    share = percent(min(1.0, reading.service / sent)) if sent else "0 %"
    told = f"{share} of the UDP left from ports of services used for reflection, from {percent(SERVICE)} on it may be"
    if not requested:
        return f"{told}; no target that stands out got {AMPLIFIED} times the bytes that it sent"
    most = requested[0]
    times = most.bytes / most.back_bytes
    place = most.address if most.length is None else f"{most.address}/{most.length}"
    return f"{told}; {place} got {count(most.bytes)} bytes for {count(most.back_bytes)} asked, {times:.1f} times"


def _sizes(reading: Reading) -> str:
    if not any(reading.sizes):
        return ""
    names = (*(f"to {size}" for size in UP_TO), "above")
    told = ", ".join(f"{name} {count(n)}" for name, n in zip(names, reading.sizes, strict=False))
    return f"; all UDP by length [bytes]: {told}"
