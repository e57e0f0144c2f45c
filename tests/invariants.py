"""What must hold of the table of states: DECISION.md's sentences, each as the ways that it asks for.

Nothing is wrong with the table that is shipped: it has these ways, each to there, by those and by that clock, and no
other. Whether code goes by them is not asked here.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgeguard.model import Scope
from edgeguard.states import AUTOMATION, CUSTOMER, ONE, THIRD, TWO, Table, Transition, event_of

WIDTHS = [event_of(scope) or "" for scope in (Scope.NARROW, Scope.OWN_ONLY, Scope.FULL)]
APART = ("victim", "closed")  # nothing is ever null-routed out of these
HELD = ("review", "upheld", "appealed")  # by people: a claim and a reply change nothing there


def wrong(table: Table) -> list[str]:
    """Everything: a way that is missing, is another one, or that no sentence asks for."""
    sentences = (_begins, _widens, _is_free_by_time, _is_free_by_one, _is_answered, _is_held, _is_settled)
    asked = {(way.from_, way.event): way for sentence in sentences for way in sentence(table)}
    found = [finding for way in asked.values() if (finding := _unlike(table, way))]
    return found + [
        f"nobody asks for {event!r} out of {state!r}" for state, event in table.ways if (state, event) not in asked
    ]


def _unlike(table: Table, asked: Transition) -> str | None:
    way = table.ways.get((asked.from_, asked.event))
    if way is None:
        return f"{asked.event!r} leads nowhere out of {asked.from_!r}"
    same = (way.to, {*way.who}, way.clock) == (asked.to, {*asked.who}, asked.clock)
    return None if same else f"{asked.event!r} out of {asked.from_!r} is not what it must be: {way}"


def _null_routed(table: Table) -> list[str]:
    return [name for name, state in table.states.items() if state.null_routed]


def _open(table: Table) -> list[str]:
    return [name for name, state in table.states.items() if not state.null_routed and name not in APART]


def _undecided(table: Table) -> list[str]:
    """Null-routed, and no two people have said that it stays, and no third is asked."""
    return [name for name in _null_routed(table) if name not in ("upheld", "appealed")]


def _begins(table: Table) -> Iterator[Transition]:
    """A case begins observed: doubt and warnings lead on, and a warning out of doubt, or after a release, as well."""
    yield Transition("observed", "doubt", "suspect-data", (AUTOMATION,))
    for state in _open(table):
        if state != "warned":
            yield Transition(state, "warn", "warned", (AUTOMATION,))


def _widens(table: Table) -> Iterator[Transition]:
    """From wherever nothing is null-routed, and from all that is narrower, automation or a person may go wider; what
    the kernel refused is not null-routed."""
    for number, width in enumerate(WIDTHS):
        for state in (*_open(table), *WIDTHS[:number]):
            yield Transition(state, width, width, (AUTOMATION, ONE))
    for state in _null_routed(table):
        yield Transition(state, "refused", "warned", (AUTOMATION,))


def _is_free_by_time(table: Table) -> Iterator[Transition]:
    """Quiet ends a null route, and every null route has an end; our delay is not the owner's downtime; with the tap
    goes what was dropped at it. After each the owner is on probation."""
    for state in _null_routed(table):
        for event, clock in (("quiet", "quiet"), ("end", "lifetime"), ("undecided", "undecided"), ("tap gone", None)):
            yield Transition(state, event, "probation", (AUTOMATION,), clock)


def _is_free_by_one(table: Table) -> Iterator[Transition]:
    """Freeing takes one person."""
    for state in _null_routed(table):
        yield Transition(state, "release", "probation", (ONE,))


def _is_answered(table: Table) -> Iterator[Transition]:
    """What the owner answers, people look at, if none do; he appeals in each state that is not, one may enter it."""
    for state in _null_routed(table):
        if state not in HELD:
            yield Transition(state, "reply", "review", (CUSTOMER,))
        if state != "appealed":
            yield Transition(state, "appeal", "appealed", (CUSTOMER, ONE))


def _is_held(table: Table) -> Iterator[Transition]:
    """One person may take a case, and hold it once; binding takes two, and again two; an appeal a third."""
    for state in _undecided(table):
        if state not in HELD:
            yield Transition(state, "claim", "review", (ONE,))
        yield Transition(state, "hold", "review", (ONE,))
        yield Transition(state, "uphold", "upheld", (TWO,))
    yield Transition("upheld", "uphold", "upheld", (TWO,))
    yield Transition("appealed", "uphold", "upheld", (THIRD,))


def _is_settled(table: Table) -> Iterator[Transition]:
    """What is not null-routed is settled by the clock or closed by a person, and can be opened again."""
    for state in (*_open(table), "victim"):
        yield Transition(state, "settle", "closed", (AUTOMATION,), "settled")
        yield Transition(state, "close", "closed", (ONE,))
    yield Transition("closed", "reopen", "observed", (ONE,))
