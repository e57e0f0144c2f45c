"""A VM with several taps: what is null-routed as a whole is that at each of them, and ends with the first."""

from __future__ import annotations

from test_engine import MS, TARGETS, T, World, calm, engine, feed, flood, vm

from edgeguard.clock import SECOND
from edgeguard.decision.ledger import Entry
from edgeguard.engine import Engine
from edgeguard.model import Act, Happened, Outcome, Scope

TWO = (vm(0), vm(0), vm(1))  # taps 0 and 1 are one VM's


def _moving() -> tuple[World, Engine]:
    """A flood that moves until the VM is null-routed as a whole."""
    world = World(TWO)
    made = engine(world)
    feed(made, *(flood(T + 3 * n * SECOND, SECOND, dst=TARGETS[n]) for n in range(3)))
    return world, made


def _fulls(made: Engine) -> list[Entry]:
    return [entry for entry in made.ledger if entry.decision.scope is Scope.FULL]


def test_full_is_at_every_tap_of_the_vm_and_at_no_other() -> None:
    """One decision is told; the other tap's is part of it, counts for nothing by itself, and has the same end."""
    _, made = _moving()
    first, other = _fulls(made)
    assert [entry.order.tap.name for entry in (first, other)] == ["tap0", "tap1"]
    assert (other.decision.beside, other.decision.silent, other.decision.page) == (first.decision.id, True, None)
    assert (other.decision.case, other.order.until) == (first.decision.case, first.order.until)
    assert made.recent.fulls(first.decision.at, SECOND) == 1
    assert made.ledger.is_full(1)
    assert made.ledger.is_full(1)
    assert not made.ledger.is_full(2)


def test_both_end_in_one_decision() -> None:
    """Quiet ends all of it at once; a flood that goes on at the other tap holds all of it."""
    world, made = _moving()
    at = max(entry.decision.at for entry in _fulls(made))
    feed(made, flood(at + MS, 5 * SECOND, point=1))
    assert len(_fulls(made)) == 2
    feed(made, calm(at + 5 * SECOND, 6 * SECOND))
    assert not len(made.ledger)
    release = next(d for d in world.decisions if d.act is Act.RELEASE and d.scope is Scope.FULL)
    assert set(release.releases) >= {d.id for d in world.decisions if d.scope is Scope.FULL and d.act is Act.NULL_ROUTE}


def test_a_person_releases_all_of_it() -> None:
    """Whoever names the one is freed of the other, too."""
    world, made = _moving()
    first, _ = _fulls(made)
    made.release((first,), first.decision.at + SECOND, "mistaken", "alex")
    assert not _fulls(made)
    assert [order.tap.name for order in world.orders if order.act is Act.RELEASE] == ["tap0", "tap1"]


def test_what_its_kernel_refused_does_not_stay_at_the_other_tap() -> None:
    """Without the first the other goes at the next slot."""
    world, made = _moving()
    first, other = _fulls(made)
    at = first.decision.at
    made.outcome(Outcome(first.decision.id, at + MS, Happened.FAILED, "no"))
    feed(made, calm(at + 200 * MS, SECOND))
    assert made.ledger.get(other.decision.id) is None
    assert any(d.releases == (other.decision.id,) and "other tap" in d.reason for d in world.decisions)
