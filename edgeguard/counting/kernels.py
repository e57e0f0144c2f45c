"""The counting kernels: numba over record batches. Arrays in, arrays changed, nothing else.

One packet costs one look at its row (attachment point) or its source line; rings turn lazily, when
a row is next touched, so an idle gap or a clock jump costs nothing. Signatures are explicit: all
kernels are compiled, and cached on disk, when this module is imported, before the first packet.
What runs for every packet is inlined (`_HOT`); the rest stays a call.
"""

from __future__ import annotations

import logging
from typing import Any

import numba as nb
import numpy as np
from numba import njit, types

from edgeguard.counting import state as s
from edgeguard.record import FRAGMENT, NOBODY, PROTOCOL_TCP, PROTOCOL_UDP, RECORD, RST, SYN, SYNACK

log = logging.getLogger("edgeguard.counting")

_RECORDS = types.Array(nb.from_dtype(RECORD), 1, "C", readonly=True)
_ROWS = nb.typeof(s.rows(1))
_INDEX = nb.typeof(s.index(8))
_LINES = nb.typeof(s.lines(1))
_STATE = nb.typeof(s.state())


def _cacheable() -> bool:
    """Whether numba finds a folder to keep compiled kernels in; without one every start compiles them."""
    try:
        njit(cache=True)(lambda: None)
    except RuntimeError:
        log.warning("no folder to cache the counting kernels in; set NUMBA_CACHE_DIR to one that can be written")
        return False
    return True


_COLD: Any = {"cache": _cacheable(), "nogil": True, "error_model": "numpy"}
_HOT: Any = {**_COLD, "forceinline": True}
_LOW = np.uint64(0xFFFF_FFFF)
_32 = np.uint64(32)
_8 = np.uint64(8)
_ONE = np.uint64(1)
_GOLDEN = np.uint64(0x9E37_79B9_7F4A_7C15)
_MIX = np.uint64(0xD6E8_FEB8_6659_FD93)
_CELL = s.RING - 1
_SECOND = s.SECONDS - 1


@njit(**_HOT)
def _hash(hi, lo):
    h = (lo ^ (hi * _MIX)) * _GOLDEN
    return h ^ (h >> _32)


@njit(**_COLD)
def _clear_row(row):
    """Nothing of the window is left: a gap longer than the ring."""
    for k in range(s.RING):
        for m in range(s.METRICS):
            row.ring[k, m] = 0
    for m in range(s.METRICS):
        row.window[m] = 0
    row.places = 0
    row.floor = 0
    row.least = 0
    for k in range(s.INDEX):
        row.index[k] = 0


@njit(**_COLD)
def _close_second(row, slot):
    """Add the slot that ends to its second, and clear the seconds that begin until `slot`."""
    second = row.slot // s.WINDOW
    for rule in range(2):
        row.seconds[second & _SECOND, rule] += row.ring[row.slot & _CELL, rule]
    entered = slot // s.WINDOW
    for k in range(max(second + 1, entered - s.SECONDS + 1), entered + 1):
        row.seconds[k & _SECOND, 0] = 0
        row.seconds[k & _SECOND, 1] = 0


@njit(**_COLD)
def _turn_row(row, slot):
    """Move a row's rings to `slot`: subtract what leaves the window, clear what is entered."""
    _close_second(row, slot)
    old = row.slot
    row.slot = slot
    if slot < old:  # the clock was set back: what the rings hold has no place in the new time
        for k in range(s.SECONDS):
            row.seconds[k, 0] = 0
            row.seconds[k, 1] = 0
    if slot < old or slot - old >= s.RING:
        _clear_row(row)
        return
    for k in range(old + 1, slot + 1):
        gone = (k - s.WINDOW) & _CELL
        entered = k & _CELL
        for m in range(s.METRICS):
            row.window[m] -= row.ring[gone, m]
            row.ring[entered, m] = 0
        for p in range(row.places):
            for m in range(s.KEPT):
                if k - s.WINDOW >= (row.port_born[p] if m == s.PORT else row.born[p]):
                    row.seen[p, m] -= row.seen_ring[p, gone, m]
                row.seen_ring[p, entered, m] = 0
    row.floor = 0
    row.least = 0
    for p in range(row.places):
        row.credit[p] = row.seen[p, s.OUT]
        row.port_credit[p] = min(row.port_credit[p], row.seen[p, s.PORT])


