"""nf_tables expressions: the few a chain of ours is made of, as netlink attributes.

Registers are 32 bits wide and numbered from 0; a key of several parts lies in consecutive ones,
each part padded to four bytes. Numbers: linux/netfilter/nf_tables.h.
"""

from __future__ import annotations

import struct

from edgeguard.enforcement.netlink import attribute, be32, be64, nested, text

_REG32_00 = 8
META_PROTOCOL, META_IIF, META_OIF, META_L4PROTO = 1, 4, 5, 16
NETWORK, TRANSPORT = 1, 2  # payload bases
_EQUAL, _DIFFERENT = 0, 1
_VERDICT_REGISTER, _DROP, _ACCEPT, _JUMP, _GOTO, _RETURN = 0, 0, 1, -3, -4, -5
_LIST_ELEMENT = 1
_HTON = 1

Expression = bytes


def _expression(name: str, *attributes: bytes) -> Expression:
    return nested(_LIST_ELEMENT, text(1, name), nested(2, *attributes))


def meta(key: int, register: int) -> Expression:
    """Load what is known about the packet: META_..."""
    return _expression("meta", be32(1, _REG32_00 + register), be32(2, key))


def payload(base: int, offset: int, length: int, register: int) -> Expression:
    """Load `length` bytes at `offset` from the network or transport header."""
    return _expression("payload", be32(1, _REG32_00 + register), be32(2, base), be32(3, offset), be32(4, length))


def extension(header: int, offset: int, length: int, register: int) -> Expression:
    """Load bytes of an IPv6 extension header; a packet without it does not match."""
    return _expression(
        "exthdr", be32(1, _REG32_00 + register), attribute(2, bytes([header])), be32(3, offset), be32(4, length)
    )


def _compare(operation: int, value: bytes, register: int) -> Expression:
    data = nested(3, attribute(1, value))
    return _expression("cmp", be32(1, _REG32_00 + register), be32(2, operation), data)


def equal(value: bytes, register: int = 0) -> Expression:
    return _compare(_EQUAL, value, register)


def different(value: bytes, register: int = 0) -> Expression:
    return _compare(_DIFFERENT, value, register)


def masked(mask: bytes, register: int = 0) -> Expression:
    """register &= mask"""
    where = be32(1, _REG32_00 + register) + be32(2, _REG32_00 + register) + be32(3, len(mask))
    return _expression("bitwise", where, nested(4, attribute(1, mask)), nested(5, attribute(1, bytes(len(mask)))))


def network_order(register: int = 0) -> Expression:
    """Turn the machine's own order of a four-byte register into the network's, as sets of ranges have it."""
    where = be32(1, _REG32_00 + register) + be32(2, _REG32_00 + register)
    return _expression("byteorder", where, be32(3, _HTON), be32(4, 4), be32(5, 4))


def lookup(set_name: str, register: int = 0) -> Expression:
    """Goes on only when the key in the registers is in the set."""
    return _expression("lookup", text(1, set_name), be32(2, _REG32_00 + register))


def _verdict(code: int, *chain: bytes) -> Expression:
    return _expression("immediate", be32(1, _VERDICT_REGISTER), nested(2, nested(2, be32(1, code), *chain)))


def drop() -> Expression:
    return _verdict(_DROP)


def accept() -> Expression:
    """Past every further chain of ours."""
    return _verdict(_ACCEPT)


def go_on() -> Expression:
    """Back to the chain that jumped here."""
    return _verdict(_RETURN)


def jump(chain: str) -> Expression:
    return _verdict(_JUMP, text(2, chain))


def goto(chain: str) -> Expression:
    """As `jump`, but never back."""
    return _verdict(_GOTO, text(2, chain))


def limit(kind: int, a_second: int) -> bytes:
    """So many packets a second by each element, as the attribute `kind` of a set: a look-up beyond them fails."""
    return nested(kind, text(1, "limit"), nested(2, be64(1, a_second), be64(2, 1), be32(3, a_second)))


def counter(kind: int, packets: int = 0) -> bytes:
    """A counter, as the attribute `kind` of a set, or of an element that has counted so many packets already."""
    return nested(kind, text(1, "counter"), nested(2, attribute(1, bytes(8)), be64(2, packets)))


def interface_key(ifindex: int) -> bytes:
    """How a meta iif or oif register holds an interface: the machine's own order."""
    return struct.pack("=I", ifindex)


def interface_range(ifindex: int) -> bytes:
    """How a key of a set of ranges holds it."""
    return struct.pack(">I", ifindex)
