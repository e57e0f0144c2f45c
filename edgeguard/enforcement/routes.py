"""Null routes on a routed tap: a rule `iif TAP lookup T` and blackholes in T, a table of the tap's own.

Narrow is `blackhole TARGET` in T. Full is `blackhole 0.0.0.0/0` and `::/0` in T, and a rule
`to PREFIX lookup T` for each prefix of the VM, so that nothing gets in either. Own-only are rules
alone, asked after that one: `iif TAP from PREFIX lookup main` for each prefix of the VM, then
`iif TAP blackhole` for what has any other source. Before all of them the kernel asks the local
table, which holds what the host itself takes: neighbour discovery, DHCP, its own addresses.

The operator's own tables are never written. T is the configured base plus the tap's ifindex.
Everything carries our protocol number, and the rules lie in our range of priorities, so that both
can be told apart.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from edgeguard.enforcement import links
from edgeguard.enforcement.place import Place
from edgeguard.errors import EnforcementError
from edgeguard.model import Network, Scope, Tap, TapKind, Target

EVERYTHING: tuple[Network, ...] = (ip_network("0.0.0.0/0"), ip_network("::/0"))
_AF = {4: 2, 6: 10}
_IN, _OUT = 10, 20  # rule priorities: base + these; the way in, the way out of the VM
_OWN, _FORGED = 30, 40  # after it: what has the VM's own source, and the rest
_MAIN, _NOWHERE = 254, 0  # RT_TABLE_MAIN; no table, the rule itself is the blackhole
_TRIES = 4
_PRIORITIES = 99
_ROUTED, _BLACKHOLE = TapKind.ROUTED, 6  # RTN_BLACKHOLE
_FR_ACT_TO_TBL, _FR_ACT_BLACKHOLE = 1, 6  # linux/fib_rules.h
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EOPNOTSUPP)  # a kernel without IPv6 forwards none
_GONE = (errno.ENOENT, errno.ESRCH, errno.ENODEV)


@dataclass(frozen=True, slots=True)
class Rule:
    """`iif NAME lookup TABLE` of one family, `to PREFIX lookup TABLE`, `iif NAME from PREFIX lookup main`,
    or, with the table 0, `iif NAME blackhole`."""

    version: int
    table: int
    iif: str | None = None
    to: Network | None = None
    source: Network | None = None

    @property
    def place(self) -> int:
        """Its priority, counted from our first."""
        return {_MAIN: _OWN, _NOWHERE: _FORGED}.get(self.table, _OUT if self.iif else _IN)


@dataclass(frozen=True, slots=True)
class Blackhole:
    """`blackhole PREFIX` in a table."""

    table: int
    prefix: Network


Item = Rule | Blackhole


def items(place: Place, tap: Tap, scope: Scope, prefixes: Iterable[Network], targets: Iterable[Target]) -> set[Item]:
    """What one null route is made of on a routed tap."""
    table = place.table + tap.ifindex
    dead: set[Network] = set(EVERYTHING) if scope == Scope.FULL else {target.network for target in targets}
    made: set[Item] = {Blackhole(table, prefix) for prefix in dead}
    made |= {Rule(prefix.version, table, iif=tap.name) for prefix in dead}
    if scope == Scope.FULL:
        made |= {Rule(prefix.version, table, to=prefix) for prefix in prefixes}
    return made


def own_only(tap: Tap, own: Iterable[Network]) -> set[Item]:
    """What lets just the VM's own packets out of a routed tap. A family without a prefix has none of them."""
    made: set[Item] = {Rule(version, _NOWHERE, iif=tap.name) for version in _AF}
    return made | {Rule(prefix.version, _MAIN, iif=tap.name, source=prefix) for prefix in own}


def unreached(standing: Iterable[Item]) -> frozenset[Network]:
    """What no packet of the tap can reach, whatever its source."""
    items = list(standing)
    families = {item.version for item in items if isinstance(item, Rule) and item.table == _NOWHERE}
    families -= {item.version for item in items if isinstance(item, Rule) and item.table == _MAIN}
    nothing = {prefix for prefix in EVERYTHING if prefix.version in families}
    return frozenset({item.prefix for item in items if isinstance(item, Blackhole)} | nothing)


