"""Kernels of the places: the 64 targets that are kept for a row, and what is counted of each of them.

A target is an address with a rule and a protocol, or, while the row is loud, a prefix (`state.PREFIX_BITS`)
with them. Exact counts of the ten slots of the window, by Misra and Gries where there are more targets.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numba import njit

from edgeguard.counting import state as s
from edgeguard.counting.compiling import COLD, HOT
from edgeguard.record import FRAGMENT

TABLES = nb.typeof(s.tables(1))

_8 = np.uint64(8)
_16 = np.uint64(16)
_24 = np.uint64(24)
_32 = np.uint64(32)
_48 = np.uint64(48)
_HINT = np.uint64(s.HINTS - 1)
_GOLDEN = np.uint64(0x9E37_79B9_7F4A_7C15)
_MIX = np.uint64(0xD6E8_FEB8_6659_FD93)
_LENGTH_4 = np.uint64(s.PREFIX_BITS[4]) << _24
_LENGTH_6 = np.uint64(s.PREFIX_BITS[6]) << _24
_MASK_4 = np.uint64(0xFFFF_FFFF ^ (1 << (32 - s.PREFIX_BITS[4])) - 1)
_MASK_6 = np.uint64(0xFFFF_FFFF_FFFF_FFFF ^ (1 << (64 - s.PREFIX_BITS[6])) - 1)


@njit(**HOT)
def hash_of(hi, lo):
    """Without a key: a search passes 64 places, or 512 of all shards, at most."""
    h = (lo ^ (hi * _MIX)) * _GOLDEN
    return h ^ (h >> _32)


@njit(**COLD)
def clear_table(table):
    table.places = 0
    table.floor = 0
    table.least = 0
    for k in range(s.PLACES):
        table.tag[k] = 0


@njit(**HOT)
def _key_hash(hi, lo, what):
    """`what` is not mixed into `lo`: a target's TCP would share its hash with a neighbour's UDP."""
    return hash_of(hi ^ (what << _24), lo)


@njit(**HOT)
def _tag_of(h):
    return np.uint16(h >> _48) | np.uint16(1)


@njit(**HOT)
def _holds(table, p, hi, lo, what):
    return table.key[p, 1] == lo and table.key[p, 0] == hi and table.key[p, 2] == what


@njit(**COLD)
def _same_tag(table, hi, lo, what, tag):
    """The place of a key whose tag others have too, or -1."""
    for p in range(table.places):
        if table.tag[p] == tag and _holds(table, p, hi, lo, what):
            return p
    return -1


@njit(**HOT)
def _find_place(table, hi, lo, what, h):
    """The place of a key with this hash, or -1.

    Where the key was last, else by its tag. In a flood to random targets nearly every packet is to
    none of them: then tags cost half of a hash index, which a place must leave as often as it is taken.
    """
    hint = np.int64(table.hint[h & _HINT])
    if hint < table.places and _holds(table, hint, hi, lo, what):
        return hint
    tag = _tag_of(h)
    last = np.uint16(0)
    for k in range(s.PLACES):  # without a branch: vectors compare many at once
        last = max(last, np.uint16(k + 1) if table.tag[k] == tag else np.uint16(0))
    if last == 0:
        return np.int64(-1)
    p = np.int64(last) - 1
    if not _holds(table, p, hi, lo, what):
        p = _same_tag(table, hi, lo, what, tag)
    if p >= 0:
        table.hint[h & _HINT] = p
    return p


@njit(**COLD)
def _misra_gries(table, packets):
    """No place is free: take from every credit. The place that is free now, or -1; and the loss.

    Misra and Gries (1982), weighted; taking from all is raising one floor. The sum of losses bounds
    what any target's count may lack.
    """
    if table.floor + packets <= table.least:
        table.floor += packets
        return -1, packets
    at = table.next
    least = table.credit[at]
    for k in range(1, s.PLACES):
        if least == table.floor:  # nothing can be below
            break
        p = (table.next + k) & (s.PLACES - 1)
        if table.credit[p] < least:
            least = table.credit[p]
            at = p
    table.next = (at + 1) & (s.PLACES - 1)
    table.least = least
    take = min(table.least - table.floor, packets)
    table.floor += take
    return (at if packets > take else -1), take


@njit(**COLD)
def _take_place(row, table, hi, lo, what, h, packets, cell):
    """A place for a new target, or -1 when every other one has a better right to stay."""
    if table.places < s.PLACES:
        p = table.places
        table.places += 1
    else:
        p, lost = _misra_gries(table, packets)
        row.cum[s.MISSED] += lost
        if p < 0:
            return p
    table.key[p, 0] = hi
    table.key[p, 1] = lo
    table.key[p, 2] = what
    table.credit[p] = table.floor
    table.port[p] = -1
    table.port_credit[p] = 0
    table.born[p] = row.slot
    table.port_born[p] = row.slot
    for m in range(s.KEPT):
        table.seen[p, m] = 0
        table.seen_ring[p, cell, m] = 0
    table.tag[p] = _tag_of(h)
    table.hint[h & _HINT] = p
    return p


@njit(**HOT)
def _lead_port(row, table, p, port, packets, cell):
    """Boyer-Moore majority: keep the port that leads, counted exactly since it took the lead."""
    if table.port[p] == port:
        table.port_credit[p] += packets
    elif table.port_credit[p] >= packets:
        table.port_credit[p] -= packets
        return
    else:
        table.port[p] = port
        table.port_credit[p] = packets
        table.seen[p, s.PORT] = 0
        table.seen_ring[p, cell, s.PORT] = 0
        table.port_born[p] = row.slot
    table.seen[p, s.PORT] += packets
    table.seen_ring[p, cell, s.PORT] += packets


@njit(**HOT)
def _add(table, p, column, n, cell):
    n = min(n, s.MOST - np.int64(table.seen_ring[p, cell, column]))
    table.seen[p, column] += n
    table.seen_ring[p, cell, column] += n


@njit(**HOT)
def what(rule, rec):
    """The third word of a target's key."""
    return np.uint64(rule) << _16 | np.uint64(rec.family) << _8 | np.uint64(rec.protocol)


