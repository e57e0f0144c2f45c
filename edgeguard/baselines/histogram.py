"""Histograms of packets a second: eight buckets an octave, so that whatever is read from one is at most 9.1 %
(2^(1/8)) above the truth and never below it.

0 has a bucket of its own; small numbers have one each. A bucket is told as its largest number.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

PER_OCTAVE = 8
OCTAVES = 32
LARGEST = 2**OCTAVES - 1
EDGES: Array = np.unique([0, *(math.ceil(2 ** (k / PER_OCTAVE)) for k in range(PER_OCTAVE * OCTAVES + 1))])[:-1]
TOPS: Array = np.append(EDGES[1:] - 1, LARGEST)  # the largest number of each bucket
BUCKETS = len(EDGES)
_PAIR = struct.Struct("<BH")  # bucket, how many minutes


def buckets(numbers: Array) -> Array:
    """The bucket of each number."""
    found: Array = np.searchsorted(EDGES, np.minimum(numbers, LARGEST), side="right") - 1
    return found


def quantile(counts: Array, share: float) -> Array:
    """The least number that at least this share of what was counted does not exceed; 0 where nothing was.

    `counts`: [..., bucket]. As numpy's percentile with method 'inverted_cdf'.
    """
    sums = counts.cumsum(axis=-1, dtype=np.int64)
    wanted = np.ceil(share * sums[..., -1:] - 1e-9)  # 0.95 * 20 is 19, whatever binary fractions make of it
    found: Array = np.where(sums[..., -1] > 0, TOPS[np.argmax(sums >= np.maximum(wanted, 1), axis=-1)], 0)
    return found


def packed(counts: Array) -> bytes:
    """One histogram, only what is in it; b'' for none."""
    return b"".join(_PAIR.pack(bucket, int(counts[bucket])) for bucket in np.flatnonzero(counts).tolist())


def unpacked(data: bytes) -> Array:
    """What `packed` gave. ValueError for anything else."""
    counts = np.zeros(BUCKETS, np.uint16)
    if len(data) % _PAIR.size:
        raise ValueError(f"{len(data)} bytes are no histogram")
    for bucket, number in _PAIR.iter_unpack(data):
        if bucket >= BUCKETS:
            raise ValueError(f"there is no bucket {bucket}")
        counts[bucket] = number
    return counts