class Routes:
    """Our rules and blackholes as we last left them, by tap. One rtnetlink socket, kept open."""

    def __init__(self, ip: IPRoute, place: Place) -> None:
        self._ip = ip
        self._place = place
        self._taps: dict[int, set[Item]] = {}

    def standing(self, tap: Tap) -> frozenset[Item]:
        """What we put for a tap."""
        return frozenset(self._taps.get(tap.ifindex, ()))

    def apply(self, tap: Tap, wanted: set[Item]) -> None:
        """Let the kernel hold exactly `wanted` for a tap.

        Blackholes come before the rule that leads to them and go after it. EnforcementError at the
        first refusal; what was done until then is remembered, so that a later call can undo it.
        """
        present = self._taps.setdefault(tap.ifindex, set())
        for item in sorted(wanted - present, key=_coming):
            self._add(item)
            present.add(item)
        for item in sorted(present - wanted, key=_coming, reverse=True):
            self._remove(item)
            present.discard(item)
        if not present:
            del self._taps[tap.ifindex]

    def adopt(self) -> int:
        """Learn what of ours stands in the kernel; the number of rules and blackholes found."""
        found: list[Item] = [*self._rules(), *self._blackholes()]
        self._taps = {}
        for item in found:
            self._taps.setdefault(self._index(item), set()).add(item)
        return len(found)

    def _index(self, item: Item) -> int:
        """The ifindex that an item found belongs to: by its table, because a name may have moved on to
        another tap. A rule without a table of ours is whoever's has its name now; 0 where nobody has it."""
        if isinstance(item, Rule) and not self._ours(item.table):
            return links.index_of(item.iif or "")
        return item.table - self._place.table

    def indexes(self) -> set[int]:
        """The ifindexes that have anything of ours."""
        return set(self._taps)

    def forget(self, ifindex: int) -> None:
        """Remove everything of an ifindex, whatever became of its link."""
        self.apply(Tap(ifindex, "", "", _ROUTED), set())

    # ---- the kernel -------------------------------------------------------------------------------

    def _rule(self, rule: Rule) -> dict[str, Any]:
        values: dict[str, Any] = {
            "family": _AF[rule.version],
            "table": rule.table,
            "priority": self._place.priority + rule.place,
            "protocol": self._place.protocol,
        }
        if rule.table == _NOWHERE:
            del values["table"]
            values["action"] = "blackhole"
        if rule.iif:
            values["iifname"] = rule.iif
        if rule.to:
            values |= {"dst": str(rule.to.network_address), "dst_len": rule.to.prefixlen}
        if rule.source:
            values |= {"src": str(rule.source.network_address), "src_len": rule.source.prefixlen}
        return values

    def _blackhole(self, route: Blackhole) -> dict[str, Any]:
        return {
            "dst": str(route.prefix),  # pyroute2 refuses 'default' for a blackhole
            "family": _AF[route.prefix.version],
            "type": "blackhole",
            "table": route.table,
            "proto": self._place.protocol,
        }

    def _ask(self, verb: str, item: Item) -> None:
        if isinstance(item, Rule):
            self._ip.rule(verb, **self._rule(item))
        else:
            self._ip.route(verb, **self._blackhole(item))

    def _add(self, item: Item) -> None:
        for attempt in range(_TRIES):
            try:
                self._ask("add", item)
                return
            except NetlinkError as error:
                if error.code == errno.EEXIST:
                    return
                if _version(item) == 6 and error.code in _NO_IPV6:
                    return
                if error.code != errno.ENOBUFS or attempt == _TRIES - 1:
                    raise EnforcementError(_line("add", item, error.code)) from None
            except OSError as error:
                raise EnforcementError(_line("add", item, error.errno or errno.EIO)) from None

    def _remove(self, item: Item) -> None:
        """Delete until the kernel says that there is none: that answer is the read back."""
        for _ in range(_TRIES):
            try:
                self._ask("del", item)
            except NetlinkError as error:
                if error.code in _GONE or (_version(item) == 6 and error.code in _NO_IPV6):
                    return
                if error.code != errno.ENOBUFS:
                    raise EnforcementError(_line("remove", item, error.code)) from None
            except OSError as error:
                raise EnforcementError(_line("remove", item, error.errno or errno.EIO)) from None
        raise EnforcementError(f"cannot remove {text(item)}: the kernel acknowledges, but it is still there")

    def _ours(self, table: int) -> bool:
        return table > self._place.table

    def _rules(self) -> list[Rule]:
        """Our rules: of our protocol, and exactly as we make them."""
        found = []
        for family, version in ((2, 4), (10, 6)):
            for listed in self._ip.get_rules(family=family):
                rule = _listed(listed, version)
                priority = (listed.get_attr("FRA_PRIORITY") or 0) - self._place.priority
                ours = listed.get_attr("FRA_PROTOCOL") == self._place.protocol and 0 <= priority <= _PRIORITIES
                if ours and (self._ours(rule.table) or (_is_own_only(listed, rule) and priority == rule.place)):
                    found.append(rule)
        return found

    def _blackholes(self) -> list[Blackhole]:
        """Our blackholes. The kernel filters: a host may hold the whole internet's routes."""
        found = []
        with IPRoute(strict_check=True) as ip:
            for family in (2, 10):
                for route in ip.route("dump", family=family, proto=self._place.protocol):
                    table = route.get_attr("RTA_TABLE") or route["table"]
                    if route["proto"] == self._place.protocol and self._ours(table) and route["type"] == _BLACKHOLE:
                        found.append(Blackhole(table, _prefix(route, family)))
        return found


