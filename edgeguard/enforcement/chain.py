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
from edgeguard.enforcement import chain_listing
from edgeguard.enforcement import chain_messages as messages
from edgeguard.enforcement.boottime import boottime
from edgeguard.enforcement.element import FORGED, FULL, INTO, LINK, OWN, WHOLE, Element
from edgeguard.enforcement.expression import interface_key, interface_range
from edgeguard.enforcement.header import NET
from edgeguard.enforcement.kept import Kept
from edgeguard.enforcement.netfilter import Message, Netfilter, RefusedError
from edgeguard.errors import EnforcementError
from edgeguard.model import Network, Tap, Target

GRACE = clock.SECOND  # the kernel's end comes this much after ours
_OWN_GRACE = clock.MINUTE  # and more for what lets the VM's own packets by: never before what drops the rest
_WITH_PORTS = (6, 17, 33, 132, 136)  # TCP, UDP, DCCP, SCTP, UDP-Lite
_ANY_PROTOCOL = 0


@dataclass(frozen=True, slots=True)
class TapChain:
    """What stands on one tap: elements and their ends (CLOCK_BOOTTIME ns)."""

    tap: Tap
    elements: Mapping[Element, int] = field(default_factory=dict)

    @property
    def both_ways(self) -> bool:
        """Whether what enters the VM is dropped here too."""
        return any(element.set_name == INTO for element in self.elements)


def full_elements(tap: Tap, own: Iterable[Network], kept: Kept, both_ways: bool) -> set[Element]:
    """Everything out of the tap but what is kept; `both_ways`: and everything into it."""
    names = [WHOLE, FULL, *([LINK] if kept.link else []), *([INTO] if both_ways else [])]
    passed = {_own(tap, prefix) for prefix in own} if kept.prefixes else set()
    return passed | {Element(name, interface_key(tap.ifindex)) for name in names}


def _ranged(name: str, tap: Tap, network: Network, behind: bytes = b"") -> Element:
    """From the first to the last address of a network."""
    head = interface_range(tap.ifindex)
    first, last = network.network_address.packed, network.broadcast_address.packed
    return Element(name, head + first + behind, head + last + behind)


def own_only_elements(tap: Tap, own: Iterable[Network]) -> set[Element]:
    """Whatever has a source that is not of these, out of the tap."""
    return {_own(tap, prefix) for prefix in own} | {Element(FORGED, interface_key(tap.ifindex))}


def _own(tap: Tap, prefix: Network) -> Element:
    """What has one of these addresses."""
    return _ranged(f"{OWN}{prefix.version}", tap, prefix)


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


def elements(tap: Tap, targets: Iterable[Target]) -> set[Element]:
    """Everything out of the tap to these."""
    return {element for target in targets for element in target_elements(tap, target)}


