"""Who is on duty at a time, and until when somebody will have read what comes in then. Pure: time is an argument."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from edgeguard.clock import SECOND
from edgeguard.duty import Roster, Shift
from edgeguard.week import DAYS, length

AHEAD = 9  # days: every shift comes once a week, and the day may have begun


def on_duty(roster: Roster, at: int) -> tuple[Shift, ...]:
    """Whose shifts hold at a time, in the order of the file."""
    near = (-1, 0)  # a shift that holds began today or yesterday
    return tuple(one for one in roster.shift if any(since <= at < end for since, end in _spans(one, roster, at, near)))


def addresses(roster: Roster, at: int) -> tuple[str, ...]:
    """Whom a mail to who is on duty goes to, each once; ('',), the desk, where none of them has an address."""
    return tuple(dict.fromkeys(one.mail for one in on_duty(roster, at) if one.mail)) or ("",)


def next_start(roster: Roster, at: int) -> int | None:
    """When the next shift begins after a time; None: there is no roster."""
    return min(
        (since for one in roster.shift for since, _ in _spans(one, roster, at, range(AHEAD)) if since > at),
        default=None,
    )


def to_next_shift(roster: Roster, longest: int, at: int) -> int:
    """ns until somebody else comes on duty, `longest` at most; without a roster that."""
    begins = next_start(roster, at)
    return longest if begins is None else min(longest, begins - at)


def read_by(roster: Roster, at: int) -> int | None:
    """By when a person has read what comes in at a time: within `reply` while somebody is there then and at its end,
    else so long after the next shift begins. None: nobody promises anything."""
    if not roster.shift:
        return None
    by = at + roster.reply
    if on_duty(roster, at) and on_duty(roster, by):
        return by
    begins = next_start(roster, at)
    return None if begins is None else begins + roster.reply


def promised(roster: Roster, within: int, at: int) -> int | None:
    """By when a person reads a reply, as a customer may be told: by the roster, else within `[mail] read_within`, ns.
    None: nothing is promised."""
    if roster.shift:
        return read_by(roster, at)
    return at + within if within else None


def _spans(shift: Shift, roster: Roster, at: int, days: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Beginnings and ends of a shift, ns, on days counted from that of a time."""
    zone = ZoneInfo(roster.zone)
    today = datetime.fromtimestamp(at // SECOND, UTC).astimezone(zone).date()
    for offset in days:
        day = today + timedelta(days=offset)
        if DAYS[day.weekday()] in shift.days:
            yield _moment(day, shift.from_, zone), _moment(day, shift.from_ + length(shift.from_, shift.to), zone)


def _moment(day: date, minutes: int, zone: ZoneInfo) -> int:
    """A time of the wall clock, ns since 1970; minutes may run into the next day. Of an hour that a zone has twice the
    first, and one that it leaves out is as long after the hour before."""
    local = datetime.combine(day, time()) + timedelta(minutes=minutes)
    return int(local.replace(tzinfo=zone).timestamp()) * SECOND
