"""The clock that ends are kept in inside the child: a step of the wall clock neither frees nor binds."""

from __future__ import annotations

import time


def boottime() -> int:
    """CLOCK_BOOTTIME in nanoseconds; goes on while the host sleeps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
