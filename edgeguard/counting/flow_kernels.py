"""Kernels of the filter and the flow memory: numba over record batches.

The lanes are written without a branch: which of them grows is not to be predicted. What decode and
count reach together is printed by bench/counting.py.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numba import njit, types

from edgeguard.counting import flow_state as f
from edgeguard.counting.flow_hash import hashed, lanes_of, seeds_of, siphash
from edgeguard.counting.kernels import _COLD, _HOT
from edgeguard.counting.state import BEHIND, SLOT, WINDOW
from edgeguard.record import NOBODY, PROTOCOL_UDP, RECORD, SYN

_RECORDS: Any = types.Array(nb.from_dtype(RECORD), 1, "C", readonly=True)
_CELLS = nb.typeof(np.zeros((1, 1, 1, f.LANES), np.uint16))
_STAMPS = nb.typeof(np.zeros((1, 1, 1), np.int64))
_FLOWS = nb.typeof(f.flows(1))
_INDEX = nb.typeof(f.index(1))
_FREE = nb.typeof(f.free(1))
_STATE = nb.typeof(f.state((0, 0)))
_FOUND = nb.typeof(np.zeros(1, f.FOUND))

_ONE = np.uint64(1)
_32 = np.uint64(32)
_ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_NET4 = np.uint64(0xFFFF_FF00)
_NET48 = np.uint64(0xFFFF_FFFF_FFFF_0000)


@njit(types.void(_STATE), **_COLD)
def open_state(states):
    """Work out the index's multipliers from the key, once."""
    st = states[0]
    for k in range(2):
        st.home[k] = siphash(st.key[0], st.key[1], _ALL - np.uint64(k)) | _ONE


@njit(**_COLD)
def _enter_slot(st, slot):
    """Turn to a slot. What was there before is told by its stamps, so that nothing has to be cleared.

    The threshold in force is what a lane can hold at the cost of a packet: never above `next`.
    """
    g = slot % f.GENERATIONS
    st.slot = slot
    st.slot_end = (slot + 1) * SLOT
    st.behind = 0
    st.generation = g
    st.cell = slot % f.RING
    st.seeds[g, 0], st.seeds[g, 1] = seeds_of(st.key[0], st.key[1], slot)
    st.entered[g] = slot
    st.doubled[g] = st.next_doubled
    for c in range(f.CLASSES):
        cost = (f.FULL + st.next[c] - 1) // st.next[c]
        st.cost[g, c] = cost
        st.threshold[g, c] = (f.FULL + cost - 1) // cost


@njit(**_COLD)
def _older(st, ts):
    """A packet older than the running slot counts in it, until the clock is known to be set back.

    Set back when only packets of more than a second ago came for a second of their own time, as in
    `kernels.count`. Time as it is counted here goes on with the next slot: rings and stamps only grow.
    """
    st.late += 1
    if ts >= st.slot_end - BEHIND:
        st.behind = 0
    elif st.behind == 0 or ts < st.behind:
        st.behind = ts
    elif ts - st.behind >= WINDOW * SLOT:
        st.shift += st.slot_end - ts
        _enter_slot(st, st.slot + 1)


@njit(**_HOT)
def _home(hi, lo, what, st, mask):
    """Where a key stands in the index; the hash must not change with the slot."""
    return (hashed(hi, lo, what, st.home[0], st.home[1]) >> _32) & mask


@njit(**_HOT)
def _same(flow, hi, lo, what):
    return flow.lo == lo and flow.hi == hi and flow.what == what


@njit(**_COLD)
def _turn_flow(flow, slot):
    """Clear the slots that are entered."""
    for k in range(max(flow.slot + 1, slot - f.RING + 1), slot + 1):
        for c in range(f.CLASSES):
            flow.ring[k % f.RING, c] = 0
    flow.slot = slot


@njit(**_COLD)
def _admit(flows, index, free, st, at, hi, lo, what):
    """Entry + 1 for a key that the filter let through, or 0 when none is free."""
    n = st.free
    if n < 0:
        st.refused += 1
        return 0
    st.free = free[n]
    st.used += 1
    st.admitted += 1
    flow = flows[n]
    flow.hi, flow.lo, flow.what = hi, lo, what
    flow.slot = flow.since = flow.loud = st.slot
    flow.top = 0
    flow.top_credit = 0
    for k in range(f.RING):
        for c in range(f.CLASSES):
            flow.ring[k, c] = 0
    index[at] = n + 1
    return n + 1


