"""The counting kernels: numba over record batches. Arrays in, arrays changed, nothing else.

One packet costs one look at its row (attachment point) or its source line. A row's counters are only ever
added to; what a window holds is what they gained in ten slots, which is put down when the row is next touched:
an idle gap or a clock jump costs nothing. A limit costs a packet two comparisons: of the counts of its rule
and of all packets with those that they must reach before the window can (`_check`).

Signatures are explicit: all kernels are compiled, and cached on disk, when this module is imported, before the
first packet. What runs for every packet is inlined (`HOT`); the rest stays a call.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numba import njit, types

from edgeguard.counting import places
from edgeguard.counting import state as s
from edgeguard.counting.compiling import COLD, HOT
from edgeguard.counting.places import TABLES
from edgeguard.counting.sources import (
    INDEX,
    LINES,
    STATE,
    count_source,
    history,
    new_line,
    same,
    source_hash,
    source_rule,
)
from edgeguard.record import ICMP, NOBODY, PROTOCOL_UDP, RECORD, REFLECTORS, RST, SYN, SYNACK, TCP

_RECORDS = types.Array(nb.from_dtype(RECORD), 1, "C", readonly=True)
_ROWS = nb.typeof(s.rows(1))

_ONE = np.uint64(1)
_16 = np.uint64(16)
_32 = np.uint64(32)
_LOW = np.uint64(0xFFFF_FFFF)
_CELLS = np.uint64(s.HANDSHAKES - 1)
_SECOND = s.SECONDS - 1
_ACK = 0x10

# The rule of each class, a hex digit each: of SYN-ACKs and other protocols only the total is judged.
_RULE_OF = sum(
    rule << 4 * kind for kind, rule in enumerate((s.SYN, s.TOTAL, s.TCP, s.TCP, s.UDP, s.ICMP, s.FRAGMENTS, s.TOTAL))
)

# ICMP that answers what came in: echo and timestamp replies, errors, neighbour discovery, listener reports
_ANSWERS_4 = sum(1 << kind for kind in (0, 3, 11, 12, 14))
_ANSWERS_6 = (1, 2, 3, 4, 129)
_DISCOVERY_6 = (130, 137)  # from, to
_UNREACHABLE = {4: 3, 6: 1}


def _service_bits():
    """A bit for every port of REFLECTORS: 8 KiB, of which a cache line or two are ever touched."""
    bits = np.zeros(1024, np.uint64)
    for port in REFLECTORS:
        bits[port >> 6] |= np.uint64(1 << (port & 63))
    return bits


_SERVICES = _service_bits()
_UNREACHABLE_4, _UNREACHABLE_6 = _UNREACHABLE[4], _UNREACHABLE[6]


# ---- rows and their time -------------------------------------------------------------------------


@njit(**COLD)
def _clear_row(row, table):
    """Nothing of the window is left: a gap longer than the ring."""
    for m in range(s.METRICS):
        row.closed[m] = 0
        for k in range(s.RING):
            row.ring[k, m] = 0
    places.clear_table(table)


@njit(**COLD)
def _close_slot(row):
    """Put down what was counted in the slot that ends."""
    cell, second = row.slot % s.RING, row.slot // s.WINDOW & _SECOND
    for rule in range(s.INTO):
        row.seconds[second, rule] += row.cum[rule] - row.snap[rule]
    for m in range(s.METRICS):
        gained = min(row.cum[m] - row.snap[m], s.MOST)
        row.ring[cell, m] = gained
        row.closed[m] += gained
        row.snap[m] = row.cum[m]


@njit(**COLD)
def _enter_seconds(row, slot):
    """Clear the seconds that begin after the row's slot, until `slot`; all where the clock was set back."""
    entered = slot // s.WINDOW
    first = row.slot // s.WINDOW + 1 if slot >= row.slot else entered - s.SECONDS + 1
    for k in range(max(first, entered - s.SECONDS + 1), entered + 1):
        for rule in range(s.INTO):
            row.seconds[k & _SECOND, rule] = 0


@njit(**COLD)
def _turn_row(row, table, slot):
    """Move a row's rings to `slot`: subtract what leaves the window, clear what is entered."""
    _close_slot(row)
    _enter_seconds(row, slot)
    old = row.slot
    row.slot = slot
    if row.hot == 0 and row.track != 0:
        row.track = 0
        row.watch[s.TCP] = 0
    if slot < old or slot - old >= s.RING:
        _clear_row(row, table)
    else:
        for k in range(old + 1, slot + 1):
            gone, entered = (k - s.WINDOW) % s.RING, k % s.RING
            for m in range(s.METRICS):
                row.closed[m] -= row.ring[gone, m]
                row.ring[entered, m] = 0
            places.turn_table(table, k)
        places.settle(table)
    _arm_again(row)


