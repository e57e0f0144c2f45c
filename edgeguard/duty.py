"""What the configuration says of people: their clocks, and who is on duty when.

A configuration is a Duty. Who looks at one case in the night needs no more of it, so `duty` reads these two tables by
themselves: checking the whole of a configuration takes longer than all the rest of the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol

from edgeguard import units, week
from edgeguard.glance import place


class Clocks(Protocol):
    """`[clocks]`, each in ns; docs/configuration.md says what for."""

    @property
    def quiet(self) -> int: ...
    @property
    def quiet_again(self) -> int: ...
    @property
    def undecided(self) -> int: ...
    @property
    def hold(self) -> int: ...
    @property
    def second_voice(self) -> int: ...
    @property
    def upheld_quiet(self) -> int: ...
    @property
    def appeal(self) -> int: ...
    @property
    def appeal_full(self) -> int: ...


class Shift(Protocol):
    """One person's hours, from and to in minutes since midnight."""

    @property
    def name(self) -> str: ...
    @property
    def days(self) -> Sequence[str]: ...
    @property
    def from_(self) -> int: ...
    @property
    def to(self) -> int: ...
    @property
    def mail(self) -> str: ...


class Roster(Protocol):
    """The shifts of a week in one time zone; `reply` and `repeat` in ns."""

    @property
    def zone(self) -> str: ...
    @property
    def reply(self) -> int: ...
    @property
    def repeat(self) -> int: ...
    @property
    def shift(self) -> Sequence[Shift]: ...


class Duty(Protocol):
    """Both."""

    @property
    def clocks(self) -> Clocks: ...
    @property
    def roster(self) -> Roster: ...


@dataclass(frozen=True, slots=True)
class _Read:
    clocks: Clocks
    roster: Roster


def read(config: str) -> Duty | None:
    """Of a configuration file; of the defaults where nobody made the default file.

    None where anything in the two tables is not as it must be: then the configuration as a whole is to be read, which
    says why.
    """
    try:
        given = place.given(config)
        return _Read(_clocks(_table(given, "clocks")), _roster(_table(given, "roster")))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _table(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    shipped = place.shipped(name)
    told = {**shipped, **given.get(name, {})}
    if told.keys() != shipped.keys():
        raise ValueError(f"[{name}] holds what it does not know")
    return told


def _clocks(values: Mapping[str, Any]) -> Clocks:
    return SimpleNamespace(**{name: _duration(value) for name, value in values.items()})


def _roster(values: Mapping[str, Any]) -> Roster:
    zone, shifts = week.zone(values["zone"]), tuple(_shift(shift) for shift in values["shift"])
    if shifts and not zone:
        raise ValueError("shifts need a time zone")
    return SimpleNamespace(
        zone=zone, reply=_duration(values["reply"]), repeat=_duration(values["repeat"]), shift=shifts
    )


def _shift(values: dict[str, Any]) -> Shift:
    hours = {"from_": week.minutes(values["from"]), "to": week.minutes(values["to"])}
    return SimpleNamespace(name=values["name"], days=week.days(values["days"]), mail=values.get("mail", ""), **hours)


def _duration(value: str) -> int:
    ns = units.duration(value)
    if ns <= 0:
        raise ValueError(f"{value!r} is no time at all")
    return ns
