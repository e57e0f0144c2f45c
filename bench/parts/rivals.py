"""Other ways to count the sources of a batch of records: the rivals of bench/counting.py, and its limit.

Each takes the records that the product takes, and counts packets by source; that is all they do.
Count-min and Misra-Gries take 256 KiB, as a slot of the product's filter does.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from numba import njit

from edgeguard.record import Records

BYTES = 256 * 1024
ROWS = 4
SAMPLES = {"dict": 200_000, "datasketches": 200_000}  # packets of the slow ones
Array = npt.NDArray[Any]
_ODD = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], np.uint64)


class Rival(Protocol):
    """Counts packets by source; `estimate` is never below the truth."""

    def add(self, records: Records) -> None: ...

    def estimate(self, hi: int, lo: int) -> int: ...


@njit(nogil=True, inline="always")
def _key(hi: Any, lo: Any) -> Any:
    """One word for an address."""
    return np.uint64(lo) ^ (np.uint64(hi) * np.uint64(0xD6E8_FEB8_6659_FD93))


@njit(nogil=True, inline="always")
def _cell(key: Any, odd: Any, bits: int) -> Any:
    """The upper bits of a product, after a fold: multiply-shift."""
    x = key * odd
    x ^= x >> np.uint64(32)
    return np.int64((x * odd) >> np.uint64(64 - bits))


# ---- count-min --------------------------------------------------------------------------------------

_WIDE = (BYTES // ROWS // 2).bit_length() - 1  # bits of a row's size, in cells of 16 bits
_MOST = 65_535


@njit(nogil=True)
def _count_min(records: Any, table: Any, odd: Any) -> None:
    for i in range(records.size):
        key = _key(records[i].src_hi, records[i].src_lo)
        for row in range(ROWS):
            at = _cell(key, odd[row], _WIDE)
            value = table[row, at]
            table[row, at] = value + np.uint16(value < _MOST)


class CountMin:
    """Count-min with four rows (Cormode and Muthukrishnan, 2005), cells of 16 bits that saturate."""

    def __init__(self) -> None:
        self._table = np.zeros((ROWS, 1 << _WIDE), np.uint16)

    def add(self, records: Records) -> None:
        _count_min(records, self._table, _ODD)

    def estimate(self, hi: int, lo: int) -> int:
        return int(_least(np.uint64(hi), np.uint64(lo), self._table, _ODD))


@njit(nogil=True)
def _least(hi: Any, lo: Any, table: Any, odd: Any) -> Any:
    key = _key(hi, lo)
    least = np.int64(_MOST)
    for row in range(ROWS):
        least = min(least, np.int64(table[row, _cell(key, odd[row], _WIDE)]))
    return least


# ---- Misra-Gries ------------------------------------------------------------------------------------

_COUNTERS = BYTES // 16  # a key and a count
_BITS = _COUNTERS.bit_length()  # of the index, half full at most


@njit(nogil=True)
def _where(key: Any, index: Any, keys: Any) -> Any:
    """Where a key stands in the index, or would."""
    at = _cell(key, np.uint64(0x9E37_79B9_7F4A_7C15), _BITS)
    while index[at] != 0 and keys[np.int64(index[at]) - 1] != key:
        at = (at + 1) & (index.size - 1)
    return at


@njit(nogil=True)
def _take(index: Any, keys: Any, counts: Any) -> int:
    """Take one from every counter; those that are left."""
    left = 0
    for n in range(keys.size):
        if counts[n] > 1:
            keys[left], counts[left] = keys[n], counts[n] - 1
            left += 1
    index[:] = 0
    for n in range(left):
        index[_where(keys[n], index, keys)] = n + 1
    return left


@njit(nogil=True)
def _misra_gries(records: Any, index: Any, keys: Any, counts: Any, state: Any) -> None:
    for i in range(records.size):
        key = _key(records[i].src_hi, records[i].src_lo)
        at = _where(key, index, keys)
        if index[at] != 0:
            counts[np.int64(index[at]) - 1] += 1
        elif state[0] < keys.size:
            keys[state[0]], counts[state[0]] = key, 1
            state[0] += 1
            index[at] = state[0]
        else:
            state[0] = _take(index, keys, counts)
            state[1] += 1


class MisraGries:
    """As many counters as fit (Misra and Gries, 1982); a key's count and all that was taken is its upper bound."""

    def __init__(self) -> None:
        self._index = np.zeros(1 << _BITS, np.uint32)
        self._keys, self._counts = np.zeros(_COUNTERS, np.uint64), np.zeros(_COUNTERS, np.int64)
        self._state = np.zeros(2, np.int64)  # counters in use, taken from each

    def add(self, records: Records) -> None:
        _misra_gries(records, self._index, self._keys, self._counts, self._state)

    def estimate(self, hi: int, lo: int) -> int:
        held = _held(np.uint64(hi), np.uint64(lo), self._index, self._keys, self._counts)
        return int(self._state[1]) + int(held)


@njit(nogil=True)
def _held(hi: Any, lo: Any, index: Any, keys: Any, counts: Any) -> Any:
    n = np.int64(index[_where(_key(hi, lo), index, keys)])
    return counts[n - 1] if n else 0


# ---- what Python has --------------------------------------------------------------------------------


class Dict:
    """A dict, exact."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def add(self, records: Records) -> None:
        counts = self._counts
        for key in _keys(records):
            counts[key] = counts.get(key, 0) + 1

    def estimate(self, hi: int, lo: int) -> int:
        return self._counts.get(hi << 64 | lo, 0)


def _keys(records: Records) -> list[int]:
    low: list[int] = records["src_lo"].tolist()
    if not len(records) or records["family"][0] == 4:
        return low
    return [hi << 64 | lo for hi, lo in zip(records["src_hi"].tolist(), low, strict=True)]


class DataSketches:
    """DataSketches' count-min with four rows as wide as ours; its Python API takes one item a call."""

    def __init__(self) -> None:
        library = importlib.import_module("datasketches")  # it may be missing
        self._sketch = library.count_min_sketch(ROWS, 1 << _WIDE)

    def add(self, records: Records) -> None:
        update = self._sketch.update
        for key in _folded(records):
            update(key)

    def estimate(self, hi: int, lo: int) -> int:
        return int(self._sketch.get_estimate((lo ^ hi) & _SIGNED))


_SIGNED = (1 << 63) - 1


def _folded(records: Records) -> list[int]:
    """It takes a signed word, no address of 128 bits."""
    found: list[int] = ((records["src_lo"] ^ records["src_hi"]) & np.uint64(_SIGNED)).astype(np.int64).tolist()
    return found


RIVALS: dict[str, Callable[[], Rival]] = {"count_min": CountMin, "misra_gries": MisraGries, "dict": Dict}
if importlib.util.find_spec("datasketches"):
    RIVALS["datasketches"] = DataSketches


# ---- the limit --------------------------------------------------------------------------------------


@njit(nogil=True)
def memory_walk(data: Any, first: int, stride: int) -> Any:
    """Touch a header line of every frame, and no more: data[first], data[first + stride], ..."""
    total = 0
    for at in range(first, data.size, stride):
        total += data[at]
    return total
