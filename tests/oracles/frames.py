"""Frames and what the rules of the issue say of them: the table is the decoder's specification.

Each row: description, the frame (of a link type, of an offload size), and what record and totals say.
"""

from __future__ import annotations

from typing import Any

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.ipsec import AH
from scapy.layers.l2 import ARP, GRE, LLC, SNAP, CookedLinux, CookedLinuxV2, Dot1AD, Dot1Q, Dot3, Ether
from scapy.packet import Packet, Raw

HAS_PORTS, FIRST, SUPER, CUT = 1, 2, 4, 8
V4 = {"src": "192.0.2.10", "dst": "198.51.100.7"}
V6 = {"src": "2001:db8::10", "dst": "2001:db8:ffff::7"}
PORTS = {"sport": 40000, "dport": 443}

# both MACs always given: scapy would ask the network for a missing one
MACS = {"src": "02:00:00:00:00:02", "dst": "02:00:00:00:00:01"}
E = Ether(**MACS)
E4, E6 = E / IP(**V4), E / IPv6(**V6)


def raw(packet: Packet | bytes) -> bytes:
    return bytes(packet)


def patched(packet: Packet | bytes, at: int, value: bytes) -> bytes:
    data = bytearray(raw(packet))
    data[at : at + len(value)] = value
    return bytes(data)


SYN4 = E4 / TCP(**PORTS, flags="S")
UDP4 = E4 / UDP(**PORTS) / Raw(b"x" * 30)
SIX_TAGS = Dot1AD(vlan=100) / Dot1Q(vlan=2) / Dot1AD(vlan=3) / Dot1Q(vlan=4) / Dot1Q(vlan=5) / Dot1Q(vlan=6)
LATER4 = E / IP(**V4, frag=185) / Raw(b"x" * 64)


def later6(next_header: int) -> Packet:
    return E6 / IPv6ExtHdrFragment(offset=100, m=1, id=7, nh=next_header) / Raw(b"y" * 48)


