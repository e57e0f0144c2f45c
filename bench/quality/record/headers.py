"""Raw captures of a tap: read, cut to a window, and to their headers: no payload is ever kept."""

from __future__ import annotations

import struct
from pathlib import Path

ROOM = 96
_FILE = struct.Struct("<IHHIIII")
_RECORD = struct.Struct("<IIII")
_MAGIC_NS, _ETHERNET = 0xA1B23C4D, 1
_SECOND = 1_000_000_000

Frame = tuple[int, bytes, int]  # ns since 1970, bytes kept, bytes on the wire

_IPV4, _IPV6, _ARP, _VLAN = 0x0800, 0x86DD, 0x0806, 0x8100
_ICMP, _TCP, _UDP, _ICMP6 = 1, 6, 17, 58
_EXTENSIONS = {0, 43, 60}  # hop-by-hop, routing, destination options (RFC 8200)
_FRAGMENT6 = 44
_ICMP_ERRORS = {3, 4, 5, 11, 12}
_ICMP6_ERRORS = set(range(128))
_DISCOVERY = range(130, 138)  # multicast listeners and neighbours: all header


def read(path: Path, window: tuple[int, int]) -> list[Frame]:
    """Frames of a pcap of nanoseconds with start <= time < end, in order of time."""
    raw = path.read_bytes()
    frames = []
    at = _FILE.size
    while at + _RECORD.size <= len(raw):
        sec, nsec, kept, length = _RECORD.unpack_from(raw, at)
        at += _RECORD.size
        if window[0] <= (time := sec * _SECOND + nsec) < window[1]:
            frames.append((time, raw[at : at + kept], length))
        at += kept
    return sorted(frames, key=lambda frame: frame[0])


def write(frames: list[Frame]) -> bytes:
    """A pcap of them."""
    parts = [_FILE.pack(_MAGIC_NS, 2, 4, 0, 0, ROOM, _ETHERNET)]
    for at, head, length in frames:
        parts.append(_RECORD.pack(at // _SECOND, at % _SECOND, len(head), length) + head)
    return b"".join(parts)


def cut(frame: bytes) -> bytes:
    """The frame up to the end of its last header, 96 bytes at most."""
    return frame[: min(ROOM, _end(frame))]


def _end(f: bytes) -> int:
    at, kind = 14, int.from_bytes(f[12:14], "big")
    while kind == _VLAN:
        kind = int.from_bytes(f[at + 2 : at + 4], "big")
        at += 4
    if kind == _IPV4:
        header = at + (f[at] & 15) * 4
        later = int.from_bytes(f[at + 6 : at + 8], "big") & 0x1FFF
        return header if later else _transport(f, header, f[at + 9])
    if kind == _IPV6:
        return _behind_extensions(f, at)
    return at + 28 if kind == _ARP else at


def _behind_extensions(f: bytes, at: int) -> int:
    following, at = f[at + 6], at + 40
    while following in _EXTENSIONS and at + 8 <= len(f):
        following, at = f[at], at + 8 + f[at + 1] * 8
    if following == _FRAGMENT6 and at + 8 <= len(f):
        later = int.from_bytes(f[at + 2 : at + 4], "big") >> 3
        following, at = f[at], at + 8
        if later:
            return at
    return _transport(f, at, following)


def _transport(f: bytes, at: int, protocol: int) -> int:
    if protocol == _TCP and at + 13 <= len(f):
        return at + (f[at + 12] >> 4) * 4
    if protocol == _ICMP and at < len(f) and f[at] in _ICMP_ERRORS:
        return at + 8 + 28  # the packet it is about: its header and ports
    if protocol == _ICMP6 and at < len(f):
        if f[at] in _DISCOVERY:
            return ROOM
        return at + 8 + (48 if f[at] in _ICMP6_ERRORS else 0)
    return at + 8  # UDP; echo; and as much of whatever else
