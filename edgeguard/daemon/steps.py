"""Steps of the wall clock, which frames are stamped with, against a clock that nobody can set."""

from __future__ import annotations

import time
from collections.abc import Callable

from edgeguard import clock

STEP = 500 * clock.MILLISECOND  # less than that between two looks is slewing, or a thread that was kept waiting


def _boottime() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Steps:
    """Asked at every turn of the loop: two clocks are read, nothing else."""

    def __init__(self, wall: Callable[[], int] = clock.now, steady: Callable[[], int] = _boottime) -> None:
        self._wall, self._steady = wall, steady
        self._offset = wall() - steady()

    def taken(self) -> int:
        """By how many nanoseconds the wall clock was moved since the last look; 0: not."""
        before = self._steady()
        offset = self._wall() - before
        if self._steady() - before > STEP // 2:  # kept waiting between the two
            return 0
        by, self._offset = offset - self._offset, offset
        return by if abs(by) >= STEP else 0