@njit(**_HOT)
def _slot_of(hi, lo, what):
    return np.int64(_hash(hi, lo ^ what) & np.uint64(s.INDEX - 1))


@njit(**_HOT)
def _find_place(row, hi, lo, what, at):
    """(place or -1, index slot where the search ended)."""
    while row.index[at] != 0:
        p = np.int64(row.index[at]) - 1
        if row.key[p, 1] == lo and row.key[p, 0] == hi and row.key[p, 2] == what:
            return p, at
        at = (at + 1) & (s.INDEX - 1)
    return -1, at


@njit(**_COLD)
def _unindex(row, p):
    """Take a place out of the index; what stands behind it moves up (Knuth 6.4, algorithm R)."""
    hole = _slot_of(row.key[p, 0], row.key[p, 1], row.key[p, 2])
    while row.index[hole] != p + 1:
        hole = (hole + 1) & (s.INDEX - 1)
    at = hole
    while True:
        row.index[hole] = 0
        while True:
            at = (at + 1) & (s.INDEX - 1)
            if row.index[at] == 0:
                return
            q = np.int64(row.index[at]) - 1
            home = _slot_of(row.key[q, 0], row.key[q, 1], row.key[q, 2])
            if (at - home) & (s.INDEX - 1) >= (at - hole) & (s.INDEX - 1):
                break
        row.index[hole] = row.index[at]
        hole = at


@njit(**_COLD)
def _misra_gries(row, packets):
    """No place is free: take from every credit. The place that is free now, or -1; and the loss.

    Misra and Gries (1982), weighted; taking from all is raising one floor. The sum of losses bounds
    what any target's count may lack.
    """
    if row.floor + packets <= row.least:
        row.floor += packets
        return -1, packets
    at = row.next
    least = row.credit[at]
    for k in range(1, s.PLACES):
        if least == row.floor:  # nothing can be below
            break
        p = (row.next + k) & (s.PLACES - 1)
        if row.credit[p] < least:
            least = row.credit[p]
            at = p
    row.next = (at + 1) & (s.PLACES - 1)
    row.least = least
    take = min(row.least - row.floor, packets)
    row.floor += take
    return (at if packets > take else -1), take


@njit(**_COLD)
def _take_place(row, hi, lo, what, packets):
    """A place for a new target, or -1 when every other one has a better right to stay."""
    if row.places < s.PLACES:
        p = row.places
        row.places += 1
    else:
        p, lost = _misra_gries(row, packets)
        row.window[s.MISSED] += lost
        row.ring[row.slot & _CELL, s.MISSED] += lost
        if p < 0:
            return p
        _unindex(row, p)
    row.key[p, 0] = hi
    row.key[p, 1] = lo
    row.key[p, 2] = what
    row.credit[p] = row.floor
    row.port[p] = -1
    row.port_credit[p] = 0
    row.born[p] = row.slot
    row.port_born[p] = row.slot
    for m in range(s.KEPT):
        row.seen[p, m] = 0
        row.seen_ring[p, row.slot & _CELL, m] = 0
    _, at = _find_place(row, hi, lo, what, _slot_of(hi, lo, what))
    row.index[at] = p + 1
    return p


@njit(**_HOT)
def _lead_port(row, p, port, packets, cell):
    """Boyer-Moore majority: keep the port that leads, counted exactly since it took the lead."""
    if row.port[p] == port:
        row.port_credit[p] += packets
    elif row.port_credit[p] >= packets:
        row.port_credit[p] -= packets
        return
    else:
        row.port[p] = port
        row.port_credit[p] = packets
        row.seen[p, s.PORT] = 0
        row.seen_ring[p, cell, s.PORT] = 0
        row.port_born[p] = row.slot
    row.seen[p, s.PORT] += packets
    row.seen_ring[p, cell, s.PORT] += packets


@njit(**_HOT)
def _target(row, rec, packets, cell):
    """Count a packet of a rule at its (target, protocol)."""
    what = np.uint64(rec.family) << _8 | np.uint64(rec.protocol)
    p, _ = _find_place(row, rec.dst_hi, rec.dst_lo, what, _slot_of(rec.dst_hi, rec.dst_lo, what))
    if p < 0:
        p = _take_place(row, rec.dst_hi, rec.dst_lo, what, packets)
        if p < 0:
            return
    row.credit[p] += packets
    row.seen[p, s.OUT] += packets
    row.seen_ring[p, cell, s.OUT] += packets
    if rec.kind != FRAGMENT:
        _lead_port(row, p, np.int64(rec.dst_port), packets, cell)


