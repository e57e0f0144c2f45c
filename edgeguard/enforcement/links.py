"""The links of this namespace: which still is what it was, which went, and where they lead.

The kernel's state is the truth and the events only say when to look, but one: RTM_DELLINK means
that this ifindex's link has gone, whatever has that number or that name now.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from edgeguard.enforcement.dump import dumped
from edgeguard.enforcement.netlink import RECEIVE, attribute, attributes, parts
from edgeguard.model import Tap

_NETLINK_ROUTE, _RTMGRP_LINK = 0, 1
_RTM_NEWLINK, _RTM_DELLINK, _RTM_GETLINK = 16, 17, 18
_IFLA_IFNAME, _IFLA_LINK, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_EXT_MASK, _IFLA_LINK_NETNSID = 3, 5, 10, 18, 29, 37
_IFLA_XDP, _IFLA_XDP_ATTACHED = 43, 2
_SKIP_STATISTICS = 8  # RTEXT_FILTER_SKIP_STATS
_IFF_LOOPBACK = 8
_IFINFO = struct.Struct("=BxHiII")  # ifinfomsg: family, type, index, flags, change
_EVENT_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Link:
    """One network interface."""

    index: int
    name: str
    master: int  # ifindex of the bridge or bond above it, 0 none
    kind: str  # 'veth', 'bridge', 'tun', ...; empty for hardware
    loopback: bool = False
    peer: int = 0  # ifindex of a veth's other end, or of what a VLAN device lies upon
    elsewhere: bool = False  # that ifindex counts in another namespace
    xdp: bool = False  # a program is attached that sees frames before anybody else


@dataclass(frozen=True, slots=True)
class Change:
    """What an event was about."""

    index: int
    gone: bool


def name_of(ifindex: int) -> str | None:
    """The name an ifindex has now; None when there is no such link."""
    try:
        return socket.if_indextoname(ifindex)
    except OSError:
        return None


def index_of(name: str) -> int:
    """The ifindex that a name has now; 0 when no link has it."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def holds(tap: Tap) -> bool:
    """Whether the tap's ifindex still has the tap's name."""
    return name_of(tap.ifindex) == tap.name


def _link(body: bytes) -> Link:
    _, _, index, flags, _ = _IFINFO.unpack_from(body)
    values = dict(attributes(body[_IFINFO.size :]))
    kind = dict(attributes(values.get(_IFLA_LINKINFO, b""))).get(1, b"")  # IFLA_INFO_KIND
    return Link(
        index=index,
        name=values.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode(errors="replace"),
        master=_number(values.get(_IFLA_MASTER, b"")),
        kind=kind.rstrip(b"\0").decode(errors="replace"),
        loopback=bool(flags & _IFF_LOOPBACK),
        xdp=any(dict(attributes(values.get(_IFLA_XDP, b""))).get(_IFLA_XDP_ATTACHED, b"")),
        peer=_number(values.get(_IFLA_LINK, b"")),
        elsewhere=_IFLA_LINK_NETNSID in values,
    )


def _number(raw: bytes) -> int:
    return int.from_bytes(raw[:4], sys.byteorder)


def _rtnetlink(groups: int) -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_ROUTE)
    sock.bind((0, groups))
    return sock


def listed() -> list[Link]:
    """All links of this namespace, from one dump. EnforcementError when the kernel refuses it."""
    body = _IFINFO.pack(0, 0, 0, 0, 0) + attribute(_IFLA_EXT_MASK, struct.pack("=I", _SKIP_STATISTICS))
    return [_link(part) for part in dumped(_RTM_GETLINK, _RTM_NEWLINK, body, "the links")]


class LinkEvents:
    """The kernel's word that links have changed."""

    def __init__(self) -> None:
        self._socket = _rtnetlink(_RTMGRP_LINK)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _EVENT_BYTES)
        self._socket.setblocking(False)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def read(self) -> list[Change] | None:
        """What changed since the last call; None when events were lost and all must be looked at."""
        changes: list[Change] = []
        lost = False
        while True:
            try:
                raw = self._socket.recv(RECEIVE)
            except BlockingIOError:
                return None if lost else changes
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                lost = True
                continue
            changes += _changes(raw)


def _changes(raw: bytes) -> Iterator[Change]:
    for kind, _, body in parts(raw):
        if kind in (_RTM_NEWLINK, _RTM_DELLINK) and len(body) >= _IFINFO.size:
            family, _, index, _, _ = _IFINFO.unpack_from(body)
            # family AF_BRIDGE is a port leaving its bridge, not a link leaving the host
            yield Change(index, kind == _RTM_DELLINK and family == socket.AF_UNSPEC)
