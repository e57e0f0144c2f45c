"""Kernels of the source table: one line for each source of a savefile, with its SYNs and its UDP.

A later fragment of UDP counts as UDP here: the summary says what a source sent, and judges nobody.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numba import njit, types

from edgeguard.counting import state as s
from edgeguard.counting.compiling import COLD, HOT
from edgeguard.record import FRAGMENT, PROTOCOL_UDP, SYN

INDEX = nb.typeof(s.index(8))
LINES = nb.typeof(s.lines(1))
STATE = nb.typeof(s.state())

_LOW = np.uint64(0xFFFF_FFFF)
_32 = np.uint64(32)


@njit(**HOT)
def source_hash(st, hi, lo):
    """32 bits, keyed: any two addresses share them under at most one key in 2**31, whoever chose the addresses.

    Pair-multiply-shift (Thorup, High Speed Hashing for Integers and Strings): sums of products of 32-bit words
    and the key, of which the upper half is kept. Products of whole 64-bit words would not do: where addresses
    differ in their highest bits only, all lower bits of the product are the same under every key.
    """
    high = (st.key[0] + (hi >> _32)) * (st.key[1] + (hi & _LOW))
    low = (st.key[2] + (lo >> _32)) * (st.key[3] + (lo & _LOW))
    return (high + low) >> _32


@njit(**HOT)
def source_rule(rec):
    """What a packet counts for at its source: 0 SYN, 1 UDP, or -1."""
    if rec.kind == SYN:
        return 0
    if rec.protocol == PROTOCOL_UDP and rec.family != 0:
        return 1
    return -1


@njit(**HOT)
def same(line, family, hi, lo):
    return line.lo == lo and line.hi == hi and line.family == family


@njit(**HOT)
def _packed_max(a, b):
    return max(a & _LOW, b & _LOW) | max(a >> _32, b >> _32) << _32


@njit(**COLD)
def _close_slot(line):
    """Put the running slot into the ring and remember the peaks it made."""
    line.ring[line.slot % s.RING] = line.current
    line.current = 0
    line.peak = _packed_max(line.peak, line.window)
    line.peak_eleven = _packed_max(line.peak_eleven, line.eleven)


@njit(**COLD)
def _empty_line(line):
    line.syn += line.eleven & _LOW
    line.udp += line.eleven >> _32
    line.window = 0
    line.eleven = 0
    for k in range(s.RING):
        line.ring[k] = 0


@njit(**COLD)
def _turn_line(line, slot):
    """Move a source's ring to `slot`."""
    _close_slot(line)
    old = line.slot
    line.slot = slot
    if slot < old or slot - old > s.WINDOW:
        _empty_line(line)
        return
    for k in range(old + 1, slot + 1):
        line.window -= line.ring[(k - s.WINDOW) % s.RING]
        gone = (k - s.WINDOW - 1) % s.RING
        line.eleven -= line.ring[gone]
        line.syn += line.ring[gone] & _LOW
        line.udp += line.ring[gone] >> _32
        line.ring[gone] = 0


@njit(**COLD)
def new_line(index, lines, st, at, rec):
    """Line + 1 for a source seen for the first time, or 0 when the table is full."""
    n = st.sources
    if n == lines.size:
        return 0
    st.sources = n + 1
    index[at] = np.uint32(n + 1)
    lines[n].hi = rec.src_hi
    lines[n].lo = rec.src_lo
    lines[n].family = rec.family
    lines[n].slot = st.slot
    return n + 1


@njit(**HOT)
def count_source(line, st, rec, rule):
    """Count a packet at its source's line; True when the source became worth judging."""
    if line.slot != st.slot:
        _turn_line(line, st.slot)
    weight = np.uint64(rec.packets)
    if rule == 1:
        weight = weight << _32
        line.udp_bytes += np.uint64(rec.bytes)
        if rec.kind == FRAGMENT:
            line.mixed = 1
    line.current += weight
    line.window += weight
    line.eleven += weight
    level = line.window & _LOW if rule == 0 else line.window >> _32
    return np.int64(level) >= st.promote[rule] and line.row == 0 and line.refused == 0


@njit(**HOT)
def _judged(packed, line):
    """(SYN, UDP) of a packed word that a rule judges: of UDP with later fragments it is not known how much."""
    return np.int64(packed & _LOW), np.int64(packed >> _32) if line.mixed == 0 else np.int64(0)


@njit(**HOT)
def _put(row, slot, line, packed):
    """What a source sent in a closed slot, as its row would have counted it."""
    for rule, packets in enumerate(_judged(packed, line)):
        row.ring[slot % s.RING, rule] = packets
        row.ring[slot % s.RING, s.TOTAL] += packets
        row.ring[slot % s.RING, s.MISSED] += packets
        row.closed[rule] += packets
        row.closed[s.TOTAL] += packets
        row.closed[s.MISSED] += packets
        row.seconds[slot // s.WINDOW & (s.SECONDS - 1), rule] += packets


@njit(**COLD)
def history(row, line):
    """A row's past is what its source's line tells. Which targets it went to is not known: all of it is missed."""
    row.slot = line.slot
    for slot in range(line.slot - s.WINDOW + 1, line.slot):
        _put(row, slot, line, line.ring[slot % s.RING])
    for rule, packets in enumerate(_judged(line.current, line)):
        row.cum[rule] += packets
        row.cum[s.TOTAL] += packets
        row.cum[s.MISSED] += packets


@njit(types.void(LINES, STATE), **COLD)
def close_sources(lines, states):
    """Fold running slots into peaks and totals; at the end of a savefile."""
    for n in range(states[0].sources):
        _close_slot(lines[n])
        _empty_line(lines[n])
