"""The decoder against a table of cases, an independent oracle, scapy and dpkt."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import dpkt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import decode as oracle
from oracles.frames import CASES, E4, LINK_CASES, SUPER_CASES, E, patched, raw
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP
from scapy.packet import Packet, Raw

from edgeguard import record
from edgeguard.native import Totals, decode
from edgeguard.record import RECORD

KINDS = ["syn", "synack", "rst", "tcp", "udp", "icmp", "fragment", "other", "non_ip", "malformed", "other_link"]


def decoded(frame: bytes, wire: int | None = None, link_type: int = 1, gso_size: int = 0) -> dict[str, Any]:
    """Record fields and those totals that are not 0."""
    rows, totals = np.full(1, 0xEE, np.uint8).repeat(RECORD.itemsize).view(RECORD), Totals()
    decode(frame, len(frame) if wire is None else wire, link_type, gso_size, rows, totals)
    row = rows[0]
    fields = {name: int(row[name]) for name in RECORD.names if name not in ("ts", "out_of", "into")}
    said = fields | {"kind": KINDS[fields["kind"]], "totals": {k: n for k, n in totals.by_name().items() if n}}
    if fields["family"]:
        said["src"] = str(record.address(fields["family"], fields["src_hi"], fields["src_lo"]))
        said["dst"] = str(record.address(fields["family"], fields["dst_hi"], fields["dst_lo"]))
    return said


def check(said: dict[str, Any], expected: dict[str, Any]) -> None:
    known = {name: said[name] if name in said else said["totals"].get(name, 0) for name in expected}
    assert known == expected


@pytest.mark.parametrize(("frame", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_ethernet(frame: Packet | bytes, expected: dict[str, Any]) -> None:
    """Each frame of the table is what the rules of the issue say."""
    check(decoded(raw(frame)), expected)


@pytest.mark.parametrize(
    ("link_type", "frame", "expected"), [c[1:] for c in LINK_CASES], ids=[c[0] for c in LINK_CASES]
)
def test_link_types(link_type: int, frame: Packet | bytes, expected: dict[str, Any]) -> None:
    """Every link type a savefile may have leads to the same IP packet."""
    check(decoded(raw(frame), link_type=link_type), expected)


@pytest.mark.parametrize(("frame", "size", "expected"), [c[1:] for c in SUPER_CASES], ids=[c[0] for c in SUPER_CASES])
def test_super_frames(frame: Packet, size: int, expected: dict[str, Any]) -> None:
    """A segmentation-offload frame counts as the packets it becomes, with their headers."""
    check(decoded(raw(frame), gso_size=size), expected)


def test_super_frame_cut_by_the_ring() -> None:
    """The payload of a super-frame is counted by its IP length, not by what was captured."""
    frame = raw(E4 / UDP() / Raw(bytes(40000)))
    assert decoded(frame[:96], wire=len(frame), gso_size=1000)["packets"] == 40


def test_too_long_for_its_length_field() -> None:
    """A super-frame of more than 65,535 bytes (total length 0) has the wire's length."""
    frame = patched(E4 / TCP(flags="A"), 16, b"\0\0")
    said = decoded(frame, wire=14 + 40 + 144800, gso_size=1448)
    assert (said["packets"], said["bytes"]) == (100, 144800 + 100 * 40)


def test_fields_without_meaning_are_cleared() -> None:
    """A record holds nothing of the frame decoded into it before."""
    said = decoded(raw(E / ARP()))
    zero = ["src_hi", "src_lo", "dst_hi", "dst_lo", "src_port", "dst_port", "flags", "tcp_flags", "icmp_type", "vlan"]
    assert {name: said[name] for name in zero} == dict.fromkeys(zero, 0)


# ---- against the oracle ----


def said_by_oracle(frame: bytes, wire: int, link_type: int, gso_size: int) -> dict[str, Any]:
    found = oracle.decode(frame, wire, link_type, gso_size)
    plain = vars(found).copy()
    for name in ("headers", "tags", "name", "ports", "src", "dst"):
        plain.pop(name)
    plain["totals"] = {name: n for name, n in oracle.totals([found]).items() if n}
    plain["src_port"], plain["dst_port"] = found.ports or (0, 0)
    if found.family:
        plain["src"], plain["dst"] = str(found.src), str(found.dst)
    return plain


def agree(frame: bytes, wire: int, link_type: int, gso_size: int = 0) -> None:
    expected = said_by_oracle(frame, wire, link_type, gso_size)
    said = decoded(frame, wire, link_type, gso_size)
    assert {name: said.get(name) for name in expected} == expected


