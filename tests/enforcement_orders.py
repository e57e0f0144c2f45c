"""An order for tests that put nothing into a kernel."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

from edgeguard.model import Act, Order, Scope, Tap, TapKind, Target

TARGET4, TARGET6 = "198.51.100.1", "2001:db8:f::101"


def order(scope: Scope, kind: TapKind = TapKind.ROUTED, **changes: Any) -> Order:
    """A null route of UDP to both targets on tap0, of a VM with one address of each family."""
    values: dict[str, Any] = {
        "decision": "d-1",
        "act": Act.NULL_ROUTE,
        "scope": scope,
        "tap": Tap(7, "tap0", "02:00:00:00:00:07", kind),
        "vm": "vm-1",
        "prefixes": (ip_network("192.0.2.2"), ip_network("2001:db8:1::2")),
        "targets": tuple(Target(ip_address(where), 17, None) for where in (TARGET4, TARGET6)),
        "until": 2**62,
    }
    return Order(**{**values, **changes})
