"""When a flood crosses its limits, from its own packets: independent of the counting that is judged by it.

Hard acts at once: at the packet with which a second that begins at a slot of 100 ms holds the limit
(DECISION: the window's exact lower bound). Warn and act need five such seconds of the last sixty that do
not overlap; as these need not begin with a second of the clock, no pulse is cut in two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.quality.frames import Array
from edgeguard.clock import MILLISECOND, SLOT
from edgeguard.config import Judging, Limits
from edgeguard.model import Band

AT_ONCE = 10 * MILLISECOND  # of packet time, from the crossing to the verdict
SUSTAINED = 200 * MILLISECOND  # on top of what the sustain needs


@dataclass(frozen=True, slots=True)
class Due:
    """A limit that was crossed: when, and until when the verdict must be there [ns since 1970]."""

    band: Band
    crossed: int
    by: int


def crossing(at: Array, packets: Array, limit: int) -> int | None:
    """When a window first holds `limit` packets. `at` is sorted."""
    sent = np.concatenate([[0], np.cumsum(packets)])
    first = np.searchsorted(at, at // SLOT * SLOT - 9 * SLOT)
    over = np.flatnonzero(sent[1:] - sent[first] >= limit)
    return int(at[over[0]]) if len(over) else None


def sustained(at: Array, packets: Array, limit: int, judging: Judging) -> int | None:
    """The end of the second with which enough of the last ones, none overlapping another, held `limit` packets."""
    if not len(at):
        return None
    first = at[0] // SLOT
    slots = np.bincount(at // SLOT - first, weights=packets)
    seconds = np.convolve(slots, np.ones(10))  # of the ten slots that end with each
    over: list[int] = np.flatnonzero(seconds >= limit).tolist()
    for n, slot in enumerate(over):
        recent = [one for one in over[: n + 1] if slot - one < 10 * judging.sustain_of]
        if _apart(recent) >= judging.sustain_seconds:
            return int((first + slot + 1) * SLOT)
    return None


def _apart(ends: list[int]) -> int:
    """How many seconds that end with these slots do not overlap: always the next one that can be taken."""
    taken, last = 0, -10
    for end in ends:
        if not taken or end - last >= 10:
            taken, last = taken + 1, end
    return taken


def dues(at: Array, packets: Array, limits: Limits, judging: Judging, late: int = 0) -> tuple[Due, ...]:
    """Every band that the flood reaches, lowest first."""
    found = []
    for band in (Band.WARN, Band.ACT):
        crossed = sustained(at, packets, getattr(limits, band), judging)
        if crossed is not None:
            found.append(Due(band, crossed, crossed + SUSTAINED + late))
    crossed = crossing(at, packets, limits.hard)
    if crossed is not None:
        found.append(Due(Band.HARD, crossed, crossed + AT_ONCE + late))
    return tuple(found)
