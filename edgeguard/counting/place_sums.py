"""What is asked of the places of a row, when it is judged: sums over them, and those of several shards together."""

from __future__ import annotations

import numba as nb
import numpy as np
from numba import njit, types

from edgeguard.counting import state as s
from edgeguard.counting.compiling import COLD
from edgeguard.counting.places import TABLES, hash_of

_MERGED = nb.typeof(s.merged())
_16 = np.uint64(16)


@njit(types.void(TABLES, types.int64, _MERGED), **COLD)
def merge(tables, t, merged):
    """Add the places of a shard's table to those of the shards before it, by target.

    Of the ports that lead the one that leads by most stays; its count is no less true.
    """
    table, all_ = tables[t], merged[0]
    for p in range(table.places):
        hi, lo, what = table.key[p, 0], table.key[p, 1], table.key[p, 2]
        at = np.int64(hash_of(hi, lo ^ what) & np.uint64(s.MERGED_INDEX - 1))
        q = np.int64(all_.index[at]) - 1
        while q >= 0 and not (all_.key[q, 1] == lo and all_.key[q, 0] == hi and all_.key[q, 2] == what):
            at = (at + 1) & (s.MERGED_INDEX - 1)
            q = np.int64(all_.index[at]) - 1
        if q < 0:
            q = all_.places
            all_.places += 1
            all_.index[at] = q + 1
            all_.key[q, 0], all_.key[q, 1], all_.key[q, 2] = hi, lo, what
            for m in range(s.KEPT):
                all_.seen[q, m] = 0
            all_.port[q] = -1
        for m in (s.OUT, s.BACK, s.RESET, s.THIRD):
            all_.seen[q, m] += table.seen[p, m]
        if all_.port[q] == table.port[p]:
            all_.seen[q, s.PORT] += table.seen[p, s.PORT]
        elif table.seen[p, s.PORT] > all_.seen[q, s.PORT]:
            all_.port[q] = table.port[p]
            all_.seen[q, s.PORT] = table.seen[p, s.PORT]


@njit(types.void(_MERGED), **COLD)
def merge_none(merged):
    """Begin anew with another row."""
    merged[0].places = 0
    for k in range(s.MERGED_INDEX):
        merged[0].index[k] = 0


@njit([types.UniTuple(types.int64, 2)(places, types.int64) for places in (TABLES, _MERGED)], **COLD)
def answers(tables, t):
    """(SYN-ACKs, resets) that the targets of the window's own SYNs sent back."""
    table = tables[t]
    syn_acks = resets = 0
    for p in range(table.places):
        if table.key[p, 2] >> _16 == s.SYN:
            syn_acks += table.seen[p, s.BACK]
            resets += table.seen[p, s.RESET]
    return syn_acks, resets


@njit(
    [
        types.UniTuple(types.int64, 3)(
            places, types.int64, types.int64, types.int64, types.int64, types.int64, types.float64
        )
        for places in (TABLES, _MERGED)
    ],
    **COLD,
)
def one_way(tables, t, rule, column, sent, came, ratio):
    """Packets of a rule in the window to targets that sent back less than one per `ratio`, by what `column` counts.

    `sent`, `came`: all of the window, out and in. (packets, of them to targets without a place, what came back
    of them all the same). Targets without a place are judged together.
    """
    table = tables[t]
    packets = back = placed = placed_back = 0
    for p in range(table.places):
        if table.key[p, 2] >> _16 != np.uint64(rule):  # another rule's, or a prefix
            continue
        placed += table.seen[p, s.OUT]
        placed_back += table.seen[p, column]
        if table.seen[p, column] * ratio < table.seen[p, s.OUT]:
            packets += table.seen[p, s.OUT]
            back += table.seen[p, column]
    rest = sent - placed
    rest_back = came - placed_back
    if rest_back * ratio >= rest:
        return packets, 0, back
    return packets + rest, rest, back + max(0, rest_back)
