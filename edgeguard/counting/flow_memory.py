"""The flow memory: every remote key that may be above a limit in some window, counted exactly.

Fed by the filter, bounded in memory, fixed at start. `effective` is the limit in force: what an operator
set, doubled as often as the memory or the filter was too full. docs/counting.md has the promise.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network

import numpy as np

from edgeguard.counting import flow_kernels, flow_state
from edgeguard.counting.state import WINDOW
from edgeguard.model import Network
from edgeguard.record import Records, address

CLASSES = ("syn", "udp", "packets")
WIDTHS = {
    flow_state.ADDRESS4: 32,
    flow_state.ADDRESS6: 128,
    flow_state.PREFIX4: 24,
    flow_state.NET6: 64,
    flow_state.PREFIX6: 48,
}
# mean lane above which the thresholds double: random sources fill it to 0.64 at 40 Mpps; from 0.95
# on they are admitted in numbers (docs/counting.md)
MOST_FULL = flow_state.FULL * 3 // 4
LEAST_FULL = flow_state.FULL * 3 // 10  # below it they come back: less than half, so that it does not swing


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

    def __init__(self, limits: dict[str, int], key: tuple[int, int], entries: int = flow_state.FLOWS) -> None:
        self._limits = np.array([limits[name] for name in CLASSES], np.int64)
        self._cells = flow_state.cells()
        self._stamps = flow_state.stamps()
        self._flows = flow_state.flows(entries)
        self._index = flow_state.index(entries)
        self._free = flow_state.free(entries)
        self._state = flow_state.state(key)
        flow_kernels.open_state(self._state)
        self._doubled = 0
        self._swept = -1
        self._used = 0  # entries when the last slot ended
        self._set_thresholds()

    def _set_thresholds(self) -> None:
        """By the pigeonhole principle a key with T in a window has a slot with T / (slots + 1)."""
        limits = self._limits << self._doubled
        self._state["next"] = np.clip(-(-limits // (WINDOW + 1)), 1, flow_state.FULL)
        self._state["next_doubled"] = self._doubled

    @property
    def effective(self) -> dict[str, int]:
        """The limits that hold for every window that ends now: the highest in force in any of its slots."""
        within = self._state["entered"][0] >= self._state["slot"][0] - WINDOW
        doubled = max(self._doubled, *self._state["doubled"][0][within].tolist(), 0)
        return {name: int(limit) << doubled for name, limit in zip(CLASSES, self._limits, strict=True)}

    @property
    def capacity(self) -> int:
        """Entries there are."""
        return len(self._flows)

    @property
    def used(self) -> int:
        return int(self._state["used"][0])

    @property
    def refused(self) -> int:
        """Keys that found no entry, running total: while it grows the promise is broken, and said."""
        return int(self._state["refused"][0])

    @property
    def admitted(self) -> int:
        return int(self._state["admitted"][0])

    @property
    def memory(self) -> int:
        """Bytes, fixed at start."""
        return sum(array.nbytes for array in (self._cells, self._stamps, self._flows, self._index, self._free))

    def add(self, records: Records, start: int, stop: int) -> int:
        """Count records[start:stop]; the number of keys counted."""
        counted: int = flow_kernels.follow(
            records, start, stop, self._cells, self._stamps, self._flows, self._index, self._free, self._state
        )
        slot = int(self._state["slot"][0])
        if slot != self._swept:
            self._end_slot(slot)
        return counted

    def _end_slot(self, slot: int) -> None:
        """Once a slot: let quiet entries go, and see whether it is too much."""
        self._swept = slot
        self._sweep()
        fullness = self._fullness(slot - 1)
        full = len(self._flows) * 3 // 4
        crowded = self.used > full and self.used > self._used  # not again while it empties
        self._used = self.used
        if not self._settled(slot - 1):
            return
        if crowded or fullness > MOST_FULL:
            self._doubled += int(self._state["next"].min() < flow_state.FULL)
        elif self._doubled and self.used < full // 2 and fullness < LEAST_FULL:
            self._doubled -= 1
        self._set_thresholds()

    def _sweep(self) -> None:
        """Let go what was quiet for long enough."""
        filter_, table = (self._cells, self._stamps), (self._flows, self._index, self._free)
        flow_kernels.sweep(*filter_, *table, self._state, 0, len(self._flows))

    def _settled(self, slot: int) -> bool:
        """Whether the thresholds of a slot are those of now: else it tells nothing of them."""
        generation = slot % flow_state.GENERATIONS
        entered, doubled = (int(self._state[name][0, generation]) for name in ("entered", "doubled"))
        return entered != slot or doubled == self._doubled

    def _fullness(self, slot: int) -> float:
        """Mean lane of a slot of the history, of the level that is fuller."""
        generation = slot % flow_state.GENERATIONS
        live = self._stamps[:, generation] == slot
        sums = [int(self._cells[level, generation][live[level]].sum()) for level in range(flow_state.LEVELS)]
        return max(sums) / (flow_state.CELL_LINES * flow_state.LANES)

    def heavy(self, name: str, at_most: int) -> list[Heavy]:
        """The keys whose upper bound in the last second reaches `at_most` packets of a class, largest first.

        Eleven slots are looked at: any second that ends now lies within them.
        """
        found = np.zeros(self.used, flow_state.FOUND)
        arrays = (self._cells, self._stamps, self._flows, self._state)
        n = flow_kernels.survey(*arrays, CLASSES.index(name), at_most, found)
        listed = [self._heavy(*map(int, row)) for row in found[:n].tolist()]
        return sorted(listed, key=lambda heavy: (-heavy.at_most, str(heavy.network)))

    def _heavy(self, n: int, low: int, high: int) -> Heavy:
        flow = self._flows[n]
        what = int(flow["what"])
        kind = what % flow_state.IN
        family = 4 if kind in (flow_state.ADDRESS4, flow_state.PREFIX4) else 6
        base = address(family, int(flow["hi"]), int(flow["lo"]))
        return Heavy(ip_network((base, WIDTHS[kind])), what < flow_state.IN, low, high, int(flow["top"]))
