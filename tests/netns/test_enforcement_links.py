"""Taps that go, come back under the same name, or are renamed; and what stands when the child starts."""

from __future__ import annotations

import contextlib
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from enforcement_host import KINDS, OTHER4, TARGET4, TARGET6, Host, target, to, until

from edgeguard.model import Happened, Scope, Tap, TapKind


@pytest.fixture(params=KINDS)
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    with Host(request.param) as host:
        host.start()
        yield host


def recreate(host: Host) -> None:
    """The tap is deleted and made again under its name, for the next customer at the same place."""
    host.host.remove("tap0")
    host.host.veth("tap0", host.vm, "eth0")
    if host.bridge:
        host.host.master("tap0", host.bridge)
    else:
        host.host.address("tap0", "192.0.2.1/30")
        host.host.address("tap0", "2001:db8:1::1/64")
        host.gateway_mac = host.host.mac("tap0")


@contextlib.contextmanager
def everything_of_ours(host: Host) -> Iterator[list[str]]:
    """What the operator's programs list of ours, when the block is left; nothing where they are missing."""
    found: list[str] = []
    yield found
    if not shutil.which("ip") or not shutil.which("nft"):
        return
    for family in ("-4", "-6"):
        rules = host.host.run("ip", family, "rule").stdout.splitlines()
        routes = host.host.run("ip", family, "route", "show", "table", "all", "proto", "78").stdout.splitlines()
        found += [line for line in rules if "proto 78" in line] + routes
    ruleset = host.host.run("nft", "list", "ruleset").stdout.splitlines()
    found += [line for line in ruleset if "hook" in line or "elements" in line]


@pytest.mark.parametrize("scope", [Scope.NARROW, Scope.FULL])
def test_the_next_customer_inherits_nothing(host: Host, scope: Scope) -> None:
    """When a tap goes everything of it goes, and a tap made anew under its name is free at once."""
    host.enforcer.order(host.order("d-gone", scope=scope))
    host.wait("d-gone", Happened.ACKNOWLEDGED)
    assert to(host.arrived([host.frame(TARGET4)], 10), TARGET4) == 0
    with everything_of_ours(host) as left:
        recreate(host)
        assert host.until("d-gone", Happened.LINK_GONE).detail.startswith("tap0 (ifindex")
    assert left == []
    assert to(host.arrived([host.frame(TARGET4)], 10), TARGET4) == 10


def test_an_order_for_a_tap_that_was_replaced_is_refused(host: Host) -> None:
    """An order that names an old ifindex does nothing to the tap that has its name now."""
    order = host.order("d-old")
    recreate(host)
    with everything_of_ours(host) as left:
        host.enforcer.order(order)
        outcome = host.wait("d-old", Happened.LINK_GONE)
    assert "no longer there" in outcome.detail
    assert left == []
    assert to(host.arrived([host.frame(TARGET4)], 10), TARGET4) == 10


def test_other_taps_keep_their_null_routes(host: Host) -> None:
    """When one tap goes, the null route of another stands."""
    host.enforcer.order(host.order("d-stays", tap=host.tap("tap1"), prefixes=()))
    host.enforcer.order(host.order("d-goes"))
    host.wait("d-stays", Happened.ACKNOWLEDGED)
    host.wait("d-goes", Happened.ACKNOWLEDGED)
    host.host.remove("tap0")
    host.until("d-goes", Happened.LINK_GONE)
    theirs = host.arrived([host.frame(TARGET4, who="neighbour"), host.frame(OTHER4, who="neighbour")], 10, "neighbour")
    assert to(theirs, TARGET4) == 0 and to(theirs, OTHER4) == 10


def test_a_renamed_tap_stays_null_routed(host: Host) -> None:
    """The null route follows its link to a new name, and ends there."""
    order = host.order("d-name")
    host.enforcer.order(order)
    host.wait("d-name", Happened.ACKNOWLEDGED)
    with host.host.routes() as ip:
        index = socket.if_nametoindex("tap0")
        ip.link("set", index=index, state="down")
        ip.link("set", index=index, ifname="tap9")
        ip.link("set", index=index, state="up")
    until(lambda: to(host.arrived([host.frame(TARGET4)], 10), TARGET4) == 0, "the null route is back")
    with everything_of_ours(host) as left:
        host.released(order)
    assert left == []


def _foreign(host: Host) -> None:
    """An operator's own rules, routes and tables, some of them close to ours."""
    with host.host.routes() as ip:
        ip.rule("add", family=2, table=900, priority=499, iifname="tap0", protocol=4)
        ip.rule("add", family=2, table=901, priority=2000, iifname="tap0", protocol=78)
        ip.rule("add", family=2, table=902, priority=520, src="192.0.2.77", src_len=32, protocol=78)
        ip.route("add", dst="198.51.100.77/32", type="blackhole", table=254, proto=4)
        ip.route("add", dst="198.51.100.78/32", type="blackhole", table=900, proto=78)
    if shutil.which("nft"):
        host.host.run("nft", "add", "table", "netdev", "operator")
        host.host.run("nft", "add", "table", "inet", "edgeguard")


