"""Who watches the swarm: the truth by a queue a source, plain rivals, and flow memories with other rules.

Each rival is asked at every *position*: a packet of a planned source with which its last second holds
the limit or more. It misses the position when it says less.
"""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from edgeguard._native import ffi, lib
from numba import njit

from bench.parts.swarm import RANDOM, SECOND, Chunk
from edgeguard.counting.flow_memory import FlowMemory
from edgeguard.native import flows

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


def _called(name: str, result: Any, *arguments: Any) -> Any:
    """A function of the C extension as compiled code can call it: once a position would be too often for Python."""
    return ctypes.CFUNCTYPE(result, *arguments)(int(ffi.cast("intptr_t", ffi.addressof(lib, name))))


_ADD = _called("eg_flows_add", ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
_ASK = _called("eg_flows_ask", None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_int64)
_SYN, _SOURCE4, _ROW = 0, flows.ADDRESS4 + flows.IN, 64  # bytes of a record


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
def ask(memory: int, records: Any, whose: Any, above: Any, limit: int, asked: Any, found: Any) -> int:
    """Count a chunk in a flow memory, and ask it at every position; the number it missed."""
    missed = start = 0
    for i in range(records.size):
        if not above[i]:
            continue
        _ADD(memory, records.ctypes.data + start * _ROW, i + 1 - start)
        start = i + 1
        asked[0].hi, asked[0].lo, asked[0].what = records[i].src_hi, records[i].src_lo, _SOURCE4
        _ASK(memory, _SYN, asked.ctypes.data, 1)
        if asked[0].entry == 0 or asked[0].high < limit:
            missed += 1
        else:
            found[whose[i]] = 1
    _ADD(memory, records.ctypes.data + start * _ROW, records.size - start)
    return missed


class Ours(FlowMemory):
    """The flow memory of the product, asked at every position."""

    def watch(self, limit: int, sources: int) -> None:
        self.limit, self.missed, self.wrong = limit, 0, 0
        self.found, self.asked = np.zeros(sources, np.uint8), np.zeros(1, flows.BOUNDS)

    def see(self, chunk: Chunk, above: npt.NDArray[np.bool_]) -> None:
        """Count a chunk, as `add` does."""
        memory = int(ffi.cast("intptr_t", self.flows.c))
        self.missed += ask(memory, *chunk, above, self.limit, self.asked, self.found)
        if self.slot != self._ended:
            self.wrong += self._strangers(self.slot - 1)
            self._sweep()
            self._end_slot()

    def _strangers(self, slot: int) -> int:
        """Random sources admitted in a slot: each of them sent one packet."""
        entries, past = self.flows.flows, self.flows.past
        return int(((entries["what"] != 0) & (entries["lo"] >= RANDOM) & (past["since"] == slot)).sum())

    def _sweep(self) -> None:
        """Once a slot; entries leave as the product has it."""


class Wrong(Ours):
    """Entries leave with all they counted, by a rule of its own."""

    def watch(self, limit: int, sources: int) -> None:
        super().watch(limit, sources)
        self.flows.c.quiet = 2**62

    def _sweep(self) -> None:
        entries, past = self.flows.flows, self.flows.past
        for entry in np.flatnonzero((entries["what"] != 0) & self._leaves()).tolist():
            entries["now"][entry] = past["ring"][entry] = 0
            lib.eg_flows_let_go(self.flows.c, entry)

    def _leaves(self) -> npt.NDArray[np.bool_]:
        """Which entries go."""
        raise NotImplementedError


class Obvious(Wrong):
    """The obvious rule: an entry may leave when its window is low, here below half the limit."""

    age = 0

    def _leaves(self) -> npt.NDArray[np.bool_]:
        past = self.flows.past
        before = [slot % flows.RING for slot in range(self.slot - 9, self.slot)]
        window = self.flows.flows["now"][:, _SYN] + past["ring"][:, before, _SYN].sum(axis=1)
        low: npt.NDArray[np.bool_] = (window < self.limit // 2) & (self.slot - past["since"] > self.age)
        return low


class Patient(Obvious):
    """The obvious rule for entries that are a whole window old."""

    age = 10


class Forgetful(Wrong):
    """Entries leave after the quiet slots, but what they counted is not given back to the filter."""

    def _leaves(self) -> npt.NDArray[np.bool_]:
        quiet: npt.NDArray[np.bool_] = self.slot - self.flows.flows["loud"] > flows.QUIET
        return quiet
