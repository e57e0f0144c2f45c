"""Who watches the swarm: the truth by a queue a source, plain rivals, and flow memories with other rules.

Each rival is asked at every *position*: a packet of a planned source with which its last second holds
the limit or more. It misses the position when it says less.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from bench.parts.swarm import RANDOM, SECOND, Chunk
from edgeguard.counting import flow_kernels, flow_state
from edgeguard.counting.flow_memory import FlowMemory

QUEUE = 2560  # packets of a source in a second, at most
TAU = 5  # seconds, of the moving average
SAMPLING = 100  # one packet in so many is seen
RIVALS = ("tumbling", "ewma", "sampled")
SOURCE = np.dtype(
    [
        ("stamp", "i8", (QUEUE,)),
        ("picked", "u1", (QUEUE,)),  # by sampling
        ("head", "i8"),
        ("held", "i8"),  # packets of the last second: the truth
        ("second", "i8"),
        ("tumbling", "i8"),
        ("average", "f8"),  # packets a second
        ("last", "i8"),
        ("sampled", "i8"),
        ("above", "u1"),  # had a position
        ("found", "u1", (len(RIVALS),)),
    ],
    align=True,
)
_bounds, _home, _same = flow_kernels._bounds, flow_kernels._home, flow_kernels._same
_follow, _unindex = flow_kernels.follow, flow_kernels._unindex


@njit(nogil=True)
def _seed(seed: int) -> None:
    np.random.seed(seed)


@njit(nogil=True)
def _put(source: Any, ts: int) -> None:
    """One packet into the queue of its source, and out what is older than a second."""
    while source.held > 0 and source.stamp[source.head] < ts - SECOND:
        source.sampled -= source.picked[source.head]
        source.head = (source.head + 1) % QUEUE
        source.held -= 1
    if source.held == QUEUE:
        raise ValueError("a planned source sends more than its queue holds")
    at = (source.head + source.held) % QUEUE
    source.stamp[at] = ts
    source.picked[at] = np.random.randint(SAMPLING) == 0
    source.sampled += source.picked[at]
    source.held += 1


@njit(nogil=True)
def _rivals(source: Any, ts: int) -> None:
    """The tumbling counter and the moving average."""
    if source.second != ts // SECOND:
        source.second = ts // SECOND
        source.tumbling = 0
    source.tumbling += 1
    source.average = source.average * math.exp((source.last - ts) / (TAU * SECOND)) + 1 / TAU
    source.last = ts


@njit(nogil=True)
def look(stamps: Any, whose: Any, limit: int, sources: Any, above: Any, met: Any) -> None:
    """Truth and plain rivals of a chunk: above[i] says whether i is a position; met counts them and the misses."""
    for i in range(stamps.size):
        above[i] = False
        if whose[i] < 0:
            continue
        source = sources[whose[i]]
        _put(source, stamps[i])
        _rivals(source, stamps[i])
        if source.held < limit:
            continue
        above[i] = True
        source.above = 1
        met[0] += 1
        said = (np.float64(source.tumbling), source.average, np.float64(source.sampled * SAMPLING))
        for k in range(len(RIVALS)):
            if said[k] < limit:
                met[k + 1] += 1
            else:
                source.found[k] = 1


@njit(nogil=True)
def _says(cells: Any, stamps: Any, flows: Any, index: Any, states: Any, rec: Any) -> int:
    """The upper bound of a source's packets that a flow memory has at this moment; 0: it has no entry."""
    st, mask, what = states[0], np.uint64(index.size - 1), np.uint64(flow_state.ADDRESS4 + flow_state.IN)
    at = _home(rec.src_hi, rec.src_lo, what, st, mask)
    while index[at] != 0:
        flow = flows[np.int64(index[at]) - 1]
        if _same(flow, rec.src_hi, rec.src_lo, what):
            return _bounds(cells, stamps, st, flow, flow_state.SYN)[1]
        at = (at + np.uint64(1)) & mask
    return 0


@njit(nogil=True)
def ask(
    records: Any, whose: Any, above: Any, limit: int, found: Any, cells: Any, stamps: Any, flows: Any, index: Any,
    free: Any, states: Any,
) -> int:  # fmt: skip
    """Count a chunk in a flow memory, and ask it at every position; the number it missed."""
    missed = start = 0
    for i in range(records.size):
        if not above[i]:
            continue
        _follow(records, start, i + 1, cells, stamps, flows, index, free, states)
        start = i + 1
        if _says(cells, stamps, flows, index, states, records[i]) < limit:
            missed += 1
        else:
            found[whose[i]] = 1
    _follow(records, start, records.size, cells, stamps, flows, index, free, states)
    return missed


@njit(nogil=True)
def _forget(flows: Any, index: Any, free: Any, states: Any, age: int, low: int) -> None:
    """Let entries of some age go with all they counted: when their window is below `low`; 0: after the quiet slots."""
    st = states[0]
    for n in range(flows.size):
        flow = flows[n]
        if flow.what == 0:
            continue
        window = 0
        for slot in range(max(st.slot - 9, flow.slot - flow_state.RING + 1), flow.slot + 1):
            window += flow.ring[slot % flow_state.RING, flow_state.SYN]
        if (window < low and st.slot - flow.since > age) or (low == 0 and st.slot - flow.loud > flow_state.QUIET):
            _unindex(flows, index, st, n)
            flow.what = np.uint64(0)
            free[n] = st.free
            st.free = n
            st.used -= 1


class Ours(FlowMemory):
    """The flow memory of the product, asked at every position."""

    def watch(self, limit: int, sources: int) -> None:
        self.limit, self.missed, self.wrong = limit, 0, 0
        self.found = np.zeros(sources, np.uint8)

    def see(self, chunk: Chunk, above: npt.NDArray[np.bool_]) -> None:
        """Count a chunk, as `add` does."""
        arrays = (self._cells, self._stamps, self._flows, self._index, self._free, self._state)
        self.missed += ask(*chunk, above, self.limit, self.found, *arrays)
        slot = int(self._state["slot"][0])
        if slot != self._swept:
            self.wrong += self._strangers(slot - 1)
            self._end_slot(slot)

    def _strangers(self, slot: int) -> int:
        """Random sources admitted in a slot: each of them sent one packet."""
        flows = self._flows
        return int(((flows["what"] != 0) & (flows["lo"] >= RANDOM) & (flows["since"] == slot)).sum())


class Obvious(Ours):
    """The obvious rule: an entry may leave when its window is low, here below half the limit."""

    age = 0

    def _sweep(self) -> None:
        _forget(self._flows, self._index, self._free, self._state, self.age, self.limit // 2)


class Patient(Obvious):
    """The obvious rule for entries that are a whole window old."""

    age = 10


class Forgetful(Ours):
    """Entries leave after the quiet slots, but what they counted is not given back to the filter."""

    def _sweep(self) -> None:
        _forget(self._flows, self._index, self._free, self._state, 0, 0)
