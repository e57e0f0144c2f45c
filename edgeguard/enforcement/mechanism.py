"""What a null route is on its tap: which targets become blackholes, which become chain elements.

Own-only has no targets: it drops, out of one tap, whatever has a source that is not the VM's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from edgeguard.enforcement import chain, items
from edgeguard.enforcement.element import Element
from edgeguard.enforcement.items import Item
from edgeguard.enforcement.kept import NOTHING, Kept
from edgeguard.enforcement.onlink import merged
from edgeguard.enforcement.packet_filter import But, Foreign, From, Match, Towards
from edgeguard.enforcement.place import Place
from edgeguard.errors import EnforcementError
from edgeguard.model import Network, Order, Scope, TapKind, Target
from edgeguard.record import Address


@dataclass(frozen=True, slots=True)
class Made:
    """A null route in the kernel's terms, and how its packets are told from others."""

    items: frozenset[Item]  # rules and blackholes
    elements: frozenset[Element]  # of the netdev chain
    routed: tuple[Target, ...]  # stopped by a blackhole, as a look-up proves
    full: bool
    matches: tuple[Match, ...] = field(default=())  # attempts at it, counted at the tap
    chain_matches: tuple[Match, ...] = field(default=())  # the part that the chain must drop
    own: tuple[Network, ...] = ()  # own-only: what still leaves
    by_routes: bool = False  # whether the kernel's look-up proves it; else the chain's counter does
    kept: Kept = NOTHING  # full: what still leaves and enters


def made(
    place: Place,
    order: Order,
    local: Callable[[Address], bool],
    *,
    by_chain: bool = False,
    doubly: bool = False,
) -> Made:
    """How an order is carried out. EnforcementError for a tap where nothing can be.

    In a bridge by a chain; on a routed tap by rules and blackholes, unless `by_chain`. `doubly`: by
    routes and by the chain, where routes alone did not stop it, because a rule of the operator
    comes before ours, say.
    """
    if order.tap.kind == TapKind.NONE:
        raise EnforcementError(
            f"cannot null-route {order.tap.name}: it is neither routed nor in a Linux bridge; see 'edgeguard check'"
        )
    by_chain = by_chain or order.tap.kind == TapKind.BRIDGED
    if order.scope == Scope.OWN_ONLY:
        return _own_only(place, order, by_chain, doubly)
    beyond = {target for target in order.targets if _beyond_routes(target, place, local)}
    routed = () if by_chain or doubly else tuple(target for target in order.targets if target not in beyond)
    chained = tuple(target for target in order.targets if target not in routed)
    if order.scope == Scope.FULL:
        return _full(place, order, routed, by_chain, doubly)
    put = [] if by_chain else [target for target in order.targets if target not in beyond]
    return _narrow(place, order, put, routed, chained)


def _beyond_routes(target: Target, place: Place, local: Callable[[Address], bool]) -> bool:
    """Whether a target must be dropped by a chain on a routed tap too: the host's own address, because the local
    table answers before any rule of ours is asked; something kept, because only protocol and port of it shall go."""
    return (target.length is None and local(target.address)) or place.kept.touches(target.network)


def _narrow(
    place: Place, order: Order, put: Iterable[Target], routed: tuple[Target, ...], chained: tuple[Target, ...]
) -> Made:
    """`put`: as blackholes; `routed`: of these what the look-up proves; `chained`: what the chain drops."""
    by_chain = tuple(map(_towards, chained))
    made = items.narrow(place, order.tap, put)
    return Made(
        items=frozenset(made),
        elements=frozenset(chain.elements(order.tap, chained)),
        routed=routed,
        full=False,
        matches=tuple(Towards(target.network) for target in routed) + by_chain,
        chain_matches=by_chain,
        by_routes=bool(routed),
    )


def _full(place: Place, order: Order, routed: tuple[Target, ...], by_chain: bool, doubly: bool) -> Made:
    """By the chain wherever the tap is, because the host's own addresses are no route's; by rules beside it on a
    routed tap, which keep out what goes into the VM. A flood at something kept is dropped there as narrow does it."""
    kept, own = place.kept, merged(order.prefixes)
    flooded = [target for target in order.targets if kept.touches(target.network)]
    elements = chain.full_elements(order.tap, own, kept, both_ways=by_chain or doubly)
    matches: tuple[Match, ...] = (*map(_towards, flooded), *map(But, kept.leaving()), *map(From, items.EVERYTHING))
    return Made(
        items=frozenset(() if by_chain else items.full(place, order.tap, order.prefixes)),
        elements=frozenset(elements | chain.elements(order.tap, flooded)),
        routed=routed,
        full=True,
        matches=matches,
        chain_matches=matches,
        by_routes=not (by_chain or doubly),
        kept=kept,
    )


def _own_only(place: Place, order: Order, by_chain: bool, doubly: bool) -> Made:
    """EnforcementError where the VM's addresses are not known: then nothing is known to be forged."""
    own = merged(order.prefixes)
    if not own:
        raise EnforcementError(
            f"cannot drop just the forged packets of {order.tap.name}: the addresses of {order.vm or 'its VM'} "
            f"are not known; give them in the inventory"
        )
    chained = by_chain or doubly
    forged = (Foreign(own),)
    return Made(
        items=frozenset(() if by_chain else items.own_only(place, order.tap, own)),
        elements=frozenset(chain.own_only_elements(order.tap, own) if chained else ()),
        routed=(),
        full=False,
        matches=forged,
        chain_matches=forged if chained else (),
        own=own,
        by_routes=not chained,
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
    targets = (_towards(t) if made.kept.touches(t.network) else Towards(t.network) for t in order.targets)
    return (*targets, *map(But, made.kept.leaving()), *map(From, order.prefixes))
