"""What stands in the kernel, as ip(8) and nft(8) tell it, and what an order should be there.

Neither side uses a line of the product: `standing` runs the operator's own programs and reads their
JSON; `wanted` is docs/enforcement.md written once more, from orders as the database holds them. Both
are sets of Things, so that a difference can be shown item by item.
"""

from __future__ import annotations

import ipaddress
import json
import re
import subprocess
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from edgeguard.lab.namespace import Namespace

NAMES = {6: "tcp", 17: "udp", 1: "icmp", 58: "ipv6-icmp"}
_HOOK = re.compile(r'hook (ingress|egress) devices? (?:= \{ )?"?([^" ]+)')
PORTS = (6, 17, 33, 132, 136)


class Thing(NamedTuple):
    """A rule, a blackhole, an element or a hook."""

    what: str
    where: str  # name of the tap, or number of the table
    which: str
    how: str = ""


class Place(NamedTuple):
    """The numbers of [enforcement] that the stage runs with."""

    protocol: int
    table: int
    nft_table: str
    priority: int


# ---- what stands ----------------------------------------------------------------------------------


Ends = dict[Thing, float | None]  # seconds of CLOCK_BOOTTIME at which the kernel itself knows the end; None: never


def standing(namespace: Namespace, place: Place) -> Ends:
    """Everything of ours that the kernel holds."""
    found: Ends = dict(_chains(namespace, place))
    for family in ("-4", "-6"):
        found |= dict.fromkeys(_rules(namespace, place, family))
        found |= dict(_routes(namespace, place, family))
    return found


def boot_seconds() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def told(namespace: Namespace, *command: str) -> str:
    with namespace.inside():
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout if done.returncode == 0 else ""


def _rules(namespace: Namespace, place: Place, family: str) -> Iterable[Thing]:
    for rule in json.loads(told(namespace, "ip", "-j", family, "rule", "show") or "[]"):
        if rule.get("protocol") != str(place.protocol):
            continue
        how = rule.get("action") or f"lookup {rule['table']}"
        source = f" from {rule['src']}/{rule.get('srclen', _whole(family))}" if rule["src"] != "all" else ""
        to = f" to {rule['dst']}/{rule.get('dstlen', _whole(family))}" if "dst" in rule else ""
        yield Thing("rule", rule.get("iif", ""), f"{family}{source}{to}", how)


def _whole(family: str) -> int:
    return 32 if family == "-4" else 128


def _routes(namespace: Namespace, place: Place, family: str) -> Iterable[tuple[Thing, float | None]]:
    command = ("ip", "-j", family, "route", "show", "table", "all", "proto", str(place.protocol))
    for route in json.loads(told(namespace, *command) or "[]"):
        everything = "0.0.0.0/0" if family == "-4" else "::/0"
        prefix = everything if route["dst"] == "default" else str(ipaddress.ip_network(route["dst"]))
        yield Thing("route", str(route.get("table", "main")), prefix, route.get("type", "unicast")), route.get("metric")


def elements(namespace: Namespace, place: Place) -> list[dict[str, Any]]:
    """The objects of our table; none where there is no such table."""
    listed = told(namespace, "nft", "-j", "list", "table", "netdev", place.nft_table)
    return json.loads(listed)["nftables"] if listed else []


def _chains(namespace: Namespace, place: Place) -> Iterable[tuple[Thing, float | None]]:
    listed = elements(namespace, place)
    for one in listed:
        for element in one.get("set", {}).get("elem", ()):
            yield _element(one["set"]["name"], element), _expires(element)
    # nft 1.0.6 leaves the device out of its JSON
    text = told(namespace, "nft", "list", "table", "netdev", place.nft_table) if listed else ""
    for hook, device in _HOOK.findall(text):
        yield Thing("hook", device, hook), None


def _expires(element: Any) -> float | None:
    left = element.get("elem", {}).get("expires") if isinstance(element, dict) else None
    return None if left is None else boot_seconds() + float(left)


def _element(set_name: str, element: Any) -> Thing:
    value = element["elem"]["val"] if isinstance(element, dict) and "elem" in element else element
    tap, *rest = value["concat"] if isinstance(value, dict) and "concat" in value else [value]
    return Thing("element", str(tap), set_name, " ".join(map(_written, rest)))


def _written(part: Any) -> str:
    """One part of a key. A range of addresses is the prefix it is."""
    if isinstance(part, dict) and "prefix" in part:
        return f"{part['prefix']['addr']}/{part['prefix']['len']}"
    if isinstance(part, dict) and "range" in part:
        first, last = map(ipaddress.ip_address, part["range"])
        return str(next(iter(ipaddress.summarize_address_range(first, last))))
    return str(part)


# ---- what should ----------------------------------------------------------------------------------


def wanted(orders: Iterable[dict[str, Any]], place: Place, names: dict[int, str], now: int) -> Ends:
    """What the kernel must hold for these orders and nothing else, each with the latest end that one wants.

    `names`: of the links that there are now; `now`: the wall clock, for orders without an end in boot time.
    """
    things: Ends = {}
    for order in orders:
        tap = {**order["tap"], "name": names.get(order["tap"]["ifindex"], order["tap"]["name"])}
        make = _routed if tap["kind"] == "routed" else bridged
        for thing in make(order, tap, place):
            things[thing] = max(end_of(order, now), things.get(thing) or 0)
    return {thing: things[thing] for thing in _widest(set(things))}


