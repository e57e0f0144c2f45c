"""Standing through the engine in packet time: the wait, its warning, and settled cases from a real database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from persons import live
from test_engine import LIMITS, TARGETS, World, calm, engine, feed, flood
from test_engine import T as START
from test_engine_bounds import Recorded

from edgeguard import clock
from edgeguard.cases.case import Case
from edgeguard.cases.codec import dumps
from edgeguard.cases.store import Store
from edgeguard.clock import HOUR, MINUTE, SECOND, SLOT
from edgeguard.config import build
from edgeguard.context import Prior, Told
from edgeguard.daemon.working import work
from edgeguard.decision.recent import recall
from edgeguard.grace import Disposition, Grace
from edgeguard.model import Act, Decision, Scope
from edgeguard.request import CloseCase

DAY = 24 * HOUR
LONG = {"clocks": {"quiet": "3s", "lifetime": "1h", "moves": "10m"}}


class Provider:
    """Says the same of everybody."""

    trouble = None

    def __init__(self, good: bool = True) -> None:
        self.good = good
        self.asked: list[str] = []

    def of(self, customer: str, at: int) -> Told:
        self.asked.append(customer)
        return Told(True, "", (), at - HOUR) if self.good else Told(False, "the provider has not answered yet")


def good(world: World, over: dict[str, Any] | None = None, known: Provider | None = None) -> Any:
    """An engine on a host whose customers are in good standing."""
    made = engine(world, {**LONG, **(over or {})})
    made.allowances.known = known or Provider()
    return made


def rungs(world: World) -> list[tuple[Scope, bool, float]]:
    """Each decision but releases: its scope, whether somebody is told, and seconds since the start."""
    made = [d for d in world.decisions if d.act is not Act.RELEASE]
    return [(d.scope, not d.silent, (d.at - START) / SECOND) for d in made]


# ---- below hard ----------------------------------------------------------------------------------


def test_below_hard_a_good_one_is_warned_and_narrow_a_minute_later() -> None:
    """One warning when it is over act, one null route 60 s later, nothing in between; unknown is narrow at once."""
    world = World()
    feed(good(world), flood(START, 70 * SECOND, rate=100))
    (first, told, begun), (second, also, acted) = rungs(world)
    assert (first, told, second, also) == (Scope.WARN, True, Scope.NARROW, True)
    assert acted - begun == pytest.approx(60, abs=0.11)
    assert [case.state for case in world.cases] == ["warned", "narrow"]
    world = World()
    feed(good(world, known=Provider(good=False)), flood(START, 70 * SECOND, rate=100))
    assert [(scope, at) for scope, _, at in rungs(world)] == [(Scope.NARROW, begun)]


def test_above_a_gigabit_it_is_ten_seconds() -> None:
    """The fast patience holds for what is above `fast_bits`: here 20 kbit/s."""
    world = World()
    feed(good(world, {"standing": {"fast_bits": 20_000}}), flood(START, 30 * SECOND, rate=100))
    (_, _, begun), (scope, _, acted) = rungs(world)
    assert scope is Scope.NARROW
    assert acted - begun == pytest.approx(10, abs=0.11)


def test_what_ends_before_is_warned_and_no_more() -> None:
    """A flood that ends within the minute is null-routed at no time; one that comes back after a pause waits anew,
    and nobody is told a second time."""
    world = World()
    made = good(world, {"clocks": {"quiet": "5m", "lifetime": "1h", "moves": "10m"}})
    feed(made, flood(START, 30 * SECOND, rate=100), calm(START + 30 * SECOND, 90 * SECOND))
    assert [scope for scope, *_ in rungs(world)] == [Scope.WARN]
    again = START + 120 * SECOND
    feed(made, flood(again, 80 * SECOND, rate=100))
    assert [scope for scope, told, _ in rungs(world) if told] == [Scope.WARN, Scope.NARROW]
    assert rungs(world)[-1][2] >= 120 + 60


def test_another_target_is_no_further_warning() -> None:
    """A flood that moves while it is waited for is one warning, and narrow after the same minute."""
    world = World()
    moving = [p for n in range(4) for p in flood(START + n * 18 * SECOND, 18 * SECOND, rate=100, dst=TARGETS[n])]
    feed(good(world), moving)
    told = [(scope, at) for scope, told, at in rungs(world) if told]
    assert [scope for scope, _ in told] == [Scope.WARN, Scope.NARROW]
    assert told[1][1] - told[0][1] == pytest.approx(60, abs=1.2)


def test_the_next_target_of_a_null_routed_case_waits_for_nothing() -> None:
    """Once it was null-routed, another target is narrow as soon as it is found."""
    world = World()
    made = good(world)
    feed(made, flood(START, 70 * SECOND, rate=100))
    feed(made, flood(START + 70 * SECOND, 10 * SECOND, rate=100, dst=TARGETS[1]))
    assert world.acts[-1] == (Act.NULL_ROUTE, Scope.NARROW, TARGETS[1:2])
    assert rungs(world)[-1][2] < 78


def test_below_hard_what_moves_is_narrow() -> None:
    """Unknown and below hard: three targets are three narrow null routes, and none is full."""
    world = World()
    moving = [p for n in range(3) for p in flood(START + n * 8 * SECOND, 8 * SECOND, rate=100, dst=TARGETS[n])]
    feed(engine(world, LONG), moving)
    assert [scope for scope, *_ in rungs(world)] == [Scope.NARROW] * 3


def test_a_wait_begins_with_its_warning() -> None:
    """While another safety refuses nobody is warned; when it lets go there is a warning, and a whole minute."""
    world = Recorded(1)
    world.allowed = False
    over = {**LONG, "fleet": {"url": "http://127.0.0.1:9/permit"}}
    made = good(world, over)
    feed(made, flood(START, 20 * SECOND, rate=100))
    assert [scope for scope, *_ in rungs(world)] == [Scope.OBSERVE]
    world.allowed = True
    feed(made, flood(START + 20 * SECOND, 70 * SECOND, rate=100))
    assert [(scope, told) for scope, told, _ in rungs(world)[1:]] == [(Scope.WARN, True), (Scope.NARROW, True)]
    assert rungs(world)[2][2] - rungs(world)[1][2] == pytest.approx(60, abs=0.11)


def test_a_restart_waits_anew() -> None:
    """What was waited for is measured, not recorded: a restart begins the minute again, and never shortens it."""
    world = Recorded(1)
    feed(good(world), flood(START, 50 * SECOND, rate=100))
    other = Recorded(1)
    again = good(other)
    again.recent = recall(world.rows)
    feed(again, flood(START + 51 * SECOND, 70 * SECOND, rate=100))
    (_, told, begun), (scope, _, acted) = rungs(other)
    assert (told, scope) == (True, Scope.NARROW)
    assert acted - begun == pytest.approx(60, abs=0.11)


# ---- hard ----------------------------------------------------------------------------------------


def test_hard_waits_for_two_slots() -> None:
    """A hard flood of a good one is narrow 200 ms after its limit was reached, and 300 at most: slots of 100."""
    world = World()
    feed(good(world), flood(START + 3 * SLOT, 2 * SECOND))
    (first, told, begun), (second, _, acted) = rungs(world)
    assert (first, told, second) == (Scope.OBSERVE, False, Scope.NARROW)
    assert 0.199 < acted - begun < 0.301
    assert world.cases[0].state == "observed"
    unknown = World()
    feed(engine(unknown, LONG), flood(START + 3 * SLOT, 2 * SECOND))
    assert [(scope, at) for scope, _, at in rungs(unknown)] == [(Scope.NARROW, begun)]


def test_from_act_to_hard_the_wait_is_that_of_hard() -> None:
    """Warned in act, a flood that grows hard is narrow 200 ms later, whatever is left of the minute."""
    world = World()
    made = good(world)
    feed(made, flood(START, 10 * SECOND, rate=100))
    feed(made, flood(START + 10 * SECOND, 2 * SECOND))
    scopes = [scope for scope, *_ in rungs(world)]
    assert scopes == [Scope.WARN, Scope.OBSERVE, Scope.NARROW]
    assert rungs(world)[2][2] - rungs(world)[1][2] <= 0.3


# ---- nothing configured --------------------------------------------------------------------------


def test_without_a_provider_nothing_is_asked_and_nothing_waits() -> None:
    """No [standing], no history: at the limit, at once, as ever; a replay asks nobody either."""
    for replayed in (False, True):
        world = World(replayed=replayed)
        feed(engine(world, LONG), flood(START, SECOND))
        assert [(scope, told) for scope, told, _ in rungs(world)] == [(Scope.NARROW, True)]
        (said,) = [a for a in world.decisions[0].safeties if a.name == "standing"]
        assert said.answer == "unknown"
        assert ("a replay asks nobody" in said.reason) is replayed


# ---- settled cases -------------------------------------------------------------------------------


def flooded(folder: Path, monkeypatch: pytest.MonkeyPatch, rate: int = 2_000, **more: Any) -> tuple[Any, Any, str]:
    """A daemon's parts after a flood that was null-routed and has ended by quiet; and the id of its case."""
    made, world = live(folder, {"clocks": {"quiet": "3s", "lifetime": "60s", "moves": "10s"}, **more})
    feed(made.engine, flood(START, 7 * SECOND, rate=rate), calm(START + 7 * SECOND, 10 * SECOND))
    monkeypatch.setattr(clock, "now", lambda: START + MINUTE)
    (case,) = world.store.find("vm-0")
    return made, world, case.id