class Chains:
    """Our table as we last left it."""

    def __init__(self, netfilter: Netfilter, table: str, alive: Callable[[Tap], bool], kept: Kept) -> None:
        """`alive` tells whether an ifindex still has its name; a chain cannot be made without."""
        self._kept = kept
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
        if taps or self._made:
            self._commit(self._difference(before, after), taps, tap)
        self._taps = taps

    def rebuild(self, wanted: Mapping[int, TapChain]) -> None:
        """Let the table hold exactly `wanted`, whatever stands in it; in one transaction."""
        taps = {index: chain for index, chain in wanted.items() if chain.elements and self._alive(chain.tap)}
        self._send(self._whole(taps), "our table")
        self._taps = taps

    def discard(self) -> None:
        """Take the table away where nothing stands in it. It is kept as long as the child lives, because to make it
        takes the kernel forty times as long as to fill it, and an empty one costs no packet anything."""
        if self._made and not self._taps:
            self._send(messages.delete_table(self._table), "our table")
            self._made = False

    def present(self) -> bool:
        """Whether a table of our name stands in the kernel."""
        return chain_listing.present(self._netfilter, self._table)

    def foreign(self) -> str | None:
        """Whose our table's name is, in words; None: ours, or nobody's."""
        if not self.present() or chain_listing.is_ours(self._netfilter, self._table):
            return None
        return f"the table 'netdev {self._table}' was made by another program"

    def heal(self) -> str | None:
        """Put the table back where the kernel does not hold what we left there; in words what was wrong."""
        wrong = self._wrong()
        if wrong:
            self.rebuild(self._taps)
        return wrong

    def keep_only(self, wanted: Collection[Element]) -> int:
        """Take away the elements that are not wanted, with the table if none is left; how many that was."""
        held = chain_listing.held(self._netfilter, self._table)
        if held is None or self.foreign():
            return 0
        gone = held.elements.keys() - set(wanted)
        if gone == held.elements.keys():
            self._send(messages.delete_table(self._table), "our table")
        else:
            self._send([messages.delete_element(self._table, element) for element in gone], "our table")
        return len(gone)

    def _wrong(self) -> str | None:
        held = chain_listing.held(self._netfilter, self._table)
        if held is None:
            return "the table of chains was gone" if self._made else None
        wanted = {element for chain in self._taps.values() for element in chain.elements}
        missing, extra = len(wanted - held.elements.keys()), len(held.elements.keys() - wanted)
        if missing or extra:
            return f"{missing} elements of the chains were missing, {extra} were not ours"
        both_ways = {index: chain.both_ways for index, chain in self._taps.items()}
        changed = held.dormant or held.rules != messages.rules_by_chain(both_ways, self._kept)
        return "the chains were changed" if changed else None

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
        counts = self._counts(which)
        return sum(counts.get(element, 0) for element in which if element)

    def _counts(self, which: Collection[Element | None]) -> dict[Element, int]:
        """What the kernel counted of the sets that these are in."""
        counts: dict[Element, int] = {}
        for name in sorted({element.set_name for element in which if element}):
            try:
                counts.update(chain_listing.listed(self._netfilter, self._table, name))
            except RefusedError as refused:
                if refused.number != errno.ENOENT:
                    raise
        return counts

    # ---- what is sent ---------------------------------------------------------------------------

    def _commit(self, difference: list[Message], taps: Mapping[int, TapChain], tap: Tap) -> None:
        """Send the difference; when the kernel does not hold what we think, send the whole."""
        if self._made:
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
        self._made = True

    def _whole(self, taps: Mapping[int, TapChain]) -> list[Message]:
        all_taps = [message for chain in taps.values() for message in self._difference(None, chain)]
        return messages.new_table(self._table, self._kept) + all_taps

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
        if before.both_ways and not (after and after.both_ways):
            gone += messages.delete_chain(self._table, f"out{before.tap.ifindex}")
        if after is None:
            gone += messages.delete_chain(self._table, f"in{before.tap.ifindex}")
        return gone

    def _coming(self, before: TapChain | None, after: TapChain | None) -> list[Message]:
        if after is None:
            return []
        tap, now = after.tap, boottime()
        had = before.elements if before else {}
        # Only the end is another: it goes on counting, but for what is dropped between this look and the commit.
        later = [one for one, ends in after.elements.items() if one.drops and one in had and had[one] != ends]
        counted = self._counts(later)
        new: list[Message] = []
        if before is None:
            new += messages.new_ingress(self._table, tap.ifindex, tap.name)
        if after.both_ways and not (before and before.both_ways):
            new += messages.new_egress(self._table, tap.ifindex, tap.name)
        for element, ends in after.elements.items():
            if had.get(element) != ends:
                grace = GRACE + _OWN_GRACE if element.lets_by else GRACE
                so_far = counted[element] if element in later and element in counted else 0
                new.append(messages.new_element(self._table, element, ends - now + grace, so_far))
        return new


def _wider(element: Element, standing: Iterable[Element]) -> Element | None:
    """The range that stands for one that lies in it."""
    return next((one for one in standing if one.end and element.end and one.covers(element)), None)


def _line(refused: RefusedError, where: str) -> str:
    what = {
        errno.EPERM: "the right CAP_NET_ADMIN is missing; start the daemon as root",
        errno.ENOENT: "the link is no longer there",
        errno.EPROTONOSUPPORT: "this kernel has no nf_tables; load the module nf_tables",
        errno.EOPNOTSUPP: "this kernel has no such netdev hook; full needs Linux 5.16 and NETFILTER_EGRESS",
    }.get(refused.number, "the kernel refused it")
    return f"cannot set the netdev chain on {where}: {what} ({refused})"