@njit(**_HOT)
def _count_flow(flow, st, syn, udp, packets, point):
    if flow.slot != st.slot:
        _turn_flow(flow, st.slot)
    cell = st.cell
    flow.ring[cell, f.SYN] += np.uint32(syn)
    flow.ring[cell, f.UDP] += np.uint32(udp)
    flow.ring[cell, f.PACKETS] += np.uint32(packets)
    if (
        flow.ring[cell, f.SYN] >= st.threshold[st.generation, f.SYN]
        or flow.ring[cell, f.UDP] >= st.threshold[st.generation, f.UDP]
        or flow.ring[cell, f.PACKETS] >= st.threshold[st.generation, f.PACKETS]
    ):
        flow.loud = st.slot
    if flow.top == point:
        flow.top_credit += np.uint32(1)
    elif flow.top_credit == 0:
        flow.top = point
        flow.top_credit = np.uint32(1)
    else:
        flow.top_credit -= np.uint32(1)


@njit(types.int64(_RECORDS, types.int64, types.int64, _CELLS, _STAMPS, _FLOWS, _INDEX, _FREE, _STATE), **_COLD)
def follow(records, start, stop, cells, stamps, flows, index, free, states):  # noqa: PLR0912, PLR0915
    """Count records[start:stop] by their remote keys; the number of keys counted.

    Out of a VM: the target and its prefix (/24, /48). Into a VM: the source, and for IPv6 its /64.
    Without an attachment point: the source. A packet older than the running slot counts in it.
    """
    st = states[0]
    mask = np.uint64(index.size - 1)
    counted = 0
    for i in range(start, stop):
        rec = records[i]
        ts = rec.ts + st.shift
        if ts >= st.slot_end:
            _enter_slot(st, ts // SLOT)
        elif ts < st.slot_end - SLOT:
            _older(st, ts)
        elif st.behind != 0:
            st.behind = 0
        if rec.family == 0:
            continue
        four = rec.family == 4
        packets = np.int64(rec.packets)
        syn = packets if rec.kind == SYN else 0
        udp = packets if rec.protocol == PROTOCOL_UDP else 0
        g = st.generation
        cost = max(packets * st.cost[g, f.PACKETS], syn * st.cost[g, f.SYN], udp * st.cost[g, f.UDP])
        for turn in range(2):
            if turn == 0:
                if rec.out_of != NOBODY:
                    hi, lo, point, way = rec.dst_hi, rec.dst_lo, np.uint32(rec.out_of), f.OUT
                else:
                    hi, lo, point, way = rec.src_hi, rec.src_lo, np.uint32(rec.into), f.IN
            elif NOBODY not in (rec.out_of, rec.into):
                hi, lo, point, way = rec.src_hi, rec.src_lo, np.uint32(rec.into), f.IN
            else:
                break
            for level in range(2):
                if level == 0:
                    what = np.uint64((f.ADDRESS4 if four else f.ADDRESS6) + way)
                elif way == f.OUT:
                    what = np.uint64((f.PREFIX4 if four else f.PREFIX6) + way)
                    lo = lo & _NET4 if four else np.uint64(0)
                    hi = hi if four else hi & _NET48
                elif four:
                    break
                else:
                    what = np.uint64(f.NET6 + way)
                    lo = np.uint64(0)
                counted += 1
                at = _home(hi, lo, what, st, mask)
                n = np.int64(index[at])
                while n != 0 and not _same(flows[n - 1], hi, lo, what):
                    at = (at + _ONE) & mask
                    n = np.int64(index[at])
                if n == 0:
                    x = hashed(hi, lo, what, st.seeds[g, 0], st.seeds[g, 1])
                    line, l0, l1, l2, l3 = lanes_of(x)
                    if stamps[level, g, line] != st.slot:
                        stamps[level, g, line] = st.slot
                        for k in range(f.LANES):
                            cells[level, g, line, k] = 0
                    v0 = np.int64(cells[level, g, line, l0])
                    v1 = np.int64(cells[level, g, line, l1])
                    v2 = np.int64(cells[level, g, line, l2])
                    v3 = np.int64(cells[level, g, line, l3])
                    m = min(min(v0, v1, v2, v3) + cost, f.FULL)
                    cells[level, g, line, l0] = max(v0, m)
                    cells[level, g, line, l1] = max(v1, m)
                    cells[level, g, line, l2] = max(v2, m)
                    cells[level, g, line, l3] = max(v3, m)
                    if m >= f.FULL:
                        n = _admit(flows, index, free, st, at, hi, lo, what)
                if n != 0:
                    _count_flow(flows[n - 1], st, syn, udp, packets, point)
    return counted


@njit(**_COLD)
def _level(what):
    """The half of the filter that counts a kind of key: addresses or prefixes."""
    kind = np.int64(what) % f.IN
    return 0 if kind in (f.ADDRESS4, f.ADDRESS6) else 1


@njit(**_COLD)
def _estimate(cells, stamps, st, flow, slot):
    """Upper bound of a key's cost in one slot of the filter's history, FULL at most."""
    g = slot % f.GENERATIONS
    line, l0, l1, l2, l3 = lanes_of(hashed(flow.hi, flow.lo, flow.what, st.seeds[g, 0], st.seeds[g, 1]))
    level = _level(flow.what)
    if stamps[level, g, line] != slot:
        return 0
    lanes = cells[level, g, line]
    return min(np.int64(lanes[l0]), np.int64(lanes[l1]), np.int64(lanes[l2]), np.int64(lanes[l3]))


@njit(**_COLD)
def _bounds(cells, stamps, st, flow, c):
    """(at least, at most) packets of class c of a key in the running slot and the WINDOW slots before it.

    After the slot of its admission the ring is exact. In that slot and before, what the filter let
    pass is bounded by its lanes, which never count too little, and is below the admission threshold.
    """
    low = high = np.int64(0)
    for slot in range(st.slot - WINDOW, st.slot + 1):
        if flow.since <= slot <= flow.slot and slot > flow.slot - f.RING:
            low += flow.ring[slot % f.RING, c]
            high += flow.ring[slot % f.RING, c]
        if slot <= flow.since:
            g = slot % f.GENERATIONS
            high += min(_estimate(cells, stamps, st, flow, slot) // max(st.cost[g, c], 1), st.threshold[g, c])
    return low, high


@njit(types.int64(_CELLS, _STAMPS, _FLOWS, _STATE, types.int64, types.int64, _FOUND), **_COLD)
def survey(cells, stamps, flows, states, c, at_most, found):
    """Write every entry whose upper bound of class c reaches `at_most` to `found`; how many there are."""
    st = states[0]
    n = 0
    for entry in range(flows.size):
        if flows[entry].what == 0:
            continue
        low, high = _bounds(cells, stamps, st, flows[entry], c)
        if high >= at_most:
            found[n].entry = entry
            found[n].low = low
            found[n].high = high
            n += 1
    return n


@njit(**_COLD)
def _give_back(cells, stamps, st, flow):
    """Write what an entry counted in the window to the filter, as if it had never been admitted.

    Each slot is below its threshold, so the lanes can hold it; without this a key that is admitted
    again would have lost what came before.
    """
    level = _level(flow.what)
    for slot in range(max(st.slot - WINDOW, flow.slot - f.RING + 1, flow.since), flow.slot + 1):
        g = slot % f.GENERATIONS
        cost = np.int64(0)
        for c in range(f.CLASSES):
            cost = max(cost, flow.ring[slot % f.RING, c] * st.cost[g, c])
        if cost == 0:
            continue
        line, l0, l1, l2, l3 = lanes_of(hashed(flow.hi, flow.lo, flow.what, st.seeds[g, 0], st.seeds[g, 1]))
        lanes = cells[level, g, line]
        if stamps[level, g, line] != slot:
            stamps[level, g, line] = slot
            for k in range(f.LANES):
                lanes[k] = 0
        least = min(np.int64(lanes[l0]), np.int64(lanes[l1]), np.int64(lanes[l2]), np.int64(lanes[l3]))
        least = min(least + cost, f.FULL)
        for k in (l0, l1, l2, l3):
            lanes[k] = max(np.int64(lanes[k]), least)


@njit(**_COLD)
def _unindex(flows, index, st, n):
    """Take an entry out of the index; what stands behind it moves up (Knuth 6.4, algorithm R)."""
    mask = np.uint64(index.size - 1)
    flow = flows[n]
    hole = _home(flow.hi, flow.lo, flow.what, st, mask)
    while np.int64(index[hole]) != n + 1:
        hole = (hole + _ONE) & mask
    at = hole
    while True:
        index[hole] = 0
        while True:
            at = (at + _ONE) & mask
            if index[at] == 0:
                return
            other = flows[np.int64(index[at]) - 1]
            home = _home(other.hi, other.lo, other.what, st, mask)
            if (at - home) & mask >= (at - hole) & mask:
                break
        index[hole] = index[at]
        hole = at


@njit(types.int64(_CELLS, _STAMPS, _FLOWS, _INDEX, _FREE, _STATE, types.int64, types.int64), **_COLD)
def sweep(cells, stamps, flows, index, free, states, first, last):
    """Let entries first..last-1 go that were quiet for QUIET whole slots; the number that went.

    The obvious rule, "when the window is low", loses sources that pulse: docs/counting.md.
    """
    st = states[0]
    went = 0
    for n in range(first, last):
        flow = flows[n]
        if flow.what != 0 and st.slot - flow.loud > f.QUIET:
            _give_back(cells, stamps, st, flow)
            _unindex(flows, index, st, n)
            flow.what = np.uint64(0)
            free[n] = st.free
            st.free = n
            st.used -= 1
            st.evicted += 1
            went += 1
    return went
