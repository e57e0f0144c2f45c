"""How null routes end when it is not the engine that ends them, and what follows."""

from __future__ import annotations

from dataclasses import replace

from test_engine import MS, T, World, calm, engine, feed, flood, vm

from edgeguard.clock import MINUTE, SECOND
from edgeguard.decision.question import Window
from edgeguard.model import Act, Happened, Outcome, Scope

LASTING = {"clocks": {"quiet": "3s", "lifetime": "1h", "moves": "10m"}}


def outcome(world: World, happened: Happened, at: int) -> Outcome:
    return Outcome(world.orders[-1].decision, at, happened, "")


def test_an_end_that_the_child_brought_is_a_decision_too() -> None:
    """A lifetime that the kernel's side ended first is decided, told, and the flood judged anew."""
    world = World()
    made = engine(world, LASTING)
    feed(made, flood(T, SECOND))
    made.outcome(outcome(world, Happened.ACKNOWLEDGED, T + SECOND))
    made.outcome(outcome(world, Happened.RELEASED, T + 2 * SECOND))
    assert [(d.act, d.reason) for d in world.decisions[1:]] == [(Act.RELEASE, "its lifetime is over")]
    assert len(made.ledger) == 0
    feed(made, flood(T + 2 * SECOND, SECOND))
    assert [d.act for d in world.decisions] == [Act.NULL_ROUTE, Act.RELEASE, Act.NULL_ROUTE]


def test_a_refused_null_route_is_tried_again_less_and_less_often() -> None:
    """The kernel refuses: a minute later, while the flood goes on, it is decided again; then after two."""
    world = World()
    made = engine(world, LASTING)
    feed(made, flood(T, SECOND))
    made.outcome(outcome(world, Happened.FAILED, T + SECOND))
    feed(made, flood(T + SECOND, MINUTE - SECOND))
    assert len(world.orders) == 1
    feed(made, flood(T + MINUTE, 2 * SECOND))
    assert len(world.orders) == 2
    made.outcome(outcome(world, Happened.FAILED, T + MINUTE + 2 * SECOND))
    feed(made, flood(T + MINUTE + 2 * SECOND, 2 * MINUTE - SECOND))
    assert len(world.orders) == 2
    feed(made, flood(T + 3 * MINUTE + SECOND, 2 * SECOND))
    assert len(world.orders) == 3


def test_what_stands_already_is_told_to_nobody() -> None:
    """After a restart the flood that is null-routed goes on: recorded, silent, whatever a safety says."""
    world = World()
    made = engine(world, LASTING)
    feed(made, flood(T, SECOND))
    (entry,) = made.ledger
    again = World()
    again.kernel = None  # its first second: the kernel's counter has no earlier reading
    restarted = engine(again, LASTING)
    restarted.resume([replace(entry, resumed=T + 2 * SECOND)])
    restarted.docket.resume(world.cases[-1])
    feed(restarted, flood(T + 2 * SECOND, SECOND))
    (decision,) = again.decisions
    assert (decision.scope, decision.silent, decision.reason) == (
        Scope.OBSERVE,
        True,
        "its targets are null-routed already",
    )


def test_a_tap_of_another_vm_is_not_null_routed_for_the_former() -> None:
    """The inventory gives the tap to another VM: what stands there ends with a decision that says so."""
    world = World()
    made = engine(world, LASTING)
    feed(made, flood(T, SECOND))
    world.vms[0] = vm(1)
    made.handed_over(0, T + SECOND)
    assert [(d.act, d.reason) for d in world.decisions[1:]] == [(Act.RELEASE, "its tap is another VM's now")]
    assert world.orders[-1].act is Act.RELEASE
    assert len(made.ledger) == 0


def test_a_lossy_window_never_takes_the_whole_vm() -> None:
    """The flood moves while the ring loses frames: narrow goes on, full waits for a window without loss."""
    world = World()
    made = engine(world, {"clocks": {"quiet": "3s", "lifetime": "1h", "moves": "10m"}})
    world.health = Window(lost=500, received=1000, lag_ns=0, stepped=False)
    for n in range(1, 5):
        feed(made, flood(T + 2 * n * SECOND, 2 * SECOND, dst=f"198.51.100.{n}"))
    assert {d.scope for d in world.decisions} == {Scope.NARROW}


def test_a_case_whose_tap_is_gone_says_so_at_its_end() -> None:
    """A tap that disappears takes its null route with it; the case does not end as 'quiet'."""
    world = World()
    made = engine(world, LASTING)
    feed(made, flood(T, SECOND))
    made.gone(0)
    (case,) = made.docket.settled(set())
    assert (case.state, made.docket.outcome(case)) == ("probation", "tap gone")
    feed(made, calm(T + SECOND + MS, SECOND))
    assert len(made.ledger) == 0