@njit(**HOT)
def _sent(row, table, rec, rule, hi, lo, key, packets, cell):
    """Count a packet at a target, which is found a place."""
    h = _key_hash(hi, lo, key)
    p = _find_place(table, hi, lo, key, h)
    if p < 0:
        p = _take_place(row, table, hi, lo, key, h, packets, cell)
        if p < 0:
            return
    table.credit[p] += packets
    _add(table, p, s.OUT, packets, cell)
    if rule == s.UDP:
        _add(table, p, s.BYTES, np.int64(rec.bytes), cell)
    if rec.kind != FRAGMENT and rule != s.ICMP:
        _lead_port(row, table, p, np.int64(rec.dst_port), packets, cell)


@njit(**COLD)
def _sent_to_prefix(row, table, rec, rule, packets, cell):
    if rec.family == 4:
        _sent(row, table, rec, rule, rec.dst_hi, rec.dst_lo & _MASK_4, what(rule, rec) | _LENGTH_4, packets, cell)
    else:
        _sent(row, table, rec, rule, rec.dst_hi & _MASK_6, np.uint64(0), what(rule, rec) | _LENGTH_6, packets, cell)


@njit(**HOT)
def target(row, table, rec, rule, packets, cell):
    """Count a packet of a rule at its target, and at its target's prefix while the row is loud."""
    _sent(row, table, rec, rule, rec.dst_hi, rec.dst_lo, what(rule, rec), packets, cell)
    if row.hot != 0:
        _sent_to_prefix(row, table, rec, rule, packets, cell)


@njit(**HOT)
def _came(table, hi, lo, key, column, n, cell):
    p = _find_place(table, hi, lo, key, _key_hash(hi, lo, key))
    if p >= 0:
        _add(table, p, column, n, cell)


@njit(**COLD)
def _came_from_prefix(table, rec, rule, column, n, cell):
    if rec.family == 4:
        _came(table, rec.src_hi, rec.src_lo & _MASK_4, what(rule, rec) | _LENGTH_4, column, n, cell)
    else:
        _came(table, rec.src_hi & _MASK_6, np.uint64(0), what(rule, rec) | _LENGTH_6, column, n, cell)


@njit(**HOT)
def answer(row, table, rec, rule, column, n, cell):
    """Count something that came in at the target that sent it, if that has a place."""
    _came(table, rec.src_hi, rec.src_lo, what(rule, rec), column, n, cell)
    if row.hot != 0:
        _came_from_prefix(table, rec, rule, column, n, cell)


@njit(**COLD)
def answer_icmp(table, rec, column, n, cell):
    """Count something of any protocol at the ICMP target that sent it."""
    key = np.uint64(s.ICMP) << _16 | np.uint64(rec.family) << _8 | np.uint64(1 if rec.family == 4 else 58)
    _came(table, rec.src_hi, rec.src_lo, key, column, n, cell)


@njit(**COLD)
def third_ack(row, table, rec, packets, cell):
    """A handshake with the target of this ACK is complete."""
    key = what(s.SYN, rec)
    _came(table, rec.dst_hi, rec.dst_lo, key, s.THIRD, packets, cell)
    if row.hot == 0:
        return
    if rec.family == 4:
        _came(table, rec.dst_hi, rec.dst_lo & _MASK_4, key | _LENGTH_4, s.THIRD, packets, cell)
    else:
        _came(table, rec.dst_hi & _MASK_6, np.uint64(0), key | _LENGTH_6, s.THIRD, packets, cell)


@njit(**COLD)
def turn_table(table, entered):
    """A slot is entered: what leaves the window is taken from every place."""
    cell, gone = entered % s.RING, (entered - s.WINDOW) % s.RING
    for p in range(table.places):
        for m in range(s.KEPT):
            if entered - s.WINDOW >= (table.port_born[p] if m == s.PORT else table.born[p]):
                table.seen[p, m] -= table.seen_ring[p, gone, m]
            table.seen_ring[p, cell, m] = 0


@njit(**COLD)
def settle(table):
    """After turning: credits are what was seen again."""
    table.floor = 0
    table.least = 0
    for p in range(table.places):
        table.credit[p] = table.seen[p, s.OUT]
        table.port_credit[p] = min(table.port_credit[p], table.seen[p, s.PORT])
