"""The flow memory: every remote key that may be above a limit in some window, counted exactly.

Fed by the filter, bounded in memory, fixed at start. `effective` is the limit in force: what an operator
set, doubled as often as the memory or the filter was too full. docs/counting.md has the promise. A *key* is
a remote address, a prefix of remote addresses, or a source, with its direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network

import numpy as np

from edgeguard.model import Network
from edgeguard.native import flows as native
from edgeguard.native.flows import ADDRESS4, ADDRESS6, FULL, IN, NET6, PREFIX4, PREFIX6, WINDOW
from edgeguard.record import Records, address, halves

ENTRIES = 16_384
CLASSES = ("syn", "udp", "packets")
WIDTHS = {ADDRESS4: 32, ADDRESS6: 128, PREFIX4: 24, NET6: 64, PREFIX6: 48}
KINDS = {(4, 32): ADDRESS4, (6, 128): ADDRESS6, (4, 24): PREFIX4, (6, 64): NET6, (6, 48): PREFIX6}
# mean lane above which the thresholds double: random sources fill it to 0.64 at 40 Mpps; from 0.95
# on they are admitted in numbers (docs/counting.md)
MOST_FULL = FULL * 3 // 4
LEAST_FULL = FULL * 3 // 10  # below it they come back: less than half, so that it does not swing
HELD = 100  # slots that limits stay up after a key found no entry: those that were refused are still there


@dataclass(frozen=True, slots=True)
class Heavy:
    """A key that may be above a limit: `at_least` <= packets in the last second <= `at_most`."""

    network: Network  # an address is a /32 or /128
    out: bool  # True: it is sent to; False: it sends
    at_least: int
    at_most: int
    point: int  # the attachment point that leads, EG_NOBODY: none


class FlowMemory:
    """Remote keys above `limits` (packets in any second, by class). The key must be secret."""

    def __init__(self, limits: dict[str, int], key: tuple[int, int], entries: int = ENTRIES) -> None:
        self._limits = np.array([limits[name] for name in CLASSES], np.int64)
        self.flows = native.Flows(entries, key)
        self._doubled = 0
        self._ended = -1
        self._used = self._refused = 0  # when the last slot ended
        self._held = 0  # the slot until which limits do not come down
        self._set_thresholds()

    def _set_thresholds(self) -> None:
        """By the pigeonhole principle a key with T in a window has a slot with T / (slots + 1)."""
        self._next = np.clip(-(-(self._limits << self._doubled) // (WINDOW + 1)), 1, FULL)
        self.flows.next(self._next, self._doubled)

    @property
    def effective(self) -> dict[str, int]:
        """The limits that hold for every window that ends now: the highest in force in any of its slots."""
        met = (self.flows.doubled(slot) for slot in range(self.slot - WINDOW, self.slot + 1))
        doubled = max(self._doubled, *(doubled or 0 for doubled in met))
        return {name: int(limit) << doubled for name, limit in zip(CLASSES, self._limits, strict=True)}

    @property
    def capacity(self) -> int:
        """Entries there are."""
        return len(self.flows.flows)

    @property
    def slot(self) -> int:
        """The running slot, of time as it is counted here."""
        return int(self.flows.c.slot)

    @property
    def used(self) -> int:
        return int(self.flows.c.used)

    @property
    def refused(self) -> int:
        """Packets that let their key in and found no entry, running total: while it grows the promise is
        broken, and said."""
        return int(self.flows.c.refused)

    @property
    def admitted(self) -> int:
        """Running total."""
        return int(self.flows.c.admitted)

    @property
    def evicted(self) -> int:
        """Entries that left, running total."""
        return int(self.flows.c.evicted)

    @property
    def late(self) -> int:
        """Packets older than the slot that they counted in, running total."""
        return int(self.flows.c.late)

    @property
    def memory(self) -> int:
        """Bytes, fixed at start."""
        return self.flows.memory

    def add(self, records: Records, start: int, stop: int) -> int:
        """Count records[start:stop]; the number of keys counted."""
        counted = self.flows.add(records, start, stop)
        if self.flows.c.slot != self._ended:
            self._end_slot()
        return counted

    def _end_slot(self) -> None:
        """Once a slot: see whether it is too much."""
        self._ended = self.slot
        fullness = self.flows.fullness(self.slot - 1)
        full = self.capacity * 3 // 4
        refused = self.refused > self._refused
        crowded = self.used > full and (self.used > self._used or refused)  # not again while it empties
        self._used, self._refused = self.used, self.refused
        if refused:
            self._held = self.slot + HELD
        if not self._settled(self.slot - 1):
            return
        if crowded or fullness > MOST_FULL:
            self._doubled += int(self._next.min() < FULL)
        elif self._doubled and self.slot >= self._held and self.used < full // 2 and fullness < LEAST_FULL:
            self._doubled -= 1
        self._set_thresholds()

    def _settled(self, slot: int) -> bool:
        """Whether the thresholds of a slot are those of now: else it tells nothing of them."""
        return self.flows.doubled(slot) in (None, self._doubled)

    def heavy(self, name: str, at_most: int, most: int | None = None) -> list[Heavy]:
        """The keys whose upper bound in the last second reaches `at_most` packets of a class, largest first; the
        `most` largest of them.

        Eleven slots are looked at: any second that ends now lies within them.
        """
        found = self.flows.survey(CLASSES.index(name), at_most)
        if most is not None and len(found) > most:
            found = found[np.argsort(-found["high"], kind="stable")[:most]]
        listed = [_heavy(*row) for row in found[["hi", "lo", "what", "point", "low", "high"]].tolist()]
        return sorted(listed, key=lambda heavy: (-heavy.at_most, str(heavy.network)))

    def bounds(self, network: Network, out: bool, name: str) -> tuple[int, int]:
        """(at least, at most) packets of a class of one key in the last second, whether it has an entry or not.

        ValueError for a prefix that is no key.
        """
        kind = KINDS.get((network.version, network.prefixlen))
        if kind is None:
            raise ValueError(f"{network} is not counted: only addresses, /24, /48 and IPv6 /64 are")
        asked = np.zeros(1, native.BOUNDS)
        asked["hi"], asked["lo"] = halves(network.network_address)
        asked["what"] = kind + (0 if out else IN)
        self.flows.ask(CLASSES.index(name), asked)
        return int(asked["low"][0]), int(asked["high"][0])


def _heavy(hi: int, lo: int, what: int, point: int, low: int, high: int) -> Heavy:
    kind = what % IN
    base = address(4 if kind in (ADDRESS4, PREFIX4) else 6, hi, lo)
    return Heavy(ip_network((base, WIDTHS[kind])), what < IN, low, high, point)
