"""The filter and the flow memory in C (native/flow_add.c, native/flow_table.c): `Flows`.

In C because it is measurably faster: on Zipf sources the numba kernels that it replaced needed 25 ns a packet
(bench/counting.py at 0e4b7a7), now rows and distinct counts together with it need 15 (at 5d192fb, same machine).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgeguard._native import ffi, lib
from edgeguard.record import Records, aligned

SLOT: int = lib.EG_FLOW_SLOT_NS
WINDOW: int = lib.EG_FLOW_WINDOW
RING: int = lib.EG_FLOW_RING
QUIET: int = lib.EG_FLOW_QUIET
GENERATIONS: int = lib.EG_FLOW_GENERATIONS
LEVELS: int = lib.EG_FLOW_LEVELS
LINES: int = lib.EG_FLOW_LINES
LANES: int = lib.EG_FLOW_LANES
FULL: int = lib.EG_FLOW_FULL
MOST: int = lib.EG_FLOW_MOST
CLASSES: int = lib.EG_FLOW_CLASSES
ADDRESS4: int = lib.EG_FLOW_ADDRESS4
ADDRESS6: int = lib.EG_FLOW_ADDRESS6
PREFIX4: int = lib.EG_FLOW_PREFIX4
NET6: int = lib.EG_FLOW_NET6
PREFIX6: int = lib.EG_FLOW_PREFIX6
IN: int = lib.EG_FLOW_IN

# numpy's view of the structs of native/abi.h
FLOW = np.dtype(
    [
        ("hi", "u8"),
        ("lo", "u8"),
        ("now", "u4", (4,)),
        ("loud", "i8"),
        ("what", "u4"),
        ("top", "u4"),
        ("top_credit", "u4"),
        ("spare", "u4", (3,)),
    ]
)
PAST = np.dtype([("since", "i8"), ("ring", "u4", (RING, CLASSES))])
BOUNDS = np.dtype(
    [
        ("hi", "u8"),
        ("lo", "u8"),
        ("what", "u4"),
        ("entry", "u4"),  # its number + 1; 0: none
        ("point", "u4"),
        ("spare", "u4"),
        ("low", "i8"),
        ("high", "i8"),
    ]
)

for _name, _dtype in (("eg_flow", FLOW), ("eg_flow_past", PAST), ("eg_flow_bounds", BOUNDS)):
    if ffi.sizeof(f"struct {_name}") != _dtype.itemsize:
        raise SystemExit("edgeguard: the C extension was built from another version; run 'pip install .' again")


def siphash(k0: int, k1: int, message: int) -> int:
    """SipHash-2-4 of one 64-bit word."""
    return int(lib.eg_siphash([k0, k1], message))


class Flows:
    """struct eg_flows and the arrays it points to, allocated once; cache lines begin where rows do."""

    def __init__(self, entries: int, key: tuple[int, int]) -> None:
        """`entries` 1 to MOST; `key` is secret."""
        if not 1 <= entries <= MOST:
            raise ValueError(f"a flow memory of {entries} entries cannot be made: 1 to {MOST} are possible")
        cells = 1 << (2 * entries - 1).bit_length()
        self.cells = aligned((GENERATIONS, LEVELS, LINES, LANES), np.uint16)
        self.flows = aligned(entries, FLOW)
        self.past = aligned(entries, PAST)
        self.free_links = aligned(entries, np.int32)
        self.index = aligned(cells, np.uint32)
        self.c: Any = ffi.new("struct eg_flows *", {"mask": cells - 1, "entries": entries, "key": list(key)})
        for name, type_ in _POINTERS.items():
            setattr(self.c, name, ffi.cast(type_, getattr(self, name).ctypes.data))
        lib.eg_flows_open(self.c)

    @property
    def memory(self) -> int:
        """Bytes."""
        return sum(getattr(self, name).nbytes for name in _POINTERS)

    def next(self, thresholds: npt.NDArray[np.int64], doubled: int) -> None:
        """What admits [packets in one slot, by class] from the next slot on, and how often limits are doubled then."""
        self.c.next = thresholds.tolist()
        self.c.next_doubled = doubled

    def add(self, records: Records, start: int, stop: int) -> int:
        """Count records[start:stop]; the number of keys counted."""
        rows = ffi.from_buffer("struct eg_record[]", records)
        return int(lib.eg_flows_add(self.c, rows + start, stop - start))

    def fullness(self, slot: int) -> float:
        """Mean lane in a slot of the history, of the level that is fuller."""
        return float(lib.eg_flows_fullness(self.c, slot))

    def survey(self, class_: int, at_most: int) -> npt.NDArray[Any]:
        """BOUNDS of every entry whose upper bound of a class reaches `at_most`."""
        found = np.zeros(self.c.used, BOUNDS)
        n = lib.eg_flows_survey(self.c, class_, at_most, ffi.from_buffer("struct eg_flow_bounds[]", found))
        return found[:n]

    def ask(self, class_: int, asked: npt.NDArray[Any]) -> None:
        """Fill in the BOUNDS of keys (hi, lo, what), with or without an entry."""
        lib.eg_flows_ask(self.c, class_, ffi.from_buffer("struct eg_flow_bounds[]", asked), len(asked))

    def doubled(self, slot: int) -> int | None:
        """How often limits were doubled in a slot of the history; None: it was not entered, or is forgotten."""
        found = lib.eg_flows_generation(self.c, slot)
        return int(found.doubled) if found else None


_POINTERS = {
    "cells": "uint16_t *",
    "flows": "struct eg_flow *",
    "past": "struct eg_flow_past *",
    "free_links": "int32_t *",
    "index": "uint32_t *",
}
