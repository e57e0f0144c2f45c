"""Our rules and blackholes as requests of rtnetlink: pure functions to bytes, and a socket that asks one at a time.

Written here and not by pyroute2, because they are part of every action: a request costs some 50 microseconds, and a
null route takes up to four. Formats: linux/fib_rules.h, linux/rtnetlink.h.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from types import TracebackType

from edgeguard.enforcement.items import NOWHERE, Blackhole, Item, Rule
from edgeguard.enforcement.listing import FAMILIES, RTM_DELROUTE, RTM_DELRULE, RTM_NEWROUTE, RTM_NEWRULE
from edgeguard.enforcement.netlink import (
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REQUEST,
    NLMSG_ERROR,
    RECEIVE,
    attribute,
    error_number,
    frame,
    parts,
    text,
)
from edgeguard.enforcement.place import Place

BLACKHOLE, THROW = 6, 9  # RTN_
FR_ACT_TO_TBL, FR_ACT_BLACKHOLE = 1, 6  # linux/fib_rules.h
_HEADER = struct.Struct("=BBBBBBBBI")  # fib_rule_hdr and rtmsg: family, dst_len, src_len, tos, table, ..., flags
_FRA_DST, _FRA_SRC, _FRA_IIFNAME, _FRA_PRIORITY, _FRA_FWMARK, _FRA_TABLE, _FRA_FWMASK = 1, 2, 3, 6, 10, 15, 16
_FRA_PROTOCOL, _FRA_IP_PROTO, _FRA_SPORT_RANGE, _FRA_DPORT_RANGE = 21, 22, 23, 24
_RTA_DST, _RTA_PRIORITY, _RTA_TABLE = 1, 6, 15
_ANY_SCOPE = 255  # RT_SCOPE_NOWHERE in a deletion: whatever scope it has
_PATIENCE_S = 2


class RouteRefusedError(Exception):
    """The kernel's answer to a request; `number` is its errno."""

    def __init__(self, number: int) -> None:
        super().__init__(f"rtnetlink: {os.strerror(number)} ({errno.errorcode.get(number, number)})")
        self.number = number


def request(item: Item, place: Place, add: bool) -> tuple[int, int, bytes]:
    """Type, flags and body of the message that puts an item, or takes it away."""
    flags = NLM_F_REQUEST | NLM_F_ACK | (NLM_F_CREATE | NLM_F_EXCL if add else 0)
    if isinstance(item, Rule):
        return RTM_NEWRULE if add else RTM_DELRULE, flags, _rule(item, place)
    return RTM_NEWROUTE if add else RTM_DELROUTE, flags, _route(item, place, 0 if add else _ANY_SCOPE)


def _rule(rule: Rule, place: Place) -> bytes:
    lengths = (rule.to.prefixlen if rule.to else 0, rule.source.prefixlen if rule.source else 0)
    action = FR_ACT_BLACKHOLE if rule.table == NOWHERE else FR_ACT_TO_TBL
    body = _HEADER.pack(FAMILIES[rule.version], *lengths, 0, 0, 0, 0, action, 0)
    body += _number(_FRA_PRIORITY, place.priority + rule.place) + attribute(_FRA_PROTOCOL, bytes([place.protocol]))
    body += _number(_FRA_TABLE, rule.table) if rule.table != NOWHERE else b""
    body += text(_FRA_IIFNAME, rule.iif) if rule.iif else b""
    body += attribute(_FRA_DST, rule.to.network_address.packed) if rule.to else b""
    body += attribute(_FRA_SRC, rule.source.network_address.packed) if rule.source else b""
    return body + _rarely(rule)


def _rarely(rule: Rule) -> bytes:
    """What only rules have that let something kept in."""
    body = _number(_FRA_FWMARK, rule.mark) + _number(_FRA_FWMASK, 0) if rule.mark else b""
    if rule.udp:
        ranges = (struct.pack("=HH", port, port) for port in rule.udp)
        body += attribute(_FRA_IP_PROTO, bytes([socket.IPPROTO_UDP]))
        kinds = (_FRA_SPORT_RANGE, _FRA_DPORT_RANGE)
        body += b"".join(attribute(kind, ports) for kind, ports in zip(kinds, ranges, strict=True))
    return body


def _route(route: Blackhole, place: Place, scope: int) -> bytes:
    prefix, kind = route.prefix, THROW if route.throws else BLACKHOLE
    body = _HEADER.pack(FAMILIES[prefix.version], prefix.prefixlen, 0, 0, 0, place.protocol, scope, kind, 0)
    body += attribute(_RTA_DST, prefix.network_address.packed) + _number(_RTA_TABLE, route.table)
    return body + (_number(_RTA_PRIORITY, route.metric) if route.metric else b"")


def _number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


class Rtnetlink:
    """A kept socket of the namespace it was opened in. Changing anything takes CAP_NET_ADMIN there."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.bind((0, 0))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", _PATIENCE_S, 0))
        self._sequence = 0

    def __enter__(self) -> Rtnetlink:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def ask(self, kind: int, flags: int, body: bytes) -> None:
        """Send one message and hear the kernel's answer. RouteRefusedError with its errno, OSError where none comes."""
        self._drain()
        self._sequence += 1
        self._socket.sendto(frame(kind, flags, self._sequence, body), (0, 0))
        while True:
            for answer, sequence, part in parts(self._socket.recv(RECEIVE)):
                if answer == NLMSG_ERROR and sequence == self._sequence:
                    if number := error_number(part):
                        raise RouteRefusedError(number)
                    return

    def _drain(self) -> None:
        """Forget answers that an earlier, broken-off exchange left behind."""
        with contextlib.suppress(OSError):
            while True:
                self._socket.recv(RECEIVE, socket.MSG_DONTWAIT)