@njit(**_HOT)
def _foreign(row, rec):
    """True when the VM's addresses are known and the source is none of them."""
    for k in range(row.prefixes):
        if (
            rec.src_lo & row.prefix[k, 3] == row.prefix[k, 1]
            and rec.src_hi & row.prefix[k, 2] == row.prefix[k, 0]
            and row.prefix[k, 4] == np.uint64(rec.family)
        ):
            return False
    return row.prefixes > 0


@njit(**_HOT)
def _rule(rec):
    """The rule a packet counts for: 0 SYN, 1 UDP (later fragments by their protocol), or -1."""
    if rec.kind == SYN:
        return 0
    if rec.protocol == PROTOCOL_UDP and rec.family != 0:
        return 1
    return -1


@njit(**_HOT)
def _count_class(row, way, rec):
    row.frames[way] += 1
    if rec.kind < 8:
        row.cum[way, rec.kind, 0] += np.int64(rec.packets)
        row.cum[way, rec.kind, 1] += np.int64(rec.bytes)


@njit(**_HOT)
def _add(row, cell, metric, n):
    row.window[metric] += n
    row.ring[cell, metric] += n


@njit(**_HOT)
def _mark(row, st, rule, ts):
    """Say when a row's window of a rule is loud, and when the packet of `ts` made it cross."""
    level = row.window[rule]
    if level >= row.loud[rule]:
        if row.hot == 0:
            row.hot = 1
            st.hot += 1
        if level >= row.arm[rule] and row.crossed[rule] == 0:
            row.crossed[rule] = ts
            st.crossed = 1


@njit(**_HOT)
def _out(row, st, rec):
    """A frame left the VM of this row."""
    _count_class(row, 0, rec)
    rule = _rule(rec)
    if rule < 0:
        return
    if row.slot != st.slot:
        _turn_row(row, st.slot)
    cell = st.slot & _CELL
    packets = np.int64(rec.packets)
    _add(row, cell, rule, packets)
    _add(row, cell, s.SYN_BYTES + rule, np.int64(rec.bytes))
    if _foreign(row, rec):
        _add(row, cell, s.SYN_FOREIGN + rule, packets)
    _target(row, rec, packets, cell)
    _mark(row, st, rule, rec.ts)


@njit(**_HOT)
def _back(row, rec, packets, cell, kept):
    """An answer: count it at the target that sent it."""
    what = np.uint64(rec.family) << _8 | np.uint64(rec.protocol)
    p, _ = _find_place(row, rec.src_hi, rec.src_lo, what, _slot_of(rec.src_hi, rec.src_lo, what))
    if p >= 0:
        row.seen[p, kept] += packets
        row.seen_ring[p, cell, kept] += packets


@njit(**_HOT)
def _answer(rec):
    """What an answer into the VM counts as at its target's place, or -1."""
    if rec.kind == SYNACK or (rec.protocol == PROTOCOL_UDP and rec.family != 0):
        return s.BACK
    if rec.kind == RST:
        return s.RESET
    return -1


@njit(**_HOT)
def _into(row, st, rec):
    """A frame reached the VM of this row."""
    _count_class(row, 1, rec)
    kept = _answer(rec)
    if kept < 0:
        return
    if row.slot != st.slot:
        _turn_row(row, st.slot)
    cell = st.slot & _CELL
    packets = np.int64(rec.packets)
    if rec.protocol == PROTOCOL_UDP:
        _add(row, cell, s.UDP_IN, packets)
    _back(row, rec, packets, cell, kept)


@njit(**_HOT)
def _same(line, family, hi, lo):
    return line.lo == lo and line.hi == hi and line.family == family


@njit(**_HOT)
def _packed_max(a, b):
    return max(a & _LOW, b & _LOW) | max(a >> _32, b >> _32) << _32


@njit(**_COLD)
def _close_slot(line):
    """Put the running slot into the ring and remember the peaks it made."""
    line.ring[line.slot & _CELL] = line.current
    line.current = 0
    line.peak = _packed_max(line.peak, line.window)
    line.peak_eleven = _packed_max(line.peak_eleven, line.eleven)


@njit(**_COLD)
def _empty_line(line):
    line.syn += line.eleven & _LOW
    line.udp += line.eleven >> _32
    line.window = 0
    line.eleven = 0
    for k in range(s.RING):
        line.ring[k] = 0


