"""Three ways to keep 131,072 cells of counts: the product's filter, count-min with four rows, Misra-Gries.

All three take 256 KiB. Each gives an upper bound of every key's count, so none of them misses a key;
they differ in how many they let through that should not pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from edgeguard.counting.flow_memory import FlowMemory
from edgeguard.native import flows
from edgeguard.record import NOBODY, RECORD, SYN

CELLS = flows.LINES * flows.LANES
ROWS = 4
COUNTERS = CELLS * 2 // 16  # Misra-Gries: a key and a count of 8 bytes each
Counts = npt.NDArray[np.int64]
_ODD = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], np.uint64)


def stream(unique: int, seed: int, heavy: int = 1000, packets: int = 50) -> npt.NDArray[np.uint32]:
    """`unique` addresses of one packet and `heavy` ones of `packets`, shuffled; the heavy ones are 0, 1, 2 ..."""
    rng = np.random.default_rng(seed)
    strangers = rng.choice(np.uint32(2**31), unique, replace=False) if unique < 10**6 else _distinct(unique, rng)
    keys = np.concatenate([strangers + np.uint32(2**31), np.repeat(np.arange(heavy, dtype=np.uint32), packets)])
    rng.shuffle(keys)
    return keys.astype(np.uint32)


def _distinct(unique: int, rng: np.random.Generator) -> npt.NDArray[np.uint32]:
    found = np.unique(rng.integers(0, 2**31, unique + unique // 50 + 1000, dtype=np.uint32))
    rng.shuffle(found)
    return found[:unique]


def filtered(keys: npt.NDArray[np.uint32], asked: npt.NDArray[np.uint32]) -> Counts:
    """What the product's own filter says at the end of the slot; a packet costs 1, so that no lane is full."""
    most = 11 * flows.FULL
    memory = FlowMemory({"syn": most, "udp": most, "packets": most}, (1, 2))
    batch = records(keys)
    memory.add(batch, 0, len(batch))
    keys_asked = np.zeros(len(asked), flows.BOUNDS)
    keys_asked["lo"], keys_asked["what"] = asked, flows.ADDRESS4 + flows.IN
    memory.flows.ask(0, keys_asked)
    return keys_asked["high"]


def admitted(keys: npt.NDArray[np.uint32], limit: int) -> tuple[int, float]:
    """Keys that the product lets through in this slot, those that found no entry included; and its mean lane,
    as a share of full."""
    memory = FlowMemory({"syn": limit, "udp": limit, "packets": limit}, (1, 2))
    batch = records(keys)
    memory.add(batch, 0, len(batch))
    return memory.admitted + memory.refused, memory.flows.fullness(memory.slot) / flows.FULL


def records(keys: npt.NDArray[np.uint32]) -> npt.NDArray[Any]:
    batch = np.zeros(len(keys), RECORD)
    batch["ts"], batch["src_lo"] = 1_767_225_600_000_000_000, keys
    batch["packets"], batch["family"], batch["kind"], batch["protocol"] = 1, 4, SYN, 6
    batch["out_of"] = batch["into"] = NOBODY
    return batch


def count_min(keys: npt.NDArray[np.uint32], asked: npt.NDArray[np.uint32]) -> Counts:
    """Four rows of a quarter of the cells each, every row with a hash of its own."""
    table = np.zeros((ROWS, CELLS // ROWS), np.int64)
    out = np.zeros(len(asked), np.int64)
    _count_min(keys, asked, table, _ODD, out)
    return out


@njit(nogil=True)
def _cell(key: Any, odd: Any, size: Any) -> Any:
    x = (np.uint64(key) + np.uint64(1)) * odd
    x ^= x >> np.uint64(32)
    return np.int64(((x * odd) >> np.uint64(33)) % np.uint64(size))


@njit(nogil=True)
def _count_min(keys: Any, asked: Any, table: Any, odd: Any, out: Any) -> None:
    for key in keys:
        for row in range(ROWS):
            table[row, _cell(key, odd[row], table.shape[1])] += 1
    for i in range(asked.size):
        least = table[0, _cell(asked[i], odd[0], table.shape[1])]
        for row in range(1, ROWS):
            least = min(least, table[row, _cell(asked[i], odd[row], table.shape[1])])
        out[i] = least


def misra_gries(keys: npt.NDArray[np.uint32], asked: npt.NDArray[np.uint32]) -> Counts:
    """A table of as many counters as fit the same memory: its count and all that was ever taken from it."""
    index = np.full(1 << 16, -1, np.int64)
    counters = np.zeros((COUNTERS, 2), np.int64)
    out = np.zeros(len(asked), np.int64)
    _misra_gries(keys, asked, index, counters, _ODD[0], out)
    return out


@njit(nogil=True)
def _place(key: Any, index: Any, counters: Any, odd: Any) -> Any:
    """Where a key stands in the index, or would."""
    at = _cell(key, odd, index.size)
    while index[at] >= 0 and counters[index[at], 0] != key:
        at = (at + 1) % index.size
    return at


@njit(nogil=True)
def _misra_gries(keys: Any, asked: Any, index: Any, counters: Any, odd: Any, out: Any) -> None:
    used = taken = 0
    for key in keys:
        at = _place(key, index, counters, odd)
        if index[at] >= 0:
            counters[index[at], 1] += 1
        elif used < len(counters):
            index[at] = used
            counters[used, 0], counters[used, 1] = key, 1
            used += 1
        else:
            taken += 1
            used = _take(index, counters, odd)
    for i in range(asked.size):
        at = _place(asked[i], index, counters, odd)
        out[i] = taken + (counters[index[at], 1] if index[at] >= 0 else 0)


@njit(nogil=True)
def _take(index: Any, counters: Any, odd: Any) -> int:
    """Take one from every counter; the number that is left."""
    used = 0
    for n in range(len(counters)):
        if counters[n, 1] > 1:
            counters[used, 0], counters[used, 1] = counters[n, 0], counters[n, 1] - 1
            used += 1
    index[:] = -1
    for n in range(used):
        index[_place(counters[n, 0], index, counters, odd)] = n
    return used


KEEPERS: dict[str, Callable[[npt.NDArray[np.uint32], npt.NDArray[np.uint32]], Counts]] = {
    "edgeguard": filtered,
    "count_min": count_min,
    "misra_gries": misra_gries,
}
