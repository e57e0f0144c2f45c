"""What is read of nft flowtables, and where rules and routes are no use because of them."""

from __future__ import annotations

import struct

import pytest
from enforcement_orders import order

from edgeguard.enforcement.flowtables import Flowtable, of, read
from edgeguard.enforcement.means import by_chain
from edgeguard.enforcement.netlink import attribute, be32, nested, text
from edgeguard.errors import EnforcementError
from edgeguard.model import Scope, TapKind

FAST = Flowtable("filter/fast", 0, False, ("tap0", "wan0"))
UPLINKS = Flowtable("filter/uplinks", 0, False, ("wan0", "wan1"))
EARLY = Flowtable("filter/early", -300, False, ("tap0",))
HARDWARE = Flowtable("filter/hw", 0, True, ("tap0",))


def answer(priority: int, flags: int, *devices: str) -> bytes:
    """As nf_tables_fill_flowtable_info() writes it (linux/netfilter/nf_tables.h)."""
    hook = nested(3, be32(1, 0), attribute(2, struct.pack(">i", priority)), nested(3, *(text(1, d) for d in devices)))
    return text(1, "filter") + text(2, "fast") + be32(5, 2) + be32(7, flags) + hook


def test_a_flowtable_is_read_with_its_devices() -> None:
    """Name, priority (which may be negative), hardware offload and devices must be those that the kernel tells."""
    assert read(answer(0, 0, "tap0", "wan0")) == FAST
    assert read(answer(-300, 1, "tap0")) == Flowtable("filter/fast", -300, True, ("tap0",))


@pytest.mark.parametrize("scope", [Scope.NARROW, Scope.OWN_ONLY, Scope.FULL])
def test_a_tap_in_a_flowtable_needs_a_chain(scope: Scope) -> None:
    """Whatever the width, rules do not stop the established flows of a tap that is in one."""
    assert by_chain(order(scope), [FAST])
    assert not by_chain(order(scope), [])


def test_full_needs_a_chain_beside_any_flowtable() -> None:
    """What comes in by an uplink that is in one passes the rules into the VM by; what the VM sends does not."""
    assert by_chain(order(Scope.FULL), [UPLINKS])
    assert not by_chain(order(Scope.NARROW), [UPLINKS])


@pytest.mark.parametrize("table", [EARLY, HARDWARE])
@pytest.mark.parametrize("kind", [TapKind.ROUTED, TapKind.BRIDGED])
def test_what_passes_a_chain_by_too_is_refused(table: Flowtable, kind: TapKind) -> None:
    """In hardware, or before our chain, nothing of ours would be asked: that is said, not tried."""
    with pytest.raises(EnforcementError, match=f"in the flowtable {table.name} .*; take the tap out of it"):
        by_chain(order(Scope.NARROW, kind), [FAST, table])


def test_of_several_the_worst_is_told() -> None:
    """A tap in two flowtables is passed by as the earlier one does it."""
    assert of([FAST, EARLY], "tap0") == EARLY
    assert of([FAST, EARLY], "wan0") == FAST
    assert of([FAST, EARLY], "tap9") is None
