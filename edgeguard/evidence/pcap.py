"""Frames as a savefile: pcap with nanoseconds (draft-ietf-opsawg-pcap), which Wireshark and tcpdump read."""

from __future__ import annotations

import struct

import numpy as np

from edgeguard.clock import SECOND
from edgeguard.native.headers import BYTES, OUT, RAW, TAGGED, Frames

_FILE = struct.Struct("<IHHiIII")
_RECORD = struct.Struct("<IIII")
_NANOSECONDS = 0xA1B2_3C4D
_ETHERNET, _RAW_IP = 1, 101  # LINKTYPE_ numbers
_MACS, _TAG = 12, 4  # bytes: where a VLAN tag stands, and its length
FILE_HEADER = _FILE.size
LONGEST = _RECORD.size + BYTES + _TAG  # bytes that a frame takes


def savefile(frames: Frames) -> bytes:
    """The frames in their order, all of the link type of the last one: see `of_one_link`."""
    link_type = _RAW_IP if len(frames) and frames["flags"][-1] & RAW else _ETHERNET
    head = _FILE.pack(_NANOSECONDS, 2, 4, 0, 0, BYTES + _TAG, link_type)
    return head + b"".join(_record(frame) for frame in frames)


def _record(frame: np.void) -> bytes:
    content, wire = frame["bytes"][: frame["captured"]].tobytes(), int(frame["wire"])
    if frame["flags"] & TAGGED and len(content) >= _MACS:
        tag = struct.pack("!HH", 0x8100, int(frame["tag"]))
        content, wire = content[:_MACS] + tag + content[_MACS:], wire + _TAG
    second, rest = divmod(int(frame["ts"]), SECOND)
    record: bytes = _RECORD.pack(second, rest, len(content), wire) + content
    return record


def of_one_link(frames: Frames) -> Frames:
    """The frames of the link type that the last one has: a savefile has one for all."""
    if not len(frames):
        return frames
    raw = frames["flags"] & RAW
    found: Frames = frames[raw == raw[-1]]
    return found


def directions(frames: Frames) -> str:
    """One letter for each frame: o out of the VM, i into it. A MAC address alone does not say it: one can be forged."""
    return "".join("o" if flag & OUT else "i" for flag in frames["flags"].tolist())
