"""Classic BPF: which frames an AF_PACKET socket counts. Built here, run by the kernel.

A program is a list of blocks; each accepts a frame or falls through to the next. Offsets are from
the network header (SKF_NET_OFF), so that tags before it do not matter; IPv4 and IPv6 are told by
the version in its first byte. See Documentation/networking/filter.rst.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network

from edgeguard.enforcement.kept import Shape
from edgeguard.enforcement.onlink import ON_LINK, OnLink
from edgeguard.model import Network
from edgeguard.record import Address

_NET = 0xFFF00000  # SKF_NET_OFF
_AD = 0xFFFFF000  # SKF_AD_OFF
_PROTOCOL, _PKTTYPE, _IFINDEX = _AD, _AD + 4, _AD + 8
_ETHER = {4: 0x0800, 6: 0x86DD}
_OUTGOING = 4
_WORD, _HALF, _BYTE, _HALF_AT_X, _X_HEADER = 0x20, 0x28, 0x30, 0x48, 0xB1
_EQ, _SET, _GO, _SHIFT, _AND, _RETURN = 0x15, 0x45, 0x05, 0x74, 0x54, 0x06
_FRAGMENT = 44
_SOURCE, _TARGET, _UPPER = {4: 12, 6: 8}, {4: 16, 6: 24}, {4: 9, 6: 6}  # offsets in the IP header
_LOADS = {4: _WORD, 2: _HALF, 1: _BYTE}  # by bytes
_SO_ATTACH_FILTER = 26
MAX_INSTRUCTIONS = 4096  # BPF_MAXINSNS
_ADDRESSES = 14 + 40  # bytes: link header and IPv6 header

Block = list[tuple[int, int, str, str]]  # code, constant, label when true, when false; '' goes on
Program = list[tuple[int, int, int, int]]  # struct sock_filter: code, jt, jf, k
_ACCEPT, _NEXT = "accept", "next"


@dataclass(frozen=True, slots=True)
class Towards:
    """Packets to an address or a prefix; protocol None: any; port None: any, and later fragments always."""

    target: Network
    protocol: int | None = None
    port: int | None = None
    source: Address | None = None  # None: from anybody


@dataclass(frozen=True, slots=True)
class From:
    """Packets whose source lies in a prefix."""

    prefix: Network


@dataclass(frozen=True, slots=True)
class Foreign:
    """Packets whose source lies in none of these prefixes, but for what stays on the link.

    A family without a prefix has foreign sources only. Nothing can be asked for beside it.
    """

    own: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class But:
    """No packets of this shape, whatever is asked for behind it."""

    shape: Shape


Match = Towards | From | Foreign | But


@dataclass(frozen=True, slots=True)
class Heard:
    """Which frames of other links are of use: those that leave by `leaving` (ifindexes; None: by any link)
    and those that come in by any link but `unheard`."""

    leaving: tuple[int, ...] | None
    unheard: tuple[int, ...] = ()


EVERYTHING = Heard(None)


def _net(offset: int) -> int:
    return _NET + offset


def _resolved(block: Block, snap: int) -> Program:
    """Labels become distances: `accept` is the instruction behind the block, `next` the one after."""
    places = {_ACCEPT: len(block), _NEXT: len(block) + 1}
    steps = [
        (code, places.get(true, at + 1) - at - 1, places.get(false, at + 1) - at - 1, constant)
        for at, (code, constant, true, false) in enumerate(block)
    ]
    return [*steps, (_RETURN, 0, 0, snap)]


def _words(raw: bytes, mask: bytes, offset: int) -> Block:
    """Compare an address word by word under a mask."""
    steps: Block = []
    for at in range(0, len(raw), 4):
        (want,), (bits,) = struct.unpack_from(">I", raw, at), struct.unpack_from(">I", mask, at)
        if bits == 0:
            break
        steps.append((_WORD, _net(offset + at), "", ""))
        if bits != 0xFFFFFFFF:
            steps.append((_AND, bits, "", ""))
        steps.append((_EQ, want & bits, "", _NEXT))
    return steps


def _within(network: Network, offset: int) -> Block:
    return _words(network.network_address.packed, network.netmask.packed, offset)


def _source(match: From) -> Block:
    return _within(match.prefix, _SOURCE[match.prefix.version])


def _addresses(match: Towards) -> Block:
    """The target, and the source where one is asked for."""
    version = match.target.version
    source = _within(ip_network(match.source), _SOURCE[version]) if match.source else []
    return [*_within(match.target, _TARGET[version]), *source]


def _towards4(match: Towards) -> Block:
    steps = _addresses(match)
    if match.protocol is None:
        return steps
    steps += [(_BYTE, _net(9), "", ""), (_EQ, match.protocol, "", _NEXT)]
    if match.port is None:
        return steps
    return [
        *steps,
        (_HALF, _net(6), "", ""),
        (_SET, 0x1FFF, _ACCEPT, ""),
        (_X_HEADER, _net(0), "", ""),
        (_HALF_AT_X, _net(2), "", ""),
        (_EQ, match.port, _ACCEPT, _NEXT),
    ]


def _towards6(match: Towards) -> list[Block]:
    """Extension headers but the fragment's are not walked: such packets are counted nowhere."""
    steps = _addresses(match)
    if match.protocol is None:
        return [steps]
    direct: Block = [*steps, (_BYTE, _net(6), "", ""), (_EQ, match.protocol, "", _NEXT)]
    fragment: Block = [*steps, (_BYTE, _net(6), "", ""), (_EQ, _FRAGMENT, "", _NEXT)]
    fragment += [(_BYTE, _net(40), "", ""), (_EQ, match.protocol, "", _NEXT)]
    if match.port is not None:
        direct += [(_HALF, _net(42), "", ""), (_EQ, match.port, _ACCEPT, _NEXT)]
        fragment += [(_HALF, _net(42), "", ""), (_SET, 0xFFF8, _ACCEPT, _NEXT)]
    return [direct, fragment]


