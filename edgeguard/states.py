"""The states of a case and the ways between them, as states.toml has them.

TABLE.after("narrow", "release", ONE)    # 'probation'
TABLE.after("narrow", "uphold", ONE)     # None: that is not one person's to say
TABLE.after("upheld", "narrow", ONE)     # None: nothing leads there
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeguard.errors import ConfigError
from edgeguard.model import Scope

FILE = Path(__file__).with_name("states.toml")
OBSERVED, APPEALED, PROBATION = "observed", "appealed", "probation"  # code names these
VICTIM, CLOSED = "victim", "closed"
QUIET, END, UNDECIDED, TAP_GONE, SETTLE = "quiet", "end", "undecided", "tap gone", "settle"  # what time brings about
EVENTS = {Scope.OBSERVE: None, Scope.WARN: "warn"}  # of a decision; every other scope is an event of its name

AUTOMATION, ONE, TWO, THIRD, CUSTOMER = "automation", "one person", "two people", "third person", "customer"
_WHO = frozenset({AUTOMATION, ONE, TWO, THIRD, CUSTOMER})


@dataclass(frozen=True, slots=True)
class State:
    """What a case may be in."""

    name: str
    null_routed: bool
    told: bool  # somebody outside was written to
    meaning: str


@dataclass(frozen=True, slots=True)
class Transition:
    """One way from a state to another."""

    from_: str
    event: str
    to: str
    who: tuple[str, ...]
    clock: str | None = None  # that brings it about by itself


@dataclass(frozen=True, slots=True)
class Table:
    """All states and all ways."""

    states: Mapping[str, State]
    ways: Mapping[tuple[str, str], Transition]
    clocks: Mapping[str, str]  # by name, in words

    def __iter__(self) -> Iterator[Transition]:
        return iter(self.ways.values())

    def after(self, state: str, event: str | None, who: str) -> str | None:
        """Where an event leads from a state if these bring it about; None: nowhere, or it is not theirs to do."""
        way = self.ways.get((state, event or ""))
        return way.to if way and who in way.who else None

    def out_of(self, state: str) -> tuple[Transition, ...]:
        return tuple(way for way in self if way.from_ == state)

    def is_null_routed(self, state: str) -> bool:
        return self.states[state].null_routed


def read(text: str) -> Table:
    """The table of a text like states.toml. ConfigError with every finding where it cannot be one."""
    try:
        document = tomllib.loads(text)
        states = {name: State(name, **fields) for name, fields in document["states"].items()}
        ways = [way for entry in document["transitions"] for way in _ways(entry)]
        table = Table(states, {(way.from_, way.event): way for way in ways}, dict(document["clocks"]))
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            [f"{FILE.name}: no table of states: {type(error).__name__} {error}; install it anew"]
        ) from None
    if findings := [*_twice(ways), *_unknown(table)]:
        raise ConfigError([f"{FILE.name}: {finding}; install it anew" for finding in findings])
    return table


def _ways(entry: Mapping[str, Any]) -> Iterator[Transition]:
    for state in entry["from"]:
        yield Transition(state, entry["event"], entry["to"], tuple(entry["who"]), entry.get("clock"))


def _twice(ways: Iterable[Transition]) -> Iterator[str]:
    """An event that leads to two places leads nowhere."""
    seen = set()
    for way in ways:
        if (way.from_, way.event) in seen:
            yield f"{way.event!r} leads out of {way.from_!r} twice"
        seen.add((way.from_, way.event))


def _unknown(table: Table) -> Iterator[str]:
    for way in table:
        for name in {way.from_, way.to} - table.states.keys():
            yield f"{way.event!r} is about {name!r}, which is no state"
        if not way.who or not _WHO.issuperset(way.who):
            yield f"{way.event!r} out of {way.from_!r}: who may is one or more of {', '.join(sorted(_WHO))}"
        if way.clock is not None and way.who != (AUTOMATION,):
            yield f"{way.event!r} out of {way.from_!r}: what a clock brings about is automation's alone"
        if way.clock is not None and way.clock not in table.clocks:
            yield f"{way.event!r} out of {way.from_!r}: no clock is named {way.clock!r}"


def event_of(scope: Scope) -> str | None:
    """What a decision of this width is to its case; None: nothing."""
    return EVENTS.get(scope, scope.value)


def diagram(table: Table) -> str:
    """The table as a drawing (mermaid), for the manual."""
    yours = {AUTOMATION: "", ONE: " (1)", TWO: " (2)", THIRD: " (3rd)", CUSTOMER: " (owner)"}
    lines = ["stateDiagram-v2", f"    [*] --> {OBSERVED}", f"    [*] --> {VICTIM}"]
    for (from_, to), ways in _between(table).items():
        told = ", ".join(way.event + "".join(yours[who] for who in way.who) for way in ways)
        lines.append(f"    {from_} --> {to}: {told}")
    return "\n".join(lines)


def _between(table: Table) -> dict[tuple[str, str], list[Transition]]:
    found: dict[tuple[str, str], list[Transition]] = {}
    for state in table.states:
        for way in table.out_of(state):
            found.setdefault((way.from_, way.to), []).append(way)
    return found


TABLE = read(FILE.read_text(encoding="utf-8"))
