"""Null routes on a tap in a bridge: elements of our nf_tables table, bound to the tap's ingress hook.

`apply` is told what shall stand on one tap and sends the difference as one transaction. The kernel
ends every element by itself, a second after we would, so that a dead daemon binds nobody.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from edgeguard import clock
from edgeguard.enforcement import chain_messages as messages
from edgeguard.enforcement.boottime import boottime
from edgeguard.enforcement.chain_messages import NET
from edgeguard.enforcement.element import FORGED, FULL, OWN, Element
from edgeguard.enforcement.expression import interface_key, interface_range
from edgeguard.enforcement.netfilter import Message, Netfilter, RefusedError
from edgeguard.enforcement.netlink import attributes
from edgeguard.errors import EnforcementError
from edgeguard.model import Network, Scope, Tap, Target

GRACE = clock.SECOND  # the kernel's end comes this much after ours
_OWN_GRACE = clock.MINUTE  # and more for what lets the VM's own packets by: never before what drops the rest
_WITH_PORTS = (6, 17, 33, 132, 136)  # TCP, UDP, DCCP, SCTP, UDP-Lite
_NO_TABLES = (errno.EPROTONOSUPPORT, errno.EINVAL)  # a kernel without nfnetlink, or without nf_tables in it
_ANY_PROTOCOL = 0


@dataclass(frozen=True, slots=True)
class TapChain:
    """What stands on one tap: elements and their ends (CLOCK_BOOTTIME ns)."""

    tap: Tap
    elements: Mapping[Element, int] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        return any(element.set_name == FULL for element in self.elements)


def full_element(tap: Tap) -> Element:
    """Everything out of and into the tap."""
    return Element(FULL, interface_key(tap.ifindex))


def _ranged(name: str, tap: Tap, network: Network, behind: bytes = b"") -> Element:
    """From the first to the last address of a network."""
    head = interface_range(tap.ifindex)
    first, last = network.network_address.packed, network.broadcast_address.packed
    return Element(name, head + first + behind, head + last + behind)


def own_only_elements(tap: Tap, own: Iterable[Network]) -> set[Element]:
    """Whatever has a source that is not of these, out of the tap."""
    passed = {_ranged(f"{OWN}{prefix.version}", tap, prefix) for prefix in own}
    return passed | {Element(FORGED, interface_key(tap.ifindex))}


def has_ports(target: Target) -> bool:
    """Whether the chain can and shall tell this target's ports apart."""
    return target.port is not None and target.protocol in _WITH_PORTS


def target_elements(tap: Tap, target: Target) -> tuple[Element, ...]:
    """One target on one tap; with a port also the later fragments, which have none."""
    if target.protocol == _ANY_PROTOCOL:
        return (_to(tap, target, "host"),)
    protocol = bytes([target.protocol, 0, 0, 0])
    if not has_ports(target):
        return (_to(tap, target, "any", protocol),)
    port = struct.pack(">HH", target.port or 0, 0)
    return _to(tap, target, "port", protocol + port), _to(tap, target, "frag", protocol)


def _to(tap: Tap, target: Target, name: str, behind: bytes = b"") -> Element:
    """A key of one address, or of a prefix in the set that holds ranges."""
    if target.length is not None:
        return _ranged(f"{name}{NET}{target.address.version}", tap, target.network, behind)
    return Element(f"{name}{target.address.version}", interface_key(tap.ifindex) + target.address.packed + behind)


def elements(tap: Tap, scope: Scope, targets: Iterable[Target]) -> set[Element]:
    """The elements of one null route."""
    if scope == Scope.FULL:
        return {full_element(tap)}
    return {element for target in targets for element in target_elements(tap, target)}


