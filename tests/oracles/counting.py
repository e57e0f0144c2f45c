"""What counting must come to, packet by packet: plain lists, nothing kept between two questions.

Independent of the kernels: no rings, no running sums, no hashing. Time is the packet's own stamp,
but packet time never goes back: a packet older than its predecessors belongs to the slot they reached.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

import numpy as np

from edgeguard.record import (
    FRAGMENT,
    ICMP,
    NOBODY,
    NON_IP,
    RECORD,
    RST,
    SYN,
    SYNACK,
    TCP,
    UDP,
    Address,
    Records,
    halves,
)

MACS = bytes.fromhex("020000000001020000000002")  # to, from
SLOT = 100_000_000
SECOND = 1_000_000_000
KINDS = {
    "syn": (SYN, 6),
    "synack": (SYNACK, 6),
    "rst": (RST, 6),
    "tcp": (TCP, 6),
    "udp": (UDP, 17),
    "udp fragment": (FRAGMENT, 17),
    "tcp fragment": (FRAGMENT, 6),
    "icmp": (ICMP, 1),
    "arp": (NON_IP, 255),
}


@dataclass(frozen=True, slots=True)
class Packet:
    """One frame of `packets` wire packets; `what` is a name in KINDS."""

    ts: int
    what: str = "syn"
    src: str = "192.0.2.1"
    dst: str = "198.51.100.1"
    port: int = 443
    packets: int = 1
    bytes: int = 60
    out_of: int = NOBODY
    into: int = NOBODY

    @property
    def judged(self) -> tuple[str, ...]:
        """The rules it counts for at an attachment point, out of it."""
        return {
            "syn": ("syn", "total"),
            "udp": ("udp", "total"),
            "icmp": ("icmp", "total"),
            "udp fragment": ("fragments", "total"),
            "tcp fragment": ("fragments", "total"),
            "tcp": ("tcp", "total"),
            "rst": ("tcp", "total"),
            "synack": ("total",),
            "arp": (),
        }[self.what]

    @property
    def rule(self) -> str | None:
        """The rule that a packet is counted for at its target, where that is always done."""
        found = {"syn": "syn", "udp": "udp", "icmp": "icmp", "udp fragment": "fragments", "tcp fragment": "fragments"}
        return found.get(self.what)

    @property
    def source_rule(self) -> str | None:
        """The rule it counts for at its source in a savefile's summary; a later UDP fragment is UDP."""
        return {"syn": "syn", "udp": "udp", "udp fragment": "udp"}.get(self.what)

    @property
    def target(self) -> tuple[Address, int]:
        return ip_address(self.dst), KINDS[self.what][1]

    @property
    def sender(self) -> tuple[Address, int]:
        return ip_address(self.src), KINDS[self.what][1]


def rows(packets: Iterable[Packet]) -> Records:
    """The packets as a batch of records."""
    listed = list(packets)
    out = np.zeros(len(listed), RECORD)
    for row, packet in zip(out, listed, strict=True):
        source, target = ip_address(packet.src), ip_address(packet.dst)
        row["ts"] = packet.ts
        row["src_hi"], row["src_lo"] = halves(source)
        row["dst_hi"], row["dst_lo"] = halves(target)
        row["family"] = 0 if packet.what == "arp" else source.version
        row["kind"], row["protocol"] = KINDS[packet.what]
        row["dst_port"] = 0 if "fragment" in packet.what else packet.port
        row["packets"], row["bytes"] = packet.packets, packet.bytes
        row["out_of"], row["into"] = packet.out_of, packet.into
    return out


Placed = tuple[int, Packet]  # the slot it belongs to


