"""The counting kernels: numba over record batches. Arrays in, arrays changed, nothing else.

One packet costs one look at its row (attachment point) or its source line; rings turn lazily, when
a row is next touched, so an idle gap or a clock jump costs nothing. Signatures are explicit: all
kernels are compiled, and cached on disk, when this module is imported, before the first packet.
What runs for every packet is inlined (`HOT`); the rest stays a call.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numba import njit, types

from edgeguard.counting import state as s
from edgeguard.counting.compiling import COLD, HOT
from edgeguard.record import FRAGMENT, NOBODY, PROTOCOL_TCP, PROTOCOL_UDP, RECORD, RST, SYN, SYNACK

_RECORDS = types.Array(nb.from_dtype(RECORD), 1, "C", readonly=True)
_ROWS = nb.typeof(s.rows(1))
_TABLES = nb.typeof(s.tables(1))
_MERGED = nb.typeof(s.merged())
_INDEX = nb.typeof(s.index(8))
_LINES = nb.typeof(s.lines(1))
_STATE = nb.typeof(s.state())

_LOW = np.uint64(0xFFFF_FFFF)
_32 = np.uint64(32)
_8 = np.uint64(8)
_24 = np.uint64(24)
_48 = np.uint64(48)
_HINT = np.uint64(s.HINTS - 1)
_ONE = np.uint64(1)
_GOLDEN = np.uint64(0x9E37_79B9_7F4A_7C15)
_MIX = np.uint64(0xD6E8_FEB8_6659_FD93)
_CELL = s.RING - 1
_SECOND = s.SECONDS - 1


@njit(**HOT)
def _hash(hi, lo):
    """Without a key: only for places, of which a search passes 64, or 512 of all shards, at most."""
    h = (lo ^ (hi * _MIX)) * _GOLDEN
    return h ^ (h >> _32)


@njit(**HOT)
def _source_hash(st, hi, lo):
    """32 bits, keyed: any two addresses share them under at most one key in 2**31, whoever chose the addresses.

    Pair-multiply-shift (Thorup, High Speed Hashing for Integers and Strings): sums of products of 32-bit words
    and the key, of which the upper half is kept. Products of whole 64-bit words would not do: where addresses
    differ in their highest bits only, all lower bits of the product are the same under every key.
    """
    high = (st.key[0] + (hi >> _32)) * (st.key[1] + (hi & _LOW))
    low = (st.key[2] + (lo >> _32)) * (st.key[3] + (lo & _LOW))
    return (high + low) >> _32


@njit(**COLD)
def _clear_table(table):
    table.places = 0
    table.floor = 0
    table.least = 0
    for k in range(s.PLACES):
        table.tag[k] = 0


@njit(**COLD)
def _clear_row(row, table):
    """Nothing of the window is left: a gap longer than the ring."""
    for k in range(s.RING):
        for m in range(s.METRICS):
            row.ring[k, m] = 0
    for m in range(s.METRICS):
        row.window[m] = 0
    _clear_table(table)


@njit(**COLD)
def _close_second(row, slot):
    """Add the slot that ends to its second, and clear the seconds that begin until `slot`."""
    second = row.slot // s.WINDOW
    for rule in range(2):
        row.seconds[second & _SECOND, rule] += row.ring[row.slot & _CELL, rule]
    entered = slot // s.WINDOW
    for k in range(max(second + 1, entered - s.SECONDS + 1), entered + 1):
        row.seconds[k & _SECOND, 0] = 0
        row.seconds[k & _SECOND, 1] = 0


@njit(**COLD)
def _turn_row(row, table, slot):
    """Move a row's rings to `slot`: subtract what leaves the window, clear what is entered."""
    _close_second(row, slot)
    old = row.slot
    row.slot = slot
    if slot < old:  # the clock was set back: what the rings hold has no place in the new time
        for k in range(s.SECONDS):
            row.seconds[k, 0] = 0
            row.seconds[k, 1] = 0
    if slot < old or slot - old >= s.RING:
        _clear_row(row, table)
        return
    for k in range(old + 1, slot + 1):
        gone = (k - s.WINDOW) & _CELL
        entered = k & _CELL
        for m in range(s.METRICS):
            row.window[m] -= row.ring[gone, m]
            row.ring[entered, m] = 0
        for p in range(table.places):
            for m in range(s.KEPT):
                if k - s.WINDOW >= (table.port_born[p] if m == s.PORT else table.born[p]):
                    table.seen[p, m] -= table.seen_ring[p, gone, m]
                table.seen_ring[p, entered, m] = 0
    table.floor = 0
    table.least = 0
    for p in range(table.places):
        table.credit[p] = table.seen[p, s.OUT]
        table.port_credit[p] = min(table.port_credit[p], table.seen[p, s.PORT])