WHOLE = [raw(case[1]) for case in CASES]
LINKED = [(case[1], raw(case[2])) for case in LINK_CASES]
LINK_TYPES = [0, 1, 12, 14, 101, 105, 108, 113, 228, 229, 276]


@pytest.mark.parametrize("frame", WHOLE, ids=[c[0] for c in CASES])
def test_every_cut_of_every_case(frame: bytes) -> None:
    """Cut anywhere, with and without the rest on the wire, a frame is what the oracle says."""
    for end in range(len(frame) + 1):
        agree(frame[:end], len(frame), 1)
        agree(frame[:end], end, 1)


def test_every_cut_of_every_link_case() -> None:
    """The same for the other link types."""
    for link_type, frame in LINKED:
        for end in range(len(frame) + 1):
            agree(frame[:end], len(frame), link_type)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A case with some of its bytes changed, preferably in its headers."""
    frame = bytearray(draw(st.sampled_from(WHOLE)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, max(0, min(len(frame), 90) - 1)))
        if frame:
            frame[at] = draw(
                st.sampled_from([0, 1, 4, 5, 6, 0x11, 0x2B, 0x2C, 0x33, 0x3C, 0x45, 0x60, 0x81, 0x86, 0xAA, 0xFF])
            )
    return bytes(frame[: draw(st.integers(0, len(frame)))])


@given(mutated(), st.integers(0, 70000), st.sampled_from(LINK_TYPES + [1] * 10), st.sampled_from([0, 0, 0, 1, 8, 100]))
@settings(max_examples=3000, deadline=None)
def test_mutated_frames(frame: bytes, wire: int, link_type: int, gso_size: int) -> None:
    """Changed and cut frames, with any wire length, are what the oracle says."""
    agree(frame, wire, link_type, gso_size)


@given(st.binary(max_size=200), st.sampled_from(LINK_TYPES))
@settings(max_examples=1000, deadline=None)
def test_noise(frame: bytes, link_type: int) -> None:
    """So is noise."""
    agree(frame, len(frame), link_type)


@given(st.lists(mutated(), min_size=1, max_size=40))
@settings(max_examples=100, deadline=None)
def test_totals_add_up(frames: list[bytes]) -> None:
    """frames = ipv4 + ipv6 + non_ip + malformed + other_link, and each named total is the oracle's."""
    rows, totals = np.zeros(1, RECORD), Totals()
    for frame in frames:
        decode(frame, len(frame), 1, 0, rows, totals)
    found = totals.by_name()
    assert found["frames"] == sum(found[name] for name in ("ipv4", "ipv6", "non_ip", "malformed", "other_link"))
    assert found == oracle.totals([oracle.decode(frame, len(frame), 1) for frame in frames])


# ---- against scapy and dpkt, for frames on which all agree ----

ADDRESSES4 = st.integers(0, 2**32 - 1).map(lambda n: str(IPv4Address(n)))
ADDRESSES6 = st.integers(0, 2**128 - 1).map(lambda n: str(IPv6Address(n)))
IPS = st.builds(lambda s, d: IP(src=s, dst=d), ADDRESSES4, ADDRESSES4) | st.builds(
    lambda s, d: IPv6(src=s, dst=d), ADDRESSES6, ADDRESSES6
)
PORT = st.integers(0, 65535)
UPPERS = st.builds(lambda s, d, f: TCP(sport=s, dport=d, flags=f), PORT, PORT, st.integers(0, 255)) | st.builds(
    lambda s, d: UDP(sport=s, dport=d), PORT, PORT
)


@given(IPS, UPPERS, st.binary(max_size=30))
@settings(max_examples=200, deadline=None)
def test_scapy_and_dpkt_agree(ip: Packet, upper: Packet, payload: bytes) -> None:
    """Addresses, ports, flags and length are those that scapy wrote and dpkt reads."""
    frame = raw(E / ip / upper / Raw(payload))
    said, read = decoded(frame), dpkt.ethernet.Ethernet(frame).data
    assert (ip_address(said["src"]), ip_address(said["dst"])) == (ip_address(ip.src), ip_address(ip.dst))
    assert said["bytes"] == len(frame) - 14
    assert (said["src_port"], said["dst_port"]) == (read.data.sport, read.data.dport)
    if isinstance(upper, TCP):
        assert said["tcp_flags"] == read.data.flags
