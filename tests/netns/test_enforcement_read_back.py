"""What somebody else takes away or adds is noticed within a second, put right, and told."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator

import pytest
from enforcement_host import TARGET4, Host, target, to

from edgeguard.errors import EnforcementError
from edgeguard.model import Happened, Outcome, Scope

NOTICED = 1.0  # seconds, as promised; what follows allows a machine that is busy
PATIENCE = 20.0


@pytest.fixture(scope="module", params=["routed", "bridged"])
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    if not shutil.which("ip") or not shutil.which("nft"):
        pytest.skip("the programs ip and nft are the vandals here")
    with Host(request.param) as host:
        host.start()
        yield host


def _put_back(host: Host, decision: str, vandal: Callable[[], object]) -> Outcome:
    """What is said when somebody changed what stands."""
    vandal()
    while (outcome := host.next(decision, PATIENCE)).happened is not Happened.RECONCILED:
        pass
    return outcome


ROUTED = ("-4 rule flush protocol 78", "-4 route flush table all proto 78", "-6 rule flush protocol 78")
BRIDGED = (
    "delete table netdev edgeguard",
    "flush ruleset",
    "flush chain netdev edgeguard check",
    "flush set netdev edgeguard any4",
    "add table netdev edgeguard { flags dormant ; }",
)


def test_what_is_taken_away_is_put_back(host: Host) -> None:
    """Whatever of ours a flush removes stands again at once, and the case of the decision is told."""
    order = host.order("d-flushed", targets=(target(TARGET4), target("2001:db8:f::101")))
    assert host.enforcer
    host.enforcer.order(order)
    host.until(order.decision, Happened.ACKNOWLEDGED)
    program, lines = ("ip", ROUTED) if host.kind == "routed" else ("nft", BRIDGED)
    for line in lines:
        said = _put_back(host, order.decision, lambda line=line: host.host.run(program, *line.split()))
        assert said.detail.startswith("put back: ")
        assert to(host.arrived([host.frame(TARGET4)], 20), TARGET4) == 0, line
    host.released(order)
    assert to(host.arrived([host.frame(TARGET4)], 20), TARGET4) == 20


def test_it_is_noticed_soon(host: Host) -> None:
    """The kernel's own word makes it known: the fastest of three floods that were let go is stopped within a second."""
    order = host.order("d-soon", targets=(target(TARGET4),))
    assert host.enforcer
    host.enforcer.order(order)
    host.until(order.decision, Happened.ACKNOWLEDGED)
    lines = (
        ["-4", "rule", "flush", "protocol", "78"]
        if host.kind == "routed"
        else ["delete", "table", "netdev", "edgeguard"]
    )
    program, took = ("ip" if host.kind == "routed" else "nft"), []
    for _ in range(3):
        began = time.time_ns()
        said = _put_back(host, order.decision, lambda: host.host.run(program, *lines))
        took.append((said.at - began) / 1e9)
    host.released(order)
    assert min(took) < NOTICED


def test_what_is_added_under_our_name_goes(host: Host) -> None:
    """A rule or an element that carries our mark and that no decision wants is taken away; others' stay."""
    order = host.order("d-extra", targets=(target(TARGET4),))
    assert host.enforcer
    host.enforcer.order(order)
    host.until(order.decision, Happened.ACKNOWLEDGED)
    if host.kind == "routed":
        table = str(78000 + host.tap("tap1").ifindex)
        host.host.run("ip", "route", "add", "blackhole", "198.51.100.9", "table", table, "proto", "78")
        host.host.run("ip", "rule", "add", "iif", "tap1", "lookup", table, "priority", "520", "protocol", "78")
        host.host.run("ip", "rule", "add", "from", "192.0.2.99", "lookup", "main", "priority", "700")
        mine, others = ["ip", "rule"], "from 192.0.2.99"
    else:
        element = "{ tap1 . 198.51.100.9 . udp timeout 1h }"
        host.host.run("nft", "add", "element", "netdev", "edgeguard", "any4", element)
        host.host.run("nft", "add", "table", "netdev", "others")
        mine, others = ["nft", "list", "ruleset"], "table netdev others"
    deadline = time.monotonic() + PATIENCE
    while "tap1" in (listed := host.host.run(*mine).stdout):
        assert time.monotonic() < deadline, listed
        time.sleep(0.05)
    assert others in listed
    host.released(order)


def test_full_is_put_back_both_ways(host: Host) -> None:
    """After a flush nothing gets out of and nothing into a fully null-routed VM."""
    order = host.order("d-full", scope=Scope.FULL, targets=(target(TARGET4),))
    assert host.enforcer
    host.enforcer.order(order)
    host.until(order.decision, Happened.ACKNOWLEDGED)
    vandal = ("ip", "rule", "flush", "protocol", "78") if host.kind == "routed" else ("nft", "flush", "ruleset")
    _put_back(host, order.decision, lambda: host.host.run(*vandal))
    assert to(host.arrived([host.frame("198.51.100.2")], 20), "198.51.100.2") == 0
    host.released(order)


def test_names_that_are_taken_are_refused() -> None:
    """A child does not start where others use its priorities, or a table of its name that it did not make."""
    if not shutil.which("ip") or not shutil.which("nft"):
        pytest.skip("needs ip and nft to take the names")
    with Host("routed") as taken:
        taken.host.run("ip", "rule", "add", "from", "192.0.2.99", "lookup", "main", "priority", "520", "protocol", "99")
        with pytest.raises(EnforcementError, match="the IPv4 rule of priority 520 is not ours"):
            taken.start()
        taken.host.run("ip", "rule", "del", "priority", "520")
        taken.host.run("nft", "add", "table", "netdev", "edgeguard")
        with pytest.raises(EnforcementError, match="the table 'netdev edgeguard' was made by another program"):
            taken.start()
        assert "edgeguard" in taken.host.run("nft", "list", "tables").stdout


def test_who_was_told_nothing_yet_takes_nothing_away(host: Host) -> None:
    """What stood before a start still stands until the new child is told what shall: a flood finds no gap."""
    order = host.order("d-before", targets=(target(TARGET4),))
    assert host.enforcer
    host.enforcer.order(order)
    host.until(order.decision, Happened.ACKNOWLEDGED)
    host.enforcer.close()
    host.start()
    end = time.monotonic() + 1.5
    with host.sending([host.frame(TARGET4)]), host.counting() as counts:
        while time.monotonic() < end:
            host.host.run("ip", "rule", "add", "iif", "tap1", "lookup", "99", "priority", "600")  # an event
            host.host.run("ip", "rule", "del", "iif", "tap1", "lookup", "99", "priority", "600")
    assert to(counts, TARGET4) == 0
    host.enforcer.reconcile([order])
    host.until(order.decision, Happened.RECONCILED)
    host.released(order)