def again(made: Any, world: Any, after: int = DAY) -> list[Decision]:
    """What is decided about one more flood."""
    before = len(world.decisions)
    made.engine.look(START + after)
    feed(made.engine, flood(START + after, SECOND))
    return [d for d in world.decisions[before:] if d.act is Act.NULL_ROUTE]


@pytest.mark.parametrize(
    ("outcome", "scope"),
    [("confirmed", Scope.FULL), ("undetermined", Scope.FULL), ("overturned", Scope.NARROW), (None, Scope.NARROW)],
)
def test_a_settled_case_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: str | None, scope: Scope
) -> None:
    """Confirmed or undetermined, the next hard flood is full; overturned, or settled by the clock alone, narrow.
    A restart from the database knows the same."""
    made, world, case = flooded(tmp_path, monkeypatch)
    if outcome:
        work(made, CloseCase(case, "looked at it", outcome), "alex")
    kept = world.store.priors(0)
    assert kept == ([Prior(case, "vm-0", "customer 0", kept[0].opened, outcome)] if scope is Scope.FULL else [])
    (decision,) = again(made, world)
    assert decision.scope is scope
    assert decision.page == ("counted prior" if scope is Scope.FULL else None)
    world.store.close()


def test_after_thirty_days_it_counts_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`clocks.repeat` after the case was opened the next flood is narrow; when a person closed it does not matter."""
    made, world, case = flooded(tmp_path, monkeypatch)
    monkeypatch.setattr(clock, "now", lambda: START + 29 * DAY)
    work(made, CloseCase(case, "looked at it late", "confirmed"), "alex")
    assert [d.scope for d in again(made, world, 31 * DAY)] == [Scope.NARROW]
    world.store.close()


def test_what_was_exempted_or_our_fault_is_no_prior(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release that says so weighs more than how the case was closed; another disposition does not."""
    for disposition, counts in ((Disposition.OUR_FAULT, False), (Disposition.FIXED, True)):
        folder = tmp_path / disposition
        folder.mkdir()
        made, world = live(folder)
        feed(made.engine, flood(START, 2 * SECOND))
        made.engine.release(tuple(made.engine.ledger), START + 2 * SECOND, "looked", "alex", Grace(disposition))
        monkeypatch.setattr(clock, "now", lambda: START + MINUTE)
        (case,) = world.store.find("vm-0")
        work(made, CloseCase(case.id, "looked at it", "confirmed"), "alex")
        assert bool(world.store.priors(0)) is counts
        world.store.close()