@njit(**HOT)
def _window(row, metric):
    return row.closed[metric] + row.cum[metric] - row.snap[metric]


@njit(**COLD)
def _arm_again(row):
    """Below a level that was crossed, or raised, it may be crossed anew: the next flood is no less urgent.

    A level is only lowered here, so that no share of a sum over shards grows.
    """
    for rule in range(s.RULES):
        window = _window(row, rule)
        if row.arm[rule] > row.hard[rule] > window:
            row.arm[rule] = row.hard[rule]
            row.watch[rule] = 0
        if row.crossed[rule] != 0 and window < row.arm[rule]:
            row.crossed[rule] = 0
            row.watch[rule] = 0


@njit(**HOT)
def _track(row, loud):
    """Count the targets of TCP once a slot has its share of a loud window; else how many packets that takes yet."""
    share = max(1, loud // s.WINDOW)
    running = row.cum[s.TCP] - row.snap[s.TCP]
    if running >= share:
        row.track = 1
        return s.NEVER - row.cum[s.TCP]
    return share - running


@njit(**COLD)
def _check(row, st, rule, ts):
    """A rule has counted as much as its window could have needed to reach a level: see whether it has.

    A window grows by the packets of its rule only; so it cannot reach a level before as many of them have come
    as are missing now, and until then nobody needs to look.
    """
    window = _window(row, rule)
    loud, arm = row.loud[rule], row.arm[rule]
    missing = s.NEVER - row.cum[rule]
    if window >= min(loud, arm):
        if row.hot == 0:
            row.hot = 1
            st.hot += 1
        if rule == s.TOTAL:
            row.track = 1
        if window < arm:
            missing = min(missing, arm - window)
        elif row.crossed[rule] == 0:
            row.crossed[rule] = ts
            row.fresh = 1
            st.crossed = 1
    else:
        missing = min(missing, min(loud, arm) - window)
    if rule == s.TCP and row.track == 0:
        missing = min(missing, _track(row, loud))
    row.watch[rule] = row.cum[rule] + missing


@njit(**HOT)
def _count(row, st, rule, packets, ts):
    row.cum[rule] += packets
    if row.cum[rule] >= row.watch[rule]:
        _check(row, st, rule, ts)


@njit(**HOT)
def _count_class(row, way, rec, packets):
    row.cum[s.OCTETS + way * 8 + np.int64(rec.kind)] += np.int64(rec.bytes)
    if rec.kind == SYNACK:
        row.cum[s.SYNACKS + way] += packets
    elif rec.kind == RST:
        row.cum[s.RSTS + way] += packets


# ---- out of a subject ----------------------------------------------------------------------------


@njit(**HOT)
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


@njit(**HOT)
def _is_answer(rec):
    """Whether an ICMP packet answers one that came in, or serves the link."""
    if rec.family == 4:
        return rec.icmp_type < 15 and _ANSWERS_4 >> np.int64(rec.icmp_type) & 1 == 1
    return rec.icmp_type in _ANSWERS_6 or _DISCOVERY_6[0] <= rec.icmp_type <= _DISCOVERY_6[1]


@njit(**HOT)
def _describe_udp(row, rec, packets):
    """The sizes of UDP packets, and whether they are a service's answers."""
    size = np.int64(rec.bytes) // packets
    if size <= 128:
        row.cum[s.SIZES] += packets
    elif size <= 512:
        row.cum[s.SIZES + 1] += packets
    elif size <= 1024:
        row.cum[s.SIZES + 2] += packets
    port = np.uint64(rec.src_port)
    if _SERVICES[port >> np.uint64(6)] >> (port & np.uint64(63)) & _ONE != 0:
        row.cum[s.SERVICE] += packets


@njit(**HOT)
def _handshake(st, hi, lo, port, own_hi, own_lo, own_port):
    """(cell, tag) of a connection, the same from both sides; keyed as sources are."""
    ports = np.uint64(port) << _16 | np.uint64(own_port)
    h = (source_hash(st, hi ^ own_lo, lo ^ own_hi) << _32 | source_hash(st, own_lo, lo)) + ports * st.key[1]
    h ^= h >> np.uint64(29)
    h *= st.key[3] | _ONE
    return (h >> np.uint64(40)) & _CELLS, np.uint32(h & _LOW) | np.uint32(1)


@njit(**COLD)
def _await_ack(st, rec):
    """A SYN-ACK came in: the next ACK out to its sender completes the handshake."""
    cell, tag = _handshake(st, rec.src_hi, rec.src_lo, rec.src_port, rec.dst_hi, rec.dst_lo, rec.dst_port)
    st.handshakes[cell] = tag


@njit(**COLD)
def _is_third_ack(st, rec):
    """Whether a segment is the first after the SYN-ACK of its connection; it is so once."""
    cell, tag = _handshake(st, rec.dst_hi, rec.dst_lo, rec.dst_port, rec.src_hi, rec.src_lo, rec.src_port)
    if rec.tcp_flags & _ACK == 0 or st.handshakes[cell] != tag:
        return False
    st.handshakes[cell] = 0
    return True


@njit(**HOT)
def _tracked(row, rule):
    """Whether targets of a rule are counted: always, but for TCP, of which most hosts send most packets."""
    return rule < s.TCP or (rule == s.TCP and row.track != 0)


@njit(**HOT)
def _out(row, table, st, rec):
    """A frame left the VM of this row."""
    row.frames[0] += 1
    if rec.kind >= 8:
        return
    if row.slot != st.slot:
        _turn_row(row, table, st.slot)
    packets = np.int64(rec.packets)
    rule = _RULE_OF >> 4 * np.int64(rec.kind) & 15
    _count_class(row, 0, rec, packets)
    if rule != s.TOTAL:
        _count(row, st, rule, packets, rec.ts)
        if _foreign(row, rec):
            row.cum[s.FOREIGN + rule] += packets
        if rule == s.UDP:
            _describe_udp(row, rec, packets)
        elif rec.kind == ICMP and _is_answer(rec):
            row.cum[s.ICMP_ANSWERS] += packets
        elif rec.kind == TCP and st.slot - row.shaken <= s.WINDOW and _is_third_ack(st, rec):
            row.cum[s.THIRD_ACKS] += 1
            if row.table != 0:
                places.third_ack(row, table, rec, 1, st.cell)
        if _tracked(row, rule):
            if row.table != 0:
                places.target(row, table, rec, rule, packets, st.cell)
            else:
                row.cum[s.MISSED] += packets
                st.untabled += packets
    _count(row, st, s.TOTAL, packets, rec.ts)


# ---- into a subject ------------------------------------------------------------------------------


@njit(**HOT)
def _is_udp(rec):
    return rec.protocol == PROTOCOL_UDP and rec.family != 0


@njit(**COLD)
def _answer_others(row, table, rec, packets, cell):
    """What came in, at the targets of TCP, fragments and ICMP. An ICMP error may answer a packet of any protocol."""
    if rec.kind in (TCP, SYN, SYNACK):
        if row.track != 0:
            places.answer(row, table, rec, s.TCP, s.BACK, packets, cell)
    elif rec.kind != RST and _window(row, s.FRAGMENTS) > 0:
        places.answer(row, table, rec, s.FRAGMENTS, s.BACK, packets, cell)
    if _window(row, s.ICMP) > 0:
        places.answer_icmp(table, rec, s.BACK if rec.kind == ICMP else s.OTHERS, packets, cell)


@njit(**HOT)
def _has_others(row, rec):
    """Whether what came in may answer something beside SYN and UDP."""
    if _window(row, s.ICMP) > 0:
        return True
    if rec.kind in (TCP, SYN, SYNACK):
        return row.track != 0
    return rec.kind != RST and _window(row, s.FRAGMENTS) > 0


@njit(**HOT)
def _into(row, table, st, rec):
    """A frame reached the VM of this row."""
    row.frames[1] += 1
    if rec.kind >= 8:
        return
    if row.slot != st.slot:
        _turn_row(row, table, st.slot)
    packets = np.int64(rec.packets)
    rule = _RULE_OF >> 4 * np.int64(rec.kind) & 15
    _count_class(row, 1, rec, packets)
    if _is_udp(rec):
        row.cum[s.UDP_BACK] += packets
        places.answer(row, table, rec, s.UDP, s.BACK, packets, st.cell)
        places.answer(row, table, rec, s.UDP, s.BACK_BYTES, np.int64(rec.bytes), st.cell)
    elif rec.kind == SYNACK:
        row.shaken = st.slot
        _await_ack(st, rec)
        places.answer(row, table, rec, s.SYN, s.BACK, packets, st.cell)
    elif rec.kind == RST:
        places.answer(row, table, rec, s.SYN, s.RESET, packets, st.cell)
    elif rec.kind == ICMP and rec.icmp_type == (_UNREACHABLE_4 if rec.family == 4 else _UNREACHABLE_6):
        row.cum[s.UNREACHABLE] += packets
    if _has_others(row, rec):
        _answer_others(row, table, rec, packets, st.cell)
    if rule != s.TOTAL:
        _count(row, st, s.INTO + rule, packets, rec.ts)
    _count(row, st, s.INTO + s.TOTAL, packets, rec.ts)


# ---- packet time and tables ----------------------------------------------------------------------


@njit(**HOT)
def _tick(st, ts):
    """Move packet time to `ts`: the slot and the grid cell it lies in."""
    st.slot = ts // s.SLOT
    st.cell = st.slot % s.RING
    st.slot_end = (st.slot + 1) * s.SLOT
    st.grid_end = (ts // s.GRID + 1) * s.GRID
    st.behind = 0


@njit(**COLD)
def _far_behind(st, ts):
    """A packet of more than a second before packet time: late, or the clock was set back.

    Set back when only such packets came for a second of their own time; then packet time follows.
    """
    if st.behind == 0 or ts < st.behind:
        st.behind = ts
    elif ts - st.behind >= s.WINDOW * s.SLOT:
        _tick(st, ts)


@njit(**COLD)
def _take_table(rows, tables, st, r):
    """Give a row its table: a free one, or that of a row that sent nothing of what has targets for a window.

    One row is asked each time, so that it costs little where none is quiet.
    """
    t = st.free
    if t != 0:
        st.free = tables[t].link
    elif tables.size > 1:
        st.hand = st.hand % (tables.size - 1) + 1
        t = st.hand
        owner = rows[tables[t].owner]
        if owner.slot != st.slot:
            _turn_row(owner, tables[t], st.slot)
        sent = _window(owner, s.SYN) + _window(owner, s.UDP) + _window(owner, s.ICMP) + _window(owner, s.FRAGMENTS)
        if owner.track != 0 or sent > 0:
            return
        owner.table = 0
    else:
        return
    places.clear_table(tables[t])
    tables[t].owner = r
    rows[r].table = t


@njit(**COLD)
def _promote(rows, st, line):
    """Give a source that is worth judging a row, and the row the source's history."""
    r = s.POINTS + st.judged
    if r >= rows.size:
        st.refused += 1
        line.refused = 1
        return
    st.judged += 1
    line.row = r + 1
    history(rows[r], line)


@njit(**HOT)
def _has_target(row, rec):
    return rec.kind < 8 and _tracked(row, _RULE_OF >> 4 * np.int64(rec.kind) & 15)


@njit(types.int64(_RECORDS, types.int64, types.boolean, _ROWS, TABLES, INDEX, LINES, STATE), **COLD)
def count(records, start, by_source, rows, tables, index, lines, states):  # noqa: PLR0912, PLR0915
    """Count records[start:] and return the index where somebody should look.

    Stops before the first packet of a new 5 ms grid cell when a limit was crossed in the cell that
    ends, and before a new 100 ms slot while any row is hot or `watched`; otherwise runs to the end.
    A packet older than the one before it (clock running backwards) is counted in the current slot
    and as late, until the clock is known to be set back. `by_source`: also count SYN and UDP at every
    source (savefiles, taps without an inventory), and in the row of a judged source all that it sends
    and gets.

    The two look-ups in the source table stand here and not in functions: numba counts references
    of every array it hands to a function, which cost 25 ns a packet. A row, a table, the state are none.
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
            if rows[rec.out_of].table == 0 and _has_target(rows[rec.out_of], rec):
                _take_table(rows, tables, st, rec.out_of)
            _out(rows[rec.out_of], tables[rows[rec.out_of].table], st, rec)
        if rec.into != NOBODY:
            _into(rows[rec.into], tables[rows[rec.into].table], st, rec)
        if not by_source or rec.family == 0:
            continue
        rule = source_rule(rec)
        if rule >= 0 or st.judged > 0:
            at = source_hash(st, rec.src_hi, rec.src_lo) & mask
            n = np.int64(index[at])
            while n != 0 and not same(lines[n - 1], rec.family, rec.src_hi, rec.src_lo):
                at = (at + _ONE) & mask
                n = np.int64(index[at])
            if n == 0 and rule >= 0:
                n = new_line(index, lines, st, at, rec)
                if n == 0:
                    st.overflow[rule] += np.int64(rec.packets)
            if n != 0:
                r = np.int64(lines[n - 1].row) - 1
                if r >= 0:
                    if rows[r].table == 0 and _has_target(rows[r], rec):
                        _take_table(rows, tables, st, r)
                    _out(rows[r], tables[rows[r].table], st, rec)
                if rule >= 0 and count_source(lines[n - 1], st, rec, rule):
                    _promote(rows, st, lines[n - 1])
                    r = np.int64(lines[n - 1].row) - 1
                    if r >= 0:
                        _check(rows[r], st, rule, ts)
        if st.judged > 0:
            at = source_hash(st, rec.dst_hi, rec.dst_lo) & mask
            n = np.int64(index[at])
            while n != 0 and not same(lines[n - 1], rec.family, rec.dst_hi, rec.dst_lo):
                at = (at + _ONE) & mask
                n = np.int64(index[at])
            if n != 0 and lines[n - 1].row > 0:
                r = np.int64(lines[n - 1].row) - 1
                _into(rows[r], tables[rows[r].table], st, rec)
    return records.size


@njit(types.void(_ROWS, TABLES, types.int64, types.int64), **COLD)
def turn_row(rows, tables, r, slot):
    """Bring one row to `slot`, so that its window is the one that ends there."""
    if slot != rows[r].slot:
        _turn_row(rows[r], tables[rows[r].table], slot)


@njit(types.void(_ROWS, TABLES, STATE, types.int64), **COLD)
def free_table(rows, tables, states, r):
    """Take a row's table from it."""
    t = rows[r].table
    if t != 0:
        tables[t].owner = -1
        tables[t].link = states[0].free
        states[0].free = t
        rows[r].table = 0


@njit(types.int64(_ROWS, types.int64, types.int64, types.int64), **COLD)
def window(rows, r, rule, seconds):
    """Packets of a rule out of a row in its last `seconds` seconds, the running one included."""
    row = rows[r]
    last = row.slot // s.WINDOW
    total = np.int64(row.cum[rule] - row.snap[rule])
    for k in range(last - seconds + 1, last + 1):
        total += np.int64(row.seconds[k & _SECOND, rule])
    return total


@njit(types.void(_ROWS, types.int64[::1], types.int64, types.int64[:, ::1]), **COLD)
def windows(rows, points, slot, out):
    """[point, metric]: the windows that end with `slot`, of rows as they stand; nothing is changed.

    A row that stands at a later slot has nothing in the window: the clock was set back.
    """
    for n in range(points.size):
        row = rows[points[n]]
        for m in range(s.METRICS):
            out[n, m] = 0
        if row.slot > slot:
            continue
        for k in range(max(slot - s.WINDOW, row.slot - s.RING) + 1, row.slot):
            for m in range(s.METRICS):
                out[n, m] += np.int64(row.ring[k % s.RING, m])
        if row.slot > slot - s.WINDOW:
            for m in range(s.METRICS):
                out[n, m] += row.cum[m] - row.snap[m]


@njit(types.int64(_ROWS, types.int64[::1]), **COLD)
def hot(rows, out):
    """Write down the numbers of the first rows that are hot, as many as there is room for; how many.

    No row after the last one is touched: each lies on a page of its own.
    """
    n = 0
    for r in range(rows.size):
        if n == out.size:
            break
        if rows[r].hot != 0:
            out[n] = r
            n += 1
    return n


@njit(types.int64(_ROWS, types.int64[::1]), **COLD)
def crossing(rows, out):
    """Write down, and forget, the hot rows that crossed a limit since somebody last asked; how many. `out` has room
    for all that are hot."""
    n = seen = 0
    for r in range(rows.size):
        if seen == out.size:
            break
        if rows[r].hot != 0:
            seen += 1
            if rows[r].fresh != 0:
                rows[r].fresh = 0
                out[n] = r
                n += 1
    return n


@njit(types.void(STATE, types.int64), **COLD)
def tick(states, ts):
    """Move packet time on: past a look that was taken, or through an idle live capture."""
    if ts >= states[0].grid_end:
        states[0].crossed = 0
        _tick(states[0], ts)


@njit(types.void(STATE, types.int64), **COLD)
def turn_back(states, ts):
    """Move packet time to `ts`, wherever it is: another shard knows that the clock was set back."""
    states[0].crossed = 0
    _tick(states[0], ts)
