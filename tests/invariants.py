"""What must hold of the table of states, whoever goes by it: DECISION.md's sentences, each as a question to the table.

Each gives what is wrong, in words; nothing is wrong with the table that is shipped.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgeguard.model import Scope
from edgeguard.states import AUTOMATION, CUSTOMER, ONE, THIRD, TWO, Table, event_of

WIDTHS = [event_of(scope) or "" for scope in (Scope.NARROW, Scope.OWN_ONLY, Scope.FULL)]
APART = ("victim", "closed")  # nothing is ever null-routed out of these


def wrong(table: Table) -> list[str]:
    """Everything."""
    every = (_begins, _widens, _is_free_by_time, _is_free_by_one, _is_answered, _is_held, _is_settled)
    return [finding for question in every for finding in question(table)]


def _null_routed(table: Table) -> list[str]:
    return [name for name, state in table.states.items() if state.null_routed]


def _open(table: Table) -> list[str]:
    return [name for name, state in table.states.items() if not state.null_routed and name not in APART]


def _undecided(table: Table) -> list[str]:
    """Null-routed, and no two people have said that it stays, and no third is asked."""
    return [name for name in _null_routed(table) if name not in ("upheld", "appealed")]


def _asked(
    table: Table, state: str, event: str, who: str, null_routed: bool, clock: str | None = None
) -> Iterator[str]:
    """Whether the event leads out of the state to where something is, or nothing is, null-routed."""
    way = table.ways.get((state, event))
    if way is None:
        yield f"{event!r} leads nowhere out of {state!r}"
    elif who not in way.who or table.is_null_routed(way.to) is not null_routed or way.clock != clock:
        yield f"{event!r} out of {state!r} is not what it must be: {way}"


def _begins(table: Table) -> Iterator[str]:
    """A case begins observed: doubt and warnings lead on, and a warning out of doubt, or after a release, as well."""
    yield from _asked(table, "observed", "doubt", AUTOMATION, null_routed=False)
    for state in _open(table):
        if state != "warned":
            yield from _asked(table, state, "warn", AUTOMATION, null_routed=False)


def _widens(table: Table) -> Iterator[str]:
    """From wherever nothing is null-routed, and from all that is narrower, automation or a person may go wider; what
    the kernel refused is not null-routed."""
    for number, width in enumerate(WIDTHS):
        for state in (*_open(table), *WIDTHS[:number]):
            yield from _asked(table, state, width, AUTOMATION, null_routed=True)
            yield from _asked(table, state, width, ONE, null_routed=True)
    for state in _undecided(table):
        yield from _asked(table, state, "refused", AUTOMATION, null_routed=False)


def _is_free_by_time(table: Table) -> Iterator[str]:
    """Quiet ends a null route, and every null route has an end; our delay is not the owner's downtime; with the tap
    goes what was dropped at it."""
    for state in _null_routed(table):
        yield from _asked(table, state, "quiet", AUTOMATION, null_routed=False, clock="quiet")
        yield from _asked(table, state, "end", AUTOMATION, null_routed=False, clock="lifetime")
        yield from _asked(table, state, "tap gone", AUTOMATION, null_routed=False)
        if state != "upheld":
            yield from _asked(table, state, "undecided", AUTOMATION, null_routed=False, clock="undecided")


def _is_free_by_one(table: Table) -> Iterator[str]:
    """Freeing takes one person."""
    for state in _null_routed(table):
        yield from _asked(table, state, "release", ONE, null_routed=False)


def _is_answered(table: Table) -> Iterator[str]:
    """The owner can answer in every state, and appeal in each that is not appealed already."""
    for state in _null_routed(table):
        yield from _asked(table, state, "reply", CUSTOMER, null_routed=True)
        if state != "appealed":
            yield from _asked(table, state, "appeal", CUSTOMER, null_routed=True)


def _is_held(table: Table) -> Iterator[str]:
    """One person may take a case, and hold it once; binding takes two; an appeal goes to a third."""
    for state in _undecided(table):
        yield from _asked(table, state, "claim", ONE, null_routed=True)
        yield from _asked(table, state, "hold", ONE, null_routed=True)
        yield from _asked(table, state, "uphold", TWO, null_routed=True)
    yield from _asked(table, "appealed", "uphold", THIRD, null_routed=True)


def _is_settled(table: Table) -> Iterator[str]:
    """What is not null-routed is settled by the clock or closed by a person, and can be opened again."""
    for state in (*_open(table), "victim"):
        yield from _asked(table, state, "settle", AUTOMATION, null_routed=False, clock="settled")
        yield from _asked(table, state, "close", ONE, null_routed=False)
    yield from _asked(table, "closed", "reopen", ONE, null_routed=False)