@njit(**HOT)
def _key_hash(hi, lo, what):
    """`what` is not mixed into `lo`: a target's TCP would share its hash with a neighbour's UDP."""
    return _hash(hi ^ (what << _24), lo)


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
def _take_place(row, table, hi, lo, what, h, packets):
    """A place for a new target, or -1 when every other one has a better right to stay."""
    if table.places < s.PLACES:
        p = table.places
        table.places += 1
    else:
        p, lost = _misra_gries(table, packets)
        row.window[s.MISSED] += lost
        row.ring[row.slot & _CELL, s.MISSED] += lost
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
        table.seen_ring[p, row.slot & _CELL, m] = 0
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
def _target(row, table, rec, packets, cell):
    """Count a packet of a rule at its (target, protocol)."""
    what = np.uint64(rec.family) << _8 | np.uint64(rec.protocol)
    h = _key_hash(rec.dst_hi, rec.dst_lo, what)
    p = _find_place(table, rec.dst_hi, rec.dst_lo, what, h)
    if p < 0:
        p = _take_place(row, table, rec.dst_hi, rec.dst_lo, what, h, packets)
        if p < 0:
            return
    table.credit[p] += packets
    table.seen[p, s.OUT] += packets
    table.seen_ring[p, cell, s.OUT] += packets
    if rec.kind != FRAGMENT:
        _lead_port(row, table, p, np.int64(rec.dst_port), packets, cell)


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
def _rule(rec):
    """The rule a packet counts for: 0 SYN, 1 UDP (later fragments by their protocol), or -1."""
    if rec.kind == SYN:
        return 0
    if rec.protocol == PROTOCOL_UDP and rec.family != 0:
        return 1
    return -1


@njit(**HOT)
def _count_class(row, way, rec):
    row.frames[way] += 1
    if rec.kind < 8:
        row.cum[way, rec.kind, 0] += np.int64(rec.packets)
        row.cum[way, rec.kind, 1] += np.int64(rec.bytes)


@njit(**HOT)
def _add(row, cell, metric, n):
    row.window[metric] += n
    row.ring[cell, metric] += n


@njit(**HOT)
def _mark(row, st, rule, ts):
    """Say when a row's window of a rule is loud, and when the packet of `ts` made it cross."""
    level = row.window[rule]
    if level >= min(row.loud[rule], row.arm[rule]):
        if row.hot == 0:
            row.hot = 1
            st.hot += 1
        if level >= row.arm[rule] and row.crossed[rule] == 0:
            row.crossed[rule] = ts
            st.crossed = 1


@njit(**HOT)
def _out(row, table, st, rec):
    """A frame left the VM of this row."""
    _count_class(row, 0, rec)
    rule = _rule(rec)
    if rule < 0:
        return
    if row.slot != st.slot:
        _turn_row(row, table, st.slot)
    cell = st.slot & _CELL
    packets = np.int64(rec.packets)
    _add(row, cell, rule, packets)
    _add(row, cell, s.SYN_BYTES + rule, np.int64(rec.bytes))
    if _foreign(row, rec):
        _add(row, cell, s.SYN_FOREIGN + rule, packets)
    if row.table != 0:
        _target(row, table, rec, packets, cell)
    else:
        _add(row, cell, s.MISSED, packets)
        st.untabled += packets
    _mark(row, st, rule, rec.ts)


