"""The enforcer that only writes down."""

from __future__ import annotations

import select
from dataclasses import replace
from ipaddress import ip_address, ip_network

from edgeguard.enforcement.dry_run import DryRun
from edgeguard.model import Act, Order, Scope, Tap, TapKind, Target

ORDER = Order(
    "d-1",
    Act.NULL_ROUTE,
    Scope.NARROW,
    Tap(7, "tap0", "", TapKind.ROUTED),
    "vm-1",
    (),
    (Target(ip_address("198.51.100.1"), 17, 53),),
    1,
)


def test_it_remembers_and_stays_silent() -> None:
    """Orders are kept in their order, nothing is answered, and its descriptor never wakes anybody."""
    dry = DryRun()
    own_only = replace(ORDER, scope=Scope.OWN_ONLY, prefixes=(ip_network("192.0.2.2/32"),), targets=())
    for order in (ORDER, own_only):
        dry.order(order)
    dry.reconcile([ORDER])
    assert dry.orders == [ORDER, own_only] and dry.kept == [ORDER]
    assert dry.poll() == []
    poll = select.poll()
    poll.register(dry.fileno(), select.POLLIN)
    assert poll.poll(0) == []
    dry.close()
    dry.close(remove=True)
