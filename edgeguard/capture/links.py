"""Network links of this namespace as the kernel tells them: a list, then every change.

Needs no right. A link is read from RTM_NEWLINK messages, listed by pyroute2 and followed on a
netlink socket of our own, because a poll that finds nothing must cost one system call.
"""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl.marshal import MarshalRtnl

from edgeguard.errors import CaptureError

# linux/rtnetlink.h: groups as bits, for bind()
GROUPS = 1 << 0 | 1 << 4 | 1 << 8  # RTNLGRP_LINK, IPV4_IFADDR, IPV6_IFADDR
IFF_UP = 1
SCOPE_LINK = 253
BUFFER = 1 << 20  # room for events while we are busy; more are listed again
DATAGRAM = 1 << 16


@dataclass(frozen=True, slots=True)
class Link:
    """One network link; `peer` and `elsewhere` are of a veth, or of what lies below."""

    index: int
    name: str
    mac: str
    kind: str  # 'veth', 'tun', 'bridge' ...; empty: a physical device or the loopback
    master: int | None
    peer: int | None  # ifindex of the other end
    elsewhere: bool  # that ifindex counts in another namespace
    up: bool

    @classmethod
    def of(cls, message: Any) -> Link:
        """From a decoded ifinfmsg."""
        return cls(
            index=int(message["index"]),
            name=str(message.get_attr("IFLA_IFNAME") or ""),
            mac=str(message.get_attr("IFLA_ADDRESS") or ""),
            kind=str(message.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND") or ""),
            master=message.get_attr("IFLA_MASTER") or None,
            peer=message.get_attr("IFLA_LINK") or None,
            elsewhere=message.get_attr("IFLA_LINK_NETNSID") is not None,
            up=bool(message["flags"] & IFF_UP),
        )


class Links:
    """All links, kept as they are: `by_index`, and the links that hold an address."""

    def __init__(self) -> None:
        self.by_index: dict[int, Link] = {}
        self._addresses: set[tuple[int, str]] = set()
        self._marshal = MarshalRtnl()
        self._socket = _event_socket()  # before the list, so that nothing falls between
        self._list()

    def fileno(self) -> int:
        """Readable when something may have changed."""
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def addressed(self) -> set[int]:
        """The links that hold an address of more than link scope."""
        return {index for index, _ in self._addresses}

    def refresh(self) -> bool:
        """Take in what has happened, without waiting; whether anything did."""
        changed = False
        while True:
            try:
                data = self._socket.recv(DATAGRAM)
            except BlockingIOError:
                return changed
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise CaptureError(f"links: cannot follow changes: {error.strerror}; restart edgeguard") from None
                self._list()  # events were lost: look at everything again
            else:
                for message in self._marshal.parse(data):
                    self._take(message)
            changed = True

    def _take(self, message: Any) -> None:
        event = message.get("event")
        if event in ("RTM_NEWADDR", "RTM_DELADDR"):
            self._take_address(message, event == "RTM_NEWADDR")
        # AF_BRIDGE messages tell of a port, not of a link: their RTM_DELLINK means 'left the bridge'
        elif message.get("family") != socket.AF_UNSPEC:
            return
        elif event == "RTM_NEWLINK":
            self.by_index[int(message["index"])] = Link.of(message)
        elif event == "RTM_DELLINK":
            self.by_index.pop(int(message["index"]), None)

    def _take_address(self, message: Any, there: bool) -> None:
        held = (int(message["index"]), str(message.get_attr("IFA_ADDRESS")))
        if not there:
            self._addresses.discard(held)
        elif message["scope"] < SCOPE_LINK:
            self._addresses.add(held)

    def _list(self) -> None:
        """All links there are. A list that was made while links came and went may miss some that were there all
        the time (NLM_F_DUMP_INTR): one that the kernel still has a name for is kept as it was known."""
        try:
            with IPRoute() as ip:
                listed = {link.index: link for link in map(Link.of, ip.get_links())}
                missed = (link for index, link in self.by_index.items() if index not in listed)
                self.by_index = listed | {link.index: link for link in missed if _is_there(link)}
                self._addresses.clear()
                for message in ip.get_addr():
                    self._take_address(message, True)
        except (OSError, NetlinkError) as error:
            raise CaptureError(
                f"links: cannot be listed through netlink: {error}; is this a full Linux host?"
            ) from None


def _is_there(link: Link) -> bool:
    """Whether a link of this index and name still is."""
    try:
        return socket.if_indextoname(link.index) == link.name
    except OSError:
        return False


def _event_socket() -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    sock.bind((0, GROUPS))
    return sock


def default_devices() -> tuple[str, ...]:
    """Names of the links that default routes of either family leave by, in the kernel's order."""
    with IPRoute() as ip:
        names = {link.index: link.name for link in map(Link.of, ip.get_links())}
        indexes: list[int] = []
        for family in (socket.AF_INET, socket.AF_INET6):
            for route in ip.get_default_routes(family=family):
                hops = route.get_attr("RTA_MULTIPATH") or []
                indexes += [route.get_attr("RTA_OIF"), *(hop["oif"] for hop in hops)]
    return tuple(dict.fromkeys(names[index] for index in indexes if index in names))
