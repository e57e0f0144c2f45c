"""Times: integers of nanoseconds since 1970 everywhere, text only at the edges."""

from __future__ import annotations

import time
from datetime import UTC, datetime

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
SLOT = 100 * MILLISECOND  # the smallest time cell of counting; aligned to the Unix epoch
GRID = 5 * MILLISECOND  # crossings are looked at on this grid of packet time


def now() -> int:
    """The wall clock (CLOCK_REALTIME) in nanoseconds, as the kernel stamps frames."""
    return time.time_ns()


def utc(at: int) -> str:
    """'2026-01-31 03:04:05 UTC', whole seconds, rounded down."""
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def utc_millis(at: int) -> str:
    """'2026-01-31 03:04:05.678 UTC'."""
    base = datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{base}.{at % SECOND // MILLISECOND:03d} UTC"
