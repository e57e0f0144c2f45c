"""Attachment points as the readers look them up: ifindex (taps) or MAC and VLAN (mirror port, savefile) -> index.

The arrays are those of struct eg_points (native/abi.h): open addressing, linear probing, at most
half full, key 0 = empty. Written here, only read in C, between two calls and never during one.
"""

from __future__ import annotations

import numpy as np

from edgeguard.native import PointTable
from edgeguard.record import NOBODY

REVERSED = 0x8000  # EG_POINT_REVERSED: received = into the VM; on a mirror port EG_POINT_STRANGER
HOST = 0x7FFD  # EG_POINT_HOST, on a mirror port: a MAC of the host itself
MAX_INDEX = 0x7FFE  # 0x7fff with REVERSED would read as NOBODY

_MULTIPLIER = 0x9E37_79B9_7F4A_7C15
_MASK_64 = 0xFFFF_FFFF_FFFF_FFFF


class Points:
    """The points by key; grows when it is half full, so ask for `table` at every read."""

    def __init__(self, capacity: int = 1024) -> None:
        """Room for `capacity` keys before it first grows."""
        self.used = 0
        self._allocate(1 << max(1, 2 * capacity - 1).bit_length())

    def put(self, key: int, index: int, reversed: bool = False) -> None:
        """Point `key` (not 0) at an index up to MAX_INDEX, in place of what it pointed at."""
        if not 0 < key <= _MASK_64 or not 0 <= index <= MAX_INDEX:
            raise ValueError(f"point {key} -> {index}: the key is 1 to 2^64 - 1, the index 0 to {MAX_INDEX}")
        slot = self._slot(key)
        if not self.keys[slot]:
            self.used += 1
        self.keys[slot], self.values[slot] = key, index | (REVERSED if reversed else 0)
        if 2 * self.used > len(self.keys):
            self._grow()

    def remove(self, key: int) -> None:
        """Forget a key; one that is not there is no error."""
        hole = self._slot(key)
        if not key or not self.keys[hole]:
            return
        self.used -= 1
        self._close(hole)

    def find(self, key: int) -> int:
        """Index, with REVERSED where it was put so, or NOBODY; by the C code itself."""
        return self.table.find(key) if key else NOBODY

    def __len__(self) -> int:
        return self.used

    def _allocate(self, slots: int) -> None:
        self.keys = np.zeros(slots, np.uint64)
        self.values = np.zeros(slots, np.uint16)
        self.table = PointTable(self.keys, self.values)

    def _home(self, key: int) -> int:
        return (key * _MULTIPLIER & _MASK_64) >> 40 & (len(self.keys) - 1)

    def _slot(self, key: int) -> int:
        """Where the key is, or the empty slot where it would be."""
        slot = self._home(key)
        while self.keys[slot] and int(self.keys[slot]) != key:
            slot = (slot + 1) & (len(self.keys) - 1)
        return slot

    def _grow(self) -> None:
        before = [(int(key), self.values[i]) for i, key in enumerate(self.keys) if key]
        self._allocate(2 * len(self.keys))
        for key, value in before:
            slot = self._slot(key)
            self.keys[slot], self.values[slot] = key, value

    def _close(self, hole: int) -> None:
        """Empty a slot and move back what probing passed over it (Knuth 6.4, algorithm R)."""
        mask, slot = len(self.keys) - 1, hole
        while True:
            self.keys[hole] = 0
            while True:
                slot = (slot + 1) & mask
                if not self.keys[slot]:
                    return
                if (slot - self._home(int(self.keys[slot]))) & mask >= (slot - hole) & mask:
                    break
            self.keys[hole], self.values[hole] = self.keys[slot], self.values[slot]
            hole = slot
