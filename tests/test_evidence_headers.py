"""Headers, not payload: where a frame is cut, which frames are kept, and whose they are."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import decode as oracle
from oracles.frames import CASES, LINK_CASES, raw
from scapy.layers.l2 import ARP, GRE, Ether

from edgeguard.clock import MILLISECOND, SECOND
from edgeguard.native import headers
from edgeguard.native.headers import BYTES, KEPT, OUT, Headers

START = 1_767_225_600 * SECOND
PAYLOAD = b"\x5a" * 64
MACS = bytes.fromhex("020000000001 020000000002")
V4, V6 = IPv4Address("192.0.2.10").packed, IPv6Address("2001:db8::10").packed


# ---- frames of known headers --------------------------------------------------------------------

transports = st.one_of(
    st.tuples(st.just(17), st.just(bytes(8))),
    st.tuples(st.just(136), st.just(bytes(8))),
    st.tuples(st.sampled_from([1, 58]), st.just(bytes(8))),
    st.tuples(st.just(132), st.just(bytes(12))),
    st.integers(5, 15).map(lambda words: (6, bytes(12) + bytes([words << 4, 2]) + bytes(words * 4 - 14))),
    st.tuples(st.sampled_from([4, 41, 47, 50, 253]), st.just(b"")),  # tunnels: what they carry is payload
)
tags = st.lists(st.sampled_from([0x8100, 0x88A8]), max_size=3)


def link(kinds: list[int], carried: int) -> bytes:
    types = [*kinds, carried]
    return MACS + struct.pack("!H", types[0]) + b"".join(struct.pack("!HH", 7, one) for one in types[1:])


def ipv4(protocol: int, words: int, behind: int, offset: int) -> bytes:
    return struct.pack(
        "!BBHHHBBH4s4s", 0x40 | words, 0, words * 4 + behind, 1, offset, 64, protocol, 0, V4, V4
    ) + bytes(words * 4 - 20)


@given(tags, transports, st.integers(5, 15), st.sampled_from([0, 0x4000, 0x2000]))
def test_ipv4_is_cut_after_its_transport_header(
    kinds: list[int], transport: tuple[int, bytes], words: int, offset: int
) -> None:
    """Every byte of tags, IP options and TCP options is kept, and none of what follows."""
    protocol, upper = transport
    known = link(kinds, 0x0800) + ipv4(protocol, words, len(upper) + len(PAYLOAD), offset) + upper
    assert headers.end(known + PAYLOAD, 0, 1) == len(known)


@given(tags, transports, st.lists(st.tuples(st.sampled_from([0, 43, 60, 135]), st.integers(0, 3)), max_size=4))
def test_ipv6_is_cut_behind_its_extension_headers(
    kinds: list[int], transport: tuple[int, bytes], chain: list[tuple[int, int]]
) -> None:
    """Extension headers are headers, however many there are."""
    protocol, upper = transport
    nexts = [*(kind for kind, _ in chain), protocol]
    extensions = b"".join(
        bytes([following, size]) + bytes(6 + 8 * size) for following, (_, size) in zip(nexts[1:], chain, strict=True)
    )
    behind = len(extensions) + len(upper) + len(PAYLOAD)
    known = link(kinds, 0x86DD) + struct.pack("!IHBB", 6 << 28, behind, nexts[0], 64) + V6 + V6 + extensions + upper
    assert headers.end(known + PAYLOAD, 0, 1) == len(known)


def test_fragments_are_cut_before_their_data() -> None:
    """A later fragment has no transport header: what looks like one is data."""
    known = link([], 0x0800) + ipv4(17, 5, len(PAYLOAD), 185)
    assert headers.end(known + PAYLOAD, 0, 1) == len(known)
    fragment = bytes([17, 0]) + struct.pack("!HI", 100 << 3 | 1, 7)
    known = link([], 0x86DD) + struct.pack("!IHBB", 6 << 28, 8 + len(PAYLOAD), 44, 64) + V6 + V6 + fragment
    assert headers.end(known + PAYLOAD, 0, 1) == len(known)


def test_what_a_packet_does_not_hold_is_not_kept() -> None:
    """A trailer behind the packet's own end is no header, nor a tunnel's inside, nor what ARP is padded with."""
    known = link([], 0x0800) + ipv4(6, 5, 4, 0) + bytes(4)  # four bytes of TCP are all there is
    assert headers.end(known + PAYLOAD, 0, 1) == len(known)
    arp = raw(
        Ether(src="02:00:00:00:00:02", dst="ff:ff:ff:ff:ff:ff") / ARP(hwsrc="02:00:00:00:00:02", psrc="192.0.2.1")
    )
    assert headers.end(arp + PAYLOAD, 0, 1) == len(arp) == 42
    tunnel = link([], 0x0800) + ipv4(47, 5, len(GRE()) + len(PAYLOAD), 0)
    assert headers.end(tunnel + raw(GRE()) + PAYLOAD, 0, 1) == len(tunnel)
    assert headers.end(link([], 0x88B5) + PAYLOAD, 0, 1) == 14


# ---- any frame: the oracle must read the same from the headers ----------------------------------


def same(frame: bytes, wire: int, link_type: int) -> None:
    end = headers.end(frame, wire, link_type)
    assert 0 <= end <= len(frame)
    wire = max(wire, len(frame))
    assert oracle.decode(frame[:end], wire, link_type) == oracle.decode(frame, wire, link_type)


TABLE = [(said, 1, raw(frame)) for said, frame, _ in CASES]
TABLE += [(said, link_type, raw(frame)) for said, link_type, frame, _ in LINK_CASES]


@pytest.mark.parametrize(("link_type", "frame"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_the_headers_say_all_that_the_frame_says(link_type: int, frame: bytes) -> None:
    """The oracle of the decoder finds the same in the headers alone, for every frame of its table."""
    same(frame, len(frame), link_type)


@given(st.data())
def test_damaged_frames_too(data: st.DataObject) -> None:
    """Whatever is changed in a frame or cut off it: its headers say the same as all of it."""
    _, link_type, frame = data.draw(st.sampled_from(TABLE))
    changed = bytearray(frame[: data.draw(st.integers(0, len(frame)))])
    for _ in range(data.draw(st.integers(0, 4)) if changed else 0):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    same(bytes(changed), len(changed) + data.draw(st.integers(0, 3000)), link_type)


# ---- which frames are kept ----------------------------------------------------------------------


def frame(number: int) -> bytes:
    """A UDP frame whose headers end with its number."""
    return link([], 0x0800) + ipv4(17, 5, 8 + len(PAYLOAD), 0) + struct.pack("!II", 7, number) + PAYLOAD


def numbers(found: Any) -> list[int]:
    return [int.from_bytes(row["bytes"][38:42].tobytes(), "big") for row in found]


def test_a_slow_vm_keeps_every_frame() -> None:
    """Up to 100 packets a second the last 512 are all there, in their order, and no byte of payload."""
    memory = Headers(2)
    for number in range(2_000):
        memory.offer(1, frame(number), START + number * 10 * MILLISECOND)
    found = memory.frames(1)
    assert numbers(found) == list(range(2_000 - KEPT, 2_000))
    assert memory.kept(1) == 2_000
    assert set(found["captured"].tolist()) == {42}
    assert PAYLOAD[:4] not in found.tobytes()
    assert len(memory.frames(0)) == 0


def test_a_flood_reaches_back_four_seconds() -> None:
    """At 20,000 packets a second the 512 frames span about four seconds, and the pauses between them vary."""
    memory = Headers(1)
    for number in range(160_000):
        memory.offer(0, frame(number), START + number * 50_000)
    found = memory.frames(0)
    span = int(found["ts"][-1] - found["ts"][0])
    assert len(found) == KEPT
    assert 3.6 * SECOND < span < 4.4 * SECOND
    pauses = np.diff(found["ts"])
    assert pauses.min() >= 3_850_000
    assert pauses.max() <= 11_800_000
    assert len(set(pauses.tolist())) > 50


def test_a_flood_leaves_what_was_before() -> None:
    """Of a flood of 50 ms, at a million packets a second, the ring holds a sample beside what came before it."""
    memory = Headers(1)
    for number in range(KEPT):
        memory.offer(0, frame(number), START + number * 100 * MILLISECOND)
    begin = START + KEPT * 100 * MILLISECOND
    for number in range(50_000):
        memory.offer(0, frame(1_000_000 + number), begin + number * 1_000)
    found = numbers(memory.frames(0))
    flood = [number for number in found if number >= 1_000_000]
    assert 115 <= len(flood) <= 155  # 134 on average, give or take 3: pauses are random
    assert len(found) == KEPT


@given(st.lists(st.tuples(st.integers(-(10**12), 10**9), st.integers(0, 2)), max_size=200))
def test_no_clock_stops_it(steps: list[tuple[int, int]]) -> None:
    """However time jumps: a frame that comes two seconds, by its own clock, after the one before is kept."""
    memory, ts = Headers(3), START
    for number in range(3 * KEPT):
        memory.offer(number % 3, frame(0), ts)
    for step, point in steps:
        ts += step
        memory.offer(point, frame(1), ts)
        kept = memory.kept(point)
        ts += 2 * SECOND
        memory.offer(point, frame(2), ts)
        assert memory.kept(point) == kept + 1
        assert 0 <= len(memory.frames(point)) <= KEPT


def test_frames_are_counted_on_from_a_moment() -> None:
    """What came after a moment is asked for by how many had come before it, and forgotten where a row is given away."""
    memory = Headers(1)
    for number in range(700):
        memory.offer(0, frame(number), START + number * 10 * MILLISECOND)
    since = memory.kept(0)
    for number in range(700, 720):
        memory.offer(0, frame(number), START + number * 10 * MILLISECOND)
    assert numbers(memory.frames(0, since)) == list(range(700, 720))
    memory.forget(0)
    assert (memory.kept(0), len(memory.frames(0))) == (0, 0)
    memory.offer(0, frame(9), START)
    assert numbers(memory.frames(0)) == [9]


def test_more_than_fits_is_cut() -> None:
    """A frame keeps BYTES of its headers at most, with its length on the wire."""
    memory = Headers(1)
    long = (
        link([0x8100] * 8, 0x86DD)
        + struct.pack("!IHBB", 6 << 28, 100, 6, 64)
        + V6
        + V6
        + bytes(12)
        + b"\xf0\2"
        + bytes(86)
    )
    memory.offer(0, long, START, wire=1_514, flags=OUT)
    (found,) = memory.frames(0)
    assert (found["captured"], found["wire"], found["flags"]) == (BYTES, 1_514, OUT)
    assert found["bytes"].tobytes() == long[:BYTES]


def test_a_point_beyond_the_memory_is_left_alone() -> None:
    """Frames of no point, and of one that the memory has no room for, change nothing."""
    memory = Headers(1)
    for point in (1, 0xFFFF):
        memory.offer(point, frame(1), START)
    assert memory.kept(0) == 0
