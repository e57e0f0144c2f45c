"""The clock that ends are kept in: a step of the wall clock neither frees nor binds."""

from __future__ import annotations

import functools
import time
from dataclasses import replace
from pathlib import Path

from edgeguard.model import Order

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boottime() -> int:
    """CLOCK_BOOTTIME in nanoseconds; goes on while the host sleeps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


@functools.cache
def boot() -> str:
    """Which boot it counts from: after another one the same number means another time."""
    return BOOT_ID.read_text(encoding="ascii").strip()


def stamped(order: Order) -> Order:
    """The order with its end on this clock beside the wall clock's."""
    return replace(order, ends=end_of(order), boot=boot())


def end_of(order: Order) -> int:
    """The end of an order here; by the wall clock where it was stamped in another boot, or not at all."""
    if order.ends and order.boot == boot():
        return order.ends
    return max(0, boottime() + order.until - time.time_ns())


def stepped(at: int, since: int, boot_id: str) -> int:
    """By how much the wall clock was set since it was `at` and this clock `since`, ns; after another boot nobody knows.

    Less than a second is how far apart the two were read.
    """
    if boot_id != boot():
        return 0
    by = time.time_ns() - at - (boottime() - since)
    return by if abs(by) >= 1_000_000_000 else 0
