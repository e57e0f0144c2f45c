"""What the child holds in the kernel, and for which decision: every change goes through here.

Several decisions may want the same rule, blackhole or element; each change recomputes what a tap
shall hold from the decisions that stand there and lets the mechanisms send the difference. So the
same order twice changes nothing, and a release takes away what nobody else wants.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from pyroute2 import IPRoute

from edgeguard import clock
from edgeguard.enforcement import links, wire
from edgeguard.enforcement.boottime import boottime, end_of
from edgeguard.enforcement.entry import Entry, check_tap, described, what
from edgeguard.enforcement.kernel import Kernel, Wanted
from edgeguard.enforcement.links import Change
from edgeguard.enforcement.means import Means
from edgeguard.enforcement.netfilter import Netfilter
from edgeguard.enforcement.place import Place
from edgeguard.enforcement.read_back import ReadBack
from edgeguard.enforcement.rtnetlink import Rtnetlink
from edgeguard.enforcement.verify import Tools
from edgeguard.enforcement.watch import Watch
from edgeguard.errors import EnforcementError
from edgeguard.model import Happened, Order, Outcome, Tap

MAX_STANDING = 4096
_GRACE = 500 * clock.MILLISECOND  # the end is the capturing side's to decide; this is the second belt


class Standing:
    """The decisions that stand, and their taps."""

    def __init__(
        self,
        place: Place,
        ip: IPRoute,
        rtnetlink: Rtnetlink,
        netfilter: Netfilter,
        say: Callable[[Outcome], None],
    ) -> None:
        """`ip` asks which way packets go, `rtnetlink` changes rules and routes."""
        self._place = place
        self._say = say
        self._kernel = Kernel(rtnetlink, netfilter, place)
        self._means = Means(place, netfilter, self._kernel.room)
        self._entries: dict[str, Entry] = {}
        self._kept: list[Order] = []
        self._read = ReadBack(self._kernel)
        background = ThreadPoolExecutor(1, "sockets")
        self._tools = Tools(place, ip, self._kernel.chains, background, self._kernel.blackholed)
        if taken := self._kernel.taken():
            raise EnforcementError(f"{taken}; choose other numbers and names in [enforcement], or remove it")

    # ---- orders -----------------------------------------------------------------------------------

    def put(self, order: Order) -> None:
        """Null-route, and say when the kernel has acknowledged it."""
        self._read.begin()
        if killed := self._place.killed():
            self._tell(order.decision, Happened.FAILED, killed)
            return
        before = self._entries.get(order.decision)
        try:
            entry = self._enter(order)
        except EnforcementError as error:
            self._undo(order, before)
            self._tell(order.decision, what(error), str(error))
            return
        acknowledged = time.time_ns()
        self._tell(order.decision, Happened.ACKNOWLEDGED, described(entry.made), acknowledged)
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

    def clear(self, why: str = "closing") -> None:
        """Take everything away."""
        for decision in list(self._entries):
            self._end(decision, Happened.RELEASED, why)

    def leave(self) -> None:
        """Nothing is to come: what stands stays, and an empty table of chains goes."""
        with contextlib.suppress(EnforcementError):
            self._kernel.chains.discard()

    def _entry(self, order: Order) -> Entry:
        """What an order will be; the one that stands already when it says the same."""
        same = self._entries.get(order.decision)
        if same and same.order == order:
            return same
        if same and same.order.tap.ifindex != order.tap.ifindex:
            raise EnforcementError(f"{order.decision} stands on {same.order.tap.name}, not on {order.tap.name}")
        ends = end_of(order)
        if not 0 < ends - boottime() <= wire.MAX_LIFETIME:
            raise EnforcementError(f"the end of {order.decision} is over already or more than a year away")
        if same is None and len(self._entries) >= MAX_STANDING:
            raise EnforcementError(f"more than {MAX_STANDING} null routes cannot stand at once; release one first")
        check_tap(order.tap)
        return Entry(order, self._means.made(order), ends)

    def _enter(self, order: Order) -> Entry:
        entry = self._entry(order)
        self._entries[order.decision] = entry
        self._apply(order.tap)
        check_tap(order.tap)  # it may have been made again meanwhile
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
        dropped = self._kernel.dropped(entry.made)
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
        """Let a tap hold what its decisions want."""
        self._kernel.apply(tap, [Wanted(entry.made, entry.ends) for entry in self._of(tap.ifindex)])

    def _wanted(self) -> dict[Tap, list[Wanted]]:
        wanted: dict[Tap, list[Wanted]] = {}
        for entry in self._entries.values():
            wanted.setdefault(entry.order.tap, []).append(Wanted(entry.made, entry.ends))
        return wanted

    def hint(self) -> None:
        """Somebody may have changed what we put."""
        self._read.hint()

    def _read_back(self) -> None:
        """Let the kernel hold what the decisions want again, and say of which that had to be done.

        Taps are looked at, too: the kernel tells of lost events once, and may lose that of a tap that goes after it.
        """
        self.links_changed(None)
        if killed := self._place.killed():
            self._read.postpone()
            self.clear(killed)
            self.leave()
            return
        found, refused = self._read.heal(self._wanted())
        for decision in self._entries if refused else ():
            self._tell(decision, Happened.FAILED, f"it may not stand any more: {refused}")
        for ifindex, said in found.items():
            self._healed(ifindex, said)

    def _healed(self, ifindex: int, said: str) -> None:
        if ifindex == 0:
            self._tell("", Happened.RECONCILED, said)
        for entry in self._of(ifindex):
            self._tell(entry.order.decision, Happened.RECONCILED, f"put back: {said}; another program had changed them")
            self._watch(entry)

    # ---- time and links ---------------------------------------------------------------------------

    def next_tick(self) -> int:
        """When `tick` wants to be called next, monotonic ns."""
        now, boot = time.monotonic_ns(), boottime()
        ends = [now + entry.ends + _GRACE - boot for entry in self._entries.values()]
        looks = [entry.watch.next for entry in self._entries.values() if entry.watch]
        return min([self._read.next, *ends, *looks])

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
                    if outcome.happened is Happened.NOT_STOPPED and not entry.doubly:
                        self._try_doubly(entry)
        if self._read.next <= now:
            self._read_back()

    def _try_doubly(self, entry: Entry) -> None:
        """It does not stop the flood: what stands is read back, put by every means there is, and proved again."""
        entry.doubly = True
        self._read_back()
        try:
            entry.made = self._means.made(entry.order, doubly=True)
            self._apply(entry.order.tap)
        except EnforcementError as error:
            self._tell(entry.order.decision, Happened.FAILED, f"it could not be put by the chain too: {error}")
        self._watch(entry)

    def _watch(self, entry: Entry) -> None:
        """Prove it from now on, as it is made now."""
        if entry.watch:
            entry.watch.close()
        entry.watch = Watch(self._tools, entry.order, entry.made)

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
            entry.made = self._means.made(entry.order, doubly=entry.doubly)
        try:
            self._apply(moved)
        except EnforcementError as error:
            for entry in self._of(tap.ifindex):
                self._tell(entry.order.decision, Happened.FAILED, f"{tap.name} is {name} now: {error}")

    # ---- start ------------------------------------------------------------------------------------

    def reconcile(self) -> None:
        """Let the kernel hold what was kept, and nothing else of ours."""
        self._read.begin()
        kept, self._kept = self._kept, []
        for entry in self._entries.values():
            if entry.watch:
                entry.watch.close()
        try:
            found, had_table = self._kernel.adopt()
        except EnforcementError as error:
            self._tell("", Happened.FAILED, str(error))
            return
        self._entries = self._kept_entries(kept)
        try:
            self._kernel.rebuild(self._wanted())
        except EnforcementError as error:
            self._tell("", Happened.FAILED, str(error))
        self._sweep(found, had_table)
        for entry in list(self._entries.values()):
            self._restore(entry)

    def _kept_entries(self, kept: list[Order]) -> dict[str, Entry]:
        """The kept orders that can still stand; the others are answered."""
        self._entries = {}
        entries: dict[str, Entry] = {}
        killed = self._place.killed()
        for order in kept:
            if killed:
                self._tell(order.decision, Happened.RELEASED, killed)
                continue
            if end_of(order) <= boottime():
                self._tell(order.decision, Happened.RELEASED, "lifetime over")
                continue
            try:
                entries[order.decision] = self._entry(order)
            except EnforcementError as error:
                self._tell(order.decision, what(error), str(error))
        return entries

    def _sweep(self, found: int, had_table: bool) -> None:
        """Take away the rules and routes of taps that no kept order names."""
        strays = 0
        try:
            strays = self._kernel.sweep(self._wanted())
        except EnforcementError as error:
            self._tell("", Happened.FAILED, f"cannot remove what no decision wants: {error}")
        if found or had_table:
            table = " and a table of chains" if had_table else ""
            self._tell("", Happened.RECONCILED, f"{found} rules and routes{table} stood; {strays} taps were cleared")

    def _restore(self, entry: Entry) -> None:
        try:
            entry.made = self._means.made(entry.order)  # anew: what stands by now may leave no room
            self._apply(entry.order.tap)
        except EnforcementError as error:
            self._undo(entry.order, None)
            self._tell(entry.order.decision, what(error), str(error))
            return
        self._tell(entry.order.decision, Happened.RECONCILED, "it stands: " + described(entry.made))
        entry.watch = Watch(self._tools, entry.order, entry.made)

    # ---- words --------------------------------------------------------------------------------------

    def _tell(
        self, decision: str, happened: Happened, detail: str, at: int | None = None, dropped: int | None = None
    ) -> None:
        self._say(Outcome(decision, at or time.time_ns(), happened, detail, dropped=dropped))
