"""Who is on duty, and when: `[roster]`, and one `[[roster.shift]]` for each person's hours of the week."""

from __future__ import annotations

import re
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from edgeguard.config.fields import Duration, Line, Program, Section

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")
_ADDRESS = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+")


def _days(value: object) -> object:
    if not isinstance(value, (list, tuple)) or not value or not all(day in DAYS for day in value):
        raise ValueError(f"{value!r}: name days of the week as a list of {', '.join(DAYS)}")
    return tuple(dict.fromkeys(value))


def _minutes(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 24 * 60:
        return value
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError(f"{value!r} is no time of day: write it like '08:30', in hours and minutes up to '24:00'")
    return 60 * int(value[:2]) + int(value[3:])


def _zone(value: str) -> str:
    try:
        if value:
            ZoneInfo(value)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"{value!r} is no time zone that this system knows: like 'Europe/Berlin' or 'UTC'") from None
    return value


def _address(value: str) -> str:
    if value and not _ADDRESS.fullmatch(value):
        raise ValueError(f"{value!r} is no mail address, like 'oncall@example.net'")
    return value


class Shift(Section):
    """One person's hours. They may end on the next day: 22:00 to 06:00."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: Annotated[Line, Field(min_length=1, max_length=64)]  # the principal, or a role
    days: Annotated[tuple[str, ...], BeforeValidator(_days)]
    from_: Annotated[int, BeforeValidator(_minutes), Field(alias="from")]  # minutes since midnight
    to: Annotated[int, BeforeValidator(_minutes)]
    mail: Annotated[Line, AfterValidator(_address)] = ""
    page: Program = ()

    @property
    def minutes(self) -> int:
        """How long it is by the clock on the wall; from an hour to the same one is a whole day."""
        return (self.to - self.from_) % (24 * 60) or 24 * 60


class Roster(Section):
    """The shifts of a week, in one time zone."""

    zone: Annotated[Line, AfterValidator(_zone)]
    reply: Duration
    repeat: Duration
    shift: Annotated[tuple[Shift, ...], Field(max_length=256)] = ()

    @model_validator(mode="before")
    @classmethod
    def _has_a_zone(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("shift") and not values.get("zone"):
            raise ValueError("shifts need a time zone: zone = 'Europe/Berlin', say")
        return values
