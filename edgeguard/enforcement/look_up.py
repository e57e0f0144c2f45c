"""The first proof on a routed tap: the kernel's own answer for a packet that comes in by it.

RTM_GETROUTE with iif and source takes the way a forwarded packet takes. Behind a blackhole it
fails with EINVAL; so does a source that cannot be, and so each look-up has its control: the same
one to an address that is not null-routed must not fail so.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from edgeguard.enforcement.uplinks import AF, nobodys, sample_source
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


@dataclass(frozen=True, slots=True)
class Answer:
    """What the kernel said: 0 or errno each."""

    asked: LookUp
    at_target: int
    at_control: int

    @property
    def stopped(self) -> bool:
        return self.at_target == errno.EINVAL and self.at_control != errno.EINVAL


def _neighbour(target: Address, blackholed: frozenset[Network]) -> Address | None:
    """The nearest address to a target that is not null-routed; None where everything is."""
    if any(prefix.prefixlen == 0 for prefix in blackholed if prefix.version == target.version):
        return None
    dead = {int(prefix.network_address) for prefix in blackholed if prefix.version == target.version}
    near = next(int(target) ^ flip for flip in range(1, len(dead) + 2) if int(target) ^ flip not in dead)
    return type(target)(near)


def questions(order: Order, targets: Iterable[Address], blackholed: frozenset[Network]) -> Iterator[LookUp]:
    """A narrow null route: each target. Beside a full one the control is asked as for that."""
    for target in targets:
        source = sample_source(target.version, order.prefixes)
        near = _neighbour(target, blackholed)
        yield LookUp(order.tap.name, order.tap.ifindex, target, source, near or target, full=near is None)


def full_questions(order: Order) -> Iterator[LookUp]:
    """A full one: the targets it flooded, and an address it never did, of each family it has."""
    versions = sorted({prefix.version for prefix in order.prefixes} or {4})
    for target in dict.fromkeys((*(t.address for t in order.targets), *map(nobodys, versions))):
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
    return Answer(
        question,
        _ask(ip, question.target, **by_tap),
        _ask(ip, question.control, **({} if question.full else by_tap)),
    )


def _said(number: int) -> str:
    return errno.errorcode.get(number, str(number)) if number else "a route"


def text(answer: Answer) -> str:
    """The sentence for a proof."""
    asked = answer.asked
    other = f"{asked.control} without the tap" if asked.full else f"{asked.control}"
    return (
        f"route look-up from {asked.source} at {asked.tap} to {asked.target}: {_said(answer.at_target)}; "
        f"to {other}: {_said(answer.at_control)}"
    )
