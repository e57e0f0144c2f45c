"""A provider's answer, read: good or unknown with its facts and times, or not to be believed.

{"standing": "good", "as_of": "2026-01-31T06:00:00Z", "valid_until": "2026-02-28T00:00:00Z",
 "facts": {"contact_verified": true, "on_call": {"holds": true, "as_of": "2025-11-01T00:00:00Z"}}}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime

from edgeguard.clock import MINUTE, SECOND, utc
from edgeguard.context import Fact, NoGroundError, Told
from edgeguard.exchange import NoAnswerError

KEYS = ("standing", "as_of", "valid_until", "facts")
SKEW = 5 * MINUTE  # by which the provider's clock may be ahead of ours
LATEST = 253_402_300_799  # seconds: the last one of the year 9999
MOST_QUOTED = 60  # characters


def read(found: object, now: int) -> Told:
    """NoAnswerError where it is not what an answer looks like: what lies once is not believed at all."""
    if found is None:
        return Told(False, "the provider does not know this customer")
    table = _table(found, "the answer")
    if others := [key for key in table if key not in KEYS]:
        raise NoAnswerError(f"{_quoted(others[0])} is no part of an answer; there are {', '.join(KEYS)}")
    as_of = _time(table.get("as_of"), "as_of")
    until = _time(table.get("valid_until"), "valid_until")
    facts = tuple(_facts(table.get("facts"), as_of, now))
    said = table.get("standing")
    if said == "unknown":
        return Told(False, "the provider says so", facts, as_of)
    if said != "good":
        raise NoAnswerError(f"standing is {_quoted(said)}, which is neither 'good' nor 'unknown'")
    _check_times(as_of, until, now)
    return Told(True, "", facts, as_of, until)


def _check_times(as_of: int | None, until: int | None, now: int) -> None:
    if as_of is None:
        raise NoAnswerError("good, but it does not say as of when")
    _past(as_of, now)
    if until is not None and until <= as_of:
        raise NoAnswerError(f"valid until {utc(until)}, which is before {utc(as_of)}, when it was said")


def _past(as_of: int, now: int) -> None:
    if as_of > now + SKEW:
        raise NoAnswerError(f"as of {utc(as_of)}, which is in the future")


def _facts(found: object, as_of: int | None, now: int) -> Iterator[Fact]:
    for name, value in _table({} if found is None else found, "facts").items():
        own = _table(value, f"fact {_quoted(name)}") if isinstance(value, Mapping) else {"holds": value}
        if not own.keys() <= {"holds", "as_of"}:
            raise NoAnswerError(f"fact {_quoted(name)}: has other parts than holds and as_of")
        then = _time(own.get("as_of"), f"as_of of fact {_quoted(name)}")
        yield _fact(name, own.get("holds"), as_of if then is None else then, now)


def _fact(name: str, holds: object, as_of: int | None, now: int) -> Fact:
    if as_of is None:
        raise NoAnswerError(f"fact {_quoted(name)}: does not say as of when")
    _past(as_of, now)
    try:
        fact = Fact(name, holds is True, as_of)
    except NoGroundError as error:
        raise NoAnswerError(str(error)) from None
    if not isinstance(holds, bool):
        raise NoAnswerError(f"fact {_quoted(name)} is {_quoted(holds)}: neither true nor false")
    return fact


def _table(found: object, what: str) -> Mapping[str, object]:
    if not isinstance(found, Mapping) or not all(isinstance(key, str) for key in found):
        raise NoAnswerError(f"{what} is {_quoted(found)}, which is no table")
    return found


def _time(found: object, what: str) -> int | None:
    """Nanoseconds of RFC 3339 text, of a date, or of seconds since 1970; None where there is none."""
    if found is None:
        return None
    seconds = _seconds(found, what)
    if not 0 <= seconds <= LATEST:  # nor NaN
        raise NoAnswerError(f"{what} is {_quoted(found)}, which is no time since 1970")
    return int(seconds * SECOND)


def _seconds(found: object, what: str) -> float:
    if isinstance(found, (int, float)) and not isinstance(found, bool):
        return found
    if isinstance(found, str):
        try:
            found = datetime.fromisoformat(found)
        except ValueError:
            raise NoAnswerError(f"{what} is {_quoted(found)}: write it like '2026-01-31T06:00:00Z'") from None
    if isinstance(found, datetime):
        if found.tzinfo is None:
            raise NoAnswerError(f"{what} is {found}, without a time zone: write a Z behind it")
        return found.timestamp()
    if isinstance(found, date):
        return datetime(found.year, found.month, found.day, tzinfo=UTC).timestamp()
    raise NoAnswerError(f"{what} is {_quoted(found)}, which is no time")


def _quoted(found: object) -> str:
    """On one line and short, whatever it is."""
    text = ascii(found) if isinstance(found, (str, int, float, bool, type(None))) else type(found).__name__
    return text if len(text) <= MOST_QUOTED else f"{text[:MOST_QUOTED]}..."
