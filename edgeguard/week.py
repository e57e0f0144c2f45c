"""Days and hours of a week as a roster writes them; each refuses what it cannot be in one clear sentence."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")


def days(value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not value or not all(day in DAYS for day in value):
        raise ValueError(f"{value!r}: name days of the week as a list of {', '.join(DAYS)}")
    return tuple(dict.fromkeys(value))


def minutes(value: object) -> int:
    """Since midnight, of '08:30'; a number of minutes stays one."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 24 * 60:
        return value
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError(f"{value!r} is no time of day: write it like '08:30', in hours and minutes up to '24:00'")
    return 60 * int(value[:2]) + int(value[3:])


def zone(value: str) -> str:
    """Its name, where this system knows it; none stays none."""
    try:
        if value:
            ZoneInfo(value)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"{value!r} is no time zone that this system knows: like 'Europe/Berlin' or 'UTC'") from None
    return value


def length(from_: int, to: int) -> int:
    """Minutes by the clock on the wall; from an hour to the same one is a whole day."""
    return (to - from_) % (24 * 60) or 24 * 60
