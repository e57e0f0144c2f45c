"""When a flood crosses its limits, from its own packets: independent of the counting that is judged by it.

Hard acts at once: at the packet with which a second that begins at a slot of 100 ms holds the limit
(DECISION: the window's exact lower bound). Warn and act need whole seconds over the limit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.quality.frames import Array
from edgeguard.clock import MILLISECOND, SECOND, SLOT
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
    """The end of the second with which enough of the last ones held `limit` packets."""
    if not len(at):
        return None
    seconds = at // SECOND - at[0] // SECOND
    over = np.flatnonzero(np.bincount(seconds, weights=packets) >= limit)
    need = judging.sustain_seconds
    for n in range(need - 1, len(over)):
        if over[n] - over[n - need + 1] < judging.sustain_of:
            return int((at[0] // SECOND + over[n] + 1) * SECOND)
    return None


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
