"""Rules and blackholes as the kernel lists them: dumps of rtnetlink, read as far as null routes concern.

Parsed here and not by pyroute2, because it is done every ten seconds and after every hint that somebody
changed something, in the thread that carries out orders. Formats: linux/fib_rules.h, linux/rtnetlink.h.
"""

from __future__ import annotations

import errno
import socket
import struct
from dataclasses import dataclass
from ipaddress import ip_network

from edgeguard.enforcement.dump import dumped
from edgeguard.enforcement.netlink import attribute, attributes
from edgeguard.model import Network

RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE = 32, 33, 34
FAMILIES = {4: int(socket.AF_INET), 6: int(socket.AF_INET6)}
_RULE = struct.Struct("=BBBBBBBBI")  # fib_rule_hdr: family, dst_len, src_len, tos, table, -, -, action, flags
_ROUTE = struct.Struct("=BBBBBBBBI")  # rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags
_FRA_DST, _FRA_SRC, _FRA_IIFNAME, _FRA_PRIORITY, _FRA_FWMARK, _FRA_TABLE, _FRA_PROTOCOL = 1, 2, 3, 6, 10, 15, 21
_FRA_IP_PROTO, _FRA_SPORT_RANGE, _FRA_DPORT_RANGE = 22, 23, 24
_RTA_DST, _RTA_PRIORITY, _RTA_TABLE = 1, 6, 15
_NOTHING = {4: bytes(4), 6: bytes(16)}
_UNKNOWN_TABLE = (errno.ENOENT, errno.EAFNOSUPPORT, errno.EOPNOTSUPP)


@dataclass(frozen=True, slots=True)
class ListedRule:
    """A policy rule, of whomever."""

    version: int
    priority: int
    table: int
    protocol: int
    action: int
    iif: str | None
    to: Network | None
    source: Network | None
    mark: int = 0
    udp: tuple[int, int] | None = None  # of UDP from one port to another


@dataclass(frozen=True, slots=True)
class ListedRoute:
    """A route, of whomever."""

    table: int
    protocol: int
    kind: int  # RTN_
    prefix: Network
    metric: int


def rules(version: int) -> list[ListedRule]:
    """All rules of a family; none where the kernel has no such family. EnforcementError where it refuses."""
    body = _RULE.pack(FAMILIES[version], 0, 0, 0, 0, 0, 0, 0, 0)
    return [_rule(part, version) for part in dumped(RTM_GETRULE, RTM_NEWRULE, body, "what stands", _UNKNOWN_TABLE)]


def routes(version: int, protocol: int = 0, table: int = 0) -> list[ListedRoute]:
    """The routes of a protocol number, or of one table: the kernel filters, for it may hold the whole internet's."""
    body = _ROUTE.pack(FAMILIES[version], 0, 0, 0, 0, protocol, 0, 0, 0)
    if table:
        body += attribute(_RTA_TABLE, struct.pack("=I", table))
    found = (_route(part, version) for part in dumped(RTM_GETROUTE, RTM_NEWROUTE, body, "what stands", _UNKNOWN_TABLE))
    return [one for one in found if protocol in (0, one.protocol) and table in (0, one.table)]


def _number(value: bytes | None, other: int = 0) -> int:
    return int(struct.unpack("=I", value[:4])[0]) if value and len(value) >= 4 else other


def _network(raw: bytes | None, length: int) -> Network | None:
    return ip_network((raw, length)) if raw else None


def _rule(part: bytes, version: int) -> ListedRule:
    _, to, source, _, table, _, _, action, _ = _RULE.unpack_from(part)
    values = dict(attributes(part[_RULE.size :]))
    name = values.get(_FRA_IIFNAME)
    return ListedRule(
        version=version,
        priority=_number(values.get(_FRA_PRIORITY)),
        table=_number(values.get(_FRA_TABLE), table),
        protocol=values.get(_FRA_PROTOCOL, b"\0")[0],
        action=action,
        iif=name.rstrip(b"\0").decode(errors="replace") if name else None,
        to=_network(values.get(_FRA_DST), to),
        source=_network(values.get(_FRA_SRC), source),
        mark=_number(values.get(_FRA_FWMARK)),
        udp=_ports(values),
    )


def _ports(values: dict[int, bytes]) -> tuple[int, int] | None:
    """Single ports of both sides (fib_rule_port_range: first, last)."""
    ranges = [
        struct.unpack("=HH", values.get(kind, b"").ljust(4, b"\0")[:4]) for kind in (_FRA_SPORT_RANGE, _FRA_DPORT_RANGE)
    ]
    if values.get(_FRA_IP_PROTO, b"\0")[0] != socket.IPPROTO_UDP or any(first != last for first, last in ranges):
        return None
    return ranges[0][0], ranges[1][0]


def _route(part: bytes, version: int) -> ListedRoute:
    _, length, _, _, table, protocol, _, kind, _ = _ROUTE.unpack_from(part)
    values = dict(attributes(part[_ROUTE.size :]))
    prefix = ip_network((values.get(_RTA_DST) or _NOTHING[version], length))
    table = _number(values.get(_RTA_TABLE), table)
    return ListedRoute(table, protocol, kind, prefix, _number(values.get(_RTA_PRIORITY)))