@njit(**HOT)
def _back(table, rec, packets, cell, kept):
    """An answer: count it at the target that sent it."""
    what = np.uint64(rec.family) << _8 | np.uint64(rec.protocol)
    p = _find_place(table, rec.src_hi, rec.src_lo, what, _key_hash(rec.src_hi, rec.src_lo, what))
    if p >= 0:
        table.seen[p, kept] += packets
        table.seen_ring[p, cell, kept] += packets


@njit(**HOT)
def _answer(rec):
    """What an answer into the VM counts as at its target's place, or -1."""
    if rec.kind == SYNACK or (rec.protocol == PROTOCOL_UDP and rec.family != 0):
        return s.BACK
    if rec.kind == RST:
        return s.RESET
    return -1


@njit(**HOT)
def _into(row, table, st, rec):
    """A frame reached the VM of this row."""
    _count_class(row, 1, rec)
    kept = _answer(rec)
    if kept < 0:
        return
    if row.slot != st.slot:
        _turn_row(row, table, st.slot)
    cell = st.slot & _CELL
    packets = np.int64(rec.packets)
    if rec.protocol == PROTOCOL_UDP:
        _add(row, cell, s.UDP_IN, packets)
    _back(table, rec, packets, cell, kept)


@njit(**HOT)
def _same(line, family, hi, lo):
    return line.lo == lo and line.hi == hi and line.family == family


@njit(**HOT)
def _packed_max(a, b):
    return max(a & _LOW, b & _LOW) | max(a >> _32, b >> _32) << _32


@njit(**COLD)
def _close_slot(line):
    """Put the running slot into the ring and remember the peaks it made."""
    line.ring[line.slot & _CELL] = line.current
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
        line.window -= line.ring[(k - s.WINDOW) & _CELL]
        gone = (k - s.WINDOW - 1) & _CELL
        line.eleven -= line.ring[gone]
        line.syn += line.ring[gone] & _LOW
        line.udp += line.ring[gone] >> _32
        line.ring[gone] = 0


@njit(**COLD)
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


@njit(**COLD)
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


@njit(**HOT)
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