# description, frame, what the record and the totals must say
CASES: list[tuple[str, Packet | bytes, dict[str, Any]]] = [
    ("SYN", SYN4, {"kind": "syn", "tcp_syn": 1, "src": V4["src"], "src_port": 40000, "dst_port": 443, "bytes": 40}),
    ("SYN with ECN, URG, PSH and FIN", E4 / TCP(flags="SECUPF"), {"kind": "syn", "tcp_syn": 1}),
    ("SYN and RST: the other flags are free", E4 / TCP(flags="SR"), {"kind": "syn", "tcp_syn": 1}),
    ("SYN-ACK", E4 / TCP(flags="SA"), {"kind": "synack", "tcp_synack": 1, "tcp_syn": 0}),
    ("RST-ACK", E4 / TCP(flags="RA"), {"kind": "rst", "tcp_flags": 0x14}),
    ("ACK", E4 / TCP(flags="A"), {"kind": "tcp", "tcp_syn": 0}),
    ("no flags at all", E4 / TCP(flags=0), {"kind": "tcp"}),
    ("SYN with data offset 4", patched(SYN4, 46, b"\x40"), {"kind": "tcp", "tcp_syn": 0, "tcp_flags": 2}),
    ("SYN whose offset passes the packet: options cut", patched(SYN4, 46, b"\xf0"), {"kind": "syn"}),
    ("SYN, 14 bytes of header captured", raw(SYN4)[:48], {"kind": "syn", "flags": HAS_PORTS}),
    ("SYN, 13 bytes captured", raw(SYN4)[:47], {"kind": "tcp", "tcp_syn": 0, "protocol": 6, "flags": HAS_PORTS | CUT}),
    ("SYN, 3 bytes captured", raw(SYN4)[:37], {"kind": "tcp", "src_port": 0, "flags": CUT}),
    ("SYN, 14 bytes inside the IP length", patched(SYN4, 16, b"\0\x22"), {"kind": "syn", "bytes": 34}),
    ("SYN, 13 bytes inside it", patched(SYN4, 16, b"\0\x21"), {"kind": "tcp", "bytes": 33, "flags": HAS_PORTS}),
    ("SYN, 3 bytes inside it", patched(SYN4, 16, b"\0\x17"), {"kind": "tcp", "src_port": 0, "flags": 0}),
    (
        "SYN with IP options",
        E / IP(**V4, options=b"\x94\x04\0\0") / TCP(**PORTS, flags="S"),
        {"kind": "syn", "bytes": 44},
    ),
    ("UDP", UDP4, {"kind": "udp", "udp": 1, "udp_bytes": 58, "dst_port": 443, "flags": HAS_PORTS}),
    ("UDP without payload, padded to 60", raw(E4 / UDP(**PORTS)) + bytes(18), {"udp": 1, "udp_bytes": 28}),
    ("UDP without payload, not padded", E4 / UDP(**PORTS), {"udp": 1, "udp_bytes": 28, "dst_port": 443}),
    ("UDP whose header is cut", raw(UDP4)[:36], {"kind": "udp", "udp": 1, "udp_bytes": 58, "flags": CUT}),
    ("UDP cut behind the IP header", raw(UDP4)[:34], {"kind": "udp", "udp": 1, "flags": CUT}),
    (
        "UDP cut inside the IP options",
        raw(E / IP(**V4, options=b"\x94\x04\0\0") / UDP())[:36],
        {"udp": 1, "flags": CUT},
    ),
    ("ICMP", E4 / ICMP(), {"kind": "icmp", "icmp": 1, "flags": 0, "src_port": 0}),
    ("ICMPv6", E6 / ICMPv6EchoRequest(), {"kind": "icmp", "icmp": 1, "ipv6": 1, "protocol": 58}),
    (
        "GRE around a SYN: only the outermost header",
        E4 / GRE() / IP(**V4) / TCP(flags="S"),
        {"kind": "other", "tcp_syn": 0},
    ),
    ("IP in IP around UDP", E4 / IP(**V4) / UDP(), {"kind": "other", "protocol": 4, "udp": 0}),
    ("IPv4 without a known protocol", E / IP(**V4, proto=253), {"kind": "other", "ipv4": 1, "protocol": 253}),
    ("IPv4 AH is not walked: extension headers are IPv6's", E4 / AH() / UDP(), {"kind": "other", "protocol": 51}),
    (
        "first fragment with a SYN",
        E / IP(**V4, flags="MF") / TCP(flags="S"),
        {"kind": "syn", "flags": HAS_PORTS | FIRST},
    ),
    ("don't fragment is no fragment", E / IP(**V4, flags="DF") / UDP(), {"kind": "udp", "flags": HAS_PORTS}),
    (
        "later UDP fragment",
        patched(LATER4, 23, b"\x11"),
        {"kind": "fragment", "fragments": 1, "udp": 1, "udp_bytes": 84},
    ),
    ("later TCP fragment that looks like a SYN", patched(LATER4, 23, b"\x06"), {"kind": "fragment", "tcp_syn": 0}),
    (
        "later ICMP fragment",
        patched(LATER4, 23, b"\x01"),
        {"kind": "fragment", "fragments": 1, "icmp": 1, "protocol": 1},
    ),
    ("last fragment: no ports", E / IP(**V4, frag=1, proto=17) / Raw(b"x" * 8), {"kind": "fragment", "src_port": 0}),
    ("total length 0: the wire's", patched(UDP4, 16, b"\0\0"), {"udp": 1, "udp_bytes": 58}),
    (
        "total length below the header's",
        patched(UDP4, 16, b"\0\x13"),
        {"kind": "other", "ipv4": 1, "udp": 0, "protocol": 255},
    ),
    ("total length of the header alone", patched(UDP4, 16, b"\0\x14"), {"kind": "udp", "udp": 1, "udp_bytes": 20}),
    ("total length beyond the frame", patched(UDP4, 16, b"\xff\xff"), {"udp": 1, "udp_bytes": 65535}),
    (
        "later fragment with a length below the header's",
        patched(LATER4, 16, b"\0\x13"),
        {"kind": "other", "fragments": 0},
    ),
    ("IHL 4", patched(UDP4, 14, b"\x44"), {"kind": "malformed", "malformed": 1, "ipv4": 0}),
    ("version 5 behind the type of IPv4", patched(UDP4, 14, b"\x55"), {"kind": "malformed", "malformed": 1}),
    ("version 4 behind the type of IPv6", patched(E6 / UDP(), 14, b"\x45"), {"kind": "malformed", "malformed": 1}),
    ("19 bytes of IPv4", raw(UDP4)[:33], {"kind": "malformed", "flags": 0}),
    ("39 bytes of IPv6", raw(E6 / UDP())[:53], {"kind": "malformed"}),
    ("40 bytes of IPv6", raw(E6 / UDP())[:54], {"kind": "udp", "udp": 1, "udp_bytes": 48}),
    ("13 bytes of Ethernet", raw(UDP4)[:13], {"kind": "malformed", "malformed": 1}),
    ("no byte at all", b"", {"kind": "malformed", "malformed": 1}),
    ("IPv6 SYN", E6 / TCP(flags="S"), {"kind": "syn", "src": V6["src"], "dst": V6["dst"], "bytes": 60, "tcp_syn": 1}),
    (
        "IPv6 payload length 0: the wire's",
        patched(E6 / UDP() / Raw(b"x" * 9), 18, b"\0\0"),
        {"udp": 1, "udp_bytes": 57},
    ),
    ("IPv6 no next header", E / IPv6(**V6, nh=59), {"kind": "other", "protocol": 59}),
    (
        "hop-by-hop, routing, destination, SYN",
        E6 / IPv6ExtHdrHopByHop() / IPv6ExtHdrRouting() / IPv6ExtHdrDestOpt() / TCP(flags="S"),
        {"kind": "syn", "tcp_syn": 1, "bytes": 84},
    ),
    (
        "IPv6 AH counts in fours",
        E / IPv6(**V6, nh=51) / Raw(b"\x11\x04" + bytes(22)) / UDP(**PORTS),
        {"udp": 1, "dst_port": 443},
    ),
    *(
        (
            f"IPv6 extension header {number}",
            E / IPv6(**V6, nh=number) / Raw(b"\x11\0" + bytes(6)) / UDP(**PORTS),
            {"udp": 1, "src_port": 40000},
        )
        for number in (135, 139, 140)
    ),
    (
        "IPv6 ESP is no extension header",
        E / IPv6(**V6, nh=50) / Raw(b"\x11\0" + bytes(30)),
        {"kind": "other", "protocol": 50},
    ),
    ("first IPv6 fragment", E6 / IPv6ExtHdrFragment(m=1, id=7) / UDP(), {"kind": "udp", "flags": HAS_PORTS | FIRST}),
    ("atomic IPv6 fragment", E6 / IPv6ExtHdrFragment(id=7) / TCP(flags="S"), {"kind": "syn", "flags": HAS_PORTS}),
    ("later IPv6 fragment of UDP", later6(17), {"kind": "fragment", "udp": 1, "udp_bytes": 96, "fragments": 1}),
    ("later IPv6 fragment of an extension header", later6(60), {"kind": "fragment", "protocol": 60, "udp": 0}),
    (
        "IPv6 chain cut before the next header is known",
        raw(E6 / IPv6ExtHdrDestOpt() / UDP())[:55],
        {"kind": "other", "protocol": 255, "flags": CUT},
    ),
    (
        "IPv6 chain cut behind the next header",
        raw(E6 / IPv6ExtHdrDestOpt() / UDP())[:56],
        {"kind": "udp", "udp": 1, "flags": CUT},
    ),
    (
        "IPv6 chain of 32",
        E / IPv6(**V6, nh=60) / Raw(bytes([60, 0, *bytes(6)] * 31) + bytes([17, 0, *bytes(6)])) / UDP(),
        {"udp": 1},
    ),
    (
        "IPv6 chain of 33: more than the cap",
        E / IPv6(**V6, nh=60) / Raw(bytes([60, 0, *bytes(6)] * 33)),
        {"kind": "other", "protocol": 255},
    ),
    ("802.1Q", E / Dot1Q(vlan=7, prio=5) / IP(**V4) / UDP(), {"udp": 1, "vlan": 7}),
    ("six tags, mixed", E / SIX_TAGS / IP(**V4) / TCP(flags="S"), {"kind": "syn", "vlan": 100, "bytes": 40}),
    ("eight tags", E / SIX_TAGS / Dot1Q() / Dot1Q() / IPv6(**V6) / UDP(), {"udp": 1, "ipv6": 1}),
    (
        "nine tags: more than the cap",
        E / SIX_TAGS / Dot1Q() / Dot1Q() / Dot1Q() / IP() / UDP(),
        {"kind": "non_ip", "too_many_tags": 1},
    ),
    ("cut in the tag", raw(E / Dot1Q(vlan=7) / IP() / UDP())[:17], {"kind": "malformed"}),
    ("a tag, then nothing", raw(E / Dot1Q(vlan=7, type=0x0806))[:18], {"kind": "non_ip", "arp": 1, "vlan": 7}),
    (
        "802.3 with SNAP carries IP",
        Dot3(**MACS) / LLC() / SNAP() / IP(**V4) / UDP(),
        {"kind": "udp", "ipv4": 1, "udp_bytes": 28},
    ),
    ("SNAP behind a tag", E / Dot1Q(type=50) / LLC() / SNAP() / IP(**V4) / UDP(), {"kind": "udp"}),
    (
        "a tag behind SNAP",
        Dot3(**MACS) / LLC() / SNAP(code=0x8100) / Dot1Q(vlan=9) / IP(**V4) / UDP(),
        {"kind": "udp", "vlan": 9},
    ),
    (
        "SNAP of another organisation",
        Dot3(**MACS) / LLC() / SNAP(OUI=0x0C, code=0x2000) / Raw(b"x" * 30),
        {"kind": "non_ip", "llc": 1},
    ),
    ("spanning tree", Dot3(**MACS) / LLC(dsap=0x42, ssap=0x42, ctrl=3) / Raw(b"x" * 35), {"kind": "non_ip", "llc": 1}),
    ("cut in LLC", raw(Dot3(**MACS) / LLC() / SNAP() / IP())[:16], {"kind": "malformed"}),
    ("cut in SNAP", raw(Dot3(**MACS) / LLC() / SNAP() / IP())[:21], {"kind": "malformed"}),
    ("ARP", E / ARP(), {"kind": "non_ip", "arp": 1, "family": 0, "bytes": 0, "protocol": 255, "packets": 1}),
    (
        "MPLS is not opened",
        Ether(**MACS, type=0x8847) / Raw(b"\0\x01\x01\x40" + raw(IP(**V4) / UDP())),
        {"kind": "non_ip", "mpls": 1, "udp": 0},
    ),
    ("an unknown type", Ether(**MACS, type=0x9000) / Raw(b"x" * 60), {"kind": "non_ip", "other_type": 1}),
    (
        "PPPoE session",
        Ether(**MACS, type=0x8864) / Raw(b"\x11\0\0\0\0\x16\0\x21" + raw(IP() / UDP())),
        {"non_ip": 1, "pppoe": 1},
    ),
    ("802.1ah is not opened", Ether(**MACS, type=0x88E7) / Raw(bytes(18) + raw(IP() / UDP())), {"non_ip": 1, "pbb": 1}),
    ("a vendor's tag is not opened", Ether(**MACS, type=0x8909) / Raw(b"x" * 50), {"non_ip": 1, "other_type": 1}),
]

