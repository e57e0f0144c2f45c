"""How far a null route reaches: what it covers, what it would touch that is protected, how many places it names."""

from __future__ import annotations

from collections.abc import Iterable

from edgeguard.model import Network, Target

ANY_PROTOCOL = 0  # of a person's target, or of the rule over everything: whatever goes to its address
WIDEST = {4: 24, 6: 48}  # bits: a prefix that is shorter is too much to drop for one flood


def within(inner: Network, outer: Network) -> bool:
    """Whether every address of `inner` is one of `outer`'s."""
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def covers(wide: Target, target: Target) -> bool:
    """Whether a null route to `wide` drops all that goes to `target`: a host in a prefix, a port in its protocol."""
    protocol = wide.protocol in (ANY_PROTOCOL, target.protocol)
    return protocol and wide.port in (None, target.port) and within(target.network, wide.network)


def is_covered(target: Target, by: Iterable[Target]) -> bool:
    return any(covers(wide, target) for wide in by)


def is_protected(target: Target, protected: Iterable[Network]) -> bool:
    """A target that no null route may name: it is, lies in, or holds something protected."""
    place = target.network
    return any(place.version == held.version and place.overlaps(held) for held in protected)


def is_too_wide(target: Target) -> bool:
    """A prefix of more than a /24 or a /48 is never null-routed."""
    return target.network.prefixlen < WIDEST[target.address.version]


def places(targets: Iterable[Target]) -> int:
    """How many places these are: a host inside a prefix that is also among them is no place of its own."""
    networks = {target.network for target in targets}
    return sum(not any(one != other and within(one, other) for other in networks) for one in networks)
