"""Which addresses were seen when: plain lists, by packet time as it is told in oracles.counting, and nothing hashed.

A packet older than its predecessors belongs to the slot they reached. When only packets of more than eleven
slots before the end of that slot come for a second of their own time, the clock was set back: time goes on
there, and what was seen before belongs to no window any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from oracles.counting import SECOND, SLOT, Packet, Placed

Own = Sequence[IPv4Network | IPv6Network]


def placed(packets: Iterable[Packet]) -> list[Placed]:
    """What can be in a window that ends now or later: every packet with its slot."""
    found: list[Placed] = []
    slot, behind = -1, 0
    for packet in packets:
        if packet.ts // SLOT > slot:
            slot, behind = packet.ts // SLOT, 0
        elif packet.ts >= (slot - 10) * SLOT:
            behind = 0
        elif not behind or packet.ts < behind:
            behind = packet.ts
        elif packet.ts - behind >= SECOND:
            slot, behind = packet.ts // SLOT, 0
            found = []
        found.append((slot, packet))
    return found


def addresses(stream: Iterable[Placed], count: str, point: int, slot: int, slots: int, own: Own = ()) -> set[str]:
    """The addresses that a count must have seen in the slots that end with `slot`."""
    all_ = [p for at, p in stream if slot - slots < at <= slot and p.judged]
    within = [p for p in all_ if p.source_rule]
    if count == "sources_in":
        return {p.src for p in within if p.into == point}
    out = [p for p in within if p.out_of == point]
    if count == "sources_out":
        left = [p for p in all_ if p.out_of == point] if own else out
        return {p.src for p in left if not any(ip_address(p.src) in prefix for prefix in own)}
    return {p.dst for p in out if p.source_rule == count}
