"""What null routes on a routed tap are made of: a rule `iif TAP lookup T` and routes in T, a table of the tap's own.

Narrow is `blackhole TARGET` in T. Full is `blackhole 0.0.0.0/0` and `::/0` in T, and a rule
`to PREFIX lookup T` for each prefix of the VM, so that nothing gets in either; for what is kept
(kept.py) `throw KEEP` in T lets the look-up go on, and rules before that one let its answers and
those of a DHCP server in. As these name no table of ours they carry the tap's ifindex as a mark
under a mask of nothing, which changes nothing and tells whose they are. Own-only are rules
alone, asked after that one: `iif TAP from PREFIX lookup main` for each prefix of the VM, then
`iif TAP blackhole` for what has any other source. Before all of them the kernel asks the local
table, which holds what the host itself takes: neighbour discovery, DHCP, its own addresses.

The metric of a blackhole is its end, in seconds since the boot. So the kernel itself says when
each is over, and `edgeguard reap` needs no database to believe it. Own-only has no blackhole of
its own: it puts one for 0.0.0.0, where nothing is ever sent, to hold its end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import ip_network

from edgeguard import clock
from edgeguard.enforcement.place import Place
from edgeguard.model import Network, Tap, Target

MARK = ip_network("0.0.0.0/32")
EVERYTHING: tuple[Network, ...] = (ip_network("0.0.0.0/0"), ip_network("::/0"))
MAIN, NOWHERE = 254, 0  # RT_TABLE_MAIN; no table, the rule itself is the blackhole
_KEPT, _IN, _OUT = 5, 10, 20  # rule priorities: base + these; the way in, the way out of the VM
_OWN, _FORGED = 30, 40  # after it: what has the VM's own source, and the rest
_VERSIONS = (4, 6)
_DHCP = (67, 68)


@dataclass(frozen=True, slots=True)
class Rule:
    """`iif NAME lookup TABLE` of one family, `to PREFIX lookup TABLE`, `iif NAME from PREFIX lookup main`,
    `to PREFIX from PREFIX lookup main`, or, with the table 0, `iif NAME blackhole`."""

    version: int
    table: int
    iif: str | None = None
    to: Network | None = None
    source: Network | None = None
    udp: tuple[int, int] | None = None  # only UDP from one port to another
    mark: int = 0  # the tap's ifindex where neither table nor name tell it

    @property
    def place(self) -> int:
        """Its priority, counted from our first."""
        if self.mark:
            return _KEPT
        return {MAIN: _OWN, NOWHERE: _FORGED}.get(self.table, _OUT if self.iif else _IN)


@dataclass(frozen=True, slots=True)
class Blackhole:
    """`blackhole PREFIX metric METRIC` in a table, or `throw`; the metric is its end, 0: not decided yet."""

    table: int
    prefix: Network
    metric: int = 0
    throws: bool = False  # the look-up goes on behind the table

    @property
    def marks(self) -> bool:
        """Whether it only holds the end of an own-only."""
        return self.prefix == MARK


Item = Rule | Blackhole


def narrow(place: Place, tap: Tap, targets: Iterable[Target]) -> set[Item]:
    """What a narrow null route is made of on a routed tap."""
    return _dead(place, tap, {target.network for target in targets})


def full(place: Place, tap: Tap, prefixes: Iterable[Network]) -> set[Item]:
    """What a full one is made of: nothing out, nothing into the VM's prefixes, but what is kept."""
    table, kept, prefixes = place.table + tap.ifindex, place.kept, list(prefixes)
    made = _dead(place, tap, EVERYTHING)
    made |= {Blackhole(table, prefix, throws=True) for prefix in kept.prefixes}
    made |= {Rule(prefix.version, table, to=prefix) for prefix in prefixes}
    made |= {
        Rule(prefix.version, MAIN, to=prefix, source=source, mark=tap.ifindex)
        for prefix in prefixes
        for source in kept.prefixes
        if source.version == prefix.version
    }
    dhcp = [prefix for prefix in prefixes if kept.link and prefix.version == 4]
    return made | {Rule(4, MAIN, to=prefix, udp=_DHCP, mark=tap.ifindex) for prefix in dhcp}


def _dead(place: Place, tap: Tap, prefixes: Iterable[Network]) -> set[Item]:
    """Nothing out of a tap to these."""
    table, dead = place.table + tap.ifindex, list(prefixes)
    rules = {Rule(prefix.version, table, iif=tap.name) for prefix in dead}
    return rules | {Blackhole(table, prefix) for prefix in dead}


def own_only(place: Place, tap: Tap, own: Iterable[Network]) -> set[Item]:
    """What lets just the VM's own packets out of a routed tap. A family without a prefix has none of them."""
    made: set[Item] = {Rule(version, NOWHERE, iif=tap.name) for version in _VERSIONS}
    made.add(Blackhole(place.table + tap.ifindex, MARK))
    return made | {Rule(prefix.version, MAIN, iif=tap.name, source=prefix) for prefix in own}


def unreached(standing: Iterable[Item]) -> frozenset[Network]:
    """What no packet of the tap can reach, whatever its source."""
    items = list(standing)
    families = {item.version for item in items if isinstance(item, Rule) and item.table == NOWHERE}
    families -= {item.version for item in items if isinstance(item, Rule) and item.table == MAIN}
    nothing = {prefix for prefix in EVERYTHING if prefix.version in families}
    dead = {item.prefix for item in items if isinstance(item, Blackhole) and not (item.marks or item.throws)}
    return frozenset(dead | nothing)


def metric(ends: int) -> int:
    """The end of a blackhole (CLOCK_BOOTTIME ns) as its metric: the first whole second after it."""
    return ends // clock.SECOND + 1


def lasting(made: Iterable[tuple[Iterable[Item], int]]) -> set[Item]:
    """The items of several null routes, each blackhole once and with the latest of their ends."""
    rules: set[Item] = set()
    ends: dict[Blackhole, int] = {}
    for items, end in made:
        for item in items:
            if isinstance(item, Rule):
                rules.add(item)
            else:
                ends[item] = max(end, ends.get(item, 0))
    return rules | {replace(item, metric=metric(end)) for item, end in ends.items()}


def text(item: Item) -> str:
    """As ip-rule(8) and ip-route(8) would write it."""
    if isinstance(item, Blackhole):
        return f"route '{'throw' if item.throws else 'blackhole'} {item.prefix} table {item.table}'"
    what = f"iif {item.iif}" if item.iif else f"to {item.to}"
    what += f" udp {item.udp[0]} to {item.udp[1]}" if item.udp else ""
    what += f" from {item.source}" if item.source else ""
    how = {NOWHERE: "blackhole", MAIN: "lookup main"}.get(item.table, f"lookup {item.table}")
    return f"IPv{item.version} rule '{what} {how}'"


def version_of(item: Item) -> int:
    """Of IP: 4 or 6."""
    return item.prefix.version if isinstance(item, Blackhole) else item.version