def _rules(host: Host) -> list[str]:
    with host.host.routes() as ip:
        rules = [sorted(rule["attrs"], key=str) for family in (2, 10) for rule in ip.get_rules(family=family)]
        routes = [sorted(route["attrs"], key=str) for family in (2, 10) for route in ip.get_routes(family=family)]
    listed = host.host.run("nft", "list", "ruleset").stdout.splitlines() if shutil.which("nft") else []
    does = [line for line in listed if "hook" in line or (line.startswith("table") and "edgeguard" not in line)]
    return sorted(map(str, [*rules, *routes, *does]))  # an empty table of ours does nothing


def _restarted(host: Host) -> None:
    """The child dies without a word, and another one starts."""
    host.enforcer._process.kill()
    host.enforcer._process.wait()
    host.enforcer.close()
    host.start()


def test_reconcile_restores_and_removes(host: Host) -> None:
    """After a crash exactly the wanted null routes stand, strays are gone, and nothing foreign was touched."""
    _foreign(host)
    foreign = _rules(host)
    keep, stray = host.order("d-keep", targets=(target(TARGET4),)), host.order("d-stray", targets=(target(OTHER4),))
    other = host.order("d-other", tap=host.tap("tap1"))
    for order in (keep, stray, other):
        host.enforcer.order(order)
        host.wait(order.decision, Happened.ACKNOWLEDGED)
    _restarted(host)
    assert to(host.arrived([host.frame(TARGET4)], 5), TARGET4) == 0

    over = replace(host.order("d-over"), until=time.time_ns() - 1)
    vanished = host.order("d-vanished", tap=Tap(9999, "tap7", "", TapKind.ROUTED))
    host.enforcer.reconcile([keep, over, vanished])
    assert host.next("d-over").happened == Happened.RELEASED
    assert host.next("d-vanished").happened == Happened.LINK_GONE
    assert "stood" in host.wait("", Happened.RECONCILED).detail
    host.wait("d-keep", Happened.RECONCILED)
    counts = host.arrived([host.frame(TARGET4), host.frame(OTHER4)], 10)
    assert to(counts, TARGET4) == 0 and to(counts, OTHER4) == 10
    theirs = host.arrived([host.frame(TARGET4, who="neighbour")], 10, "neighbour")
    assert to(theirs, TARGET4) == 10

    host.released(keep)
    assert _rules(host) == foreign


def test_reconcile_leaves_no_gap(host: Host) -> None:
    """A flood finds no moment in which a wanted null route is away while the new child takes over."""
    keep = host.order("d-gap")
    host.enforcer.order(keep)
    host.wait("d-gap", Happened.ACKNOWLEDGED)
    with host.counting() as counts, host.sending([host.frame(TARGET4), host.frame(TARGET6)] * 5, every_s=0.001):
        _restarted(host)
        host.enforcer.reconcile([keep])
        host.wait("d-gap", Happened.RECONCILED)
        host.wait("d-gap", Happened.VERIFIED)
    assert to(counts, TARGET4) == 0 and to(counts, TARGET6) == 0


def test_reconcile_of_nothing_changes_nothing(host: Host) -> None:
    """A first start on a host without anything of ours leaves it as it is."""
    before = _rules(host)
    host.enforcer.reconcile([])
    host.enforcer.order(host.order("d-bad", until=1))
    assert host.wait("d-bad", Happened.FAILED).detail.startswith("the end of d-bad is over")
    assert _rules(host) == before


def test_close_leaves_or_removes(host: Host) -> None:
    """An orderly end leaves the null routes for the next start, unless it is told to take them away."""
    order = host.order("d-close")
    host.enforcer.order(order)
    host.wait("d-close", Happened.ACKNOWLEDGED)
    host.enforcer.close()
    assert to(host.arrived([host.frame(TARGET4)], 5), TARGET4) == 0
    host.start()
    host.enforcer.reconcile([order])
    host.wait("", Happened.RECONCILED)
    host.wait("d-close", Happened.RECONCILED)
    with everything_of_ours(host) as left:
        host.enforcer.close(remove=True)
    assert left == []
    host.enforcer = None


def test_a_tap_that_cannot_be_enforced(routed: Host) -> None:
    """A tap that is neither routed nor in a Linux bridge is refused in one line."""
    tap = replace(routed.tap(), kind=TapKind.NONE)
    routed.enforcer.order(routed.order("d-none", tap=tap))
    detail = routed.wait("d-none", Happened.FAILED).detail
    assert detail.startswith("cannot null-route tap0") and "\n" not in detail