class Chains:
    """Our table as we last left it."""

    def __init__(self, netfilter: Netfilter, table: str, alive: Callable[[Tap], bool]) -> None:
        """`alive` tells whether an ifindex still has its name; a chain cannot be made without."""
        self._netfilter = netfilter
        self._table = table
        self._alive = alive
        self._taps: dict[int, TapChain] = {}
        self._made = False

    def standing(self, tap: Tap) -> Mapping[Element, int]:
        """What we put on a tap."""
        chain = self._taps.get(tap.ifindex)
        return chain.elements if chain else {}

    def apply(self, tap: Tap, wanted: Mapping[Element, int]) -> None:
        """Let the tap hold exactly `wanted`. EnforcementError: nothing changed on any tap."""
        before = self._taps.get(tap.ifindex)
        after = TapChain(tap, dict(wanted)) if wanted else None
        if before == after:
            return
        taps = {**self._taps}
        taps.pop(tap.ifindex, None)
        if after:
            taps[tap.ifindex] = after
        self._commit(self._difference(before, after), taps, tap)
        self._taps, self._made = taps, bool(taps)

    def rebuild(self, wanted: Mapping[int, TapChain]) -> None:
        """Let the table hold exactly `wanted`, whatever stands in it; in one transaction."""
        taps = {index: chain for index, chain in wanted.items() if chain.elements and self._alive(chain.tap)}
        self._send(self._whole(taps), "our table")
        self._taps, self._made = taps, bool(taps)

    def present(self) -> bool:
        """Whether a table of our name stands in the kernel."""
        try:
            self._netfilter.dump(messages.list_elements(self._table, FULL))
        except RefusedError as refused:
            if refused.number in (errno.ENOENT, *_NO_TABLES):
                return False
            raise
        return True

    def dropped(self, which: Collection[Element]) -> int:
        """Frames these elements have dropped since they were put; a wider range counts for one that lies in it."""
        mine = {element for element in which if element.drops}
        standing = self._standing(mine)
        counted = {element if element in standing else _wider(element, standing) for element in mine}
        return self._count(counted - {None})

    def dropped_beside(self, which: Collection[Element]) -> int:
        """Frames dropped by these, or by whatever else stands on their tap and may have dropped them first."""
        mine = [element for element in which if element.drops]
        return self._count({one for one in self._standing(mine) if any(one.meets(element) for element in mine)})

    def _standing(self, which: Iterable[Element]) -> set[Element]:
        """Everything on the taps of these."""
        chains = (self._taps.get(index) for index in {element.ifindex for element in which})
        return {element for chain in chains if chain for element in chain.elements}

    def _count(self, which: Collection[Element | None]) -> int:
        counts: dict[Element, int] = {}
        for name in sorted({element.set_name for element in which if element}):
            try:
                listed = self._netfilter.dump(messages.list_elements(self._table, name))
            except RefusedError as refused:
                if refused.number == errno.ENOENT:
                    continue
                raise
            for part in listed:
                counts.update(_counts(name, part))
        return sum(counts.get(element, 0) for element in which if element)

    # ---- what is sent ---------------------------------------------------------------------------

    def _commit(self, difference: list[Message], taps: Mapping[int, TapChain], tap: Tap) -> None:
        """Send the difference; when the kernel does not hold what we think, send the whole."""
        if self._made and taps:
            try:
                self._netfilter.commit(difference)
                return
            except RefusedError as refused:
                if refused.number not in (errno.ENOENT, errno.EEXIST):
                    raise EnforcementError(_line(refused, tap.name)) from None
        alive = {index: chain for index, chain in taps.items() if chain.tap == tap or self._alive(chain.tap)}
        self._send(self._whole(alive), tap.name)

    def _send(self, what: list[Message], where: str) -> None:
        try:
            self._netfilter.commit(what)
        except RefusedError as refused:
            raise EnforcementError(_line(refused, where)) from None

    def _whole(self, taps: Mapping[int, TapChain]) -> list[Message]:
        if not taps:
            return messages.delete_table(self._table)
        all_taps = [message for chain in taps.values() for message in self._difference(None, chain)]
        return messages.new_table(self._table) + all_taps

    def _difference(self, before: TapChain | None, after: TapChain | None) -> list[Message]:
        """From one state of a tap to another: what goes first, then what comes."""
        if before and after and before.tap.name != after.tap.name:  # a chain binds to one name
            return [*self._ending(before, None), *self._coming(None, after)]
        return [*self._ending(before, after), *self._coming(before, after)]

    def _ending(self, before: TapChain | None, after: TapChain | None) -> list[Message]:
        if before is None:
            return []
        kept = after.elements if after else {}
        gone = [
            messages.delete_element(self._table, element)
            for element, ends in before.elements.items()
            if kept.get(element) != ends
        ]
        if before.full and not (after and after.full):
            gone += messages.delete_chain(self._table, f"out{before.tap.ifindex}")
        if after is None:
            gone += messages.delete_chain(self._table, f"in{before.tap.ifindex}")
        return gone

    def _coming(self, before: TapChain | None, after: TapChain | None) -> list[Message]:
        if after is None:
            return []
        tap, now = after.tap, boottime()
        had = before.elements if before else {}
        new: list[Message] = []
        if before is None:
            new += messages.new_ingress(self._table, tap.ifindex, tap.name)
        if after.full and not (before and before.full):
            new += messages.new_egress(self._table, tap.ifindex, tap.name)
        for element, ends in after.elements.items():
            if had.get(element) != ends:
                grace = GRACE if element.drops else GRACE + _OWN_GRACE
                new.append(messages.new_element(self._table, element, ends - now + grace))
        return new


def _wider(element: Element, standing: Iterable[Element]) -> Element | None:
    """The range that stands for one that lies in it."""
    return next((one for one in standing if one.end and element.end and one.covers(element)), None)


def _counts(set_name: str, listed: bytes) -> dict[Element, int]:
    """Element: packets, from one answer to GETSETELEM."""
    found: dict[Element, int] = {}
    for kind, body in attributes(listed):
        if kind == 3:  # NFTA_SET_ELEM_LIST_ELEMENTS
            for _, element in attributes(body):
                key, end, packets = _count(element)
                found[Element(set_name, key, end)] = packets
    return found


def _count(element: bytes) -> tuple[bytes, bytes, int]:
    """(key, its end in a set of ranges, packets). NFTA_SET_ELEM_KEY and KEY_END hold NFTA_DATA_VALUE."""
    parts = dict(attributes(element))
    key, end = (dict(attributes(parts.get(kind, b""))).get(1, b"") for kind in (1, 10))
    counter = dict(attributes(dict(attributes(parts.get(7, b""))).get(2, b"")))
    return key, end, int.from_bytes(counter.get(2, b""), "big")  # NFTA_COUNTER_PACKETS


def _line(refused: RefusedError, where: str) -> str:
    what = {
        errno.EPERM: "the right CAP_NET_ADMIN is missing; start the daemon as root",
        errno.ENOENT: "the link is no longer there",
        errno.EPROTONOSUPPORT: "this kernel has no nf_tables; load the module nf_tables",
        errno.EOPNOTSUPP: "this kernel has no such netdev hook; full needs Linux 5.16 and NETFILTER_EGRESS",
    }.get(refused.number, "the kernel refused it")
    return f"cannot set the netdev chain on {where}: {what} ({refused})"
