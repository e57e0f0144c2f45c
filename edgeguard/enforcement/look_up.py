"""The first proof on a routed tap: the kernel's own answer for a packet that comes in by it.

RTM_GETROUTE with iif and source takes the way a forwarded packet takes. Behind a blackhole it
fails with EINVAL; so does a source that cannot be, and so each look-up has its control: the same
one to an address that is not null-routed (own-only: from an address of the VM) must not fail so.
"""

from __future__ import annotations

import errno
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_network

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from edgeguard.enforcement.mechanism import Made
from edgeguard.enforcement.onlink import merged
from edgeguard.enforcement.uplinks import AF, local, nobodys, sample_source
from edgeguard.model import Network, Order
from edgeguard.record import Address


@dataclass(frozen=True, slots=True)
class LookUp:
    """One question and its control."""

    tap: str
    ifindex: int
    target: Address
    source: Address
    control: Address
    full: bool  # the control is asked without the tap: nothing that comes in by it is let through
    own: Address | None = None  # the control's source where it is another: own-only stops by the source


@dataclass(frozen=True, slots=True)
class Answer:
    """What the kernel said: 0 or errno each."""

    asked: LookUp
    at_target: int
    at_control: int

    @property
    def stopped(self) -> bool:
        return self.at_target == errno.EINVAL and self.at_control != errno.EINVAL

    @property
    def unknown(self) -> bool:
        """The host does not forward from the tap (fib_frontend: net.ipv4.ip_forward is 0): no route is asked, so this
        tells nothing of the null route."""
        return self.at_target == errno.EHOSTUNREACH


def _neighbour(target: Address, blackholed: frozenset[Network]) -> Address | None:
    """An address near a target that is not null-routed; None where everything is."""
    dead = [prefix for prefix in blackholed if prefix.version == target.version]
    if any(prefix.prefixlen == 0 for prefix in dead):
        return None
    near = int(target) ^ 1
    ends = {int(prefix.network_address): int(prefix.broadcast_address) for prefix in merged(dead)}
    begins = sorted(ends)
    while (at := bisect_right(begins, near)) and near <= ends[begins[at - 1]]:
        near = (ends[begins[at - 1]] + 1) % 2**target.max_prefixlen
    return type(target)(near)


def questions(order: Order, targets: Iterable[Network], blackholed: frozenset[Network]) -> Iterator[LookUp]:
    """A narrow null route: each target, of a prefix its first address for hosts. Beside a full one the
    control is asked as for that."""
    for target in targets:
        yield _question(order, target[min(1, target.num_addresses - 1)], blackholed)


def _question(order: Order, target: Address, blackholed: frozenset[Network]) -> LookUp:
    source = sample_source(target.version, order.prefixes)
    near = _neighbour(target, blackholed)
    return LookUp(order.tap.name, order.tap.ifindex, target, source, near or target, full=near is None)


def own_questions(order: Order, own: tuple[Network, ...], blackholed: frozenset[Network]) -> Iterator[LookUp]:
    """Own-only: a stranger's source to a stranger, of each family that the VM has."""
    for version in sorted({prefix.version for prefix in own}):
        target = nobodys(version, own)
        yield _own_question(order, nobodys(version, (*own, ip_network(target))), target, own, blackholed)


def _own_question(
    order: Order, source: Address, target: Address, own: tuple[Network, ...], blackholed: frozenset[Network]
) -> LookUp:
    mine = [prefix for prefix in own if prefix.version == target.version]
    full = not mine or any(target in prefix for prefix in blackholed)  # null-routed for its own packets too
    sample = sample_source(target.version, mine) if mine else None
    return LookUp(order.tap.name, order.tap.ifindex, target, source, target, full=full, own=sample)


def attempted(order: Order, made: Made, seen: tuple[Address, Address], blackholed: frozenset[Network]) -> LookUp | None:
    """What was really tried, (source, target): asked where the null route is wider than single addresses."""
    source, target = seen
    if made.own:
        return (
            None if target.is_multicast or local(target) else _own_question(order, source, target, made.own, blackholed)
        )
    inside = any(target in one.network for one in made.routed if one.length is not None)
    return _question(order, target, blackholed) if inside else None


def full_questions(order: Order, made: Made) -> Iterator[LookUp]:
    """A full one: the targets it flooded, and an address it never did, of each family it has; nothing kept."""
    versions = sorted({prefix.version for prefix in order.prefixes} or {4})
    never = [nobodys(version, made.kept.prefixes) for version in versions]
    for target in dict.fromkeys((*(t.address for t in made.routed), *never)):
        source = sample_source(target.version, order.prefixes)
        yield LookUp(order.tap.name, order.tap.ifindex, target, source, target, full=True)


def _ask(ip: IPRoute, target: Address, **how: object) -> int:
    try:
        ip.route("get", dst=str(target), family=AF[target.version], **how)
    except NetlinkError as error:
        return int(error.code)
    return 0


def ask(ip: IPRoute, question: LookUp) -> Answer:
    """Two look-ups, under a millisecond."""
    by_tap: dict[str, object] = {"iif": question.ifindex, "src": str(question.source)}
    control = {**by_tap, "src": str(question.own)} if question.own else by_tap
    return Answer(
        question,
        _ask(ip, question.target, **by_tap),
        _ask(ip, question.control, **({} if question.full else control)),
    )


def _said(number: int) -> str:
    return errno.errorcode.get(number, str(number)) if number else "a route"


def text(answer: Answer) -> str:
    """The sentence for a proof."""
    asked = answer.asked
    other = f"from {asked.own}" if asked.own else f"to {asked.control}"
    if asked.full:
        other = f"to {asked.control} without the tap"
    return (
        f"route look-up from {asked.source} at {asked.tap} to {asked.target}: {_said(answer.at_target)}; "
        f"{other}: {_said(answer.at_control)}"
    )