def test_a_warning_is_no_prior(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A case that was never over act weighs nothing, whatever a person says of it."""
    made, world, case = flooded(tmp_path, monkeypatch, rate=25)
    work(made, CloseCase(case, "looked at it", "confirmed"), "alex")
    assert world.store.priors(0) == []
    world.store.close()


@pytest.mark.parametrize(("rule", "kind", "counts"), [("syn", "flood", 1), ("syn-in", "flood", 0), ("syn", "scan", 0)])
def test_only_what_a_vm_sent_is_a_prior(tmp_path: Path, rule: str, kind: str, counts: int) -> None:
    """What reached a VM, and a scan, are no ground; nor is a case without any verdict, as of an outside report."""
    with Store(tmp_path / "cases.sqlite") as store:
        for id in ("EG-1", "EG-2"):
            store.put_case(Case(id, "vm-1", None, None, None, None, "C", START, "observed"))
            store.judge_case(id, START + SECOND, "confirmed", "alex", "so it was")
        store._db.execute(
            "INSERT INTO verdicts (id, case_id, at, body) VALUES ('v-1', 'EG-1', ?, ?)",
            (START, dumps({"band": "hard", "rule": rule, "kind": kind})),
        )
        assert [one.case for one in store.priors(START)] == ["EG-1"][:counts]
        assert store.priors(START + 1) == []
        assert [one.case for one in store.priors(0, "EG-1")] == ["EG-1"][:counts]
        assert store.priors(0, "EG-2") == []


def test_a_prior_and_a_flood_that_moves_below_hard_is_full() -> None:
    """With a counted prior the third target of an act flood makes it full; without it stays narrow."""
    for priors, last in (
        ([Prior("EG-0", "vm-9", "customer 0", START - DAY, "confirmed")], Scope.FULL),
        ([], Scope.NARROW),
    ):
        world = World()
        made = good(world)
        made.allowances.known = None
        made.allowances.judged(priors)
        for n in range(3):
            feed(made, flood(START + n * 8 * SECOND, 8 * SECOND, rate=100, dst=TARGETS[n]))
        assert [scope for scope, *_ in rungs(world)] == [Scope.NARROW, Scope.NARROW, last]


def test_the_shipped_patience_is_the_ladders() -> None:
    """60 s, 10 s above 1 Gbit/s, 200 ms: as docs/detection.md says; and the tests' small limits keep their order."""
    shipped = build({}).standing
    assert (shipped.patience, shipped.patience_fast, shipped.patience_hard) == (MINUTE, 10 * SECOND, 200_000_000)
    assert shipped.fast_bits == 10**9
    assert LIMITS["syn"]["act"] < 100 < LIMITS["syn"]["hard"]
