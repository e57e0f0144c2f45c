"""The kernel's word that rules, routes or chains were changed, by whomever.

An event only says that it is worth looking: what stands is read back then. Filters leave out what cannot
be ours, for a host may take in the whole internet's routes. Groups: linux/rtnetlink.h, nfnetlink.h.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import sys
from collections.abc import Iterator

from edgeguard.enforcement import listing, packet_filter
from edgeguard.enforcement.netfilter import NETLINK_NETFILTER, NFNL_SUBSYS_NFTABLES, NFPROTO_NETDEV
from edgeguard.enforcement.netlink import RECEIVE, parts
from edgeguard.enforcement.packet_filter import Program

_ROUTE_GROUPS = (1 << 6) | (1 << 10)  # RTNLGRP_IPV4_ROUTE, IPV6_ROUTE
_RULE_GROUPS = (1 << 7) | (1 << 18)  # RTNLGRP_IPV4_RULE, IPV6_RULE
_NFTABLES_GROUP = 7  # NFNLGRP_NFTABLES
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_BUFFER = 1 << 20
_LOAD_BYTE, _EQUAL, _RETURN = 0x30, 0x15, 0x06  # BPF_LD|BPF_B|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, BPF_RET|BPF_K
_TYPE = 4 if sys.byteorder == "little" else 5  # offset of nlmsg_type's low byte
_PROTOCOL = 16 + 5  # of rtm_protocol behind nlmsghdr
_ALL = 0x7FFFFFFF


def _ours_deleted(protocol: int) -> Program:
    """RTM_DELROUTE of our protocol number; each is a datagram of its own."""
    return [
        (_LOAD_BYTE, 0, 0, _TYPE),
        (_EQUAL, 0, 3, listing.RTM_DELROUTE),
        (_LOAD_BYTE, 0, 0, _PROTOCOL),
        (_EQUAL, 0, 1, protocol),
        (_RETURN, 0, 0, _ALL),
        (_RETURN, 0, 0, 0),
    ]


class Changes:
    """Three sockets: routes, rules, nf_tables. A kernel without nf_tables has no third."""

    def __init__(self, protocol: int) -> None:
        """`protocol`: the rtm_protocol of our routes."""
        routes = _socket(socket.NETLINK_ROUTE, _ROUTE_GROUPS)
        packet_filter.attach(routes, _ours_deleted(protocol))
        self.sockets = [routes, _socket(socket.NETLINK_ROUTE, _RULE_GROUPS)]
        with contextlib.suppress(OSError):
            chains = _socket(NETLINK_NETFILTER, 0)
            chains.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _NFTABLES_GROUP)
            self.sockets.append(chains)

    def close(self) -> None:
        for sock in self.sockets:
            sock.close()

    def read(self) -> bool:
        """Take in all events; whether something that may be ours was changed, or events were lost."""
        concerned = [_concerns(sock) for sock in self.sockets]  # each is emptied
        return any(concerned)


def _socket(protocol: int, groups: int) -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, protocol)
    sock.bind((0, groups))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    return sock


def _concerns(sock: socket.socket) -> bool:
    found = False
    for raw in _received(sock):
        found = found or raw is None or sock.proto == socket.NETLINK_ROUTE or _of_netdev(raw)
    return found


def _received(sock: socket.socket) -> Iterator[bytes | None]:
    """Each datagram; None where some were lost."""
    while True:
        try:
            yield sock.recv(RECEIVE)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            yield None


def _of_netdev(raw: bytes) -> bool:
    """Whether a message about a table of the family netdev is among these."""
    for kind, _, body in parts(raw):
        if kind >> 8 == NFNL_SUBSYS_NFTABLES and body and struct.unpack_from("=B", body)[0] == NFPROTO_NETDEV:
            return True
    return False
