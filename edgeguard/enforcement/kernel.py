"""What of ours the kernel holds: rules, blackholes and chain elements of every tap, put, read back and healed."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from edgeguard.enforcement import items, links
from edgeguard.enforcement.chain import Chains, TapChain
from edgeguard.enforcement.element import Element, widest
from edgeguard.enforcement.items import Item
from edgeguard.enforcement.mechanism import Made
from edgeguard.enforcement.netfilter import Netfilter, RefusedError
from edgeguard.enforcement.place import Place
from edgeguard.enforcement.routes import Routes
from edgeguard.enforcement.rtnetlink import RouteRefusedError, Rtnetlink
from edgeguard.errors import EnforcementError
from edgeguard.model import Network, Tap

REFUSALS = (EnforcementError, RouteRefusedError, OSError)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One null route of a tap, and its end (CLOCK_BOOTTIME ns)."""

    made: Made
    ends: int


class Kernel:
    """Our part of it. Every method may raise EnforcementError."""

    def __init__(self, rtnetlink: Rtnetlink, netfilter: Netfilter, place: Place) -> None:
        self._routes = Routes(rtnetlink, place)
        self.room = self._routes.room
        self.chains = Chains(netfilter, place.nft_table, links.holds, place.kept)

    def apply(self, tap: Tap, wanted: Collection[Wanted]) -> None:
        """Let a tap hold what its null routes want. The chain first: it is one transaction."""
        self.chains.apply(tap, _elements(wanted))
        self._routes.apply(tap, _items(wanted))

    def dropped(self, made: Made) -> int | None:
        """Frames a null route has dropped; None where nothing counts them."""
        with contextlib.suppress(EnforcementError):
            return self.chains.dropped(made.elements) if made.elements else None
        return None

    def blackholed(self, tap: Tap) -> frozenset[Network]:
        """The prefixes that no packet of the tap reaches; all of a family of which it may send nothing."""
        return items.unreached(self._routes.standing(tap))

    def taken(self) -> str | None:
        """Who else uses the names and numbers that are ours, in words; None: nobody, or it may not be looked at."""
        with contextlib.suppress(*REFUSALS):
            return self._routes.foreign() or self.chains.foreign()
        return None

    def adopt(self) -> tuple[int, bool]:
        """Learn what stands: how many rules and blackholes, and whether there is a table of chains."""
        try:
            return self._routes.adopt(), self.chains.present()
        except REFUSALS as error:
            raise EnforcementError(f"cannot read back what stands: {error}") from None

    def rebuild(self, wanted: Mapping[Tap, Collection[Wanted]]) -> None:
        """All chains in one transaction, so that a flood finds no gap between the old and the new.

        Where nothing wants a chain the table is made all the same, for the next order to be fast; a kernel that
        has none is no fault then.
        """
        if not any(one.made.elements for ours in wanted.values() for one in ours):
            with contextlib.suppress(EnforcementError):
                self.chains.rebuild({})
            return
        self.chains.rebuild({tap.ifindex: TapChain(tap, _elements(ours)) for tap, ours in wanted.items()})

    def sweep(self, wanted: Collection[Tap]) -> int:
        """Take away the rules and routes of taps that are not among these; of how many taps there were some."""
        strays = self._routes.indexes() - {tap.ifindex for tap in wanted}
        for ifindex in strays:
            self._routes.forget(ifindex)
        return len(strays)

    def heal(self, wanted: Mapping[Tap, Collection[Wanted]]) -> dict[int, str]:
        """Put back what somebody took away, and take away what nothing wants: by ifindex what was wrong.

        0: of no tap, or of all. What the kernel refuses is an EnforcementError.
        """
        found: dict[int, str] = {}
        before = {tap: self._routes.standing(tap) for tap in wanted}
        try:
            self._routes.adopt()
            chains = self.chains.heal()
        except (RefusedError, OSError) as error:
            raise EnforcementError(f"cannot read back what stands: {error}") from None
        if chains:
            found |= {tap.ifindex: chains for tap in wanted if self.chains.standing(tap)} or {0: chains}
        for tap, ours in wanted.items():
            if said := _difference(before[tap], self._routes.standing(tap)):
                found[tap.ifindex] = said
            self._routes.apply(tap, _items(ours))
        if strays := self.sweep(wanted):
            found[0] = f"rules and routes of {strays} taps that nothing wants were taken away"
        return found


def _difference(left: Collection[Item], stands: Collection[Item]) -> str | None:
    missing, extra = len(set(left) - set(stands)), len(set(stands) - set(left))
    if not missing and not extra:
        return None
    return f"{missing} rules and blackholes were missing, {extra} were not wanted"


def _elements(wanted: Iterable[Wanted]) -> dict[Element, int]:
    """Each element with the latest end that anybody wants; of ranges the widest.

    What lets the VM's own packets by is for every null route of the tap, so it ends with the last of them.
    """
    ends: dict[Element, int] = {}
    last = 0
    for one in wanted:
        for element in one.made.elements:
            ends[element] = max(one.ends, ends.get(element, 0))
            last = max(last, one.ends) if element.lets_by else last
    return {element: last if element.lets_by else ends[element] for element in widest(ends)}


def _items(wanted: Iterable[Wanted]) -> set[Item]:
    return items.lasting((one.made.items, one.ends) for one in wanted)
