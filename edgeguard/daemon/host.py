"""The host around the VMs: its uplinks, its connection table, its way back; sampled once a second.

    host.take(now, attachments)            # nothing is done per packet
    host.circumstances(point)              # what a judgement of this row needs to know

A flood that fills the table or an uplink also keeps the others from completing connections, and would
be shielded by the doubt it causes. So the doubt is not for a row whose harm was there before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from edgeguard.capture.taps import Carrier
from edgeguard.clock import SECOND
from edgeguard.counting.counted import Counted
from edgeguard.harm import conntrack
from edgeguard.harm.conntrack import Filling
from edgeguard.harm.queue import Queues
from edgeguard.harm.return_path import NOW, ReturnPath
from edgeguard.harm.sender import Sender
from edgeguard.harm.speed import speed
from edgeguard.harm.uplink import Uplink, Uplinks
from edgeguard.model import Tap, Vm
from edgeguard.native import LinkCounter, link_counters
from edgeguard.reading import Circumstances
from edgeguard.units import percent

SPEED_FOR = 30 * SECOND  # a driver may have to ask its hardware: not every second
CALM = Circumstances()

K = TypeVar("K")


class Rows(Protocol):
    """Who is counted: `attachments.Attachments`, or `mirrored.Mirrored`."""

    def taps(self) -> list[tuple[int, Tap]]: ...

    def vm(self, point: int) -> Vm | None: ...


class Host:
    """One per daemon. Belongs to the network namespace it was made in."""

    def __init__(
        self,
        counting: Counted,
        carriers: Callable[[], Sequence[Carrier]],
        uplink_bits: int = 0,
        proc: Path = Path("/proc"),
        speed_of: Callable[[str], int | None] = speed,
    ) -> None:
        self._counting = counting
        self._carriers, self._proc, self._speed_of = carriers, proc, speed_of
        self._queues = Queues()
        self._speeds: dict[str, tuple[int, int | None]] = {}  # by name: when it was asked, bits a second
        self._customers: dict[int, str | None] = {}
        self._harmed: dict[int, int] = {}  # since when, by point
        self._doubted: dict[str | None, int] = {}  # since when, by customer
        self._circumstances: dict[int, Circumstances] = {}
        self.uplinks = Uplinks(uplink_bits)
        self.filling = Filling(self._udp_targets)
        self.return_path = ReturnPath()

    def take(self, now: int, rows: Rows) -> None:
        """The sample of this second."""
        counters = link_counters()
        senders = [self._sender(point, tap, rows.vm(point), counters) for point, tap in rows.taps()]
        self.uplinks.take(now, [self._uplink(carrier, now, counters) for carrier in self._carriers()], senders)
        self.filling.take(now, conntrack.read(self._proc), senders)
        self.return_path.take(now, senders)
        if self.uplinks.is_clear and self.filling.is_clear and self.return_path.is_clear:  # nearly always
            self._circumstances, self._harmed, self._doubted = {}, {}, {}
            return
        self._circumstances = {sender.point: self._look(now, sender) for sender in senders}
        self._harmed = {point: at for point, at in self._harmed.items() if point in self._circumstances}

    def circumstances(self, point: int) -> Circumstances:
        """As the last sample had them."""
        return self._circumstances.get(point, CALM)

    def troubles(self) -> dict[str, str]:
        """What is wrong now, in words, by cause."""
        found = {load.name: words for load in self.uplinks.loads if (words := load.suffers())}
        table, doubt = self.filling.table, self.return_path.doubt("")
        if table is not None and table.fill >= conntrack.FULL:
            share = f"{percent(table.fill)} full ({table.count:,} of {table.max:,} entries)"
            found["connection table"] = f"the connection table is {share}, {self.filling.growth:+,.0f} a second"
        return found | ({"way back": doubt} if doubt else {})

    def told(self) -> dict[str, object]:
        """For `status`."""
        return {
            "uplinks": self.uplinks.told(),
            "conntrack": self.filling.told(),
            "return_path": self.return_path.told(),
            "harmful_points": sum(1 for around in self._circumstances.values() if around.harm),
        }

    def close(self) -> None:
        self._queues.close()

    # ---- a sample ------------------------------------------------------------------------------

    def _sender(self, point: int, tap: Tap, vm: Vm | None, counters: dict[int, LinkCounter]) -> Sender:
        syns, third_acks = self._counting.completions(point)
        out, into = self._counting.frames(point)
        counter = counters.get(tap.ifindex)
        name, customer = (vm.id, vm.customer) if vm else (None, None)
        frames, octets = (counter.rx_frames, counter.rx_bytes) if counter else (None, None)
        return Sender(point, name, customer, syns, third_acks, out, into, frames, octets)

    def _uplink(self, carrier: Carrier, now: int, counters: dict[int, LinkCounter]) -> Uplink:
        counter = counters.get(carrier.index) or LinkCounter(0, 0, 0, 0, 0, 0)
        return Uplink(
            carrier.name,
            self._speed(carrier, now),
            counter.tx_frames,
            counter.tx_bytes,
            counter.tx_dropped,
            self._queues.drops(carrier.index),
            carrier.below,
        )

    def _speed(self, carrier: Carrier, now: int) -> int | None:
        if not carrier.has_speed:
            return None
        at, known = self._speeds.get(carrier.name, (0, None))
        if not 0 <= now - at < SPEED_FOR:
            known = self._speed_of(carrier.name)
            self._speeds[carrier.name] = now, known
        return known

    def _udp_targets(self, point: int) -> int:
        """About how many UDP targets a row had in the last second: at least so many new flows."""
        spread = self._counting.reading(point, self._counting.slot_end).spread if self._counting.slot_end else None
        return spread["udp"].targets if spread and "udp" in spread else 0

    # ---- what it means for a row -----------------------------------------------------------------

    def _look(self, now: int, sender: Sender) -> Circumstances:
        harm = self.uplinks.harm(sender.point) or self.filling.filler(sender.point)
        doubt = self.return_path.doubt(sender.customer)
        harmed = _since(self._harmed, sender.point, harm, now)
        doubted = _since(self._doubted, sender.customer, doubt, now)
        if harm is None and doubt is None:
            return CALM
        first = harm is not None and doubt is not None and harmed <= doubted + NOW // 2
        return Circumstances(harm, None if first else doubt)


def _since(known: dict[K, int], key: K, said: str | None, now: int) -> int:
    """Since when something has been said of a key without a pause."""
    if said is None:
        known.pop(key, None)
        return now
    return known.setdefault(key, now)
