"""HyperLogLog in about 2 KiB, made to answer for windows that slide: the rivals of bench/distinct.py.

`Ring` keeps a small sketch for every second, or for every slot of 100 ms, and merges those of a window.
`Lists` keeps for each register every value that may be the largest of some window (Chabchoub and Hebrail,
2010). `Whole` is one sketch of all the memory for one fixed window: what could be had if nothing slid.
All are estimated by Ertl's improved estimator (arXiv:1702.01284), which needs no tables.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from edgeguard.counting import distinct_kernels
from edgeguard.record import Records

SECOND, SLOT = 1_000_000_000, 100_000_000
LONGEST = 200  # slots of the longest window
ENTRIES = 64  # of a list, at most; the mean is the logarithm of addresses / registers
_trailing_zeros = distinct_kernels._trailing_zeros


@njit(nogil=True, inline="always")
def _hashed(records: Any, i: int, salt: Any) -> Any:
    """splitmix64 of the source; the upper half of bench traffic is the same for all."""
    x = (records[i].src_lo ^ salt) + np.uint64(0x9E37_79B9_7F4A_7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    return x ^ (x >> np.uint64(31))


@njit(nogil=True)
def _see_ring(records: Any, table: Any, stamps: Any, bucket: int, most: int, salt: Any) -> None:
    registers = np.uint64(table.shape[1])
    for i in range(records.size):
        number = records[i].ts // bucket
        b = number % stamps.size
        if stamps[b] != number:
            table[b] = 0
            stamps[b] = number
        x = _hashed(records, i, salt)
        at = x % registers
        rank = min(np.int64(_trailing_zeros((x // registers) | np.uint64(1 << 40))) + 1, most)
        table[b, at] = max(table[b, at], rank)


@njit(nogil=True)
def _see_lists(records: Any, slots: Any, ranks: Any, lengths: Any, salt: Any) -> None:
    registers = np.uint64(lengths.size)
    for i in range(records.size):
        x = _hashed(records, i, salt)
        at = x % registers
        rank = np.int64(_trailing_zeros((x // registers) | np.uint64(1 << 40))) + 1
        n = lengths[at]
        while n > 0 and ranks[at, n - 1] <= rank:  # older and no larger: never again the largest
            n -= 1
        slots[at, n] = records[i].ts // SLOT
        ranks[at, n] = rank
        lengths[at] = n + 1


@njit(nogil=True)
def _sigma(x: float) -> float:
    y, z, old = 1.0, x, -1.0
    while z != old:
        x *= x
        old = z
        z += x * y
        y += y
    return z


@njit(nogil=True)
def _tau(x: float) -> float:
    if x in (0.0, 1.0):
        return 0.0
    y, z, old = 1.0, 1 - x, -1.0
    while z != old:
        x = np.sqrt(x)
        old = z
        y *= 0.5
        z -= (1 - x) ** 2 * y
    return z / 3


@njit(nogil=True)
def ertl(ranks: Any, most: int) -> float:
    """The estimate of registers that hold 0 to `most`; Ertl's algorithm 6."""
    m = ranks.size
    counts = np.zeros(most + 1)
    for rank in ranks:
        counts[rank] += 1
    if counts[0] == m:
        return 0.0
    z = m * _tau(1 - counts[most] / m)
    for k in range(most - 1, 0, -1):
        z = (z + counts[k]) / 2
    return m * m / (2 * np.log(2) * (z + m * _sigma(counts[0] / m)))


class Ring:
    """`buckets` sketches of `registers`, each for `bucket` ns; `bits` a register, packed when memory is told."""

    def __init__(self, buckets: int, registers: int, bits: int, bucket: int, salt: int) -> None:
        self._table = np.zeros((buckets, registers), np.uint8)
        self._stamps = np.full(buckets, -1, np.int64)
        self._bucket, self._most = bucket, min((1 << bits) - 1, 41)
        self._salt = np.uint64(salt)
        self.memory = buckets * registers * bits // 8

    def add(self, records: Records) -> None:
        _see_ring(records, self._table, self._stamps, self._bucket, self._most, self._salt)

    def estimate(self, at: int, seconds: int) -> float:
        """Of the whole buckets that end at `at`."""
        last = (at - 1) // self._bucket
        within = self._stamps > last - seconds * SECOND // self._bucket
        if not within.any():
            return 0.0
        return float(ertl(self._table[within].max(axis=0).astype(np.int64), self._most))


class Lists:
    """Sliding HyperLogLog: two bytes, slot and rank, for every value that may be the largest of a window."""

    def __init__(self, registers: int, salt: int) -> None:
        self._slots = np.zeros((registers, ENTRIES), np.int64)
        self._ranks = np.zeros((registers, ENTRIES), np.int64)
        self._lengths = np.zeros(registers, np.int64)
        self._salt = np.uint64(salt)
        self.memory = 0  # the largest that was seen when asked

    def add(self, records: Records) -> None:
        _see_lists(records, self._slots, self._ranks, self._lengths, self._salt)

    def estimate(self, at: int, seconds: int) -> float:
        last = (at - 1) // SLOT
        kept = np.arange(ENTRIES) < self._lengths[:, None]
        self.memory = max(self.memory, 2 * int((kept & (self._slots > last - LONGEST)).sum()))
        ranks = np.where(kept & (self._slots > last - 10 * seconds), self._ranks, 0).max(axis=1)
        return float(ertl(ranks, 41))


class Whole(Ring):
    """One sketch for one window: it does not slide."""

    def __init__(self, salt: int) -> None:
        super().__init__(1, 2048, 8, 1 << 62, salt)

    def estimate(self, at: int, seconds: int) -> float:
        return super().estimate(at, 1 << 40)
