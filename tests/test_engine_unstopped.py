"""What follows when a null route does not stop its flood, when the clock is set, when a VM's addresses change."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_engine import MS, TARGETS, T, World, calm, engine, feed, flood, vm
from test_engine_ends import LASTING

from edgeguard.clock import HOUR, MINUTE, SECOND
from edgeguard.daemon.steps import STEP, Steps
from edgeguard.decision.question import Window
from edgeguard.engine import Engine
from edgeguard.model import Act, Decision, Happened, Order, Outcome, Scope


class Woken(World):
    """A world that remembers who was woken, and what was ordered otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: list[tuple[str, str]] = []
        self.amendments: list[Order] = []

    def page(self, cause: str, case: str, line: str) -> None:
        self.pages.append((cause, case))

    def amended(self, decision: Decision, order: Order) -> None:
        self.amendments.append(order)


def null_routed() -> tuple[Woken, Engine]:
    """A flood of a second, null-routed narrow and acknowledged."""
    world = Woken()
    made = engine(world, LASTING)
    feed(made, flood(T, SECOND))
    _say(made, world, Happened.ACKNOWLEDGED, T + SECOND)
    return world, made


def unstopped() -> tuple[Woken, Engine]:
    """Its flood goes on until five seconds after, and was seen to do so twice."""
    world, made = null_routed()
    feed(made, flood(T + SECOND, 4 * SECOND))
    for at in (3, 5):
        _say(made, world, Happened.NOT_STOPPED, T + at * SECOND)
    return world, made


def _say(made: Engine, world: World, happened: Happened, at: int) -> None:
    made.outcome(Outcome(world.orders[-1].decision, at, happened, "packets were seen"))


def test_the_second_proof_that_fails_widens() -> None:
    """Not stopped once is for the child to put right; twice, all of the VM is null-routed and a person is woken."""
    world, made = null_routed()
    _say(made, world, Happened.NOT_STOPPED, T + 3 * SECOND)
    feed(made, flood(T + 3 * SECOND, SECOND))
    assert len(world.decisions) == 1
    _say(made, world, Happened.NOT_STOPPED, T + 5 * SECOND)
    feed(made, flood(T + 5 * SECOND, SECOND))
    assert [(d.scope, d.page) for d in world.decisions] == [(Scope.NARROW, None), (Scope.FULL, "not stopped")]
    assert world.orders[-1].scope is Scope.FULL


def test_a_proof_between_them_counts_from_anew() -> None:
    """What was verified in between is no failure in a row."""
    world, made = null_routed()
    for happened in (Happened.NOT_STOPPED, Happened.VERIFIED, Happened.NOT_STOPPED):
        _say(made, world, happened, T + 3 * SECOND)
    feed(made, flood(T + 3 * SECOND, SECOND))
    assert len(world.orders) == 1


def test_full_that_does_not_stop_is_for_people() -> None:
    """There is nothing wider than full: a person is woken, and no decision follows."""
    world, made = unstopped()
    feed(made, flood(T + 5 * SECOND, SECOND))
    decided = len(world.decisions)
    for at in (7, 9):
        _say(made, world, Happened.NOT_STOPPED, T + at * SECOND)
    feed(made, flood(T + 9 * SECOND, SECOND))
    assert [cause for cause, _ in world.pages] == ["not stopped"]
    assert {d.act for d in world.decisions[decided:]} <= {Act.NONE}


def test_what_may_not_be_wider_is_for_people() -> None:
    """In a lossy window nothing is null-routed as a whole, also where narrow does not hold: a person is woken."""
    world, made = unstopped()
    world.health = Window(lost=500, received=500, lag_ns=0, stepped=False)
    feed(made, flood(T + 5 * SECOND, SECOND))
    assert [(d.act, d.page) for d in world.decisions[1:]] == [(Act.NONE, "not stopped")]


def test_a_refusal_of_what_stood_wakes_a_person() -> None:
    """The kernel would not hold what was acknowledged: ledger and kernel differ."""
    world, made = null_routed()
    _say(made, world, Happened.FAILED, T + 3 * SECOND)
    assert [cause for cause, _ in world.pages] == ["disagreement"]
    assert len(made.ledger) == 1


@pytest.mark.parametrize("hours", [1, -1, 10, -10])
def test_a_step_of_the_clock_neither_frees_nor_binds(hours: int) -> None:
    """However the clock is set, quiet is counted from there, and ends the null route as it would have."""
    world, made = null_routed()
    by = hours * HOUR
    now = T + 2 * SECOND + by
    made.stepped(by, now)
    feed(made, calm(now, SECOND))
    assert len(made.ledger) == 1
    made.look(now + 4 * SECOND)
    assert len(made.ledger) == 0
    assert world.decisions[-1].reason.startswith("quiet")


@pytest.mark.parametrize("hours", [1, -1])
def test_the_lifetime_keeps_its_length(hours: int) -> None:
    """A flood that goes on over a step of the clock is null-routed for an hour, by no clock that can be set."""
    _, made = null_routed()
    (entry,) = made.ledger
    left = entry.over - (T + 2 * SECOND)
    made.stepped(hours * HOUR, T + 2 * SECOND + hours * HOUR)
    (entry,) = made.ledger
    assert entry.over - (T + 2 * SECOND + hours * HOUR) == left


def test_an_hour_that_never_was_costs_nothing() -> None:
    """After a step forward the engine goes on from there: not one of the slots between is judged."""
    _, made = null_routed()
    judged: list[int] = []
    made.counting.hot = lambda: judged.append(1) or []  # type: ignore[method-assign, func-returns-value]
    made.stepped(HOUR, T + 2 * SECOND + HOUR)
    made.look(T + 2 * SECOND + HOUR + 100 * MS)
    assert len(judged) < 10


def test_addresses_follow_their_vm() -> None:
    """What is null-routed by addresses is ordered by those that the VM has now; narrow has nothing to do with them."""
    world, made = unstopped()
    other = replace(vm(0), addresses=(ip_network("192.0.2.99/32"),))
    made.readdressed(0, other, T + 2 * SECOND)
    assert world.amendments == []
    feed(made, flood(T + 5 * SECOND, SECOND))
    full = world.orders[-1]
    made.readdressed(0, other, T + 7 * SECOND)
    assert world.amendments == [replace(full, prefixes=other.addresses)]
    made.readdressed(0, other, T + 8 * SECOND)
    assert len(world.amendments) == 1
    assert made.ledger.get(full.decision).order.prefixes == other.addresses  # type: ignore[union-attr]


@given(st.lists(st.tuples(st.integers(-2 * HOUR, 2 * HOUR), st.integers(0, MINUTE)), max_size=20))
def test_steps_are_told_and_slewing_is_not(moves: list[tuple[int, int]]) -> None:
    """Each jump of the wall clock against the other is told once with its length; small ones are none."""
    wall, steady = [10 * HOUR], [HOUR]
    steps = Steps(lambda: wall[0], lambda: steady[0])
    for by, passed in moves:
        wall[0] += by + passed
        steady[0] += passed
        assert steps.taken() == (by if abs(by) >= STEP else 0)
        assert steps.taken() == 0


def test_widened_names_what_was_flooded() -> None:
    """A flood that is widened names no target beyond those of its verdict."""
    world, made = unstopped()
    feed(made, flood(T + 5 * SECOND, SECOND))
    assert [str(t.address) for t in world.orders[-1].targets] == TARGETS[:1]
