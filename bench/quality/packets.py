"""Packets by the thousand: whole headers with right checksums, filled column by column.

Payload is zeros (only its length is kept), so a sum over the headers is the whole checksum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import numpy as np

from bench.quality.frames import ROOM, Array, Frames

TCP, UDP, ICMP, ICMP6, GRE = 6, 17, 1, 58, 47
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << n for n in range(8))
MORE = 0x2000  # fragments follow
_ETHERNET, _TAG = 14, 4
_IP = {4: 20, 6: 40}
_HEADER = {TCP: 20, UDP: 8, ICMP: 8, ICMP6: 8}  # bytes; other protocols: none
_CHECKSUM_AT = {TCP: 16, UDP: 6, ICMP: 2, ICMP6: 2}


@dataclass(frozen=True, slots=True)
class Ends:
    """Addresses of one family: one for all packets, or one for each."""

    family: int
    hi: Any
    lo: Any


@dataclass(frozen=True, slots=True)
class Link:
    """Between which MACs the frames go, and their VLAN tags, the outer one first."""

    source: str
    target: str
    vlans: tuple[int, ...] = ()

    @property
    def back(self) -> Link:
        return Link(self.target, self.source, self.vlans)


Value = Any  # a number for all packets, an array with one for each, or a function (numbers, rng) -> array
Where = Ends | Callable[[Array, np.random.Generator], Ends]


@dataclass(frozen=True, slots=True)
class Packets:
    """What the packets of a stream look like. `payload`: bytes behind the transport header; of a later fragment
    (`fragment` with an offset), which has none, behind the IP header. `segment` above 0: super-frames."""

    link: Link
    source: Where
    target: Where
    protocol: int = TCP
    sport: Value = 0  # of ICMP: the identifier
    dport: Value = 0  # of ICMP: the sequence number
    flags: int = SYN  # of ICMP: type << 8 | code
    payload: Value = 0
    fragment: int = 0  # flags and offset as in the header (IPv4)
    of_datagram: int = 0  # a first fragment's datagram is so many bytes longer than the fragment
    segment: int = 0
    of_flood: bool = False

    def __call__(self, numbers: Array, rng: np.random.Generator) -> Frames:
        source, target = (of(numbers, rng) if callable(of) else of for of in (self.source, self.target))
        values = [v(numbers, rng) if callable(v) else v for v in (self.sport, self.dport, self.payload)]
        return _frames(self, len(numbers), source, target, numbers, *values)


def ends(address: str) -> Ends:
    """One address."""
    known = ip_address(address)
    return Ends(known.version, int(known) >> 64, int(known) & 0xFFFF_FFFF_FFFF_FFFF)


def drawn(first: str, bits: int) -> Where:
    """A random address for each packet, its last `bits` (64 at most) drawn."""
    base = ends(first)

    def draw(numbers: Array, rng: np.random.Generator) -> Ends:
        low = rng.integers(0, (1 << bits) - 1, len(numbers), np.uint64, endpoint=True)
        return Ends(base.family, base.hi, np.uint64(base.lo) + low)

    return draw


def in_turn(first: str, count: int, step: int = 1) -> Where:
    """`count` addresses in turn, from `first` on."""
    base = ends(first)

    def take(numbers: Array, _: np.random.Generator) -> Ends:
        return Ends(base.family, base.hi, np.uint64(base.lo) + (numbers % count * step).astype(np.uint64))

    return take


def address(of: Ends) -> IPv4Address | IPv6Address:
    """That of Ends of one address."""
    return IPv4Address(of.lo) if of.family == 4 else IPv6Address(of.hi << 64 | of.lo)


def ports(low: int = 1024, count: int = 60_000) -> Callable[[Array, np.random.Generator], Array]:
    """Another port for each packet, in turn."""
    return lambda numbers, _: (low + numbers % count).astype(np.uint16)


# ---- filling ------------------------------------------------------------------------------------


def _frames(
    p: Packets, n: int, source: Ends, target: Ends, numbers: Array, sport: Value, dport: Value, payload: Value
) -> Frames:
    family = source.family
    rows = np.zeros((n, ROOM), np.uint8)
    at_ip = _link(rows, p.link, family)
    later = bool(p.fragment & 0x1FFF)
    header = 0 if later else _HEADER.get(p.protocol, 0)
    upper = np.broadcast_to(np.asarray(payload, np.int64) + header, n)  # bytes behind the IP header
    at_upper = at_ip + _IP[family]
    (_ip4 if family == 4 else _ip6)(rows, at_ip, p, numbers, source, target, upper)
    if header:
        _transport(rows, at_upper, p, numbers, sport, dport, upper + p.of_datagram)
        _checksum(rows, at_ip, at_upper, p.protocol, family, upper + p.of_datagram)
    length = (at_upper + upper).astype(np.uint32)
    return Frames(
        at=np.zeros(n, np.int64),
        head=rows,
        captured=np.full(n, at_upper + header, np.uint16),
        length=length,
        gso=np.full(n, p.segment, np.uint16),
        of_flood=np.full(n, p.of_flood),
    )


def _put(rows: Array, at: int, dtype: str, values: Any) -> None:
    """A column of numbers in network byte order."""
    size = np.dtype(dtype).itemsize
    wide = np.broadcast_to(np.asarray(values).astype(dtype), len(rows))
    rows[:, at : at + size] = np.ascontiguousarray(wide).view(np.uint8).reshape(-1, size)


def _link(rows: Array, link: Link, family: int) -> int:
    """Where the IP header begins."""
    macs = bytes.fromhex((link.target + link.source).replace(":", ""))
    tags = b"".join((0x8100).to_bytes(2, "big") + vlan.to_bytes(2, "big") for vlan in link.vlans)
    head = macs + tags + (0x0800 if family == 4 else 0x86DD).to_bytes(2, "big")
    rows[:, : len(head)] = np.frombuffer(head, np.uint8)
    return _ETHERNET + _TAG * len(link.vlans)


def _ip4(rows: Array, at: int, p: Packets, numbers: Array, source: Ends, target: Ends, upper: Array) -> None:
    rows[:, at], rows[:, at + 8], rows[:, at + 9] = 0x45, 64, p.protocol
    _put(rows, at + 2, ">u2", np.minimum(_IP[4] + upper, 0xFFFF))
    _put(rows, at + 4, ">u2", numbers & 0xFFFF)
    _put(rows, at + 6, ">u2", p.fragment)
    _put(rows, at + 12, ">u4", source.lo)
    _put(rows, at + 16, ">u4", target.lo)
    _put(rows, at + 10, "=u2", _folded(_sum(rows, at, at + 20)))


def _ip6(rows: Array, at: int, p: Packets, numbers: Array, source: Ends, target: Ends, upper: Array) -> None:
    rows[:, at], rows[:, at + 6], rows[:, at + 7] = 0x60, p.protocol, 64
    _put(rows, at + 4, ">u2", np.minimum(upper, 0xFFFF))
    for offset, half in ((8, source.hi), (16, source.lo), (24, target.hi), (32, target.lo)):
        _put(rows, at + offset, ">u8", np.asarray(half, np.uint64))


def _transport(rows: Array, at: int, p: Packets, numbers: Array, sport: Value, dport: Value, upper: Array) -> None:
    if p.protocol in (ICMP, ICMP6):
        rows[:, at], rows[:, at + 1] = p.flags >> 8, p.flags & 0xFF
        _put(rows, at + 4, ">u2", sport)
        _put(rows, at + 6, ">u2", dport)
        return
    _put(rows, at, ">u2", sport)
    _put(rows, at + 2, ">u2", dport)
    if p.protocol == UDP:
        _put(rows, at + 4, ">u2", np.minimum(upper, 0xFFFF))
        return
    _put(rows, at + 4, ">u4", numbers * 2_654_435_761 & 0xFFFF_FFFF)
    if p.flags & ACK:
        _put(rows, at + 8, ">u4", numbers * 2_246_822_519 & 0xFFFF_FFFF)
    rows[:, at + 12], rows[:, at + 13] = 5 << 4, p.flags
    _put(rows, at + 14, ">u2", 64_240)


def _sum(rows: Array, since: int, until: int) -> Array:
    """Of the 16-bit words as they lie: the ones' complement sum does not care for byte order (RFC 1071)."""
    return rows.view(np.uint16)[:, since // 2 : until // 2].sum(axis=1, dtype=np.uint64)


def _folded(total: Array) -> Array:
    for _ in range(3):
        total = (total & 0xFFFF) + (total >> np.uint64(16))
    return ~total.astype(np.uint16)


def _checksum(rows: Array, at_ip: int, at_upper: int, protocol: int, family: int, upper: Array) -> None:
    """With the pseudo-header of TCP, UDP and ICMPv6 (RFC 8200, 8.1); ICMP has none."""
    total = _sum(rows, at_upper, at_upper + _HEADER[protocol])
    if protocol != ICMP:
        total += _sum(rows, at_ip + (12 if family == 4 else 8), at_upper)
        total += (upper.astype(">u4").view(np.uint16).reshape(-1, 2)).sum(axis=1, dtype=np.uint64)
        total += np.uint64(int(np.array([protocol], ">u2").view(np.uint16)[0]))
    sums = _folded(total)
    if protocol == UDP:
        sums[sums == 0] = 0xFFFF  # 0 would mean that there is none (RFC 768)
    _put(rows, at_upper + _CHECKSUM_AT[protocol], "=u2", sums)
