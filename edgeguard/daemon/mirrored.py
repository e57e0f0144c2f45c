"""The attachment points of a mirror port: which row each MAC has, whose VM it is, and at which tap it hangs.

A row stands for one network card: a MAC, and where the inventory gives one a VLAN. Null routes are
set at its tap, which the inventory names: with as many taps as MACs the n-th MAC is at the n-th
tap; with a single tap every MAC is there; else it is not known, and nothing is enforced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from edgeguard.capture.points import HOST, Points
from edgeguard.counting.counted import Counted
from edgeguard.counting.state import POINTS
from edgeguard.inventory import Inventory
from edgeguard.model import Subject, Tap, TapKind, Vm
from edgeguard.record import NOBODY, mac_number, point_key

STRANGERS = 64  # MACs without an inventory entry that get a row of their own
OTHERS = "further MACs"


@dataclass(frozen=True, slots=True)
class Card:
    """A network card: of a VM, or of nobody that the inventory knows."""

    key: int  # MAC | VLAN << 48
    vm: Vm | None
    tap: str | None

    @property
    def name(self) -> str:
        """'02:00:5e:10:00:01', with 'vlan 12' behind it where frames carried one."""
        mac = ":".join(f"{byte:02x}" for byte in (self.key & 0xFFFF_FFFF_FFFF).to_bytes(6, "big"))
        vlan = self.key >> 48
        return f"{mac} vlan {vlan}" if vlan else mac


def _cards(vm: Vm) -> Iterator[Card]:
    for n, mac in enumerate(vm.macs):
        paired = vm.taps[n] if len(vm.taps) == len(vm.macs) else None
        yield Card(point_key(mac, vm.vlan), vm, vm.taps[0] if len(vm.taps) == 1 else paired)


class Mirrored:
    """Rows by MAC. VMs of taps that are here come first; what finds no row is counted as refused."""

    noun = "MAC"

    def __init__(
        self,
        counting: Counted,
        inventory: Inventory,
        taps: Iterable[Tap],
        began: Callable[[int], None] = lambda point: None,
    ) -> None:
        """`began` is told of each row that is another card's from then on."""
        self._counting = counting
        self.fit: Callable[[int, Vm | None], None] = lambda point, vm: None  # told whose row it is now
        self._began = began
        self._inventory = inventory
        self._taps = {tap.name: tap for tap in taps}
        self._free = list(range(POINTS - 1, -1, -1))
        self._cards: dict[int, Card] = {}  # by row
        self._rows: dict[int, int] = {}  # by key
        self._hosts: set[int] = set()
        self.points = Points(POINTS)
        self.overflow = self._free.pop()
        counting.assign(self.overflow, Subject(None, OTHERS, None), ())
        self.refused = 0
        self._hang_all()

    # ---- what the capture tells ----------------------------------------------------------------

    def assign(self, tap: Tap) -> int:
        """A tap appeared or changed; nothing is captured there."""
        self._forget(tap)
        self._taps[tap.name] = tap
        return NOBODY

    def gone(self, tap: Tap) -> int | None:
        """A row whose VM hung on a tap that is gone."""
        point = self.point_of(tap)
        self._forget(tap)
        return point

    def _forget(self, tap: Tap) -> None:
        self._taps = {name: known for name, known in self._taps.items() if known.ifindex != tap.ifindex}

    def meet(self, key: int) -> bool:
        """Give a sender that nobody knows its row. Whether there is room for another one."""
        if self._strangers() < STRANGERS and self._free:
            self._hang(Card(key, None, None))
        return self._strangers() < STRANGERS and bool(self._free)

    def host(self, macs: Iterable[str]) -> None:
        """The MACs of the host's own links: what they send is no VM's."""
        now = {mac_number(mac) for mac in macs} - {0}
        for key in self._hosts - now:
            self.points.remove(key)
        self._hosts = {key for key in now if key not in self._rows}
        for key in self._hosts:
            self.points.put(key, HOST)

    def due(self) -> list[Tap]:
        """No tap waits for a row: MACs have them."""
        return []

    # ---- rows ----------------------------------------------------------------------------------

    def _strangers(self) -> int:
        return sum(card.vm is None for card in self._cards.values())

    def _hang(self, card: Card) -> None:
        """Give a card a row, all of whose counts begin anew."""
        point = self._rows[card.key] = self._free.pop()
        self._began(point)
        self._cards[point] = card
        self._hosts.discard(card.key)
        self.points.put(card.key, point, reversed=card.vm is None)  # EG_POINT_STRANGER is the same bit
        vm = card.vm
        subject = Subject(vm.id, card.tap or card.name, None) if vm else Subject(None, card.name, None)
        self._counting.assign(point, subject, vm.addresses if vm else ())
        self._counting.customers.hang(point, vm.customer if vm else None)
        self.fit(point, vm)

    def _take_off(self, point: int) -> None:
        card = self._cards.pop(point)
        self._counting.customers.hang(point, None)
        del self._rows[card.key]
        self.points.remove(card.key)
        self._free.append(point)

    def _hang_all(self) -> None:
        """Every card of the inventory that has no row yet."""
        cards = [card for vm in self._inventory.vms() for card in _cards(vm) if card.key not in self._rows]
        cards.sort(key=lambda card: card.tap not in self._taps)
        room = max(0, len(self._free) - STRANGERS + self._strangers())
        self.refused = len(cards[room:])
        for card in cards[:room]:
            self._hang(card)

    def look_up_again(self) -> list[int]:
        """The inventory changed. The rows that are another VM's now, or nobody's.

        A row that stays its VM's keeps its counts.
        """
        wanted = {card.key: card for vm in self._inventory.vms() for card in _cards(vm)}
        others = []
        for point, card in list(self._cards.items()):
            now = wanted.get(card.key)
            if now == card or (now is None and card.vm is None):
                continue
            if now and now.vm and card.vm and now.vm.id == card.vm.id and now.tap == card.tap:
                self._cards[point] = now
                self._counting.own(point, now.vm.addresses)
                self._counting.customers.hang(point, now.vm.customer)
                self.fit(point, now.vm)
            else:
                self._take_off(point)
                others.append(point)
        self._hang_all()
        return others

    # ---- what is asked -------------------------------------------------------------------------

    def rows(self) -> list[tuple[int, Vm | None]]:
        """Every row in use, and whose it is."""
        return [(point, card.vm) for point, card in self._cards.items()]

    def vm(self, point: int) -> Vm | None:
        card = self._cards.get(point)
        return card.vm if card else None

    def tap(self, point: int) -> Tap | None:
        """The tap of this host where the row's VM can be null-routed."""
        card = self._cards.get(point)
        return self._taps.get(card.tap) if card and card.tap else None

    def point_of(self, tap: Tap) -> int | None:
        """The first row whose VM hangs on this very tap: same ifindex, same MAC."""
        found = ((point, known) for point, known in self.taps() if known.ifindex == tap.ifindex)
        return next((point for point, known in found if known.mac == tap.mac), None)

    def of_vm(self, vm: str) -> list[tuple[int, Tap]]:
        """One row for each tap of a VM."""
        found: dict[int, tuple[int, Tap]] = {}
        for point, tap in self.taps():
            known = self.vm(point)
            if known and known.id == vm:
                found.setdefault(tap.ifindex, (point, tap))
        return list(found.values())

    def taps(self) -> list[tuple[int, Tap]]:
        """Every row with a tap on this host, and that tap."""
        return [(point, tap) for point in self._cards if (tap := self.tap(point))]

    def strangers(self) -> dict[str, int]:
        """Frames so far out of every MAC without an inventory entry."""
        return {card.name: self._counting.frames(point)[0] for point, card in self._cards.items() if not card.vm}

    def unknown(self) -> list[Tap]:
        """MACs without an inventory entry: counted, reported, never acted upon."""
        why = "no VM of the inventory has this MAC"
        return [Tap(0, card.name, card.name[:17], TapKind.NONE, why) for card in self._cards.values() if not card.vm]