def _listed(rule: Any, version: int) -> Rule:
    """A rule as the kernel lists it, in the terms of ours."""

    def network(address: str, length: str) -> Network | None:
        text = rule.get_attr(address)
        return ip_network(f"{text}/{rule[length]}") if text else None

    table = rule.get_attr("FRA_TABLE") or rule["table"]
    to, source = network("FRA_DST", "dst_len"), network("FRA_SRC", "src_len")
    return Rule(version, table, rule.get_attr("FRA_IIFNAME"), to, source)


def _is_own_only(listed: Any, rule: Rule) -> bool:
    """Whether it is one of the two kinds that own-only is made of."""
    if not rule.iif or rule.to:
        return False
    if rule.table == _NOWHERE:
        return listed["action"] == _FR_ACT_BLACKHOLE and rule.source is None
    return rule.table == _MAIN and listed["action"] == _FR_ACT_TO_TBL and rule.source is not None


def _prefix(route: Any, family: int) -> Network:
    nothing = "0.0.0.0" if family == 2 else "::"
    return ip_network(f"{route.get_attr('RTA_DST') or nothing}/{route['dst_len']}")


def _coming(item: Item) -> int:
    """What must stand before what: blackholes, the rules that lead to them or let the VM's own by, the rest."""
    if isinstance(item, Blackhole):
        return 0
    return 2 if item.table == _NOWHERE else 1


def text(item: Item) -> str:
    """As ip-rule(8) and ip-route(8) would write it."""
    if isinstance(item, Blackhole):
        return f"route 'blackhole {item.prefix} table {item.table}'"
    what = f"iif {item.iif}" if item.iif else f"to {item.to}"
    what += f" from {item.source}" if item.source else ""
    how = {_NOWHERE: "blackhole", _MAIN: "lookup main"}.get(item.table, f"lookup {item.table}")
    return f"IPv{item.version} rule '{what} {how}'"


def _line(verb: str, item: Item, number: int) -> str:
    why = {
        errno.EPERM: "the right CAP_NET_ADMIN is missing; start the daemon as root",
        errno.EAFNOSUPPORT: f"this kernel has no IPv{_version(item)} rules",
        errno.ENOBUFS: "the kernel has no memory for it",
    }.get(number, os.strerror(number))
    return f"cannot {verb} {text(item)}: {why} ({errno.errorcode.get(number, number)})"


def _version(item: Item) -> int:
    return item.prefix.version if isinstance(item, Blackhole) else item.version
