"""Frames that no good sender makes: lying lengths, tags and extension headers without end, lone fragments, all sizes.

Every one is from the MAC of machine ONE and carries the address of machine TWO, for a third party.
"""

from __future__ import annotations

from itertools import product

from oracles.mirror import ONE, ROUTER, TAGS, number
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop
from scapy.layers.ipsec import AH
from scapy.packet import Packet, Raw

V4 = {"src": "192.0.2.11", "dst": "198.51.100.7"}  # src: TWO's
V6 = {"src": "2001:db8::11", "dst": "2001:db8:ffff::7"}
MACS = number(ROUTER) + number(ONE)
EXTENSIONS = (0, 43, 44, 51, 60, 135, 139, 140)
SHORT = [*range(9), 13, 14, 19, 20, 21, 27, 28, 29, 39, 40, 41, 48, 60, 61]
LONG = [100, 0x5DB, 0x5DC, 0x5FF, 0x600, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF]


def ethernet(packet: Packet | bytes, kind: int | None = None) -> bytes:
    kind = kind or (0x86DD if isinstance(packet, IPv6) else 0x0800)
    return MACS + kind.to_bytes(2, "big") + bytes(packet)


def _set(frame: bytes, at: int, size: int, value: int) -> bytes:
    return frame[:at] + value.to_bytes(size, "big") + frame[at + size :]


TCP4 = ethernet(IP(**V4) / TCP(sport=40000, dport=443, flags="S", options=[("NOP", None)] * 4))
UDP4 = ethernet(IP(**V4) / UDP(sport=40000, dport=443) / Raw(bytes(30)))
PART4 = ethernet(IP(**V4, frag=100, flags="MF", proto=17) / Raw(bytes(32)))
SYN6 = ethernet(IPv6(**V6) / TCP(sport=40000, dport=443, flags="S"))
UDP6 = ethernet(IPv6(**V6) / UDP(sport=40000, dport=443) / Raw(bytes(30)))
HOP6 = ethernet(IPv6(**V6) / IPv6ExtHdrHopByHop() / UDP(sport=40000, dport=443) / Raw(bytes(30)))
AH6 = ethernet(IPv6(**V6) / AH() / UDP(sport=40000, dport=443) / Raw(bytes(30)))
PART6 = ethernet(IPv6(**V6) / IPv6ExtHdrFragment(offset=100, m=1, nh=17) / Raw(bytes(32)))
SNAP4 = MACS + (76).to_bytes(2, "big") + b"\xaa\xaa\3\0\0\0\x08\0" + UDP4[14:]

# description, frame, where the length stands, its bytes
LENGTHS = [
    ("IPv4 total length of a SYN", TCP4, 16, 2),
    ("IPv4 header length", TCP4, 14, 1),
    ("TCP data offset", TCP4, 46, 1),
    ("IPv4 total length of a datagram", UDP4, 16, 2),
    ("UDP length over IPv4", UDP4, 38, 2),
    ("fragment offset and flags", UDP4, 20, 2),
    ("IPv4 total length of a fragment", PART4, 16, 2),
    ("IPv6 payload length of a SYN", SYN6, 18, 2),
    ("TCP data offset over IPv6", SYN6, 66, 1),
    ("IPv6 payload length of a datagram", UDP6, 18, 2),
    ("UDP length over IPv6", UDP6, 58, 2),
    ("hop-by-hop length", HOP6, 55, 1),
    ("hop-by-hop option length", HOP6, 57, 1),
    ("authentication header length", AH6, 55, 1),
    ("IPv6 fragment offset", PART6, 56, 2),
    ("IPv6 fragment's reserved length", PART6, 55, 1),
    ("IPv6 payload length of a fragment", PART6, 18, 2),
    ("802.3 length", SNAP4, 12, 2),
    ("length of what SNAP carries", SNAP4, 24, 2),
]


def lies(frame: bytes, at: int, size: int) -> list[bytes]:
    """The frame with every small length, some large ones, and those around the true one."""
    if size == 1:
        return [_set(frame, at, 1, value) for value in range(256)]
    true = int.from_bytes(frame[at : at + 2], "big")
    return [_set(frame, at, 2, value) for value in sorted({*SHORT, *LONG, max(true, 1) - 1, true, true + 1})]


def tagged(count: int, kind: bytes = TAGS[0]) -> bytes:
    """A datagram behind so many tags, of VLANs 1, 2, 3 and so on."""
    return UDP4[:12] + b"".join(kind + (n + 1).to_bytes(2, "big") for n in range(count)) + UDP4[12:]


def chain(count: int, kind: int = 60, last: int = 17, each: int = 0) -> bytes:
    """So many extension headers of one kind, `each` further eights long, before a datagram or what `last` says."""
    body = bytes([kind, each]) + bytes(6 + 8 * each)
    if kind == 51:  # counts in fours, less two
        body = bytes([kind, 2 * each]) + bytes(6 + 8 * each)
    whole = body * (count - 1) + bytes([last]) + body[1:] if count else b""
    inner = whole + bytes(UDP(sport=40000, dport=443, len=38)) + bytes(30)
    return ethernet(IPv6(**V6, nh=kind if count else last, plen=min(len(inner), 0xFFFF)) / Raw(inner))


def fragments() -> list[bytes]:
    """Fragments without the first: of UDP, TCP that looks like a SYN, ICMP; tiny ones; the last byte of 65,535."""
    syn = bytes(TCP(sport=40000, dport=443, flags="S"))
    made = [
        ethernet(IP(**V4, proto=protocol, frag=offset, flags=flags) / Raw(syn))
        for protocol, offset, flags in product((1, 6, 17, 47), (1, 185, 8191), ("MF", 0))
    ]
    made += [ethernet(IP(**V4, proto=17, frag=1) / Raw(bytes(size))) for size in (0, 1, 7, 8)]
    made += [
        ethernet(IPv6(**V6) / IPv6ExtHdrFragment(nh=protocol, offset=offset, m=more) / Raw(syn))
        for protocol, offset, more in product((6, 17, 58, 60), (1, 185, 8191), (0, 1))
    ]
    return made


def endless() -> list[bytes]:
    """Chains of every kind of header: short, as long as is followed, longer, and naming itself to the end."""
    counts = (1, 2, 31, 32, 33, 64, 1000, 8180)
    made = [chain(count, kind) for count, kind in product(counts, EXTENSIONS)]
    made += [chain(count, kind, last=kind) for count, kind in product((1, 32, 8180), EXTENSIONS)]
    return made + [chain(n, 60, each=each) for n, each in ((1, 255), (31, 255), (4, 100))]


def of_size(size: int) -> bytes:
    """A datagram of so many bytes, link header included, cut or padded to it; lengths are true from 42 bytes on."""
    length = max(28, size - 14)
    whole = ethernet(IP(**V4, len=length) / UDP(sport=40000, dport=443, len=min(length - 20, 0xFFFF)))
    return whole[:size] + bytes(max(0, size - len(whole)))


def hostile() -> list[bytes]:
    """All of them but the sizes, at most 65,535 bytes each."""
    made = [frame for _, whole, at, size in LENGTHS for frame in lies(whole, at, size)]
    made += [tagged(count, kind) for count in (1, 7, 8, 9, 100, 1000) for kind in TAGS]
    made += [tagged(count, kind)[: 14 + 4 * count - 3] for count in (1, 8, 9, 100) for kind in TAGS]
    made += fragments() + endless() + [ethernet(IP(**V4) / ICMP()), ethernet(bytes(40), 0x0806)]
    return [frame[:65535] for frame in made]
