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
from ipaddress import IPv4Address

from edgeguard.model import Network
from edgeguard.record import Address

_NET = 0xFFF00000  # SKF_NET_OFF
_AD = 0xFFFFF000  # SKF_AD_OFF
_PKTTYPE, _IFINDEX = _AD + 4, _AD + 8
_OUTGOING = 4
_WORD, _HALF, _BYTE, _HALF_AT_X, _X_HEADER = 0x20, 0x28, 0x30, 0x48, 0xB1
_EQ, _SET, _GO, _SHIFT, _AND, _RETURN = 0x15, 0x45, 0x05, 0x74, 0x54, 0x06
_FRAGMENT = 44
_SO_ATTACH_FILTER = 26
MAX_INSTRUCTIONS = 4096  # BPF_MAXINSNS

Block = list[tuple[int, int, str, str]]  # code, constant, label when true, when false; '' goes on
Program = list[tuple[int, int, int, int]]  # struct sock_filter: code, jt, jf, k
_ACCEPT, _NEXT = "accept", "next"


@dataclass(frozen=True, slots=True)
class Towards:
    """Packets to an address; protocol None: any; port None: any, and later fragments always."""

    address: Address
    protocol: int | None = None
    port: int | None = None
    source: Address | None = None  # None: from anybody


@dataclass(frozen=True, slots=True)
class From:
    """Packets whose source lies in a prefix."""

    prefix: Network


Match = Towards | From


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


def _source(match: From) -> Block:
    network = match.prefix
    offset = 12 if network.version == 4 else 8
    return _words(network.network_address.packed, network.netmask.packed, offset)


def _addresses(match: Towards, target_at: int, source_at: int) -> Block:
    """The target, and the source where one is asked for."""
    whole = b"\xff" * len(match.address.packed)
    source = _words(match.source.packed, whole, source_at) if match.source else []
    return [*_words(match.address.packed, whole, target_at), *source]


def _towards4(match: Towards) -> Block:
    steps = _addresses(match, 16, 12)
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
    steps = _addresses(match, 24, 8)
    if match.protocol is None:
        return [steps]
    direct: Block = [*steps, (_BYTE, _net(6), "", ""), (_EQ, match.protocol, "", _NEXT)]
    fragment: Block = [*steps, (_BYTE, _net(6), "", ""), (_EQ, _FRAGMENT, "", _NEXT)]
    fragment += [(_BYTE, _net(40), "", ""), (_EQ, match.protocol, "", _NEXT)]
    if match.port is not None:
        direct += [(_HALF, _net(42), "", ""), (_EQ, match.port, _ACCEPT, _NEXT)]
        fragment += [(_HALF, _net(42), "", ""), (_SET, 0xFFF8, _ACCEPT, _NEXT)]
    return [direct, fragment]


def _blocks(match: Match) -> list[Block]:
    if isinstance(match, From):
        return [_source(match)]
    return [_towards4(match)] if isinstance(match.address, IPv4Address) else _towards6(match)


def _version(match: Match) -> int:
    return match.prefix.version if isinstance(match, From) else match.address.version


def _family(matches: Iterable[Match], version: int, snap: int) -> Program:
    chosen = [match for match in matches if _version(match) == version]
    program = [step for match in chosen for block in _blocks(match) for step in _resolved(block, snap)]
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
    """Frames that the link received: out of the VM where the link is a tap."""
    incoming: Program = [(_WORD, 0, 0, _PKTTYPE), (_EQ, 0, 1, _OUTGOING), (_RETURN, 0, 0, 0)]
    return [*incoming, *_matching(matches, 1)]


def sent(matches: Iterable[Match]) -> Program:
    """Frames that the link sends."""
    outgoing: Program = [(_WORD, 0, 0, _PKTTYPE), (_EQ, 1, 0, _OUTGOING), (_RETURN, 0, 0, 0)]
    return [*outgoing, *_matching(matches, 1)]


def elsewhere(matches: Iterable[Match], ifindex: int, snap: int) -> Program:
    """Frames of every link but one, in both directions; `snap` bytes of each are kept."""
    other: Program = [(_WORD, 0, 0, _IFINDEX), (_EQ, 0, 1, ifindex), (_RETURN, 0, 0, 0)]
    return [*other, *_matching(matches, snap)]


def attach(sock: socket.socket, program: Program) -> None:
    """Let the kernel run a program on every frame of a socket. OSError when it refuses."""
    if len(program) > MAX_INSTRUCTIONS:
        raise OSError(errno.E2BIG, f"a packet filter of {len(program)} instructions")
    code = b"".join(struct.pack("=HBBI", *step) for step in program)
    kept = ctypes.create_string_buffer(code)
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(kept)))
