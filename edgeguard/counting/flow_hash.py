"""The hashes of the filter and the flow memory: SipHash for secret seeds, multiply-shift for every packet."""

from __future__ import annotations

import numpy as np
from numba import njit, types

from edgeguard.counting.kernels import _COLD, _HOT

_ONE = np.uint64(1)
_7 = np.uint64(7)
_3, _6, _9, _32, _52 = (np.uint64(n) for n in (3, 6, 9, 32, 52))
_KIND = np.uint64(0x9E37_79B9_7F4A_7C15)  # spreads the kind of a key over the bits an address uses


@njit(**_HOT)
def _rotated(x, n):
    return (x << np.uint64(n)) | (x >> np.uint64(64 - n))


@njit(types.uint64(types.uint64, types.uint64, types.uint64), **_COLD)
def siphash(k0, k1, message):
    """SipHash-2-4 of one 64-bit word (Aumasson and Bernstein, 2012): the secret seeds of a slot."""
    v0 = k0 ^ np.uint64(0x736F6D6570736575)
    v1 = k1 ^ np.uint64(0x646F72616E646F6D)
    v2 = k0 ^ np.uint64(0x6C7967656E657261)
    v3 = k1 ^ np.uint64(0x7465646279746573)
    for word in range(3):
        m = np.uint64(0)
        rounds = 4
        if word == 0:
            m = message
            rounds = 2
        elif word == 1:
            m = np.uint64(8) << np.uint64(56)
            rounds = 2
        else:
            v2 ^= np.uint64(0xFF)
        v3 ^= m
        for _ in range(rounds):
            v0 += v1
            v1 = _rotated(v1, 13) ^ v0
            v0 = _rotated(v0, 32)
            v2 += v3
            v3 = _rotated(v3, 16) ^ v2
            v0 += v3
            v3 = _rotated(v3, 21) ^ v0
            v2 += v1
            v1 = _rotated(v1, 17) ^ v2
            v2 = _rotated(v2, 32)
        v0 ^= m
    return v0 ^ v1 ^ v2 ^ v3


@njit(**_HOT)
def hashed(hi, lo, what, multiplier, multiplier_hi):
    """Keyed multiply-shift and a fold; both multipliers are secret and odd."""
    x = (lo ^ (what * _KIND)) * multiplier + hi * multiplier_hi
    x ^= x >> _32
    return x * multiplier_hi


@njit(**_COLD)
def seeds_of(k0, k1, slot):
    """The multipliers of a slot."""
    first = siphash(k0, k1, np.uint64(2 * slot))
    second = siphash(k0, k1, np.uint64(2 * slot + 1))
    return first | _ONE, second | _ONE


@njit(**_HOT)
def lanes_of(x):
    """Four lanes of a line, one in each quarter, and the line."""
    line = np.int64(x >> _52)
    return (
        line,
        np.int64(x & _7),
        8 + np.int64((x >> _3) & _7),
        16 + np.int64((x >> _6) & _7),
        24 + np.int64((x >> _9) & _7),
    )
