"""Who is on duty, and when: `[roster]`, and one `[[roster.shift]]` for each person's hours of the week."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from edgeguard import week
from edgeguard.config.fields import Duration, Line, Program, Section

_ADDRESS = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+")


def _address(value: str) -> str:
    if value and not _ADDRESS.fullmatch(value):
        raise ValueError(f"{value!r} is no mail address, like 'oncall@example.net'")
    return value


class Shift(Section):
    """One person's hours. They may end on the next day: 22:00 to 06:00."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: Annotated[Line, Field(min_length=1, max_length=64)]  # the principal, or a role
    days: Annotated[tuple[str, ...], BeforeValidator(week.days)]
    from_: Annotated[int, BeforeValidator(week.minutes), Field(alias="from")]  # minutes since midnight
    to: Annotated[int, BeforeValidator(week.minutes)]
    mail: Annotated[Line, AfterValidator(_address)] = ""
    page: Program = ()


class Roster(Section):
    """The shifts of a week, in one time zone."""

    zone: Annotated[Line, AfterValidator(week.zone)]
    reply: Duration
    repeat: Duration
    shift: Annotated[tuple[Shift, ...], Field(max_length=256)] = ()

    @model_validator(mode="before")
    @classmethod
    def _has_a_zone(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("shift") and not values.get("zone"):
            raise ValueError("shifts need a time zone: zone = 'Europe/Berlin', say")
        return values
