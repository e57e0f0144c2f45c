"""The memory of what is counted for keys without bound: the filter and the flow memory.

A *key* is a remote address, a prefix of remote addresses, or a source, with its direction. The filter
is a multistage filter with conservative update (Estan and Varghese, SIGCOMM 2002) laid out so that a
packet touches one cache line; a key that it lets through is counted exactly in the flow memory. What
this promises, and the proof, is in docs/counting.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgeguard.counting.state import WINDOW

# the filter: one for addresses and one for prefixes, each with a generation a slot: `WINDOW` of
# history, and room so that none is used twice in a window
LEVELS = 2
GENERATIONS = 13
CELL_LINES = 4096
LANES = 32
FULL = 32_768  # a lane that reached one admission threshold; lanes saturate here

# the flow memory
FLOWS = 16_384
RING = 12  # slots: the running one and 11 before it
NEVER = np.iinfo(np.int64).min
QUIET = WINDOW + 1  # whole slots below the threshold after which an entry may leave

# classes with a limit of their own
SYN, UDP, PACKETS = range(3)
CLASSES = 3

# what a key is
ADDRESS4, ADDRESS6, PREFIX4, NET6, PREFIX6 = range(1, 6)  # /32, /128, /24, /64, /48; 0: a free entry
OUT, IN = 0, 16  # added to it: remote as target, remote as source

FLOW = np.dtype(
    [
        ("hi", "u8"),
        ("lo", "u8"),
        ("what", "u8"),  # what a key is, and its direction
        ("slot", "i8"),  # the ring stands at
        ("since", "i8"),  # slot of admission: counts are exact from within it
        ("loud", "i8"),  # last slot that reached the admission threshold
        ("top", "u4"),  # attachment point that leads (Boyer-Moore)
        ("top_credit", "u4"),
        ("ring", "u4", (RING, CLASSES)),
        ("spare", "u4", (14,)),  # 256 bytes: four cache lines, no two entries on one
    ],
    align=True,
)

FLOW_STATE = np.dtype(
    [
        ("slot", "i8"),  # of time as it is counted here, which never runs backwards
        ("slot_end", "i8"),
        ("shift", "i8"),  # ns from packet time to it: what clocks were set back by
        ("behind", "i8"),  # first of a run of packets far behind; 0: none
        ("generation", "i8"),  # of the running slot
        ("cell", "i8"),  # of the running slot in every ring
        ("seeds", "u8", (GENERATIONS, 2)),  # multipliers of the hash in each slot of the history
        ("home", "u8", (2,)),  # multipliers of the index's hash
        ("key", "u8", (2,)),  # secret: every multiplier is SipHash-2-4 of it
        ("free", "i8"),  # head of the list of free entries; -1: none
        ("used", "i8"),
        ("next", "i8", (CLASSES,)),  # admission threshold [packets in one slot] from the next slot on
        ("next_doubled", "i8"),  # times the limits are doubled from the next slot on
        ("entered", "i8", (GENERATIONS,)),  # the slot each generation was last entered for
        ("doubled", "i8", (GENERATIONS,)),  # times the limits were doubled in it
        ("threshold", "i8", (GENERATIONS, CLASSES)),  # in force in each slot of the history
        ("cost", "i8", (GENERATIONS, CLASSES)),  # of one packet there, in parts of FULL
        ("refused", "i8"),  # admissions that found no entry
        ("admitted", "i8"),
        ("evicted", "i8"),
        ("late", "i8"),
    ]
)

FOUND = np.dtype([("entry", "i8"), ("low", "i8"), ("high", "i8")])  # one answer of a survey

Array = npt.NDArray[Any]


def cells() -> Array:
    """The lanes of every level and generation: 256 KiB each, so that what is hot fits the L2 cache."""
    return np.zeros((LEVELS, GENERATIONS, CELL_LINES, LANES), np.uint16)


def stamps() -> Array:
    """The slot each line of lanes was last used in: an older one is empty, so nothing is ever cleared."""
    return np.full((LEVELS, GENERATIONS, CELL_LINES), -1, np.int64)


def flows(n: int = FLOWS) -> Array:
    return np.zeros(n, FLOW)


def index(n: int = FLOWS) -> Array:
    """Open addressing, half full at most: entry + 1, or 0."""
    return np.zeros(2 * n, np.uint32)


def free(n: int = FLOWS) -> Array:
    """The list of free entries: next free one behind each."""
    links = np.arange(1, n + 1, dtype=np.int64)
    links[-1] = -1
    return links


def state(key: tuple[int, int]) -> Array:
    """One FLOW_STATE with the secret key of every hash."""
    made = np.zeros(1, FLOW_STATE)
    made["key"] = key
    made["slot"] = -1
    made["entered"] = NEVER
    return made
