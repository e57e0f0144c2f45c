"""The table of states: what must hold is proved from the table itself, not from the code that goes by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from edgeguard.cli import main
from edgeguard.errors import ConfigError
from edgeguard.model import Scope
from edgeguard.states import AUTOMATION, CUSTOMER, FILE, ONE, TABLE, THIRD, TWO, Table, diagram, event_of, read

MANUAL = Path(__file__).parents[1] / "docs" / "cases.md"
TEXT = FILE.read_text(encoding="utf-8")
NULL_ROUTED = [name for name, state in TABLE.states.items() if state.null_routed]


def reached(table: Table, *begin: str) -> set[str]:
    """All states that any chain of events leads to."""
    seen, left = set(begin), list(begin)
    while left:
        new = {way.to for way in table.out_of(left.pop())} - seen
        seen |= new
        left += new
    return seen


def timed(table: Table, state: str) -> set[tuple[str, str | None]]:
    """The ways out that time alone opens: to where nothing is null-routed."""
    ways = table.out_of(state)
    return {(way.event, way.clock) for way in ways if way.clock and not table.is_null_routed(way.to)}


@pytest.mark.parametrize("state", NULL_ROUTED)
def test_out_of_what_is_null_routed_leads_time_and_one_person(state: str) -> None:
    """Every null-routed state has a timed way out by automation, and a release by one person."""
    assert timed(TABLE, state)
    assert all(AUTOMATION in TABLE.ways[state, event].who for event, _ in timed(TABLE, state))
    release = TABLE.ways[state, "release"]
    assert release.who == (ONE,) and not TABLE.is_null_routed(release.to)


def test_every_state_is_reached_and_can_be_closed() -> None:
    """From observed every state is reached but a victim's, which is apart; from each the case can be closed."""
    assert reached(TABLE, "observed") == TABLE.states.keys() - {"victim"}
    for state in TABLE.states:
        assert "closed" in reached(TABLE, state)


def test_binding_takes_two_and_an_appeal_a_third() -> None:
    """Nothing is upheld by automation or by one person; after an appeal only a third person can."""
    for way in TABLE:
        if way.to == "upheld" and way.from_ != "upheld":
            assert way.who == (("third person",) if way.from_ == "appealed" else ("two people",)), way


@pytest.mark.parametrize("event", ["reply", "appeal"])
def test_what_the_owner_writes_never_makes_the_release_later(event: str) -> None:
    """Where a reply or an appeal leads, every timed way out of before is still there, by the same clock."""
    ways = [way for way in TABLE if way.event == event]
    assert {way.from_ for way in ways} <= set(NULL_ROUTED)
    for way in ways:
        assert timed(TABLE, way.from_) <= timed(TABLE, way.to), way
        assert TABLE.ways[way.to, "release"].who == (ONE,)


@given(st.lists(st.sampled_from(sorted({way.event for way in TABLE})), max_size=30), st.integers(0, 30))
def test_a_reply_in_any_trace_keeps_every_way_out(events: list[str], where: int) -> None:
    """A trace of events with a reply put in anywhere ends where it can be left by all that it could be left by."""

    def end(trace: list[str]) -> str:
        state = "observed"
        for event in trace:
            way = TABLE.ways.get((state, event))
            state = way.to if way else state
        return state

    plain, replied = end(events), end([*events[:where], "reply", *events[where:]])
    assert TABLE.is_null_routed(plain) or not TABLE.is_null_routed(replied)
    if TABLE.is_null_routed(replied):
        assert timed(TABLE, plain) <= timed(TABLE, replied)


def test_a_decision_never_leads_to_a_narrower_state() -> None:
    """By its width no decision narrows what stands, and none moves a case that people hold."""
    order = ["observed", "suspect-data", "warned", "narrow", "own-only", "full"]
    for scope in Scope:
        for state in order:
            for who in (AUTOMATION, ONE):
                to = TABLE.after(state, event_of(scope), who)
                assert to is None or order.index(to) > order.index(state)
        for state in ("review", "upheld", "appealed", "closed", "victim"):
            assert (state, event_of(scope)) not in TABLE.ways


@pytest.mark.parametrize("who", [AUTOMATION, ONE, TWO, THIRD, CUSTOMER])
def test_a_way_is_only_theirs_who_may(who: str) -> None:
    """Whoever else asks is led nowhere."""
    for way in TABLE:
        assert TABLE.after(way.from_, way.event, who) == (way.to if who in way.who else None)


def test_a_table_without_one_of_its_ways_is_noticed() -> None:
    """The invariants bite: without its release, its clocks, or with a lone upholder, a state fails them."""
    without = {key: way for key, way in TABLE.ways.items() if key[0] != "upheld" or not way.clock}
    assert not timed(replace(TABLE, ways=without), "upheld")
    lonely = read(TEXT.replace('who = ["two people"]', 'who = ["one person"]'))
    assert lonely.ways["narrow", "uphold"].who == (ONE,)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('to = "suspect-data"', 'to = "nowhere"', "'doubt' is about 'nowhere', which is no state"),
        ('who = ["two people"]', 'who = ["anybody"]', "'uphold' out of 'narrow': who may is one or more of automation"),
        ('clock = "undecided"', 'clock = "sundial"', "no clock is named 'sundial'"),
        (
            'who = ["automation"]\nclock',
            'who = ["one person"]\nclock',
            "what a clock brings about is automation's alone",
        ),
        ('event = "doubt"', 'event = "warn"', "'warn' leads out of 'observed' twice"),
        ("[states.narrow]", "[states.narrow", "no table of states"),
        ("told = false\n", "", "no table of states"),
    ],
)
def test_a_wrong_table_is_refused(old: str, new: str, told: str) -> None:
    """What leads nowhere, twice, by nobody or by no clock, and what is no table, is refused in a line a finding."""
    with pytest.raises(ConfigError) as refused:
        read(TEXT.replace(old, new, 1))
    assert told in str(refused.value)
    assert all("states.toml: " in line and "install it anew" in line for line in refused.value.findings)


def test_the_manual_draws_the_table() -> None:
    """The drawing in docs/cases.md is the table's."""
    drawing = MANUAL.read_text(encoding="utf-8").split("```mermaid\n")[1].split("\n```")[0]
    assert drawing == diagram(TABLE)


def test_explain_prints_the_table() -> None:
    """`edgeguard explain --states` names every state, way and clock, and needs no daemon and no database."""
    told = CliRunner().invoke(main, ["explain", "--states"])
    assert told.exit_code == 0, told.output
    assert "where no way leads on, hold, uphold, appeal, reopen and close are refused" in told.stdout
    for state in TABLE.states.values():
        assert f"{state.name}{' (null-routed)' if state.null_routed else ''}: {state.meaning}" in told.stdout
    for way in TABLE:
        assert way.event in told.stdout and f"-> {way.to}" in told.stdout
    for name, words in TABLE.clocks.items():
        assert f"clock {name}" in told.stdout and words in told.stdout
