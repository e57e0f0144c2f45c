"""Frames of a mirror port: between two MACs, in VLANs, inside VXLAN; whose each is; what the fuzzer starts from.

The reading here is plain and second: written from docs/configuration.md, RFC 7348 and IEEE 802.1Q.
"""

from __future__ import annotations

import struct

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Packet, Raw

VXLAN = 4789
TAGS = (b"\x81\x00", b"\x88\xa8")
NOT_USED, TAG_TAKEN, ELSEWHERE, NO_ETHERNET, ENDS_BLOCK = 1, 2, 4, 8, 16

ONE, TWO, HOST = "02:00:00:00:01:01", "02:00:00:00:01:02", "02:00:00:00:00:0a"  # those of mirror_plain.h
STRANGER, ROUTER, GROUP, EMPTY = "02:00:00:00:02:01", "02:00:00:00:00:fe", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"


def number(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def between(source: str, target: str, packet: bytes, vlans: tuple[int, ...] = ()) -> bytes:
    """The packet of an Ethernet frame, between two MACs, with tags."""
    tags = b"".join(struct.pack("!HH", 0x8100, vlan) for vlan in vlans)
    return number(target) + number(source) + tags + packet[12:]


def vxlan(inner: bytes, outer6: bool = False, port: int = VXLAN, flags: int = 8, vlans: tuple[int, ...] = ()) -> bytes:
    """A frame inside VXLAN, between two hosts that nobody knows."""
    payload = struct.pack("!B3xI", flags, 77 << 8) + inner
    header = struct.pack("!HHHH", 50000, port, 8 + len(payload), 0)
    if outer6:
        ip = struct.pack("!IHBB", 6 << 28, len(header) + len(payload), 17, 64) + bytes(15) + b"\1" + bytes(15) + b"\2"
        kind = b"\x86\xdd"
    else:
        length = 20 + len(header) + len(payload)
        ip = struct.pack("!BBHHHBBHII", 0x45, 0, length, 1, 0x4000, 64, 17, 0, 0xC6336401, 0xC6336402)
        kind = b"\x08\x00"
    return between(HOST, "02:00:00:00:00:0b", bytes(12) + kind + ip + header + payload, vlans)


def _datagram(kind: bytes, ip: bytes) -> bytes | None:
    """The whole UDP packet in an IP packet, as long as both say; None where there is none."""
    if kind == b"\x08\x00" and len(ip) >= 20 and ip[0] >> 4 == 4 and ip[0] & 15 >= 5 and ip[9] == 17:
        if struct.unpack("!H", ip[6:8])[0] & 0x3FFF:
            return None
        header, length = (ip[0] & 15) * 4, int.from_bytes(ip[2:4], "big")
    elif kind == b"\x86\xdd" and len(ip) >= 40 and ip[0] >> 4 == 6 and ip[6] == 17:
        header, length = 40, int.from_bytes(ip[4:6], "big")
        length += 40 if length else 0
    else:
        return None
    udp = ip[header : length or None]
    said = int.from_bytes(udp[4:6], "big") if len(udp) >= 8 else 8
    return udp[: said or None]


def inside(frame: bytes, port: int = VXLAN) -> bytes:
    """What VXLAN at this port carries in a frame, or the frame itself."""
    at, tags = 12, 0
    while frame[at : at + 2] in TAGS and tags < 8:
        at, tags = at + 4, tags + 1
    udp = _datagram(frame[at : at + 2], frame[at + 2 :])
    if udp is None or len(udp) < 8 + 8 + 14 or udp[2:4] != struct.pack("!H", port) or not udp[8] & 8:
        return frame
    return udp[16:]


# ---- what the fuzzer of the mirror port starts from ----


def slot(
    frame: bytes, flags: int = 0, gso: tuple[int, int] = (0, 0), tag: int = 0, cut: int = 0, later_ms: int = 0
) -> bytes:
    """A slot of the ring: see mirror_slots.h."""
    return struct.pack("<BBHHHHH", flags, *gso, tag, cut, len(frame), later_ms) + frame


def ring(*slots: bytes, vxlan: bool = False, full: bool = False, day: int = 1, room: int = 3) -> bytes:
    return bytes([vxlan | full << 1 | day << 6, room - 1]) + b"".join(slots)


def _ip(packet: Packet) -> bytes:
    """Behind two empty MACs."""
    kind = b"\x86\xdd" if isinstance(packet, IPv6) else b"\x08\x00"
    return bytes(12) + kind + bytes(packet)


SYN = _ip(IP(src="192.0.2.10", dst="203.0.113.9") / TCP(sport=40000, dport=80, flags="S"))
DATAGRAM = _ip(IP(src="192.0.2.10", dst="203.0.113.9") / UDP(sport=1111, dport=53) / Raw(b"x" * 40))
SYN6 = _ip(IPv6(src="2001:db8::10", dst="2001:db8:1::9") / TCP(sport=40000, dport=80, flags="S"))


def changed(frame: bytes, at: int, value: bytes) -> bytes:
    return frame[:at] + value + frame[at + len(value) :]


def _vxlans() -> dict[str, bytes]:
    inner = between(ONE, ROUTER, SYN)
    whole, six = vxlan(inner), vxlan(inner, outer6=True)
    lies = {
        "ip_short": changed(whole, 16, b"\0\x31"),
        "ip_none": changed(whole, 16, b"\0\0"),
        "udp_short": changed(whole, 38, b"\0\x1d"),
        "udp_none": changed(whole, 38, b"\0\0"),
        "udp_least": changed(whole, 38, b"\0\x1e"),
        "six_short": changed(six, 18, b"\0\x1d"),
        "six_none": changed(six, 18, b"\0\0"),
        "options": changed(whole, 14, b"\x4f"),
        "fragment": changed(whole, 20, b"\x20"),
        "not_valid": vxlan(inner, flags=0),
        "other_port": vxlan(inner, port=8472),
        "cut": whole[:63],
        "nine_tags": vxlan(inner, vlans=(5,) * 9),
        "own": between(ONE, ROUTER, vxlan(between(TWO, ROUTER, SYN))),
        "nested": vxlan(vxlan(between(TWO, ROUTER, SYN))),
    }
    plain = [whole, six, vxlan(between(ROUTER, TWO, SYN6, (7,)), vlans=(9,)), vxlan(between(STRANGER, ONE, DATAGRAM))]
    found = {name: ring(slot(frame), vxlan=True) for name, frame in lies.items()}
    return found | {"plain": ring(*map(slot, plain), vxlan=True), "closed": ring(*map(slot, plain))}


def rings() -> dict[str, bytes]:
    """Inputs of fuzz_mirror by name."""
    ways = [(ONE, ROUTER), (ROUTER, ONE), (ONE, TWO), (HOST, ONE), (HOST, ROUTER), (STRANGER, ROUTER), (EMPTY, GROUP)]
    each = [slot(between(source, target, SYN)) for source, target in ways]
    tagged = [between(TWO, ROUTER, DATAGRAM, vlans) for vlans in ((7,), (8,), (7, 8), (0,), (4,) * 9)]
    many = [slot(between(f"02:00:00:00:03:{n:02x}", ROUTER, SYN)) for n in range(6)]
    short = [between(ONE, TWO, SYN)[:n] for n in (0, 13, 14, 17, 20, 34, 40)]
    found = {
        "ways": ring(*each),
        "ways_full": ring(*each, full=True, room=1),
        "strangers": ring(*many, *many, room=16),
        "tags": ring(*map(slot, tagged)),
        "tag_taken": ring(slot(between(TWO, ROUTER, SYN), TAG_TAKEN, tag=7), slot(tagged[1], TAG_TAKEN, tag=0xE007)),
        "hundred_tags": ring(slot(between(ONE, ROUTER, DATAGRAM, tuple(range(1, 101))))),
        "short": ring(*(slot(frame, cut=60) for frame in short)),
        "not_ours": ring(*(slot(between(ONE, TWO, SYN), flags) for flags in (NOT_USED, ELSEWHERE, NO_ETHERNET, 0))),
        "offload": ring(
            slot(between(ONE, ROUTER, DATAGRAM), gso=(5, 9)), slot(between(ONE, ROUTER, SYN), gso=(1, 100))
        ),
        "blocks": ring(*(slot(between(ONE, ROUTER, SYN), ENDS_BLOCK) for _ in range(3)), day=3),
        "again": ring(*(slot(between(ONE, ROUTER, DATAGRAM), later_ms=ms) for ms in (0, 1, 1, 5, 1, 1200)), day=0),
    }
    return found | {f"vxlan_{name}": content for name, content in _vxlans().items()}
