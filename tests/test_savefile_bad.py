"""Bad savefiles: cut anywhere, corrupt, changed, or none at all."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.reading import SYN, WHOLE_PCAP, WHOLE_PCAPNG, T, read
from oracles.savefile import block, enhanced, interface, option, pcap, record, section

from edgeguard.capture.savefile import SavefileCapture
from edgeguard.errors import SavefileError


@pytest.mark.parametrize("content", [WHOLE_PCAP, WHOLE_PCAPNG], ids=["pcap", "pcapng"])
def test_cut_anywhere(tmp_path: Path, content: bytes) -> None:
    """Cut at any byte a file is refused in one line or read as far as it goes, and the cut is said."""
    for end in range(1, len(content)):
        try:
            found = read(tmp_path, content[:end])
        except SavefileError as error:
            assert "\n" not in str(error)
            continue
        assert found.capture.truncated == (found.capture.done < end)
        assert any("cut off" in finding for finding in found.findings) == found.capture.truncated
        assert found.totals.get("frames", 0) < 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"\xd4\xc3", "neither a pcap nor a pcapng"),
        (b"not a savefile, whatever it is called", "neither a pcap nor a pcapng"),
        (pcap()[:23], "ends inside its file header"),
        (section()[:27], "ends inside its file header"),
        (pcap(version=(3, 0)), "format version is not known"),
        (section(version=(2, 0)), "format version is not known"),
        (gzip.compress(b"not a savefile", mtime=0), "neither a pcap nor a pcapng"),
        (gzip.compress(b"", mtime=0), "it is empty"),
        (b"\x1f\x8b garbage", "gzip data is cut off or damaged"),
    ],
)
def test_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    """What is no savefile is refused in one line: the file, why, what to give."""
    with pytest.raises(SavefileError) as caught:
        read(tmp_path, content)
    said = str(caught.value)
    assert reason in said and str(tmp_path / "file") in said and "give a pcap" in said and "\n" not in said


@pytest.mark.parametrize("path", ["/nowhere/at/all", "/tmp", "/dev/null"])
def test_not_a_file(path: str) -> None:
    """A missing file, a folder and a device are refused in one line."""
    with pytest.raises(SavefileError, match=f"{path}: cannot be read"):
        SavefileCapture(Path(path), None)


CORRUPT = [
    ("pcap: captured length", pcap() + record(SYN, T, 1) + struct.pack("<IIII", T, 2, 262145, 262145) + bytes(300000)),
    ("pcapng: block length below 12", WHOLE_PCAPNG + struct.pack("<III", 6, 8, 8)),
    ("pcapng: block length not of four", WHOLE_PCAPNG + struct.pack("<II", 6, 33) + bytes(60)),
    ("pcapng: the two lengths differ", WHOLE_PCAPNG + block(6, bytes(40))[:-4] + struct.pack("<I", 16)),
    ("pcapng: a block of gigabytes", WHOLE_PCAPNG + struct.pack("<II", 6, 0xFFFFFFF0) + bytes(60)),
    (
        "pcapng: captured length beyond the block",
        WHOLE_PCAPNG + block(6, struct.pack("<IIIII", 0, 0, 0, 5, 5) + bytes(4)),
    ),
    ("pcapng: enhanced block too short", WHOLE_PCAPNG + block(6, bytes(16))),
    ("pcapng: simple block too short", WHOLE_PCAPNG + block(3, b"")),
    ("pcapng: interface too short", WHOLE_PCAPNG + block(1, bytes(4))),
    ("pcapng: option beyond the block", WHOLE_PCAPNG + block(1, bytes(8) + option(9, b"\6" * 8)[:8])),
    ("pcapng: section without byte order", WHOLE_PCAPNG + block(0x0A0D0D0A, bytes(16))),
    ("pcapng: section too short", WHOLE_PCAPNG + block(0x0A0D0D0A, struct.pack("<III", 0x1A2B3C4D, 1, 0))),
    ("pcapng: section of version 2", WHOLE_PCAPNG + section(version=(2, 0)) + interface() + enhanced(SYN)),
]


@pytest.mark.parametrize("content", [c[1] for c in CORRUPT], ids=[c[0] for c in CORRUPT])
def test_corrupt(tmp_path: Path, content: bytes) -> None:
    """At a length that cannot be reading stops, what came before counts, and the place is told."""
    found = read(tmp_path, content)
    frames = 1 if content.startswith(pcap()) else 2
    assert found.totals["frames"] == frames
    assert found.capture.corrupt and not found.capture.truncated
    assert found.findings[0].startswith(f"corrupt at byte {found.capture.done} of {len(content)}")


@pytest.mark.parametrize("content", [WHOLE_PCAP, WHOLE_PCAPNG], ids=["pcap", "pcapng"])
@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_any_byte_changed(tmp_path: Path, content: bytes, data: st.DataObject) -> None:
    """A file with changed bytes is read or refused; totals always add up and stay consistent."""
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read(tmp_path, bytes(changed))
    except SavefileError as error:
        assert "\n" not in str(error)
        return
    parts = sum(found.totals.get(name, 0) for name in ("ipv4", "ipv6", "non_ip", "malformed", "other_link"))
    assert found.totals.get("frames", 0) == parts == len(found.records)
    assert 0 <= found.capture.done <= len(changed)


def test_the_last_nanosecond(tmp_path: Path) -> None:
    """The stamp that stands for no stamp yet is unusable like those after it, and leaves the clock alone."""
    first = section() + interface(resolution=9)
    alone = read(tmp_path, first + enhanced(SYN, 2**63 - 1))
    assert (alone.stamps, alone.capture.first_ts, alone.capture.last_ts) == ([0], None, None)
    found = read(tmp_path, first + enhanced(SYN, 7) + enhanced(SYN, 2**63 - 1) + enhanced(SYN, 5))
    assert found.stamps == [7, 7, 5]
    assert (found.capture.first_ts, found.capture.last_ts) == (5, 7)
    latest = read(tmp_path, first + enhanced(SYN, 2**63 - 2))
    assert latest.stamps == [2**63 - 2] == [latest.capture.last_ts]