def placed(packets: Sequence[Packet]) -> list[Placed]:
    """Every packet with the slot of packet time it belongs to."""
    latest = 0
    found = []
    for packet in packets:
        latest = max(latest, packet.ts)
        found.append((latest // SLOT, packet))
    return found


def window(stream: Iterable[Placed], slot: int, keep: Callable[[Packet], bool]) -> list[Packet]:
    """The packets to keep of the ten slots that end with `slot`."""
    return [packet for at, packet in stream if slot - 10 < at <= slot and keep(packet)]


def packets(found: Iterable[Packet]) -> int:
    return sum(packet.packets for packet in found)


def octets(found: Iterable[Packet]) -> int:
    return sum(packet.bytes for packet in found)


def by_target(found: Iterable[Packet]) -> dict[tuple[Address, int, str | None], int]:
    """Wire packets of each (address, protocol, rule)."""
    sums: dict[tuple[Address, int, str | None], int] = defaultdict(int)
    for packet in found:
        sums[*packet.target, packet.rule] += packet.packets
    return sums


def by_port(found: Iterable[Packet]) -> dict[tuple[Address, int, str | None, int], int]:
    """Wire packets of each (address, protocol, rule, port); later fragments and ICMP have no port."""
    sums: dict[tuple[Address, int, str | None, int], int] = defaultdict(int)
    for packet in found:
        if packet.rule in ("syn", "udp"):
            sums[*packet.target, packet.rule, packet.port] += packet.packets
    return sums


def first_crossing(found: Sequence[Packet], rule: str, level: int, point: int = 0) -> int:
    """The stamp of the first packet of a point with which its window holds `level` packets; 0: none."""
    stream = placed(found)
    name, into = rule.removesuffix("-in"), rule.endswith("-in")

    def counts(packet: Packet) -> bool:
        return (packet.into if into else packet.out_of) == point and name in packet.judged

    for n, (slot, packet) in enumerate(stream):
        if counts(packet) and packets(window(stream[: n + 1], slot, counts)) >= level:
            return packet.ts
    return 0


def last_crossing(found: Sequence[Packet], rule: str, level: int, now: int, point: int = 0) -> int:
    """The same of the last time: where a slot begins with less than `level` packets, it may be crossed anew.

    `now`: the slot that is asked in. A slot begins for a point with its first IP packet.
    """
    stream = [(slot, p) for slot, p in placed(found) if point in (p.out_of, p.into) and p.judged]
    name, into = rule.removesuffix("-in"), rule.endswith("-in")

    def counts(packet: Packet) -> bool:
        return (packet.into if into else packet.out_of) == point and name in packet.judged

    crossed, before = 0, -1
    for n, (slot, packet) in enumerate([*stream, (now, None)]):
        if slot > before and packets(window(stream[:n], slot, counts)) < level:
            crossed = 0
        before = slot
        if packet and not crossed and counts(packet) and packets(window(stream[: n + 1], slot, counts)) >= level:
            crossed = packet.ts
    return crossed


def widest_second(stamps: Sequence[tuple[int, int]]) -> int:
    """The largest sum of weights in any half-open second; (stamp, weight) by rising stamp."""
    return max((sum(w for ts, w in stamps if first <= ts < first + SECOND) for first, _ in stamps), default=0)


def widest_slots(stamps: Sequence[tuple[int, int]], slots: int) -> int:
    """The largest sum of weights in that many consecutive aligned slots."""
    ends = {ts // SLOT for ts, _ in stamps}
    return max((sum(w for ts, w in stamps if end - slots < ts // SLOT <= end) for end in ends), default=0)


def frame(packet: Packet) -> bytes:
    """The packet as an Ethernet frame of its IP length, headers only where that is all there is."""
    kind, protocol = KINDS[packet.what]
    source, target = ip_address(packet.src), ip_address(packet.dst)
    flags = {SYN: 0x02, SYNACK: 0x12, RST: 0x04}.get(kind, 0x10)
    if protocol == 6:
        upper = struct.pack(">HHIIBBHHH", 40_000, packet.port, 1, 0, 5 << 4, flags, 64_240, 0, 0)
    else:
        upper = struct.pack(">HHHH", 40_000, packet.port, max(8, packet.bytes - 20), 0)
    if source.version == 6:
        payload = packet.bytes - 40
        head = struct.pack(">IHBB", 6 << 28, payload, protocol, 64) + source.packed + target.packed
        return MACS + b"\x86\xdd" + head + upper.ljust(payload, b"\0")
    head = struct.pack(">BBHHHBBH", 0x45, 0, packet.bytes, 0, 0, 64, protocol, 0) + source.packed + target.packed
    return MACS + b"\x08\x00" + head + upper.ljust(packet.bytes - 20, b"\0")


def savefile(packets: Iterable[Packet]) -> bytes:
    """A nanosecond pcap of the packets."""
    body = [struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65_535, 1)]
    for packet in packets:
        whole = frame(packet)
        body.append(struct.pack("<IIII", packet.ts // SECOND, packet.ts % SECOND, len(whole), len(whole)) + whole)
    return b"".join(body)
