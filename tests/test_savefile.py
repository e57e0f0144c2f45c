"""Savefiles: pcap in all its kinds, clocks, attachment points, gzip and pipes."""

from __future__ import annotations

import gzip
import os
import struct
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.reading import DATAGRAM, DATAGRAM_IP, SECOND, SYN, WHOLE_PCAP, WHOLE_PCAPNG, Read, T, read
from oracles.savefile import MICRO, MODIFIED, NANO, enhanced, interface, pcap, record, section
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import PcapNgWriter, PcapWriter

from edgeguard.capture.points import REVERSED, Points
from edgeguard.capture.savefile import SavefileCapture
from edgeguard.record import NOBODY, mac_number

ORDERS = ["<", ">"]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("magic", "unit", "more"), [(MICRO, 1000, b""), (NANO, 1, b""), (MODIFIED, 1000, bytes(8))])
def test_pcap(tmp_path: Path, order: str, magic: int, unit: int, more: bytes) -> None:
    """Microsecond, nanosecond and modified pcap in both byte orders give the same frames and their stamps."""
    content = pcap(magic, order) + record(SYN, T, 5, order=order, more=more)
    content += record(DATAGRAM, T, 7, order=order, more=more)
    found = read(tmp_path, content)
    assert found.totals == {"frames": 2, "ipv4": 2, "tcp_syn": 1, "udp": 1, "udp_bytes": 68}
    assert found.stamps == [T * SECOND + 5 * unit, T * SECOND + 7 * unit]
    assert (found.capture.first_ts, found.capture.last_ts) == (found.stamps[0], found.stamps[1])
    assert (found.findings, found.capture.truncated, found.capture.corrupt) == ([], False, False)
    assert found.capture.done == found.capture.size == len(content)


def test_the_last_second_of_pcap(tmp_path: Path) -> None:
    """Seconds are unsigned: a pcap file reaches to 2106."""
    assert read(tmp_path, pcap(NANO) + record(SYN, 2**32 - 1, 999_999_999)).stamps == [2**32 * SECOND - 1]


def test_snapped(tmp_path: Path) -> None:
    """A snapped frame counts by protocol with the wire's bytes."""
    found = read(tmp_path, pcap() + record(DATAGRAM[:36], T, 1, wire=len(DATAGRAM)))
    assert found.totals == {"frames": 1, "ipv4": 1, "udp": 1, "udp_bytes": 68}


@pytest.mark.parametrize("minor", [2, 3])
def test_old_pcap_with_lengths_reversed(tmp_path: Path, minor: int) -> None:
    """Before 2.4 the wire length may stand where the captured length belongs."""
    head = struct.pack("<IIII", T, 1, len(DATAGRAM), 36)
    found = read(tmp_path, pcap(version=(2, minor)) + head + DATAGRAM[:36] + record(SYN, T, 2))
    assert found.totals == {"frames": 2, "ipv4": 2, "udp": 1, "udp_bytes": 68, "tcp_syn": 1}


def test_fcs_bits_beside_the_link_type(tmp_path: Path) -> None:
    """The upper half of the link type field is about the frame check sequence."""
    assert read(tmp_path, pcap(link_type=0x14000001) + record(SYN, T, 1)).totals["tcp_syn"] == 1


@pytest.mark.parametrize(
    ("link_type", "head"),
    [
        *((number, b"") for number in (12, 14, 101, 228)),
        (1, DATAGRAM[:14]),
        (0, b"\2\0\0\0"),
        (108, b"\0\0\0\2"),
        (113, bytes(14) + b"\x08\0"),
        (276, b"\x08\0" + bytes(18)),
    ],
)
def test_link_types(tmp_path: Path, link_type: int, head: bytes) -> None:
    """Each link type that is decoded, in pcap and in pcapng."""
    expected = {"frames": 1, "ipv4": 1, "udp": 1, "udp_bytes": 68}
    assert read(tmp_path, pcap(link_type=link_type) + record(head + DATAGRAM_IP, T, 1)).totals == expected
    assert read(tmp_path, section() + interface(link_type) + enhanced(head + DATAGRAM_IP)).totals == expected


def test_unknown_link_type(tmp_path: Path) -> None:
    """Frames of a link type that is not decoded are counted, and the type is named."""
    found = read(tmp_path, pcap(link_type=105) + record(SYN, T, 1) + record(SYN, T, 2))
    assert found.totals == {"frames": 2, "other_link": 2}
    assert found.findings == ["2 of 2 frames not decoded, by link type: IEEE 802.11 (105)"]


# ---- scapy writes ----


