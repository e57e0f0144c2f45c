"""What a null route is on its tap: which targets become blackholes, which become chain elements.

Own-only has no targets: it drops, out of one tap, whatever has a source that is not the VM's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_network

from edgeguard.enforcement import chain, routes
from edgeguard.enforcement.element import Element
from edgeguard.enforcement.onlink import merged
from edgeguard.enforcement.packet_filter import Foreign, From, Match, Towards
from edgeguard.enforcement.place import Place
from edgeguard.enforcement.routes import Item
from edgeguard.errors import EnforcementError
from edgeguard.model import Network, Order, Scope, TapKind, Target
from edgeguard.record import Address

_EVERYTHING = (ip_network("0.0.0.0/0"), ip_network("::/0"))


@dataclass(frozen=True, slots=True)
class Made:
    """A null route in the kernel's terms, and how its packets are told from others."""

    items: frozenset[Item]  # rules and blackholes
    elements: frozenset[Element]  # of the netdev chain
    routed: tuple[Target, ...]  # stopped by a blackhole
    chained: tuple[Target, ...]  # stopped by the chain
    full: bool
    matches: tuple[Match, ...] = field(default=())  # attempts at it, counted at the tap
    chain_matches: tuple[Match, ...] = field(default=())  # the part that the chain must drop
    own: tuple[Network, ...] = ()  # own-only: what still leaves


def made(place: Place, order: Order, local: Callable[[Address], bool]) -> Made:
    """How an order is carried out. EnforcementError for a tap where nothing can be.

    On a routed tap a target that is the host's own address is dropped by a chain, because the
    local table answers before any rule of ours is asked.
    """
    if order.scope == Scope.OWN_ONLY and order.tap.kind != TapKind.NONE:
        return _own_only(order)
    if order.tap.kind == TapKind.BRIDGED:
        return _assembled(order, frozenset(), (), order.targets)
    if order.tap.kind != TapKind.ROUTED:
        raise EnforcementError(
            f"cannot null-route {order.tap.name}: it is neither routed nor in a Linux bridge; see 'edgeguard check'"
        )
    own = tuple(target for target in order.targets if target.length is None and local(target.address))
    others = tuple(target for target in order.targets if target not in own)
    items: frozenset[Item] = frozenset()
    if others or order.scope == Scope.FULL:
        items = frozenset(routes.items(place, order.tap, order.scope, order.prefixes, others))
    return _assembled(order, items, others, own)


def _assembled(order: Order, items: frozenset[Item], routed: tuple[Target, ...], chained: tuple[Target, ...]) -> Made:
    full = order.scope == Scope.FULL
    by_chain = chain.elements(order.tap, Scope.FULL if full and not items else Scope.NARROW, chained)
    everything: tuple[Match, ...] = tuple(map(From, _EVERYTHING))
    chain_matches = everything if full and not items else tuple(map(_towards, chained))
    routed_matches = everything if full else tuple(Towards(target.network) for target in routed)
    return Made(
        items=items,
        elements=frozenset(by_chain),
        routed=routed,
        chained=chained,
        full=full,
        matches=everything if full else routed_matches + chain_matches,
        chain_matches=chain_matches,
    )


def _own_only(order: Order) -> Made:
    """EnforcementError where the VM's addresses are not known: then nothing is known to be forged."""
    own = merged(order.prefixes)
    if not own:
        raise EnforcementError(
            f"cannot drop just the forged packets of {order.tap.name}: the addresses of {order.vm or 'its VM'} "
            f"are not known; give them in the inventory"
        )
    routed = order.tap.kind == TapKind.ROUTED
    forged = (Foreign(own),)
    return Made(
        items=frozenset(routes.own_only(order.tap, own) if routed else ()),
        elements=frozenset(() if routed else chain.own_only_elements(order.tap, own)),
        routed=(),
        chained=(),
        full=False,
        matches=forged,
        chain_matches=() if routed else forged,
        own=own,
    )


def _towards(target: Target) -> Towards:
    """What the chain's element of a target drops."""
    protocol = target.protocol or None
    return Towards(target.network, protocol, target.port if chain.has_ports(target) else None)


def leaks(order: Order, made: Made, host: Iterable[Network] = ()) -> tuple[Match, ...]:
    """What must not leave by an uplink any more.

    Under full the uplink cannot tell this VM's frames from others' but by the targets it flooded
    and by its own addresses as source. Under own-only it is what neither the VM nor the `host`
    sends: neighbours' frames too, which are compared with what their taps brought.
    """
    if made.own:
        return (Foreign((*made.own, *host)),)
    if not made.full:
        return made.matches
    targets: Iterable[Match] = (Towards(target.network) for target in order.targets)
    return (*targets, *(From(prefix) for prefix in order.prefixes))
