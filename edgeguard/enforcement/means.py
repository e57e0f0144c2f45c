"""By which means a null route is put: rules and blackholes, or a chain where these would not do.

A chain does on a routed tap too. It is taken there when the tap is in a flowtable, which passes rules
and routes by, and when there are as many rules as a host shall have: each rule is asked for every
packet that the host forwards (1,000 `iif` rules cut it from 215 to 84 kpps), a set's element for none
but the tap's own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection

from edgeguard.enforcement import flowtables, mechanism, uplinks
from edgeguard.enforcement.flowtables import Flowtable
from edgeguard.enforcement.items import Item
from edgeguard.enforcement.mechanism import Made
from edgeguard.enforcement.netfilter import Netfilter, RefusedError
from edgeguard.enforcement.place import Place
from edgeguard.errors import EnforcementError
from edgeguard.model import Order, Scope, Tap, TapKind


class Means:
    """Chooses, and makes an order into what the kernel shall hold."""

    def __init__(self, place: Place, netfilter: Netfilter, room: Callable[[Tap, Collection[Item]], bool]) -> None:
        """`room`: whether further rules of a tap are few enough."""
        self._place, self._netfilter, self._room = place, netfilter, room

    def made(self, order: Order, *, doubly: bool = False) -> Made:
        """EnforcementError for a tap where nothing can be done. `doubly`: by rules and by a chain."""
        tables: list[Flowtable] = []
        with contextlib.suppress(RefusedError):
            tables = flowtables.listed(self._netfilter)
        if by_chain(order, tables):
            return self._by_chain(order)
        by_rules = mechanism.made(self._place, order, uplinks.local, doubly=doubly)
        return by_rules if self._room(order.tap, by_rules.items) else self._by_chain(order)

    def _by_chain(self, order: Order) -> Made:
        return mechanism.made(self._place, order, uplinks.local, by_chain=True)


def by_chain(order: Order, tables: Collection[Flowtable]) -> bool:
    """Whether flowtables make rules and routes useless for an order: for what leaves the tap, when the tap is in
    one; for what a full null route keeps out, when any device is. EnforcementError where a chain would be too."""
    if order.tap.kind == TapKind.NONE:
        return False
    table = flowtables.of(tables, order.tap.name)
    if table and table.comes_first:
        how = "in hardware" if table.hardware else f"at priority {table.priority}, before any chain of ours"
        raise EnforcementError(
            f"cannot null-route {order.tap.name}: established flows pass everything by in the flowtable "
            f"{table.name} ({how}); take the tap out of it"
        )
    return table is not None or (order.scope == Scope.FULL and bool(tables))
