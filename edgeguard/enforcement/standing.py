"""What the child holds in the kernel, and for which decision: every change goes through here.

Several decisions may want the same rule, blackhole or element; each change recomputes what a tap
shall hold from the decisions that stand there and lets the mechanisms send the difference. So the
same order twice changes nothing, and a release takes away what nobody else wants.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from edgeguard import clock
from edgeguard.enforcement import links, mechanism, routes, uplinks, wire
from edgeguard.enforcement.boottime import boottime
from edgeguard.enforcement.chain import Chains, TapChain
from edgeguard.enforcement.element import Element, widest
from edgeguard.enforcement.links import Change
from edgeguard.enforcement.mechanism import Made
from edgeguard.enforcement.netfilter import Netfilter
from edgeguard.enforcement.place import Place
from edgeguard.enforcement.routes import Item, Routes
from edgeguard.enforcement.verify import Tools
from edgeguard.enforcement.watch import Watch
from edgeguard.errors import EnforcementError
from edgeguard.model import Happened, Network, Order, Outcome, Tap

MAX_STANDING = 256
_HOUR = clock.HOUR
_GRACE = 500 * clock.MILLISECOND  # the end is the capturing side's to decide; this is the second belt


@dataclass(slots=True)
class Entry:
    """One decision that stands."""

    order: Order
    made: Made
    ends: int  # CLOCK_BOOTTIME ns
    watch: Watch | None = None
    refused: bool = False  # the kernel would not let it end


class GoneError(EnforcementError):
    """The tap of an order is no longer there."""


class Standing:
    """The decisions that stand, and their taps."""

    def __init__(self, place: Place, ip: IPRoute, netfilter: Netfilter, say: Callable[[Outcome], None]) -> None:
        self._place = place
        self._say = say
        self._routes = Routes(ip, place)
        self._chains = Chains(netfilter, place.nft_table, links.holds)
        self._entries: dict[str, Entry] = {}
        self._kept: list[Order] = []
        background = ThreadPoolExecutor(1, "sockets")
        self._tools = Tools(place, ip, self._chains, background, self._blackholed)

    # ---- orders -----------------------------------------------------------------------------------

    def put(self, order: Order) -> None:
        """Null-route, and say when the kernel has acknowledged it."""
        before = self._entries.get(order.decision)
        try:
            entry = self._enter(order)
        except EnforcementError as error:
            self._undo(order, before)
            self._tell(order.decision, _what(error), str(error))
            return
        acknowledged = time.time_ns()
        self._tell(order.decision, Happened.ACKNOWLEDGED, _described(entry.made), acknowledged)
        if entry is before:
            return
        if before and before.watch:
            before.watch.close()
        entry.watch = Watch(self._tools, order, entry.made)

    def release(self, order: Order) -> None:
        """End a null route, and say so when the kernel no longer holds it. Twice is no error."""
        self._end(order.decision, Happened.RELEASED, "")

    def keep(self, order: Order) -> None:
        """Remember an order for the next reconcile."""
        if len(self._kept) < MAX_STANDING:
            self._kept.append(order)
        else:
            self._tell(order.decision, Happened.FAILED, f"more than {MAX_STANDING} null routes cannot stand at once")

    def clear(self) -> None:
        """Take everything away."""
        for decision in list(self._entries):
            self._end(decision, Happened.RELEASED, "closing")

    def _entry(self, order: Order) -> Entry:
        """What an order will be; the one that stands already when it says the same."""
        same = self._entries.get(order.decision)
        if same and same.order == order:
            return same
        if same and same.order.tap.ifindex != order.tap.ifindex:
            raise EnforcementError(f"{order.decision} stands on {same.order.tap.name}, not on {order.tap.name}")
        lifetime = order.until - time.time_ns()
        if not 0 < lifetime <= wire.MAX_LIFETIME:
            raise EnforcementError(f"the end of {order.decision} is over already or more than a year away")
        if same is None and len(self._entries) >= MAX_STANDING:
            raise EnforcementError(f"more than {MAX_STANDING} null routes cannot stand at once; release one first")
        _check_tap(order.tap)
        return Entry(order, mechanism.made(self._place, order, uplinks.local), boottime() + lifetime)

    def _enter(self, order: Order) -> Entry:
        entry = self._entry(order)
        self._entries[order.decision] = entry
        self._apply(order.tap)
        _check_tap(order.tap)  # it may have been made again meanwhile
        return entry

    def _undo(self, order: Order, before: Entry | None) -> None:
        """After a failure nothing of the order may be left; what stood before stays."""
        self._entries.pop(order.decision, None)
        if before:
            self._entries[order.decision] = before
        try:
            self._apply(order.tap)
        except EnforcementError as error:
            self._tell(order.decision, Happened.FAILED, f"and it could not be undone: {error}")

    def _end(self, decision: str, happened: Happened, detail: str) -> None:
        entry = self._entries.pop(decision, None)
        if entry is None:
            self._tell(decision, happened, detail or "nothing of it stood")
            return
        dropped = self._dropped(entry)
        if entry.watch:
            entry.watch.close()
        try:
            self._apply(entry.order.tap)
        except EnforcementError as error:
            again = replace(entry, watch=None, ends=boottime() + clock.SECOND, refused=True)
            self._entries[decision] = again
            if not entry.refused:  # once; it is tried again until the kernel does it
                self._tell(decision, Happened.FAILED, str(error))
            return
        self._tell(decision, happened, detail or "the kernel holds nothing of it any more", dropped=dropped)

    # ---- the kernel -------------------------------------------------------------------------------

    def _of(self, ifindex: int) -> list[Entry]:
        return [entry for entry in self._entries.values() if entry.order.tap.ifindex == ifindex]

    def _apply(self, tap: Tap) -> None:
        """Let a tap hold what its decisions want. The chain first: it is one transaction."""
        entries = self._of(tap.ifindex)
        self._chains.apply(tap, _elements(entries))
        self._routes.apply(tap, _items(entries))

    def _dropped(self, entry: Entry) -> int | None:
        """Frames the null route has dropped; None where nothing counts them."""
        with contextlib.suppress(EnforcementError):
            return self._chains.dropped(entry.made.elements) if entry.made.elements else None
        return None

    def _blackholed(self, tap: Tap) -> frozenset[Network]:
        """The prefixes that no packet of the tap reaches; all of a family of which it may send nothing."""
        return routes.unreached(self._routes.standing(tap))

    # ---- time and links ---------------------------------------------------------------------------

    def next_tick(self) -> int:
        """When `tick` wants to be called next, monotonic ns."""
        now, boot = time.monotonic_ns(), boottime()
        ends = [now + entry.ends + _GRACE - boot for entry in self._entries.values()]
        looks = [entry.watch.next for entry in self._entries.values() if entry.watch]
        return min([now + _HOUR, *ends, *looks])

    def tick(self, now: int) -> None:
        """End what is overdue, and let the proofs look."""
        boot = boottime()
        for decision, entry in list(self._entries.items()):
            if entry.ends + _GRACE <= boot:
                self._end(decision, Happened.RELEASED, "lifetime over")
            elif entry.watch and entry.watch.next <= now:
                outcome = entry.watch.tick(now)
                if outcome:
                    self._say(outcome)

    def links_changed(self, changes: list[Change] | None) -> None:
        """A link of ours went or was renamed. None: events were lost, look at all."""
        touched = None if changes is None else {change.index for change in changes}
        gone = {change.index for change in changes or () if change.gone}
        for tap in {entry.order.tap for entry in self._entries.values()}:
            if touched is not None and tap.ifindex not in touched:
                continue
            name = None if tap.ifindex in gone else links.name_of(tap.ifindex)
            if name is None:
                self._gone(tap)
            elif name != tap.name:
                self._renamed(tap, name)

    def _gone(self, tap: Tap) -> None:
        """Everything of the tap goes with it; whoever gets its name next inherits nothing."""
        entries = self._of(tap.ifindex)
        for entry in entries:
            if entry.watch:
                entry.watch.close()
            del self._entries[entry.order.decision]
        detail = f"{tap.name} (ifindex {tap.ifindex}) has gone, and its null routes with it"
        try:
            self._apply(tap)
        except EnforcementError as error:
            detail += f"; but {error}"
        for entry in entries:
            self._tell(entry.order.decision, Happened.LINK_GONE, detail)

    def _renamed(self, tap: Tap, name: str) -> None:
        """The same link under another name: rules and hooks bind by name, so put them anew."""
        moved = replace(tap, name=name)
        for entry in self._of(tap.ifindex):
            entry.order = replace(entry.order, tap=moved)
            entry.made = mechanism.made(self._place, entry.order, uplinks.local)
        try:
            self._apply(moved)
        except EnforcementError as error:
            for entry in self._of(tap.ifindex):
                self._tell(entry.order.decision, Happened.FAILED, f"{tap.name} is {name} now: {error}")

    # ---- start ------------------------------------------------------------------------------------

    def reconcile(self) -> None:
        """Let the kernel hold what was kept, and nothing else of ours."""
        kept, self._kept = self._kept, []
        for entry in self._entries.values():
            if entry.watch:
                entry.watch.close()
        try:
            found = self._routes.adopt()
            had_table = self._chains.present()
        except (EnforcementError, NetlinkError, OSError) as error:
            self._tell("", Happened.FAILED, f"cannot read back what stands: {error}")
            return
        self._entries = self._kept_entries(kept)
        self._rebuild(had_table)
        self._sweep(found, had_table)
        for entry in list(self._entries.values()):
            self._restore(entry)

    def _kept_entries(self, kept: list[Order]) -> dict[str, Entry]:
        """The kept orders that can still stand; the others are answered."""
        self._entries = {}
        entries: dict[str, Entry] = {}
        for order in kept:
            if order.until <= time.time_ns():
                self._tell(order.decision, Happened.RELEASED, "lifetime over")
                continue
            try:
                entries[order.decision] = self._entry(order)
            except EnforcementError as error:
                self._tell(order.decision, _what(error), str(error))
        return entries

    def _rebuild(self, had_table: bool) -> None:
        """All chains in one transaction, so that a flood finds no gap between the old and the new."""
        taps = {entry.order.tap.ifindex: entry.order.tap for entry in self._entries.values()}
        wanted = {index: TapChain(tap, _elements(self._of(index))) for index, tap in taps.items()}
        if not had_table and not any(chain.elements for chain in wanted.values()):
            return
        try:
            self._chains.rebuild(wanted)
        except EnforcementError as error:
            self._tell("", Happened.FAILED, str(error))

    def _sweep(self, found: int, had_table: bool) -> None:
        """Take away the rules and routes of taps that no kept order names."""
        strays = self._routes.indexes() - {entry.order.tap.ifindex for entry in self._entries.values()}
        try:
            for ifindex in strays:
                self._routes.forget(ifindex)
        except EnforcementError as error:
            self._tell("", Happened.FAILED, f"cannot remove what no decision wants: {error}")
        if found or had_table:
            table = " and a table of chains" if had_table else ""
            self._tell(
                "", Happened.RECONCILED, f"{found} rules and routes{table} stood; {len(strays)} taps were cleared"
            )

    def _restore(self, entry: Entry) -> None:
        try:
            self._apply(entry.order.tap)
        except EnforcementError as error:
            self._undo(entry.order, None)
            self._tell(entry.order.decision, _what(error), str(error))
            return
        self._tell(entry.order.decision, Happened.RECONCILED, "it stands: " + _described(entry.made))
        entry.watch = Watch(self._tools, entry.order, entry.made)

    # ---- words --------------------------------------------------------------------------------------

    def _tell(
        self, decision: str, happened: Happened, detail: str, at: int | None = None, dropped: int | None = None
    ) -> None:
        self._say(Outcome(decision, at or time.time_ns(), happened, detail, dropped=dropped))


def _check_tap(tap: Tap) -> None:
    """A rule binds by name; the name must still be this tap's."""
    now = links.name_of(tap.ifindex)
    if now != tap.name:
        is_now = f"is {now} now" if now else "is no longer there"
        raise GoneError(f"{tap.name} (ifindex {tap.ifindex}) {is_now}: nothing was null-routed")


def _what(error: EnforcementError) -> Happened:
    return Happened.LINK_GONE if isinstance(error, GoneError) else Happened.FAILED


def _elements(entries: Iterable[Entry]) -> dict[Element, int]:
    """Each element with the latest end that anybody wants; of ranges the widest.

    What lets the VM's own packets by is for every own-only of the tap, so it ends with the last of them.
    """
    wanted: dict[Element, int] = {}
    last = 0
    for entry in entries:
        for element in entry.made.elements:
            wanted[element] = max(entry.ends, wanted.get(element, 0))
            last = last if element.drops else max(last, entry.ends)
    return {element: wanted[element] if element.drops else last for element in widest(wanted)}


def _items(entries: Iterable[Entry]) -> set[Item]:
    return {item for entry in entries for item in entry.made.items}


def _described(made: Made) -> str:
    """'4 rules and blackholes and 1 element of the tap's chain'"""
    parts = []
    if made.items:
        parts.append(f"{len(made.items)} rules and blackholes")
    if made.elements:
        parts.append(f"{len(made.elements)} element{'s' * (len(made.elements) > 1)} of the tap's chain")
    return " and ".join(parts)