def end_of(order: dict[str, Any], now: int) -> float:
    """Seconds of CLOCK_BOOTTIME."""
    return order["ends"] / 1e9 if order.get("ends") else boot_seconds() + (order["until"] - now) / 1e9


def lenient(orders: Iterable[dict[str, Any]], place: Place) -> set[Thing]:
    """What may stand besides: on a routed tap the chain's part of null routes that routes alone did not prove."""
    return {thing for order in orders for thing in bridged(order, order["tap"], place)}


def _routed(order: dict[str, Any], tap: dict[str, Any], place: Place) -> Iterable[Thing]:
    table, name = str(place.table + tap["ifindex"]), tap["name"]
    if order["scope"] == "own-only":
        yield Thing("route", table, "0.0.0.0/32", "blackhole")  # where nothing is ever sent: it holds the end
        for prefix in _merged(order["prefixes"]):
            yield Thing("rule", name, f"{_family(prefix)} from {prefix}", "lookup main")
        yield Thing("rule", name, "-4", "blackhole")
        yield Thing("rule", name, "-6", "blackhole")
        return
    full = order["scope"] == "full"
    dead = ["0.0.0.0/0", "::/0"] if full else [_network(target) for target in order["targets"]]
    for prefix in dead:
        yield Thing("route", table, prefix, "blackhole")
        yield Thing("rule", name, _family(prefix), f"lookup {table}")
    for prefix in order["prefixes"] if full else ():
        yield Thing("rule", "", f"{_family(prefix)} to {prefix}", f"lookup {table}")
        if prefix_version(prefix) == 4:  # DHCP is left alive (keep_link)
            yield Thing("rule", "", f"-4 to {prefix}", "lookup main")
    if full:  # what goes to the host's own addresses is no route's
        yield Thing("hook", name, "ingress")
        yield from (Thing("element", name, which) for which in ("whole", "full", "link"))


def bridged(order: dict[str, Any], tap: dict[str, Any], _place: Place) -> Iterable[Thing]:
    name = tap["name"]
    yield Thing("hook", name, "ingress")
    if order["scope"] == "full":
        yield Thing("hook", name, "egress")
        yield from (Thing("element", name, which) for which in ("whole", "full", "link", "into"))
    elif order["scope"] == "own-only":
        yield Thing("element", name, "forged")
        for prefix in _merged(order["prefixes"]):
            yield Thing("element", name, f"own{prefix_version(prefix)}", _plain(prefix))
    else:
        for target in order["targets"]:
            yield from _targeted(name, target)


def _targeted(name: str, target: dict[str, Any]) -> Iterable[Thing]:
    prefix, number = _network(target), target["protocol"]
    kind = f"{'net' if target.get('length') is not None else ''}{prefix_version(prefix)}"
    where, protocol = _plain(prefix), NAMES.get(number, str(number))
    if number == 0:
        yield Thing("element", name, f"host{kind}", where)
    elif target["port"] is None or number not in PORTS:
        yield Thing("element", name, f"any{kind}", f"{where} {protocol}")
    else:
        yield Thing("element", name, f"port{kind}", f"{where} {protocol} {target['port']}")
        yield Thing("element", name, f"frag{kind}", f"{where} {protocol}")


def _network(target: dict[str, Any]) -> str:
    length = target.get("length")
    return str(ipaddress.ip_network(f"{target['address']}/{length}" if length is not None else target["address"]))


def _plain(prefix: str) -> str:
    """nft writes a prefix of one address as the address."""
    network = ipaddress.ip_network(prefix)
    return str(network.network_address) if network.num_addresses == 1 else prefix


def prefix_version(prefix: str) -> int:
    return ipaddress.ip_network(prefix).version


def _family(prefix: str) -> str:
    return f"-{prefix_version(prefix)}"


def _merged(prefixes: Iterable[str]) -> list[str]:
    networks = [ipaddress.ip_network(prefix) for prefix in prefixes]
    four = ipaddress.collapse_addresses(n for n in networks if isinstance(n, ipaddress.IPv4Network))
    six = ipaddress.collapse_addresses(n for n in networks if isinstance(n, ipaddress.IPv6Network))
    return [str(network) for network in (*four, *six)]


def _widest(things: set[Thing]) -> set[Thing]:
    """Ranges of one set may not overlap: the one inside another is left out."""
    return {thing for thing in things if not any(_within(thing, other) for other in things)}


def _within(thing: Thing, other: Thing) -> bool:
    if thing == other or "net" not in thing.which or thing[:3] != other[:3]:
        return False
    (mine, *rest), (wide, *others) = thing.how.split(), other.how.split()
    return rest == others and ipaddress.ip_network(mine).subnet_of(ipaddress.ip_network(wide))  # type: ignore[arg-type]
