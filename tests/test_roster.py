"""Who is on duty, and what is promised by it: against a plain walk over every quarter of an hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard import config, roster
from edgeguard.clock import HOUR, MINUTE, SECOND
from edgeguard.config import Roster
from edgeguard.errors import ConfigError
from edgeguard.week import DAYS

QUARTER = 15 * MINUTE
OFFICE = {"name": "alex", "days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "18:00"}
NIGHT = {"name": "robin", "days": ["fri"], "from": "22:00", "to": "06:00"}
TIMES = st.integers(0, 95).map(lambda n: f"{n // 4:02}:{n % 4 * 15:02}")
SHIFTS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(["alex", "robin", "kim"]),
            "days": st.lists(st.sampled_from(DAYS), min_size=1, max_size=4),
            "from": TIMES,
            "to": TIMES,
        }
    ),
    min_size=1,
    max_size=4,
)


def made(*shifts: dict[str, Any], zone: str = "UTC") -> Roster:
    return config.build({"roster": {"zone": zone, "shift": list(shifts)}}).roster


def at(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND


def names(found: Roster, when: int) -> list[str]:
    return [shift.name for shift in roster.on_duty(found, when)]


def test_a_shift_holds_from_its_first_moment_to_its_last() -> None:
    """On its days, by the clock of its zone; past midnight it is the day before's."""
    office = made(OFFICE, NIGHT)
    assert names(office, at("2026-01-30T08:00")) == ["alex"]  # a Friday
    assert names(office, at("2026-01-30T18:00") - 1) == ["alex"]
    assert names(office, at("2026-01-30T18:00")) == []
    assert names(office, at("2026-01-31T05:59")) == ["robin"]
    assert names(office, at("2026-01-31T06:00")) == []
    berlin = made(OFFICE, zone="Europe/Berlin")
    assert names(berlin, at("2026-01-30T07:00")) == ["alex"] and names(berlin, at("2026-07-31T06:00")) == ["alex"]
    assert names(berlin, at("2026-07-31T05:59")) == []
    whole = made({**OFFICE, "days": list(DAYS), "from": "00:00", "to": "24:00"})
    assert names(whole, at("2026-01-31T23:59")) == ["alex"]


def test_a_promise_is_kept_by_somebody_who_is_there() -> None:
    """Within half an hour where somebody is there then; else so long after the next shift begins."""
    office = made(OFFICE)
    assert roster.read_by(office, at("2026-01-30T10:00")) == at("2026-01-30T10:30")
    assert roster.read_by(office, at("2026-01-30T17:45")) == at("2026-02-02T08:30")
    assert roster.read_by(office, at("2026-01-31T03:00")) == at("2026-02-02T08:30")
    assert roster.read_by(config.build({}).roster, at("2026-01-30T10:00")) is None
    assert roster.promised(config.build({}).roster, HOUR, 5) == 5 + HOUR
    assert roster.promised(config.build({}).roster, 0, 5) is None
    assert roster.promised(office, HOUR, at("2026-01-30T10:00")) == at("2026-01-30T10:30")


@pytest.mark.parametrize("day", ["2026-03-28", "2026-10-24"])
def test_hours_that_are_left_out_or_twice_leave_nobody_behind(day: str) -> None:
    """Over both nights in which Berlin's clocks change somebody on around the clock is always there."""
    halves = [{**OFFICE, "days": list(DAYS), "from": a, "to": b} for a, b in (("00:00", "12:00"), ("12:00", "24:00"))]
    around = made(*halves, zone="Europe/Berlin")
    begin = at(f"{day}T12:00", "Europe/Berlin")
    for step in range(0, 48 * HOUR, QUARTER):
        assert names(around, begin + step), datetime.fromtimestamp((begin + step) // SECOND, UTC)


@settings(max_examples=40, deadline=None)
@given(SHIFTS, st.integers(0, 7 * 96 - 1))
def test_it_agrees_with_a_walk(shifts: list[dict[str, Any]], quarter: int) -> None:
    """In a zone without changes: on duty is whoever's span holds the moment; the next start is the first."""
    found = made(*shifts)
    monday = datetime(2026, 2, 2, tzinfo=UTC)
    spans = []
    for shift in shifts:
        for week_day in range(-8, 16):
            day = monday + timedelta(days=week_day)
            if DAYS[day.weekday()] not in shift["days"]:
                continue
            begin = day + timedelta(hours=int(shift["from"][:2]), minutes=int(shift["from"][3:]))
            end = day + timedelta(hours=int(shift["to"][:2]), minutes=int(shift["to"][3:]))
            spans.append((shift["name"], begin, end if end > begin else end + timedelta(days=1)))
    now = monday + timedelta(minutes=15 * quarter)
    moment = int(now.timestamp()) * SECOND
    assert set(names(found, moment)) == {name for name, begin, end in spans if begin <= now < end}
    assert roster.next_start(found, moment) == int(min(b for _, b, _ in spans if b > now).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"zone": "Mars/Base"}, "no time zone that this system knows"),
        ({"shift": [OFFICE]}, "shifts need a time zone"),
        ({"zone": "UTC", "shift": [{**OFFICE, "days": ["someday"]}]}, "name days of the week"),
        ({"zone": "UTC", "shift": [{**OFFICE, "from": "8"}]}, "is no time of day"),
        ({"zone": "UTC", "shift": [{**OFFICE, "to": "25:00"}]}, "is no time of day"),
        ({"zone": "UTC", "shift": [{**OFFICE, "mail": "alex"}]}, "is no mail address"),
        ({"zone": "UTC", "shift": [{**OFFICE, "mail": "a@b.example\nBcc: x@y.example"}]}, "[roster.shift"),
        ({"zone": "UTC", "shift": [{**OFFICE, "page": "sms alex"}]}, "write the program"),
        ({"zone": "UTC", "shift": [{**OFFICE, "pager": "x"}]}, "unknown key"),
    ],
)
def test_a_wrong_roster_is_refused(wrong: dict[str, Any], told: str) -> None:
    """In one line that says what is wrong and how it is written."""
    with pytest.raises(ConfigError) as refused:
        config.build({"roster": wrong})
    (line,) = refused.value.findings
    assert told in line and "\n" not in line