LINK_CASES: list[tuple[str, int, Packet | bytes, dict[str, Any]]] = [
    *((f"raw IPv4, type {number}", number, IP(**V4) / UDP(), {"udp": 1, "bytes": 28}) for number in (12, 14, 101, 228)),
    *((f"raw IPv6, type {number}", number, IPv6(**V6) / UDP(), {"udp": 1, "ipv6": 1}) for number in (12, 14, 101, 229)),
    ("raw of version 5", 101, b"\x55" + bytes(40), {"kind": "malformed"}),
    ("raw without a byte", 101, b"", {"kind": "malformed"}),
    ("IPv6 where IPv4 is promised", 228, IPv6(**V6) / UDP(), {"kind": "malformed"}),
    ("cooked IPv4", 113, CookedLinux(proto=0x0800) / IP(**V4) / UDP(), {"udp": 1}),
    ("cooked 802.1Q", 113, CookedLinux(proto=0x8100) / Dot1Q(vlan=5) / IP(**V4) / UDP(), {"udp": 1, "vlan": 5}),
    ("cooked LLC and SNAP", 113, CookedLinux(proto=4) / LLC() / SNAP() / IP(**V4) / UDP(), {"udp": 1}),
    ("cooked ARP", 113, CookedLinux(proto=0x0806) / ARP(), {"non_ip": 1, "arp": 1}),
    ("cooked, a number of if_ether.h", 113, CookedLinux(proto=1) / Raw(bytes(30)), {"non_ip": 1, "other_type": 1}),
    ("cooked, cut", 113, raw(CookedLinux(proto=0x0800))[:15], {"kind": "malformed"}),
    ("cooked v2 IPv6", 276, CookedLinuxV2(proto=0x86DD) / IPv6(**V6) / TCP(flags="S"), {"kind": "syn"}),
    ("cooked v2, cut", 276, bytes(19), {"kind": "malformed"}),
    ("null, little-endian", 0, b"\2\0\0\0" + raw(IP(**V4) / UDP()), {"udp": 1}),
    ("null, big-endian", 0, b"\0\0\0\2" + raw(IP(**V4) / UDP()), {"udp": 1}),
    *(
        (f"null, IPv6 as {number}", 0, bytes([number, 0, 0, 0]) + raw(IPv6(**V6) / UDP()), {"udp": 1})
        for number in (10, 24, 28, 30)
    ),
    ("loop", 108, b"\0\0\0\x18" + raw(IPv6(**V6) / UDP()), {"udp": 1}),
    ("null, another family", 0, b"\x10\0\0\0" + bytes(40), {"non_ip": 1, "other_type": 1}),
    ("null, cut", 0, b"\2\0\0", {"kind": "malformed"}),
    ("IEEE 802.11", 105, bytes(60), {"kind": "other_link", "other_link": 1, "malformed": 0}),
]

SUPER_CASES: list[tuple[str, Packet, int, dict[str, Any]]] = [
    ("UDP_SEGMENT, 40 datagrams", E4 / UDP() / Raw(bytes(40000)), 1000, {"packets": 40, "udp": 40, "bytes": 41120}),
    (
        "a short last datagram",
        E4 / UDP() / Raw(bytes(2001)),
        1000,
        {"packets": 3, "bytes": 2001 + 3 * 28, "udp_bytes": 2085},
    ),
    (
        "TSO with options",
        E4 / TCP(flags="A", options=[("NOP", None)] * 12) / Raw(bytes(5000)),
        1448,
        {"packets": 4, "bytes": 5208},
    ),
    (
        "TSO over IPv6",
        E6 / TCP(flags="A") / Raw(bytes(2880)),
        1440,
        {"packets": 2, "bytes": 3000, "flags": HAS_PORTS | SUPER},
    ),
    ("one segment is no super-frame", E4 / UDP() / Raw(bytes(1000)), 1000, {"packets": 1, "flags": HAS_PORTS}),
    ("without payload", E4 / UDP(), 1000, {"packets": 1, "udp": 1, "bytes": 28}),
]
