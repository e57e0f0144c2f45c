"""The memory of the distinct counts: cells of one byte, one line of facts a point, one clock a feeder.

CELLS   96 registers x 21 ranks for each count of each attachment point, 2,016 bytes.
POINT   the slot that its cells stand at, and the addresses its VM may send from.
STATE   the secrets of the hash, and the clock of packet time of whoever feeds.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeguard.counting.state import BEHIND, PREFIXES, SLOT
from edgeguard.record import aligned

SYN_TARGETS, UDP_TARGETS, SOURCES_OUT, SOURCES_IN = range(4)
COUNTS = 4

# 2 KiB, in more registers and fewer ranks than 64 x 32: the error falls with the root of the registers, and
# ranks beyond the 21st tell nothing below 500 million addresses. Not quite 2 KiB: the busiest lines of many
# points would otherwise share a few sets of the first cache (5.6 ns a packet out instead of 4.6).
REGISTERS = 96
RANKS = 21
BYTES = REGISTERS * RANKS

MOST_SLOTS = 200  # the longest window
EPOCHS = 250  # a byte's values but 0, with some to spare
PARTS = 32  # of a point's cells, one cleaned in every slot
PART = COUNTS * BYTES // PARTS
LAG = BEHIND // SLOT  # slots: further behind is no lag but a clock set back
MOST = 500e6  # addresses; beyond it hardly an empty register is left to tell by
STEPS, NEAR = 64, 1e-9  # of the estimate: at most so many, and how close is close enough
NEVER = -(1 << 40)  # slot of a point that holds nothing

POINT = np.dtype(
    [
        ("slot", "i8"),  # its cells stand at
        ("prefixes", "i8"),  # in use; 0: addresses unknown
        ("prefix", "u8", (PREFIXES, 5)),  # hi, lo, mask hi, mask lo, family
    ],
    align=True,
)

STATE = np.dtype(
    [
        ("secret", "u8", (3,)),  # what addresses are multiplied with
        ("slot", "i8"),
        ("slot_end", "i8"),
        ("epoch", "i8"),  # of `slot`, as cells hold it
        ("lag", "i8"),  # slots that another feeder may be ahead; 0: there is none
        ("behind", "i8"),  # stamp of the first of a run of packets far behind; 0: none
    ]
)

Array = npt.NDArray[Any]


def cells(n: int) -> Array:
    """Zeroed cells of n points, on a line of the cache; the kernel gives pages only when they are touched."""
    return aligned(n * COUNTS * BYTES, np.uint8)


def points(n: int) -> Array:
    return np.zeros(n, POINT)


def state(key: tuple[int, int]) -> Array:
    """One STATE; its secrets are a keyed BLAKE2b of nothing, so that nobody can aim at a cell."""
    made = np.zeros(1, STATE)
    secret = b"".join(half.to_bytes(8, "little") for half in key)
    made["secret"] = np.frombuffer(hashlib.blake2b(key=secret, digest_size=24).digest(), "<u8")
    return made
