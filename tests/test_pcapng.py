"""pcapng: sections, interfaces, the three packet blocks, and every clock."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import decode as oracle
from oracles.reading import DATAGRAM, DATAGRAM_IP, SECOND, SYN, T, read
from oracles.savefile import block, enhanced, interface, obsolete, section, simple

ORDERS = ["<", ">"]


def test_pcapng_of_many_sections_and_interfaces(tmp_path: Path) -> None:
    """Sections of both byte orders, interfaces of several link types and clocks, all three packet blocks."""
    content = section() + interface(1) + interface(101, resolution=9)
    content += enhanced(SYN, T * 1_000_000 + 1) + enhanced(DATAGRAM_IP, T * SECOND + 2000, number=1)
    content += block(4, b"names, stepped over") + section(">") + interface(113, ">", resolution=3, offset=T)
    content += enhanced(bytes(14) + b"\x08\0" + DATAGRAM_IP, 1234, order=">") + interface(105, ">")
    content += obsolete(SYN, 1, number=1, order=">") + simple(bytes(14) + b"\x08\0" + DATAGRAM_IP, order=">")
    found = read(tmp_path, content)
    assert found.totals == {"frames": 5, "ipv4": 4, "tcp_syn": 1, "udp": 3, "udp_bytes": 204, "other_link": 1}
    assert found.stamps[:3] == [T * SECOND + 1000, T * SECOND + 2000, T * SECOND + 1_234_000_000]
    assert found.stamps[3:] == [1000, 1000]
    assert found.findings == [
        "1 of 5 frames not decoded, by link type: IEEE 802.11 (105)",
        "the clock steps back 1 time",
        "1 frame without a usable time stamp, given that of the frame before",
    ]


@pytest.mark.parametrize(
    ("resolution", "ticks", "expected"),
    [
        (None, 1_000_001, SECOND + 1000),
        (0, 5, 5 * SECOND),
        (3, 1001, SECOND + 1_000_000),
        (6, 7, 7000),
        (9, 7, 7),
        (12, 7_999, 7),
        (19, 10**19 + 10**10, SECOND + 1),
        (0x80, 5, 5 * SECOND),
        (0x8A, 512, SECOND // 2),
        (0xA0, 1 << 31, SECOND // 2),
        (0xBF, 1 << 63, SECOND),
    ],
)
def test_resolutions(tmp_path: Path, resolution: int | None, ticks: int, expected: int) -> None:
    """if_tsresol as a power of ten or of two, rounded down to nanoseconds."""
    found = read(tmp_path, section() + interface(resolution=resolution) + enhanced(SYN, ticks))
    assert found.stamps == [expected]


@given(st.integers(0, 19) | st.integers(0x80, 0xBF), st.integers(0, 2**64 - 1), st.integers(-(2**40), 2**40))
@settings(max_examples=200, deadline=None)
def test_any_clock(tmp_path: Path, resolution: int, ticks: int, offset: int) -> None:
    """Any stamp is exact, or it is said to be unusable where nanoseconds since 1970 cannot hold it."""
    units = 1 << (resolution & 0x7F) if resolution & 0x80 else 10**resolution
    expected = ticks * SECOND // units + offset * SECOND
    found = read(tmp_path, section() + interface(resolution=resolution, offset=offset) + enhanced(SYN, ticks))
    usable = 0 <= expected < 2**63 - 1
    assert found.stamps == [expected if usable else 0]
    assert found.capture.first_ts == (expected if usable else None)
    assert any("usable" in finding for finding in found.findings) != usable


@pytest.mark.parametrize("resolution", [20, 0x7F, 0xC0, 0xFF])
def test_a_resolution_beyond_64_bits(tmp_path: Path, resolution: int) -> None:
    """Frames of a clock that cannot be represented are counted, without a stamp."""
    found = read(tmp_path, section() + interface(resolution=resolution) + enhanced(SYN, 5))
    assert (found.totals["tcp_syn"], found.capture.first_ts) == (1, None)


def test_simple_block_is_cut_by_the_snap_length(tmp_path: Path) -> None:
    """A simple packet block has no captured length: padding is not the frame."""
    found = read(tmp_path, section() + interface(snap=37) + simple(DATAGRAM[:37], wire=len(DATAGRAM)))
    assert (found.totals["udp_bytes"], int(found.records["src_port"][0])) == (68, 0)


def test_an_interface_never_described(tmp_path: Path) -> None:
    """Its frames are counted as of another link type, and reading goes on."""
    found = read(tmp_path, section() + interface() + enhanced(SYN, T, number=9) + enhanced(SYN, T))
    assert found.totals == {"frames": 2, "other_link": 1, "ipv4": 1, "tcp_syn": 1}
    assert "an interface the file never describes" in found.findings[0]


def test_more_interfaces_than_are_kept(tmp_path: Path) -> None:
    """The 257th interface is not decoded, the 256th is."""
    content = section() + interface() * 257 + enhanced(SYN, 1, number=255) + enhanced(SYN, 2, number=256)
    assert read(tmp_path, content).totals == {"frames": 2, "ipv4": 1, "tcp_syn": 1, "other_link": 1}


def test_interfaces_belong_to_their_section(tmp_path: Path) -> None:
    """A section forgets the interfaces of the one before."""
    found = read(tmp_path, section() + interface() + enhanced(SYN) + section() + enhanced(SYN))
    assert found.totals["other_link"] == 1


FRAMES = st.sampled_from([SYN, DATAGRAM, SYN[:40], DATAGRAM[:20], b"", bytes(60)])


@given(
    st.lists(st.tuples(FRAMES, st.sampled_from(ORDERS), st.sampled_from([1, 101, 113, 7])), max_size=20),
    st.integers(1, 9),
)
@settings(max_examples=100, deadline=None)
def test_any_pcapng(tmp_path: Path, written: list[tuple[bytes, str, int]], room: int) -> None:
    """However sections follow each other and reads are cut, the totals are the oracle's."""
    content = section()
    for i, (frame, order, link_type) in enumerate(written):
        content += section(order) + interface(link_type, order) + enhanced(frame, T + i, order=order)
    found = read(tmp_path, content, room=room)
    expected = oracle.totals([oracle.decode(frame, len(frame), link_type) for frame, _, link_type in written])
    assert found.totals == {name: n for name, n in expected.items() if n}