@njit(**HOT)
def _tick(st, ts):
    """Move packet time to `ts`: the slot and the grid cell it lies in."""
    st.slot = ts // s.SLOT
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
    """Give a row its table: a free one, or that of a row whose window is empty by now.

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
        if owner.window[s.SYN] + owner.window[s.UDP] > 0:
            return
        owner.table = 0
    else:
        return
    _clear_table(tables[t])
    tables[t].owner = r
    rows[r].table = t


@njit(types.int64(_RECORDS, types.int64, types.boolean, _ROWS, _TABLES, _INDEX, _LINES, _STATE), **COLD)
def count(records, start, by_source, rows, tables, index, lines, states):  # noqa: PLR0912, PLR0915
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
            if rows[rec.out_of].table == 0 and _rule(rec) >= 0:
                _take_table(rows, tables, st, rec.out_of)
            _out(rows[rec.out_of], tables[rows[rec.out_of].table], st, rec)
        if rec.into != NOBODY:
            _into(rows[rec.into], tables[rows[rec.into].table], st, rec)
        if not by_source or rec.family == 0:
            continue
        rule = _rule(rec)
        if rule >= 0 or st.judged > 0:
            at = _source_hash(st, rec.src_hi, rec.src_lo) & mask
            n = np.int64(index[at])
            while n != 0 and not _same(lines[n - 1], rec.family, rec.src_hi, rec.src_lo):
                at = (at + _ONE) & mask
                n = np.int64(index[at])
            if n == 0 and rule >= 0:
                n = _new_line(index, lines, st, at, rec)
                if n == 0:
                    st.overflow[rule] += np.int64(rec.packets)
            if n != 0:
                r = np.int64(lines[n - 1].row) - 1
                if r >= 0:
                    if rule >= 0 and rows[r].table == 0:
                        _take_table(rows, tables, st, r)
                    _out(rows[r], tables[rows[r].table], st, rec)
                if rule >= 0 and _count_source(lines[n - 1], st, rec, rule):
                    _promote(rows, st, lines[n - 1], rule, ts)
        if st.judged > 0:
            at = _source_hash(st, rec.dst_hi, rec.dst_lo) & mask
            n = np.int64(index[at])
            while n != 0 and not _same(lines[n - 1], rec.family, rec.dst_hi, rec.dst_lo):
                at = (at + _ONE) & mask
                n = np.int64(index[at])
            if n != 0 and lines[n - 1].row > 0:
                r = np.int64(lines[n - 1].row) - 1
                _into(rows[r], tables[rows[r].table], st, rec)
    return records.size


@njit(types.void(_ROWS, _TABLES, types.int64, types.int64), **COLD)
def turn_row(rows, tables, r, slot):
    """Bring one row to `slot`, so that its window is the one that ends there."""
    if slot != rows[r].slot:
        _turn_row(rows[r], tables[rows[r].table], slot)


@njit(types.void(_ROWS, _TABLES, _STATE, types.int64), **COLD)
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
    """Packets of a rule in the last `seconds` seconds of a row, the running one included."""
    row = rows[r]
    last = row.slot // s.WINDOW
    total = np.int64(row.ring[row.slot & _CELL, rule])
    for k in range(last - seconds + 1, last + 1):
        total += row.seconds[k & _SECOND, rule]
    return total


@njit(types.void(_TABLES, types.int64, _MERGED), **COLD)
def merge(tables, t, merged):
    """Add the places of a shard's table to those of the shards before it, by target.

    Of the ports that lead the one that leads by most stays; its count is no less true.
    """
    table, all_ = tables[t], merged[0]
    for p in range(table.places):
        hi, lo, what = table.key[p, 0], table.key[p, 1], table.key[p, 2]
        at = np.int64(_hash(hi, lo ^ what) & np.uint64(s.MERGED_INDEX - 1))
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
        for m in (s.OUT, s.BACK, s.RESET):
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


@njit([types.UniTuple(types.int64, 2)(places, types.int64) for places in (_TABLES, _MERGED)], **COLD)
def answers(tables, t):
    """(SYN-ACKs, resets) that the window's own TCP targets sent back."""
    table = tables[t]
    syn_acks = resets = 0
    for p in range(table.places):
        if table.key[p, 2] & np.uint64(255) == PROTOCOL_TCP:
            syn_acks += table.seen[p, s.BACK]
            resets += table.seen[p, s.RESET]
    return syn_acks, resets


@njit(
    [
        types.UniTuple(types.int64, 3)(places, types.int64, types.int64, types.int64, types.int64)
        for places in (_TABLES, _MERGED)
    ],
    **COLD,
)
def one_way(tables, t, udp, udp_in, ratio):
    """UDP of a window to targets that sent back less than one packet per `ratio`.

    `udp`, `udp_in`: all of the window, out and in. (packets, of them to targets without a place,
    packets that came back all the same). Targets without a place are judged together.
    """
    table = tables[t]
    packets = back = placed = placed_back = 0
    for p in range(table.places):
        if table.key[p, 2] & np.uint64(255) != PROTOCOL_UDP:
            continue
        placed += table.seen[p, s.OUT]
        placed_back += table.seen[p, s.BACK]
        if table.seen[p, s.BACK] * ratio < table.seen[p, s.OUT]:
            packets += table.seen[p, s.OUT]
            back += table.seen[p, s.BACK]
    rest = udp - placed
    rest_back = udp_in - placed_back
    if rest_back * ratio >= rest:
        return packets, 0, back
    return packets + rest, rest, back + rest_back


@njit(types.void(_LINES, _STATE), **COLD)
def close_sources(lines, states):
    """Fold running slots into peaks and totals; at the end of a savefile."""
    for n in range(states[0].sources):
        _close_slot(lines[n])
        _empty_line(lines[n])


@njit(types.void(_STATE, types.int64), **COLD)
def tick(states, ts):
    """Move packet time on: past a look that was taken, or through an idle live capture."""
    if ts >= states[0].grid_end:
        states[0].crossed = 0
        _tick(states[0], ts)


@njit(types.void(_STATE, types.int64), **COLD)
def turn_back(states, ts):
    """Move packet time to `ts`, wherever it is: another shard knows that the clock was set back."""
    states[0].crossed = 0
    _tick(states[0], ts)
