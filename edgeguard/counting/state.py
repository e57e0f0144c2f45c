"""The memory of counting: arrays of fixed rows, allocated once, passed to every kernel.

ROW     one judged subject: rows 0 .. POINTS-1 are attachment points, the rows after them are sources
        that a savefile without an inventory made worth judging.
TABLE   the *places* of a row: the 64 (target, protocol) pairs kept for it. A row gets a table when it
        first sends what is judged; it may lose it once its window is empty. Table 0 is nobody's: where
        there are fewer tables than rows, all targets of a row that found none are missed.
LINE    one source of the source table; the first 64 bytes are all that most packets touch.
STATE   the clock of packet time and the flags between a kernel and its caller.

Slots are 100 ms, numbered from the Unix epoch; a ring holds 16 of them, a window is the last 10.
Seconds are numbered from the epoch too; the longer windows (5, 60 s) are sums of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgeguard.clock import GRID, SLOT

RING = 12  # the window, the running slot and the one before: what a window of eleven slots needs
WINDOW = 10  # slots in one second
BEHIND = (WINDOW + 1) * SLOT  # ns before the end of the running slot: older is far behind
SECONDS = 64  # ring for the windows of 5 and 60 s; a row's running slot is added when it ends

__all__ = ["GRID", "SLOT"]  # the cells of time, as the kernels use them

POINTS = 1024
JUDGED_SOURCES = 1024
PLACES = 64
HINTS = 512  # eight for each place: few keys share one
SHARDS = 8  # at most
PREFIXES = 16  # of one VM, for the forged share
NEVER = np.iinfo(np.int64).max
MOST = np.iinfo(np.uint32).max  # of a cell of the rings: bytes of 340 Gbit/s, or of a slot in which time stood still
SOURCE_KEY = (  # of the source table where nobody chooses the packets, as in tests: digits of pi
    0x243F_6A88_85A3_08D3,
    0x1319_8A2E_0370_7344,
    0xA409_3822_299F_31D0,
    0x082E_FA98_EC4E_6C89,
)

# Metrics of a row. Each is a counter that nothing clears; a window is what it gained in ten slots.
# The first are packets by rule, out of the subject and then into it. A reset is a TCP packet here.
SYN, UDP, ICMP, FRAGMENTS, TCP, TOTAL = range(6)
INTO = 6  # + rule: the same into it
RULES = 12
OCTETS = RULES  # + way * 8 + class: IP bytes
SYNACKS = OCTETS + 16  # + way: packets of the classes that have no rule to themselves; SYN-ACKs,
RSTS = SYNACKS + 2  # + way: resets; the others are what is left
FOREIGN = RSTS + 2  # + rule: of those, with a source that is not the subject's; not of all packets
MISSED = FOREIGN + 5  # packets that may be missing from any one target
THIRD_ACKS = MISSED + 1  # handshakes the subject completed
UNREACHABLE = MISSED + 2  # ICMP unreachable that came in
ICMP_ANSWERS = MISSED + 3  # ICMP out that answers what came in
SERVICE = MISSED + 4  # UDP out from a port of record.REFLECTORS
UDP_BACK = MISSED + 5  # UDP that came in, with later fragments
SIZES = MISSED + 6  # + 0 .. 2: UDP out of at most 128, 512, 1024 IP bytes
METRICS = SIZES + 3

# what is kept of a place: packets to it, answers from it, packets to its leading port; of SYNs the resets from
# it and the handshakes completed with it; of UDP bytes to it and from it in the same two columns; of ICMP
# packets of other protocols from it
OUT, BACK, PORT, RESET, THIRD = range(5)
KEPT = 5
BYTES, BACK_BYTES = RESET, THIRD
OTHERS = RESET

# a place's key: hi, lo, and rule << 16 | family << 8 | protocol; of a prefix its length << 24 besides
PREFIX_BITS = {4: 24, 6: 48}

HANDSHAKES = 1 << 16  # cells for SYN-ACKs whose ACK is awaited: it follows within a millisecond or two

ROW = np.dtype(
    [
        ("slot", "i8"),  # the rings stand at
        ("hot", "i8"),  # 1: judged at every slot
        ("fresh", "i8"),  # 1: a limit was crossed since somebody last asked
        ("track", "i8"),  # 1: targets of TCP are counted, too
        ("shaken", "i8"),  # slot of the last SYN-ACK that came in
        ("table", "i8"),  # its places; 0: none
        ("prefixes", "i8"),  # in use; 0: addresses unknown, nothing is called foreign
        ("watch", "i8", (RULES,)),  # count of a rule at which its window is compared with the levels again
        ("cum", "i8", (METRICS,)),  # never cleared
        ("frames", "i8", (2,)),  # out, in: every frame, as the tap's kernel counter counts
        ("snap", "i8", (METRICS,)),  # `cum` when the running slot began
        ("closed", "i8", (METRICS,)),  # sum of the window's slots but the running one
        ("arm", "i8", (RULES,)),  # window at which a crossing is reported
        ("hard", "i8", (RULES,)),  # the same by the limits alone; `arm` may be raised above it (`rearm`)
        ("loud", "i8", (RULES,)),  # window from which the row is hot
        ("crossed", "i8", (RULES,)),  # timestamp of the packet that reached `arm`; 0: not
        ("prefix", "u8", (PREFIXES, 5)),  # hi, lo, mask hi, mask lo, family
        ("ring", "u4", (RING, METRICS)),
        ("seconds", "u4", (SECONDS, INTO)),  # packets of the last whole and running seconds, by rule, out
        ("pad", "u1", (40,)),  # whole cache lines
    ],
    align=True,
)

TABLE = np.dtype(
    [
        ("owner", "i8"),  # its row; -1: free
        ("link", "i8"),  # the next free table; 0: the last
        ("places", "i8"),  # in use
        ("floor", "i8"),  # Misra-Gries: what was taken from every credit
        ("least", "i8"),  # no credit is below this
        ("next", "i8"),  # place where the search for the least credit begins
        ("hint", "u1", (HINTS,)),  # hash -> the place where the key was last, looked at first; nothing clears it
        ("tag", "u2", (PLACES,)),  # of the key's hash, odd; 0: not in use. No key is kept whose tag is not here
        ("key", "u8", (PLACES, 3)),
        ("credit", "i8", (PLACES,)),
        ("born", "i8", (PLACES,)),  # slot in which the place was taken: older cells are another's
        ("seen", "i8", (PLACES, KEPT)),  # window sums
        ("port", "i8", (PLACES,)),  # the port that leads (Boyer-Moore); -1: none yet
        ("port_credit", "i8", (PLACES,)),
        ("port_born", "i8", (PLACES,)),  # slot in which the port took the lead
        ("seen_ring", "u4", (PLACES, RING, KEPT)),
    ],
    align=True,
)

# the places of a row in all shards, put together when somebody asks
MERGED_PLACES = PLACES * SHARDS
MERGED_INDEX = 2048
MERGED = np.dtype(
    [
        ("places", "i8"),
        ("index", "u2", (MERGED_INDEX,)),
        ("key", "u8", (MERGED_PLACES, 3)),
        ("seen", "i8", (MERGED_PLACES, KEPT)),
        ("port", "i8", (MERGED_PLACES,)),
    ]
)

# packed words hold SYN in the low and UDP in the high 32 bits
LINE = np.dtype(
    [
        ("hi", "u8"),
        ("lo", "u8"),
        ("family", "u2"),
        ("refused", "u1"),  # worth a row, found none
        ("mixed", "u1"),  # later fragments are among its UDP
        ("row", "i4"),  # index of its row + 1
        ("slot", "i8"),
        ("window", "u8"),  # the last 10 slots, packed
        ("eleven", "u8"),  # the last 11, packed
        ("current", "u8"),  # the running slot, packed
        ("udp_bytes", "u8"),
        # touched when a slot ends:
        ("peak", "u8"),
        ("peak_eleven", "u8"),
        ("syn", "u8"),  # packets older than the ring
        ("udp", "u8"),
        ("ring", "u8", (RING,)),
    ],
    align=True,
)

STATE = np.dtype(
    [
        ("slot", "i8"),
        ("cell", "i8"),  # of the rings: slot % RING
        ("slot_end", "i8"),
        ("grid_end", "i8"),
        ("last_ts", "i8"),
        ("crossed", "i8"),  # a row reached its `arm` in this grid cell
        ("hot", "i8"),  # rows that want judging at every slot
        ("watched", "i8"),  # 1: the caller has clocks of its own to look at, at every slot
        ("late", "i8"),  # packets older than the one before
        ("behind", "i8"),  # stamp of the first of a run of packets far behind packet time; 0: none
        ("judged", "i8"),  # rows given to sources
        ("sources", "i8"),  # lines in use
        ("refused", "i8"),  # sources worth a row that found none
        ("promote", "i8", (2,)),  # window from which a source gets a row
        ("overflow", "i8", (2,)),  # packets of sources that found no line
        ("free", "i8"),  # head of the list of free tables; 0: none
        ("hand", "i8"),  # the table that was last asked whether its row is quiet
        ("untabled", "i8"),  # packets of rows that found no table: their targets are not known
        ("key", "u8", (4,)),  # of the source table's hash, and of the handshakes'
        ("handshakes", "u4", (HANDSHAKES,)),  # tags of the SYN-ACKs that came in, by the hash of their connection
    ]
)

Array = npt.NDArray[Any]


def rows(n: int) -> Array:
    """Zeroed ROWs that are never hot; the kernel gives pages only when they are touched."""
    made = np.zeros(n, ROW)
    made["arm"] = made["hard"] = made["loud"] = NEVER
    return made


def tables(n: int) -> Array:
    """`n` free TABLEs behind the one that is nobody's."""
    made = np.zeros(1 + n, TABLE)
    made["owner"] = -1
    made["link"] = np.arange(1, n + 2)
    made["link"][n] = 0
    return made


def merged() -> Array:
    return np.zeros(1, MERGED)


def index(lines: int) -> Array:
    """The hash index of a source table: line + 1 or 0, at most half full."""
    return np.zeros(1 << max(4, (2 * lines - 1).bit_length()), np.uint32)


def lines(n: int) -> Array:
    return np.zeros(n, LINE)


def state(tables: int = 0, key: tuple[int, ...] = SOURCE_KEY) -> Array:
    """One STATE over so many free tables; sources are not judged until `promote` says from when.

    `key`: four numbers of 64 bits.
    """
    made = np.zeros(1, STATE)
    made["free"] = min(1, tables)
    made["promote"] = NEVER
    made["key"] = np.array(key, np.uint64)
    return made
