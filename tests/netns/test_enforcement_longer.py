"""A null route whose end is later now: the kernel keeps it as long, in every kind of host."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

import pytest
from enforcement_host import TARGET4, Host, target, to

from edgeguard.enforcement.boottime import stamped
from edgeguard.model import Happened, Scope, Target

SECOND = 1_000_000_000


@pytest.fixture(scope="module", params=["routed", "bridged"])
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    with Host(request.param) as host:
        host.start()
        yield host


def _gets_out(host: Host) -> bool:
    return to(host.arrived([host.frame(TARGET4)], 20), TARGET4) == 20


@pytest.mark.parametrize("scope", [Scope.NARROW, Scope.OWN_ONLY, Scope.FULL])
def test_the_kernel_keeps_it_until_the_later_end(host: Host, scope: Scope) -> None:
    """Ordered again with a later end it stands behind the first one and is gone soon after the later: without the
    child's help where the kernel ends it, whose own margin is two seconds."""
    forged = {"targets": ()} if scope is Scope.OWN_ONLY else {"targets": (target(TARGET4),)}
    prefixes = host.prefixes("192.0.2.200") if scope is Scope.OWN_ONLY else host.prefixes(host.vm4)
    now = time.time_ns()
    soon = stamped(host.order(f"d-{scope}", scope=scope, prefixes=prefixes, until=now + 2 * SECOND, **forged))
    assert host.enforcer is not None
    host.enforcer.order(soon)
    host.until(soon.decision, Happened.ACKNOWLEDGED)
    later = stamped(replace(soon, until=now + 7 * SECOND, ends=0, boot=""))
    host.enforcer.order(later)
    host.until(soon.decision, Happened.ACKNOWLEDGED)
    time.sleep(max(0, now + 5 * SECOND - time.time_ns()) / SECOND)
    assert not _gets_out(host), "the first end still held"
    outcome = host.until(soon.decision, Happened.RELEASED)
    assert outcome.at >= later.until
    assert _gets_out(host)


NEAR = replace(target(TARGET4), address=ip_address("198.51.100.0"), length=24)


@pytest.mark.parametrize(
    ("scope", "dropped"), [(Scope.NARROW, target(TARGET4)), (Scope.NARROW, NEAR), (Scope.FULL, target(TARGET4))]
)
def test_what_was_dropped_before_counts(bridged: Host, scope: Scope, dropped: Target) -> None:
    """A later end is no new beginning: what it dropped in all is told at the end, of an address and of a range."""
    order = stamped(bridged.order("d-count", scope=scope, targets=(dropped,)))
    for sent, until in ((30, order.until), (20, order.until + SECOND), (10, order.until + 2 * SECOND)):
        bridged.enforcer.order(stamped(replace(order, until=until, ends=0, boot="")))  # type: ignore[union-attr]
        bridged.until(order.decision, Happened.ACKNOWLEDGED)
        assert not bridged.arrived([bridged.frame(TARGET4)], sent)
    assert bridged.released(order).dropped == 30 + 20 + 10