@pytest.mark.parametrize("writer", [PcapWriter, PcapNgWriter])
def test_what_scapy_writes(tmp_path: Path, writer: Any) -> None:
    """Frames and stamps are those that scapy wrote."""
    path = tmp_path / "scapy"
    out = writer(str(path))
    for i in range(100):
        packet = Ether(SYN if i % 2 else DATAGRAM)
        packet.time = T + i / 8
        out.write(packet)
    out.close()
    found = Read(SavefileCapture(path, None, room=7))
    assert found.totals == {"frames": 100, "ipv4": 100, "tcp_syn": 50, "udp": 50, "udp_bytes": 50 * 68}
    assert found.stamps == [T * SECOND + i * SECOND // 8 for i in range(100)]


# ---- clocks ----


@pytest.mark.parametrize(
    ("stamps", "said"),
    [
        ([(T, 1), (T, 2), (T + 1, 0)], []),
        ([(T, 1), (T, 1), (T, 2)], []),
        ([(T, 2), (T, 1), (T, 3), (T, 2)], ["the clock steps back 2 times"]),
        ([(T, 5), (T, 5), (T, 5)], ["all 3 frames carry the same time stamp"]),
        ([(T, 0), (T + 1, 0)], ["all 2 time stamps are whole seconds"]),
        ([(T, 1), (T, 1_000_000)], ["1 time stamp with a fraction of a second or more, which was added"]),
        ([(T, 0)], []),
    ],
)
def test_broken_clocks(tmp_path: Path, stamps: list[tuple[int, int]], said: list[str]) -> None:
    """A clock that cannot be is read as it stands, and said in one sentence; a healthy one is not."""
    found = read(tmp_path, pcap() + b"".join(record(SYN, *stamp) for stamp in stamps))
    times = [seconds * SECOND + fraction * 1000 for seconds, fraction in stamps]
    assert (found.stamps, found.findings) == (times, said)
    assert (found.capture.first_ts, found.capture.last_ts) == (min(times), max(times))


@given(st.lists(st.integers(T, T + 3), min_size=1, max_size=30), st.integers(1, 5))
@settings(max_examples=100, deadline=None)
def test_first_and_last_stamp(tmp_path: Path, seconds: list[int], room: int) -> None:
    """Smallest and largest stamp in whatever order, over any number of reads."""
    found = read(tmp_path, pcap() + b"".join(record(SYN, s, 1) for s in seconds), room=room)
    assert (found.capture.first_ts, found.capture.last_ts) == (min(found.stamps), max(found.stamps))
    backwards = sum(a > b for a, b in pairwise(seconds))
    assert any("steps back" in finding for finding in found.findings) == bool(backwards)


# ---- attachment points ----


def test_points_by_mac(tmp_path: Path) -> None:
    """Source and destination MAC say which VM a frame left and entered; reversal is for live capture."""
    points = Points(4)
    points.put(mac_number("02:00:00:00:00:02"), 3)
    points.put(mac_number("02:00:00:00:00:01"), 5, reversed=True)
    assert points.find(mac_number("02:00:00:00:00:01")) == 5 | REVERSED
    other = bytes(
        Ether(src="02:00:00:00:00:09", dst="02:00:00:00:00:02") / IP(src="192.0.2.9", dst="192.0.2.10") / UDP()
    )
    found = read(tmp_path, pcap() + record(SYN, T, 1) + record(other, T, 2) + record(other[:13], T, 3), points)
    assert [(int(r["out_of"]), int(r["into"])) for r in found.records] == [(3, 5), (NOBODY, 3), (NOBODY, NOBODY)]


def test_points_only_for_ethernet(tmp_path: Path) -> None:
    """Without Ethernet there is no MAC; without points nobody is known."""
    points = Points(4)
    points.put(mac_number("02:00:00:00:00:02"), 3)
    raw_ip = read(tmp_path, pcap(link_type=101) + record(DATAGRAM_IP, T, 1), points)
    no_points = read(tmp_path, pcap() + record(SYN, T, 1))
    for found in (raw_ip, no_points):
        assert (int(found.records["out_of"][0]), int(found.records["into"][0])) == (NOBODY, NOBODY)


# ---- gzip, pipes, closing ----


def test_gzipped(tmp_path: Path) -> None:
    """A gzipped savefile, whatever its name, is read like a plain one."""
    assert read(tmp_path, gzip.compress(WHOLE_PCAP)).totals == read(tmp_path, WHOLE_PCAP).totals


def test_gzip_cut_off(tmp_path: Path) -> None:
    """A gzip file that was cut gives what it holds, and says so."""
    frames = b"".join(record(os.urandom(60), T, i) for i in range(5000))
    found = read(tmp_path, gzip.compress(pcap() + frames)[:-50_000])
    assert 0 < found.totals["frames"] < 5000
    assert found.capture.truncated and "gzip" in found.findings[0]


def test_from_a_pipe(tmp_path: Path) -> None:
    """A pipe, as of a process substitution, is read to its end."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(WHOLE_PCAPNG,))
    writer.start()
    found = Read(SavefileCapture(path, None))
    writer.join()
    assert found.totals["frames"] == 2


def test_closed(tmp_path: Path) -> None:
    """After close() nothing more comes, and what was found can still be asked."""
    path = tmp_path / "file"
    path.write_bytes(WHOLE_PCAP)
    capture = SavefileCapture(path, None, room=1)
    assert len(capture.read()) == 1
    capture.close()
    assert (len(capture.read()), capture.totals()["frames"], capture.health().received) == (0, 1, 1)