def _shaped(shape: Shape) -> Block:
    """Compared in the largest pieces there are loads for."""
    steps: Block = []
    for part in shape.parts:
        at, left = part.at, len(part.value)
        while left:
            size = next(size for size in _LOADS if size <= left)
            begin = len(part.value) - left
            want, bits = (int.from_bytes(raw[begin : begin + size], "big") for raw in (part.value, part.bits))
            if bits:
                steps += [(_LOADS[size], _net(at), "", ""), (_AND, bits, "", ""), (_EQ, want & bits, "", _NEXT)]
            at, left = at + size, left - size
    return steps


def _blocks(match: Towards | From | But) -> list[Block]:
    if isinstance(match, But):
        return [_shaped(match.shape)]
    if isinstance(match, From):
        return [_source(match)]
    return [_towards4(match)] if match.target.version == 4 else _towards6(match)


def _version(match: Towards | From | But) -> int:
    if isinstance(match, But):
        return match.shape.version
    return match.prefix.version if isinstance(match, From) else match.target.version


def _foreign(match: Foreign, version: int, snap: int) -> Program:
    """Refused: what is no IP, has a source of its own, or stays on the link. All else is accepted."""
    own = [_within(prefix, _SOURCE[version]) for prefix in match.own if prefix.version == version]
    here = [_on_link(row) for row in ON_LINK if row.source.version == version]
    refused = [step for block in (*own, *here) for step in _resolved(block, 0)]
    return [(_WORD, 0, 0, _PROTOCOL), (_EQ, 1, 0, _ETHER[version]), (_RETURN, 0, 0, 0), *refused, (_RETURN, 0, 0, snap)]


def _on_link(row: OnLink) -> Block:
    version = row.source.version
    steps = [*_within(row.source, _SOURCE[version]), *_within(row.target, _TARGET[version])]
    return [*steps, (_BYTE, _net(_UPPER[version]), "", ""), (_EQ, row.protocol, "", _NEXT)] if row.protocol else steps


def _family(matches: Iterable[Match], version: int, snap: int) -> Program:
    program: Program = []
    for match in matches:
        if isinstance(match, Foreign):
            return _foreign(match, version, snap)
        if _version(match) == version:
            kept = 0 if isinstance(match, But) else snap
            program += [step for block in _blocks(match) for step in _resolved(block, kept)]
    return [*program, (_RETURN, 0, 0, 0)]


def _matching(matches: Iterable[Match], snap: int) -> Program:
    """By the version of the IP header to its blocks; anything else is refused."""
    asked = list(matches)
    four, six = _family(asked, 4, snap), _family(asked, 6, snap)
    return [
        (_BYTE, 0, 0, _net(0)),
        (_SHIFT, 0, 0, 4),
        (_EQ, 0, 1, 4),
        (_GO, 0, 0, 3),
        (_EQ, 0, 1, 6),
        (_GO, 0, 0, 1 + len(four)),
        (_RETURN, 0, 0, 0),
        *four,
        *six,
    ]


def received(matches: Iterable[Match]) -> Program:
    """Frames that the link received: out of the VM where the link is a tap. Their addresses are kept."""
    incoming: Program = [(_WORD, 0, 0, _PKTTYPE), (_EQ, 0, 1, _OUTGOING), (_RETURN, 0, 0, 0)]
    return [*incoming, *_matching(matches, _ADDRESSES)]


def sent(matches: Iterable[Match]) -> Program:
    """Frames that the link sends."""
    outgoing: Program = [(_WORD, 0, 0, _PKTTYPE), (_EQ, 1, 0, _OUTGOING), (_RETURN, 0, 0, 0)]
    return [*outgoing, *_matching(matches, 1)]


def elsewhere(matches: Iterable[Match], ifindex: int, snap: int, heard: Heard) -> Program:
    """Frames of every link but one, in the directions asked for; `snap` bytes of each are kept."""
    other: Program = [(_WORD, 0, 0, _IFINDEX), (_EQ, 0, 1, ifindex), (_RETURN, 0, 0, 0)]
    return [*other, *_directions(heard), *_matching(matches, snap)]


def _directions(heard: Heard) -> Program:
    if heard.leaving is None:
        return []
    refuse: Program = [(_RETURN, 0, 0, 0)]
    coming: Program = [(_WORD, 0, 0, _IFINDEX)]
    for index in heard.unheard:
        coming += [(_EQ, 0, 1, index), *refuse]
    leaving = refuse
    for index in heard.leaving:
        leaving = [(_EQ, 0, 1, index), (_GO, 0, 0, len(leaving) + len(coming)), *leaving]
    leaving = [(_WORD, 0, 0, _IFINDEX), *leaving]
    return [(_WORD, 0, 0, _PKTTYPE), (_EQ, 1, 0, _OUTGOING), (_GO, 0, 0, len(leaving)), *leaving, *coming]


def attach(sock: socket.socket, program: Program) -> None:
    """Let the kernel run a program on every frame of a socket. OSError when it refuses."""
    if len(program) > MAX_INSTRUCTIONS:
        raise OSError(errno.E2BIG, f"a packet filter of {len(program)} instructions")
    code = b"".join(struct.pack("=HBBI", *step) for step in program)
    kept = ctypes.create_string_buffer(code)
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(kept)))
