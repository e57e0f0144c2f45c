"""What a month was like: how often people were warned and null-routed, how often wrongly, and how long all took.

    found = measures(reader.account(Month.read("2026-11")))
    found.times["notice"].percentile(0.95)    # seconds

Definitions are in docs/report.md. Everything belongs to the month in which it was decided, or written by the
customer; what became of it since, in whatever month, is counted as it stands now.
"""

from __future__ import annotations

import bisect
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from edgeguard.cases.month import Month
from edgeguard.cases.told import Account, Told
from edgeguard.clock import SECOND
from edgeguard.model import Scope

OVERTURNED = "overturned"
OUTCOMES = ("confirmed", "undetermined", OVERTURNED)  # that a person may say
BY_HAND = "by a person"  # in the place of a rule
UNKNOWN = "unknown"  # version: recorded before it was

TIMES = {
    "notice": "null route to notice",
    "warning": "warning to notice",
    "person": "null route to a person",
    "reply": "reply to a person",
    "release": "null route to its end",
    "release_by_person": "ended by a person",
    "release_by_itself": "ended by itself",
}


@dataclass(frozen=True, slots=True)
class Took:
    """How long something took, each time that it came to its end, sorted."""

    seconds: tuple[float, ...] = ()
    without: int = 0  # how often it has not come to its end

    def percentile(self, share: float) -> float | None:
        """The nearest rank [s]; None: nothing was timed."""
        return self.seconds[max(0, math.ceil(share * len(self.seconds)) - 1)] if self.seconds else None

    @property
    def longest(self) -> float | None:
        return self.seconds[-1] if self.seconds else None


@dataclass(frozen=True, slots=True)
class Ruling:
    """What people said of the cases in which one version of a rule had somebody warned or null-routed."""

    rule: str
    version: str
    cases: int
    outcomes: Mapping[str, int]  # of OUTCOMES

    @property
    def judged(self) -> int:
        return sum(self.outcomes.values())

    @property
    def overturned_share(self) -> float | None:
        """Of those that were judged; None: nobody has."""
        return self.outcomes[OVERTURNED] / self.judged if self.judged else None


@dataclass(frozen=True, slots=True)
class Day:
    """1 to 31."""

    day: int
    warnings: int = 0
    null_routes: int = 0


@dataclass(frozen=True, slots=True)
class Measures:
    """One month, as the database has it."""

    month: Month
    opened: int = 0  # cases
    still_open: int = 0  # of those
    observed: int = 0  # decisions that told the desk only
    warnings: int = 0
    null_routes: int = 0
    scopes: Mapping[str, int] = field(default_factory=dict)  # of the null routes
    by_people: int = 0  # of the null routes
    refused: int = 0  # ordered, and the kernel took none of it; no null routes
    rulings: tuple[Ruling, ...] = ()
    times: Mapping[str, Took] = field(default_factory=dict)  # by the keys of TIMES
    days: tuple[Day, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Nothing at all happened in it."""
        counted = (self.opened, self.observed, self.warnings, self.null_routes, self.refused)
        return not any(counted) and not any(took.seconds or took.without for took in self.times.values())


def measures(of: Account) -> Measures:
    """Reckoned from what a store says of the month."""
    acts = _by_case(of.people)
    warnings = [one for one in of.decisions if one.is_warning]
    refused = [one for one in of.decisions if one.is_refused]
    null_routes = [one for one in of.decisions if one.is_null_route and not one.is_refused]
    return Measures(
        of.month,
        of.opened,
        of.still_open,
        observed=sum(one.is_observed for one in of.decisions),
        warnings=len(warnings),
        null_routes=len(null_routes),
        scopes=_scopes(null_routes),
        by_people=sum(one.by_person for one in null_routes),
        refused=len(refused),
        rulings=tuple(_rulings([*warnings, *null_routes, *refused], of.outcomes)),
        times={
            "notice": _noticed(null_routes, of.mails),
            "warning": _noticed(warnings, of.mails),
            "person": _until_person(of.begun, acts),
            "reply": _until_person(of.replies, acts),
            **_releases(null_routes),
        },
        days=tuple(_days(of.month, warnings, null_routes)),
    )


def _by_case(acts: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for case, at in acts:
        found[case].append(at)
    return {case: sorted(times) for case, times in found.items()}


def _scopes(null_routes: Sequence[Told]) -> dict[str, int]:
    counted = Counter(one.scope for one in null_routes)
    return {str(scope): counted[scope] for scope in (Scope.NARROW, Scope.OWN_ONLY, Scope.FULL)}


def _rulings(decisions: Iterable[Told], outcomes: Mapping[str, str]) -> Iterator[Ruling]:
    """A case counts once for each version of a rule that had somebody told in it."""
    cases: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for one in decisions:
        cases[one.rule or BY_HAND, one.version or (UNKNOWN if one.rule else "")].add(one.case)
    for (rule, version), ids in sorted(cases.items()):
        said = Counter(outcomes[id] for id in ids if id in outcomes)
        yield Ruling(rule, version, len(ids), {outcome: said[outcome] for outcome in OUTCOMES})


def _took(spans: Iterable[int | None]) -> Took:
    """ns; None: it has not come to its end. What a clock step made negative took no time."""
    known = list(spans)
    ended = sorted(max(0, span) / SECOND for span in known if span is not None)
    return Took(tuple(ended), len(known) - len(ended))


def _noticed(decisions: Iterable[Told], mails: Mapping[str, int | None]) -> Took:
    """Where nobody was to be written to there is nothing to time."""
    return _took(_since(one.at, mails[one.id]) for one in decisions if one.id in mails)


def _until_person(begun: Iterable[tuple[str, int]], acts: Mapping[str, Sequence[int]]) -> Took:
    """From each (case, time) to the first thing that a person did with the case."""
    return _took(_since(at, _next(acts.get(case, ()), at)) for case, at in begun)


def _next(times: Sequence[int], at: int) -> int | None:
    place = bisect.bisect_left(times, at)
    return times[place] if place < len(times) else None


def _since(at: int, end: int | None) -> int | None:
    return None if end is None else end - at


def _releases(null_routes: Sequence[Told]) -> dict[str, Took]:
    """All of them; and those that have ended by who ended them."""
    ended = [one for one in null_routes if one.ended is not None]
    people = [one for one in ended if one.ended_by_person]
    rest = [one for one in ended if not one.ended_by_person]
    return {
        "release": _took(_since(one.at, one.ended) for one in null_routes),
        "release_by_person": _took(_since(one.at, one.ended) for one in people),
        "release_by_itself": _took(_since(one.at, one.ended) for one in rest),
    }


def _days(month: Month, warnings: Iterable[Told], null_routes: Iterable[Told]) -> Iterator[Day]:
    warned, routed = (Counter(month.day(one.at) for one in some) for some in (warnings, null_routes))
    return (Day(day, warned[day], routed[day]) for day in range(1, month.days + 1))
