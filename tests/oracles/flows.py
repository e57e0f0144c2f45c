"""What the flow memory must come to, packet by packet: a queue for every key, no filter, no rings, no hashing.

Time is packet time, which never goes back: a packet older than its predecessors belongs to the slot
they reached, until only packets of more than a second ago came for a second of their own time; then
the clock was set back, and time goes on with the next slot.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from oracles.counting import KINDS, SECOND, SLOT, Packet

from edgeguard.record import NOBODY

Key = tuple[IPv4Network | IPv6Network, bool]  # the network, and whether it is sent to
ELEVEN = 11  # slots that any second lies in
BEHIND = 1_100_000_000


def keys(packet: Packet) -> Iterator[Key]:
    """Out of a VM: the target and its /24 or /48. Into one, or between strangers: the source and its /64."""
    source, target = ip_address(packet.src), ip_address(packet.dst)
    if packet.out_of != NOBODY:
        yield ip_network(target), True
        yield ip_network((target, 24 if target.version == 4 else 48), strict=False), True
    if packet.into != NOBODY or packet.out_of == NOBODY:
        yield ip_network(source), False
        if source.version == 6:
            yield ip_network((source, 64), strict=False), False


def classes(packet: Packet) -> Iterator[str]:
    """The classes with a limit that a packet counts for."""
    yield "packets"
    if packet.what == "syn":
        yield "syn"
    if KINDS[packet.what][1] == 17:
        yield "udp"


@dataclass
class Clock:
    """Time that never goes back."""

    now: int = 0
    shift: int = 0
    behind: int | None = None

    def see(self, stamp: int) -> int:
        """Time at which a packet with this stamp counts."""
        at = stamp + self.shift
        end = (self.now // SLOT + 1) * SLOT if self.now else 0
        if at >= end - BEHIND:
            self.behind = None
        elif self.behind is None or at < self.behind:
            self.behind = at
        elif at - self.behind >= SECOND:
            self.shift += end - at
            self.behind = None
            at = end
        self.now = max(self.now, at)
        return self.now


@dataclass
class Queues:
    """Every packet of the last eleven slots, by key and class."""

    clock: Clock = field(default_factory=Clock)
    queues: dict[tuple[Key, str], deque[tuple[int, int]]] = field(default_factory=lambda: defaultdict(deque))

    def add(self, packet: Packet) -> None:
        at = self.clock.see(packet.ts)
        if packet.what == "arp":
            return
        for key in keys(packet):
            for name in classes(packet):
                self.queues[key, name].append((at, packet.packets))

    def eleven(self, key: Key, name: str) -> int:
        """Packets in the running slot and the ten before it."""
        first = (self.clock.now // SLOT - ELEVEN + 1) * SLOT
        return self._since(key, name, first)

    def second(self, key: Key, name: str) -> int:
        """Packets in the second that ends now, both ends included."""
        return self._since(key, name, self.clock.now - SECOND)

    def _since(self, key: Key, name: str, first: int) -> int:
        return sum(packets for at, packets in self.queues[key, name] if at >= first)

    def above(self, name: str, limit: int) -> set[Key]:
        """The keys with `limit` or more in the second that ends now."""
        return {key for key, kind in list(self.queues) if kind == name and self.second(key, name) >= limit}


# ---- sources that are hard to see ----------------------------------------------------------------


def spaced(start: int, length: int, packets: int) -> list[int]:
    """Stamps at even distance."""
    return [start + length * k // packets for k in range(packets)]


def steady(limit: int, start: int, more: int) -> list[int]:
    """Three seconds at the limit, or `more` percent above it."""
    return spaced(start, 3 * SECOND, 3 * limit * (100 + more) // 100)


def burst(limit: int, start: int, more: int) -> list[int]:
    """All in one slot, and again 1.7 seconds later."""
    slot = start // SLOT * SLOT
    packets = limit * (100 + more) // 100
    return [at for again in (0, 17) for at in spaced(slot + again * SLOT, SLOT, packets)]


def straddling(limit: int, start: int, more: int) -> list[int]:
    """In a tenth of a second across the edge of a slot."""
    return spaced(start, SLOT, limit * (100 + more) // 100)


def pulsed(limit: int, start: int, more: int) -> list[int]:
    """Three slots on, ten off, three times."""
    packets = limit * (100 + more) // 100
    return [at for again in range(3) for at in spaced(start + 13 * again * SLOT, 3 * SLOT, packets)]


def simmering(limit: int, start: int, more: int) -> list[int]:
    """Loud once; then below every threshold for two seconds, so that it may leave; then just enough."""
    quiet = max(1, -(-limit // ELEVEN) - 1)
    loud = spaced(start, SLOT // 2, quiet + 2)
    below = [at for slot in range(1, 21) for at in spaced(start + slot * SLOT, SLOT, quiet)]
    missing = max(1, limit - 10 * quiet)
    return loud + below + spaced(start + 21 * SLOT, SLOT // 10, missing * (100 + more) // 100 + quiet)


SHAPES = (steady, burst, straddling, pulsed, simmering)