@njit(**_COLD)
def _turn_line(line, slot):
    """Move a source's ring to `slot`."""
    _close_slot(line)
    old = line.slot
    line.slot = slot
    if slot < old or slot - old > s.WINDOW:
        _empty_line(line)
        return
    for k in range(old + 1, slot + 1):
        line.window -= line.ring[(k - s.WINDOW) & _CELL]
        gone = (k - s.WINDOW - 1) & _CELL
        line.eleven -= line.ring[gone]
        line.syn += line.ring[gone] & _LOW
        line.udp += line.ring[gone] >> _32
        line.ring[gone] = 0


@njit(**_COLD)
def _new_line(index, lines, st, at, rec):
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


@njit(**_COLD)
def _promote(rows, st, line, rule, ts):
    """Give a source that is worth judging a row, and the row the source's history.

    Which targets that history went to is not known: it may be missing from any of them.
    """
    r = s.POINTS + st.judged
    if r >= rows.size:
        st.refused += 1
        line.refused = 1
        return
    st.judged += 1
    line.row = r + 1
    row = rows[r]
    row.slot = line.slot
    for k in range(s.RING):
        packed = line.current if k == line.slot & _CELL else line.ring[k]
        row.ring[k, s.SYN] = packed & _LOW
        row.ring[k, s.UDP] = packed >> _32
        row.ring[k, s.MISSED] = (packed & _LOW) + (packed >> _32)
    row.window[s.SYN] = line.window & _LOW
    row.window[s.UDP] = line.window >> _32
    row.window[s.MISSED] = row.window[s.SYN] + row.window[s.UDP]
    for k in range(max(0, line.slot - s.WINDOW), line.slot):  # the running slot is added when it ends
        row.seconds[k // s.WINDOW & _SECOND, s.SYN] += row.ring[k & _CELL, s.SYN]
        row.seconds[k // s.WINDOW & _SECOND, s.UDP] += row.ring[k & _CELL, s.UDP]
    _mark(row, st, rule, ts)


@njit(**_HOT)
def _count_source(line, st, rec, rule):
    """Count a packet at its source's line; True when the source became worth judging."""
    if line.slot != st.slot:
        _turn_line(line, st.slot)
    weight = np.uint64(rec.packets)
    if rule == 1:
        weight = weight << _32
        line.udp_bytes += np.uint64(rec.bytes)
    line.current += weight
    line.window += weight
    line.eleven += weight
    level = line.window & _LOW if rule == 0 else line.window >> _32
    return np.int64(level) >= st.promote[rule] and line.row == 0 and line.refused == 0


@njit(**_HOT)
def _tick(st, ts):
    """Move packet time to `ts`: the slot and the grid cell it lies in."""
    st.slot = ts // s.SLOT
    st.slot_end = (st.slot + 1) * s.SLOT
    st.grid_end = (ts // s.GRID + 1) * s.GRID
    st.behind = 0


@njit(**_COLD)
def _far_behind(st, ts):
    """A packet of more than a second before packet time: late, or the clock was set back.

    Set back when only such packets came for a second of their own time; then packet time follows.
    """
    if st.behind == 0 or ts < st.behind:
        st.behind = ts
    elif ts - st.behind >= s.WINDOW * s.SLOT:
        _tick(st, ts)


@njit(types.int64(_RECORDS, types.int64, types.boolean, _ROWS, _INDEX, _LINES, _STATE), **_COLD)
def count(records, start, by_source, rows, index, lines, states):  # noqa: PLR0912
    """Count records[start:] and return the index where somebody should look.

    Stops before the first packet of a new 5 ms grid cell when a limit was crossed in the cell that
    ends, and before a new 100 ms slot while any row is hot or `watched`; otherwise runs to the end.
    A packet older than the one before it (clock running backwards) is counted in the current slot
    and as late, until the clock is known to be set back. `by_source`: also count SYN and UDP at every
    source (savefiles, taps without an inventory), and in the row of a judged source all that it sends
    and gets.

    The two look-ups in the source table stand here and not in functions: numba counts references
    of every array it hands to a function, which cost 25 ns a packet.
    """
    st = states[0]
    mask = np.uint64(index.size - 1)
    for i in range(start, records.size):
        rec = records[i]
        ts = rec.ts
        if ts >= st.grid_end:
            if st.crossed != 0 or (st.hot + st.watched > 0 and ts >= st.slot_end):
                return i
            _tick(st, ts)
        else:
            if ts < st.last_ts:
                st.late += 1
            if ts < st.slot_end - s.BEHIND:
                _far_behind(st, ts)
            elif st.behind != 0:
                st.behind = 0
        st.last_ts = ts
        if rec.out_of != NOBODY:
            _out(rows[rec.out_of], st, rec)
        if rec.into != NOBODY:
            _into(rows[rec.into], st, rec)
        if not by_source or rec.family == 0:
            continue
        rule = _rule(rec)
        if rule >= 0 or st.judged > 0:
            at = _hash(rec.src_hi, rec.src_lo) & mask
            n = np.int64(index[at])
            while n != 0 and not _same(lines[n - 1], rec.family, rec.src_hi, rec.src_lo):
                at = (at + _ONE) & mask
                n = np.int64(index[at])
            if n == 0 and rule >= 0:
                n = _new_line(index, lines, st, at, rec)
                if n == 0:
                    st.overflow[rule] += np.int64(rec.packets)
            if n != 0:
                if lines[n - 1].row > 0:
                    _out(rows[lines[n - 1].row - 1], st, rec)
                if rule >= 0 and _count_source(lines[n - 1], st, rec, rule):
                    _promote(rows, st, lines[n - 1], rule, ts)
        if st.judged > 0:
            at = _hash(rec.dst_hi, rec.dst_lo) & mask
            n = np.int64(index[at])
            while n != 0 and not _same(lines[n - 1], rec.family, rec.dst_hi, rec.dst_lo):
                at = (at + _ONE) & mask
                n = np.int64(index[at])
            if n != 0 and lines[n - 1].row > 0:
                _into(rows[lines[n - 1].row - 1], st, rec)
    return records.size


@njit(types.void(_ROWS, types.int64, types.int64), **_COLD)
def turn_row(rows, r, slot):
    """Bring one row to `slot`, so that its window is the one that ends there."""
    if slot != rows[r].slot:
        _turn_row(rows[r], slot)


@njit(types.int64(_ROWS, types.int64, types.int64, types.int64), **_COLD)
def window(rows, r, rule, seconds):
    """Packets of a rule in the last `seconds` seconds of a row, the running one included."""
    row = rows[r]
    last = row.slot // s.WINDOW
    total = np.int64(row.ring[row.slot & _CELL, rule])
    for k in range(last - seconds + 1, last + 1):
        total += row.seconds[k & _SECOND, rule]
    return total


@njit(types.UniTuple(types.int64, 2)(_ROWS, types.int64), **_COLD)
def answers(rows, r):
    """(SYN-ACKs, resets) that the window's own TCP targets sent back."""
    row = rows[r]
    syn_acks = resets = 0
    for p in range(row.places):
        if row.key[p, 2] & np.uint64(255) == PROTOCOL_TCP:
            syn_acks += row.seen[p, s.BACK]
            resets += row.seen[p, s.RESET]
    return syn_acks, resets


@njit(types.UniTuple(types.int64, 3)(_ROWS, types.int64, types.int64), **_COLD)
def one_way(rows, r, ratio):
    """UDP of a row's window to targets that sent back less than one packet per `ratio`.

    (packets, of them to targets without a place, packets that came back all the same). Targets
    without a place are judged together.
    """
    row = rows[r]
    packets = back = placed = placed_back = 0
    for p in range(row.places):
        if row.key[p, 2] & np.uint64(255) != PROTOCOL_UDP:
            continue
        placed += row.seen[p, s.OUT]
        placed_back += row.seen[p, s.BACK]
        if row.seen[p, s.BACK] * ratio < row.seen[p, s.OUT]:
            packets += row.seen[p, s.OUT]
            back += row.seen[p, s.BACK]
    rest = row.window[s.UDP] - placed
    rest_back = row.window[s.UDP_IN] - placed_back
    if rest_back * ratio >= rest:
        return packets, 0, back
    return packets + rest, rest, back + rest_back


@njit(types.void(_LINES, _STATE), **_COLD)
def close_sources(lines, states):
    """Fold running slots into peaks and totals; at the end of a savefile."""
    for n in range(states[0].sources):
        _close_slot(lines[n])
        _empty_line(lines[n])


@njit(types.void(_STATE, types.int64), **_COLD)
def tick(states, ts):
    """Move packet time on: past a look that was taken, or through an idle live capture."""
    if ts >= states[0].grid_end:
        states[0].crossed = 0
        _tick(states[0], ts)
