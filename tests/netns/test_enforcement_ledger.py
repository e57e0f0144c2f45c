"""Whatever sequence of orders and releases: the kernel holds what the standing ones want, and no more."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator

import pytest
from enforcement_host import Host, target
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeguard.model import Happened, Order, Scope, Target

KEPT = "203.0.113.77"
ADDRESSES = ("198.51.100.1", "198.51.100.2", "198.51.100.0/24", "198.51.100.0/25", "2001:db8:f::101", "2001:db8:f::/48")
# (decision, tap, scope, targets) puts; (decision,) releases
PUT = st.tuples(
    st.integers(0, 4),
    st.sampled_from(["tap0", "tap1"]),
    st.sampled_from([Scope.NARROW, Scope.NARROW, Scope.OWN_ONLY, Scope.FULL]),
    st.sets(st.tuples(st.sampled_from(ADDRESSES), st.sampled_from([None, 53])), min_size=1, max_size=4),
)
STEPS = st.lists(PUT | st.tuples(st.integers(0, 4)), min_size=1, max_size=8)


@pytest.fixture(scope="module", params=["routed", "bridged"])
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    if not shutil.which("ip") or not shutil.which("nft"):
        pytest.skip("the programs ip and nft are the oracle here")
    with Host(request.param) as host:
        host.start(keep=[KEPT])
        yield host


def _wanted_routes(host: Host, standing: dict[int, Order]) -> set[tuple[str, ...]]:
    wanted: set[tuple[str, ...]] = set()
    for order in standing.values():
        table = str(78000 + order.tap.ifindex)
        if order.scope == Scope.OWN_ONLY:
            wanted |= {("forged", order.tap.name, version) for version in "46"}
            wanted |= {("own", order.tap.name, str(prefix.network_address)) for prefix in order.prefixes}
            wanted.add(("route", table, "0.0.0.0"))  # that holds its end
            continue
        if order.scope == Scope.FULL:
            wanted |= {("route", table, "0.0.0.0/0"), ("route", table, "::/0")}
            wanted |= {("to", table, str(prefix.network_address)) for prefix in order.prefixes}
            wanted |= {("throw", table, KEPT)}
            wanted |= {(who, str(order.tap.ifindex), host.vm4) for who in (KEPT, "67 68")}
            versions = {4, 6}
        else:
            wanted |= {("route", table, t.place) for t in order.targets}
            versions = {t.address.version for t in order.targets}
        wanted |= {("iif", table, order.tap.name, str(version)) for version in versions}
    return wanted


def _listed_routes(host: Host) -> set[tuple[str, ...]]:
    """As `ip` lists it; a table without a route of a family is none to list."""
    found: set[tuple[str, ...]] = set()
    for option, version in (("-4", "4"), ("-6", "6")):
        for line in host.host.run("ip", option, "rule").stdout.splitlines():
            words = line.split()
            if words[-2:] != ["proto", "78"]:
                continue
            if words[-3] == "blackhole":
                assert words[:3] == ["540:", "from", "all"]
                found.add(("forged", words[words.index("iif") + 1], version))
                continue
            table = words[words.index("lookup") + 1]
            if table == "main" and words[0] == "505:":
                tap = str(int(words[words.index("fwmark") + 1].removesuffix("/0"), 16))
                ports = (
                    f"{words[words.index('sport') + 1]} {words[words.index('dport') + 1]}" if "sport" in words else ""
                )
                found.add((ports or words[2], tap, words[words.index("to") + 1]))
            elif table == "main":
                assert words[0] == "530:"
                found.add(("own", words[words.index("iif") + 1], words[2]))
            elif "iif" in words:
                found.add(("iif", table, words[words.index("iif") + 1], version))
            else:
                found.add(("to", table, words[words.index("to") + 1]))
        for line in host.host.run("ip", option, "route", "show", "table", "all", "proto", "78").stdout.splitlines():
            words = line.split()
            everything = "0.0.0.0/0" if version == "4" else "::/0"
            kind = {"blackhole": "route", "throw": "throw"}[words[0]]
            where = everything if words[1] == "default" else words[1]
            left = int(words[words.index("metric") + 1]) - time.clock_gettime(time.CLOCK_BOOTTIME)
            assert 3_000 < left < 3_602, "the metric is the end: all of these end in an hour"
            found.add((kind, words[words.index("table") + 1], where))
    return found


def _wanted_elements(host: Host, standing: dict[int, Order]) -> set[tuple[str, ...]]:
    """On a routed tap only a full null route has elements as well: for what goes to the host itself."""
    wanted: set[tuple[str, ...]] = set()
    routed = host.kind == "routed"
    for order in standing.values():
        name = order.tap.name
        own = {(f"own{prefix.version}", name, str(prefix.network_address)) for prefix in order.prefixes}
        if order.scope == Scope.FULL:
            wanted |= {(kind, name) for kind in ("whole", "full", "link")} | own
            wanted |= set() if routed else {("into", name)}
        elif routed:
            continue
        elif order.scope == Scope.OWN_ONLY:
            wanted |= {("forged", name)} | own
        else:
            wanted |= {element for one in order.targets for element in _of_target(name, one)}
    return {element for element in wanted if _wider(element) == element or _wider(element) not in wanted}


def _wider(element: tuple[str, ...]) -> tuple[str, ...]:
    """Ranges of one set may not overlap: of two that would, this one stands."""
    return tuple("198.51.100.0/24" if part == "198.51.100.0/25" else part for part in element)


def _of_target(name: str, one: Target) -> set[tuple[str, ...]]:
    family, where = str(one.address.version), one.place
    net = "net" if "/" in where else ""
    if one.port is None:
        return {(f"any{net}{family}", name, where, "udp")}
    return {
        (f"port{net}{family}", name, where, "udp", str(one.port)),
        (f"frag{net}{family}", name, where, "udp"),
    }


def _listed_elements(host: Host) -> set[tuple[str, ...]]:
    """As `nft` lists it."""
    found: set[tuple[str, ...]] = set()
    listing = json.loads(host.host.run("nft", "-j", "list", "ruleset").stdout)["nftables"]
    for one in (item["set"] for item in listing if "set" in item):
        for element in one.get("elem", []):
            key = element["elem"]["val"]
            parts = key["concat"] if isinstance(key, dict) else [key]
            found.add((one["name"], *map(_text, parts)))
    return found


def _text(part: object) -> str:
    """An address, a protocol, a port; a prefix as it is written."""
    prefix = part["prefix"] if isinstance(part, dict) else None
    return f"{prefix['addr']}/{prefix['len']}" if prefix else str(part)


def _chains(host: Host) -> set[str]:
    """The devices that a chain is bound to."""
    return set(re.findall(r'device "([^"]+)"', host.host.run("nft", "list", "chains").stdout))


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
def test_the_kernel_holds_the_union(host: Host, steps: list[tuple[object, ...]]) -> None:
    """After each step the listed rules, routes and elements are exactly those that the standing orders want."""
    standing: dict[int, Order] = {}
    try:
        for step in steps:
            _do(host, standing, step)
            _agrees(host, standing)
    finally:
        for number in range(5):
            _release(host, standing, number)
    _agrees(host, {})


def _agrees(host: Host, standing: dict[int, Order]) -> None:
    if host.kind == "routed":
        assert _listed_routes(host) == _wanted_routes(host, standing)
    else:
        assert _chains(host) == {order.tap.name for order in standing.values()}
    assert _listed_elements(host) == _wanted_elements(host, standing)


def _do(host: Host, standing: dict[int, Order], step: tuple[object, ...]) -> None:
    number = int(str(step[0]))
    if len(step) == 1:
        _release(host, standing, number)
    elif number not in standing:
        standing[number] = _put(host, number, *step[1:])


def _put(host: Host, number: int, tap: object, scope: object, targets: object) -> Order:
    order = host.order(
        f"d-{number}",
        tap=host.tap(str(tap)),
        scope=Scope(str(scope)),
        targets=tuple(target(str(address), 17, port) for address, port in targets),  # type: ignore[attr-defined]
    )
    host.enforcer.order(order)
    host.until(order.decision, Happened.ACKNOWLEDGED)
    return order


def _release(host: Host, standing: dict[int, Order], number: int) -> None:
    order = standing.pop(number, None) or host.order(f"d-{number}")
    host.released(order)
