"""Writers of savefiles, block by block, for files that no good program would write."""

from __future__ import annotations

import struct

MICRO, NANO, MODIFIED = 0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34


def pcap(magic: int = MICRO, order: str = "<", link_type: int = 1, version: tuple[int, int] = (2, 4)) -> bytes:
    return struct.pack(f"{order}IHHiIII", magic, *version, 0, 0, 65535, link_type)


def record(
    frame: bytes, seconds: int = 0, fraction: int = 0, wire: int | None = None, order: str = "<", more: bytes = b""
) -> bytes:
    """A pcap record; `more`: the eight extra bytes of the modified format."""
    wire = len(frame) if wire is None else wire
    return struct.pack(f"{order}IIII", seconds, fraction, len(frame), wire) + more + frame


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    length = len(body) + 12
    return struct.pack(f"{order}II", kind, length) + body + struct.pack(f"{order}I", length)


def section(order: str = "<", version: tuple[int, int] = (1, 0)) -> bytes:
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, *version, -1), order)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)


def interface(
    link_type: int = 1, order: str = "<", snap: int = 0, resolution: int | None = None, offset: int | None = None
) -> bytes:
    body = struct.pack(f"{order}HHI", link_type, 0, snap)
    body += option(2, b"tap0", order)
    if resolution is not None:
        body += option(9, bytes([resolution]), order)
    if offset is not None:
        body += option(14, struct.pack(f"{order}q", offset), order)
    return block(1, body + option(0, b""), order)


def enhanced(frame: bytes, ticks: int = 0, number: int = 0, wire: int | None = None, order: str = "<") -> bytes:
    wire = len(frame) if wire is None else wire
    head = struct.pack(f"{order}IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), wire)
    return block(6, head + frame + bytes(-len(frame) % 4) + option(1, b"a comment", order) + option(0, b""), order)


def simple(frame: bytes, wire: int | None = None, order: str = "<") -> bytes:
    return block(3, struct.pack(f"{order}I", len(frame) if wire is None else wire) + frame, order)


def obsolete(frame: bytes, ticks: int = 0, number: int = 0, order: str = "<") -> bytes:
    head = struct.pack(f"{order}HHIIII", number, 0, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame))
    return block(2, head + frame, order)
