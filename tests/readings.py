"""Readings and flows to judge, as counting would make them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from edgeguard.clock import SECOND
from edgeguard.model import Spread, Subject
from edgeguard.reading import INTO, OUT, Flow, Reading

T = 1_767_225_600 * SECOND
NOTHING = dict.fromkeys((*OUT, *INTO), 0)
EMPTY = Reading(
    point=0,
    subject=Subject("vm-1", "tap1", None),
    at=T,
    packets=NOTHING,
    bytes=NOTHING,
    foreign=NOTHING,
    crossed=NOTHING,
    longer=dict.fromkeys((*OUT, *INTO), ()),
    flows=(),
    missing=0,
    syn_acks=0,
    resets=0,
    one_way=0,
    one_way_back=0,
)
TARGET, OTHER = "198.51.100.1", "198.51.100.80"


def to(address: str, packets: int, rule: str = "syn", **more: Any) -> Flow:
    """What an address, or a prefix with its length, got of a rule's packets; all of it to one port."""
    place, _, length = address.partition("/")
    protocol = {"udp": 17, "icmp": 1}.get(rule, 6)
    flow = Flow(ip_address(place), protocol, 443, packets, packets, 0, rule, int(length) if length else None)
    return replace(flow, **more)


def reading(at: int = T, **more: Any) -> Reading:
    """A window; what is named by a rule's name with `_in` for what came in are its packets, the rest fields."""
    names = {rule.replace("-", "_"): rule for rule in (*OUT, *INTO)}
    packets = {**NOTHING, **{names[name]: more.pop(name) for name in list(more) if name in names}}
    size = {**{rule: 100 * n for rule, n in packets.items()}, **more.pop("size", {})}
    foreign = more.pop("foreign", NOTHING)
    forged = None if foreign is None else {**NOTHING, **foreign}
    return replace(EMPTY, at=at, packets=packets, bytes=size, foreign=forged, **more)


def syns(at: int, half: int, *flows: Flow, completed: int = 0, targets: int | None = None, **more: Any) -> Reading:
    """Connection attempts: half-open ones, and some whose handshakes are completed."""
    spread = {"syn": Spread(targets, more.pop("sources", 0), 0)} if targets is not None else None
    return reading(
        at,
        syn=half + completed,
        half_open=half,
        third_acks=completed,
        syn_acks=completed,
        flows=tuple(sorted(flows, key=lambda flow: -flow.packets)),
        spread=spread,
        **more,
    )


def handshakes(address: str, packets: int) -> Flow:
    """A target with which every handshake is completed."""
    return to(address, packets, back=packets, third_acks=packets)


def beside(one: Reading, other: Reading) -> Reading:
    """Both in one window, at different targets: all counts add up."""
    flows = tuple(sorted((*one.flows, *other.flows), key=lambda flow: -flow.packets))[:16]
    sums: dict[str, Any] = {
        name: getattr(one, name) + getattr(other, name)
        for name in Reading.__slots__
        if isinstance(getattr(one, name), int) and name not in ("point", "at")
    }
    dicts: dict[str, Any] = {
        name: {rule: n + getattr(other, name)[rule] for rule, n in getattr(one, name).items()}
        for name in ("packets", "bytes", "foreign")
    }
    return replace(one, flows=flows, spread=_together(one, other), **sums, **dicts)


def _together(one: Reading, other: Reading) -> dict[str, Spread] | None:
    if one.spread is None or other.spread is None:
        return one.spread or other.spread
    return {
        rule: Spread(
            spread.targets + other.spread[rule].targets,
            spread.sources_out + other.spread[rule].sources_out,
            spread.sources_in + other.spread[rule].sources_in,
        )
        for rule, spread in one.spread.items()
    }
