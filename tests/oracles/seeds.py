"""What the fuzzers start from: frames of the decoder's table, and small files of every kind, all made here.

Run as a program it writes them all into a folder each, from which `-merge=1` of a fuzzer picks the ones
worth keeping in native/fuzz/corpus:

    PYTHONPATH=tests python -m oracles.seeds FOLDER
"""

from __future__ import annotations

import re
import struct
import sys
from pathlib import Path

from oracles.frames import CASES, E4, LINK_CASES, SUPER_CASES, E, raw
from oracles.mirror import rings
from oracles.reading import DATAGRAM, DATAGRAM_IP, SYN, WHOLE_PCAP, WHOLE_PCAPNG, T
from oracles.savefile import (
    MODIFIED,
    NANO,
    block,
    enhanced,
    interface,
    obsolete,
    option,
    pcap,
    record,
    section,
    simple,
)
from scapy.layers.inet import UDP
from scapy.layers.l2 import Dot1Q
from scapy.packet import Raw

LINK_TYPES = (1, 0, 12, 14, 101, 108, 113, 228, 229, 276, 105)  # the order of fuzz_decode.c
LONGEST = 300  # bytes of a frame: what is longer repeats itself
WIRE_AS_CAPTURED, WIRE_GIVEN = 0, 2
HALF = 32 << 2  # the harness also decodes the first half


def head(link_type: int, gso_size: int = 0, wire: int | None = None) -> bytes:
    """The eight bytes before a frame: see fuzz_decode.c."""
    mode = WIRE_AS_CAPTURED if wire is None else WIRE_GIVEN
    return struct.pack("<BBHI", LINK_TYPES.index(link_type), HALF | mode, gso_size, wire or 0)


def name(description: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", description.lower()).strip("_")


def frames() -> dict[str, bytes]:
    """Inputs of fuzz_decode by name."""
    found = {name(said): head(1) + raw(frame) for said, frame, _ in CASES}
    found |= {name(f"link {said}"): head(link_type) + raw(frame) for said, link_type, frame, _ in LINK_CASES}
    for said, packet, size, _ in SUPER_CASES:
        frame = raw(packet)
        found[name(f"super {said}")] = head(1, size, len(frame)) + frame[:LONGEST]
    return found


def _looked_at() -> bytes:
    """A datagram that twins.h looks at: one in 256 is, by two words that its headers determine."""
    for port in range(1, 65536):
        frame = raw(E4 / UDP(sport=port, dport=53) / Raw(b"twice"))
        word = int.from_bytes(frame[24:26], "little") ^ int.from_bytes(frame[40:42], "little")
        if (word * 0x9E37 + 0x79B9) % 65536 < 256:
            return frame
    raise AssertionError("no port gives such a frame")


def _pcaps() -> dict[str, bytes]:
    turned = struct.pack("<IIII", T, 5, len(SYN) + 9, len(SYN)) + SYN
    return {
        "whole": WHOLE_PCAP,
        "header_alone": pcap(),
        "header_cut": pcap()[:23],
        "big_endian_nano": pcap(NANO, ">") + record(SYN, T, 999_999_999, order=">") + record(DATAGRAM, T, 0, order=">"),
        "modified": pcap(MODIFIED) + record(SYN, T, 1, more=bytes(8)) + record(DATAGRAM, T, 2, more=bytes(8)),
        "version_2_2": pcap(version=(2, 2)) + turned,
        "version_2_3": pcap(version=(2, 3)) + turned + record(DATAGRAM, T, 6),
        "version_3": pcap(version=(3, 0)),
        "raw": pcap(link_type=101) + record(DATAGRAM_IP, T, 1) + record(b"", T, 2, wire=60),
        "wireless": pcap(link_type=105) + record(bytes(40), T, 1),
        "clock": pcap() + b"".join(record(SYN, s, f) for s, f in ((T, 5), (T, 5), (T - 1, 0), (T, 1_000_000), (0, 0))),
        "twins": pcap() + b"".join(record(_looked_at(), T, n) for n in (1, 2, 3, 4, 5, 6000)),
        "tagged": pcap() + record(raw(E / Dot1Q(vlan=7) / E4.payload / UDP()), T),
        "short": pcap() + record(SYN[:30], T, wire=54),
        "cut": WHOLE_PCAP[:-1],
        "too_long": pcap() + record(SYN, T) + struct.pack("<IIII", T, 0, 262_145, 262_145),
    }


def _of(number: int) -> bytes:
    return enhanced(SYN, T, number)


def _pcapngs() -> dict[str, bytes]:
    first = section() + interface()
    ends = (first[: len(section()) + 20], first + enhanced(SYN, T)[:40])
    return {
        "whole": WHOLE_PCAPNG,
        "section_alone": section(),
        "section_cut": section()[:27],
        "kinds": first + simple(SYN) + obsolete(DATAGRAM, T) + block(5, bytes(12)) + simple(SYN[:50], wire=54),
        "snap": section() + interface(snap=20) + simple(SYN, wire=54),
        "two_orders": WHOLE_PCAPNG + section(">") + interface(order=">") + enhanced(SYN, T, order=">"),
        "undescribed": section() + enhanced(SYN, T, number=3),
        "interfaces": first + interface(101) + interface(105) + enhanced(DATAGRAM_IP, T, 1) + enhanced(SYN, T, 2),
        "interfaces_257": section() + block(1, struct.pack("<HHI", 1, 0, 0)) * 257 + _of(255) + _of(256) + _of(257),
        "nanoseconds": section() + interface(resolution=9) + enhanced(SYN, T * 10**9 + 1) + enhanced(SYN, T * 10**9),
        "binary_clock": section() + interface(resolution=0x80 | 20, offset=T) + enhanced(SYN, 77),
        "no_clock": section() + interface(resolution=20) + enhanced(SYN, 1) + simple(SYN),
        "last_nanosecond": section() + interface(resolution=9) + enhanced(SYN, 2**63 - 1) + enhanced(SYN, 5),
        "before_1970": section() + interface(offset=-T) + enhanced(SYN, 5),
        "captured_too_long": first + block(6, struct.pack("<IIIII", 0, 0, T, 500, 500) + SYN[:20]),
        "section_too_short": WHOLE_PCAPNG + block(0x0A0D0D0A, struct.pack("<III", 0x1A2B3C4D, 1, 0)),
        "interface_too_short": section() + block(1, bytes(4)),
        "simple_too_short": first + block(3, b""),
        "option_too_long": section() + block(1, struct.pack("<HHI", 1, 0, 0) + struct.pack("<HH", 9, 400)),
        "section_options": block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 2, -1) + option(3, b"x" * 60)),
        "version_2": section(version=(2, 0)),
        "cut_interface": ends[0],
        "cut_packet": ends[1],
    }


def files() -> dict[str, bytes]:
    """Inputs of fuzz_savefile by name."""
    found = {f"pcap_{key}": value for key, value in _pcaps().items()}
    return found | {f"pcapng_{key}": value for key, value in _pcapngs().items()}


SEEDS = {"decode": frames, "savefile": files, "mirror": rings}


def main(folder: Path) -> None:
    for harness, make in SEEDS.items():
        place = folder / harness
        place.mkdir(parents=True, exist_ok=True)
        for called, content in make().items():
            (place / called).write_bytes(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
