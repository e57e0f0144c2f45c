"""Netlink's envelope: headers, attributes, errors. Formats: linux/netlink.h (RFC 3549).

An attribute is length, type, payload, padded to four bytes; a datagram holds several messages.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 1, 4, 0x300
NLM_F_EXCL, NLM_F_CREATE, NLM_F_APPEND = 0x200, 0x400, 0x800
NLMSG_ERROR, NLMSG_DONE = 2, 3
_NLA_F_NESTED = 0x8000
_NLA_TYPE_MASK = 0x3FFF

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")
RECEIVE = 64 * 1024  # bytes of buffer for one datagram


def attribute(kind: int, payload: bytes) -> bytes:
    """One attribute, padded."""
    length = _ATTRIBUTE.size + len(payload)
    return _ATTRIBUTE.pack(length, kind) + payload + bytes(-length % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    """An attribute that holds attributes."""
    return attribute(kind | _NLA_F_NESTED, b"".join(attributes))


def be32(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack(">I", value & 0xFFFFFFFF))


def be64(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack(">Q", value))


def text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")


def attributes(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, payload) of each attribute; a cut one ends the walk."""
    at = 0
    while at + _ATTRIBUTE.size <= len(raw):
        length, kind = _ATTRIBUTE.unpack_from(raw, at)
        if length < _ATTRIBUTE.size or at + length > len(raw):
            return
        yield kind & _NLA_TYPE_MASK, raw[at + _ATTRIBUTE.size : at + length]
        at += length + -length % 4


def frame(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    """One message with its header."""
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, sequence, 0) + body


def parts(raw: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(type, sequence, body) of each message in a datagram."""
    at = 0
    while at + _HEADER.size <= len(raw):
        length, kind, _flags, sequence, _port = _HEADER.unpack_from(raw, at)
        if length < _HEADER.size:
            return
        yield kind, sequence, raw[at + _HEADER.size : at + length]
        at += length + -length % 4


def error_number(body: bytes) -> int:
    """errno of an NLMSG_ERROR; 0 is an acknowledgement."""
    (code,) = struct.unpack_from("=i", body)
    return -int(code)
