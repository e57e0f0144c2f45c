"""Random walks of floods, people, owners, clocks and restarts through the real engine, docket and database.

Two VMs of one customer, whose cases may go together; people say a thing of one of them, or of all.

2,000 steps by default; EDGEGUARD_STEPS=100000 for the long run. Time is virtual: wall clock and boot clock are the
test's. What must always hold is worked out here from the database and from the orders that were given, not from the
code that gave them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from persons import Kept, live
from test_engine import T, feed, flood, vm
from test_hearing import CLOCKS, OWNERS, ROSTER, mail_settings
from test_states import reached

from edgeguard import clock
from edgeguard.cases.case import Case
from edgeguard.clock import MILLISECOND, SECOND
from edgeguard.daemon import resuming
from edgeguard.daemon.hearing import Hearing
from edgeguard.daemon.releasing import release
from edgeguard.daemon.working import work
from edgeguard.decision.decide import by_person
from edgeguard.enforcement import boottime
from edgeguard.enforcement.boottime import stamped
from edgeguard.errors import StoreError, UsageError
from edgeguard.grace import Disposition
from edgeguard.incoming import Keyword, Reply, Sort
from edgeguard.intake import Intake
from edgeguard.model import Act, Decision, Happened, Order, Outcome, Scope, Subject, Verdict
from edgeguard.request import (
    AppealCase,
    ClaimCase,
    CloseCase,
    HoldCase,
    NoteCase,
    ReleaseNullRoute,
    ReopenCase,
    UpholdCase,
)
from edgeguard.states import AUTOMATION, TABLE
from edgeguard.word import OWNER, Said

STEPS, EACH = int(os.environ.get("EDGEGUARD_STEPS", "2000")), 50
VMS = (vm(0), replace(vm(1), customer="customer 0"))
VM = st.sampled_from([0, 0, 1])
PEOPLE = st.sampled_from(["alex", "robin", "kim", "sam"])
LIST = ("the server was rebuilt",)
LONGEST = 200  # s: read_again, the latest end that anybody can give
SILENCE = 260  # s without a packet, after which nobody is null-routed, whatever people said
VERBS: dict[str, Any] = {
    "claim": ClaimCase("vm-0", "x"),
    "note": NoteCase("vm-0", "x"),
    "close": CloseCase("vm-0", "x", "confirmed"),
    "hold": HoldCase("vm-0", "x"),
    "hold long": HoldCase("vm-0", "x", 13 * 3600 * SECOND),
    "uphold": UpholdCase("vm-0", "x", LIST),
    "uphold again": UpholdCase("vm-0", "x"),
    "appeal": AppealCase("vm-0", "x"),
    "reopen": ReopenCase("vm-0", "x"),
}


class Clocks:
    """A wall clock that can be set, and a boot clock that cannot."""

    CLOCK_BOOTTIME = time.CLOCK_BOOTTIME

    def __init__(self) -> None:
        self.wall, self.boot = T, 10**12

    def pass_by(self, ns: int) -> None:
        self.wall += ns
        self.boot += ns

    def time_ns(self) -> int:
        return self.wall

    def clock_gettime_ns(self, _: int) -> int:
        return self.boot


class Stamping(Kept):
    """As the daemon: orders carry their end on the boot clock."""

    def decided(self, case: Case, verdict: Verdict | None, decision: Decision, orders: tuple[Order, ...]) -> bool:
        try:
            return super().decided(case, verdict, decision, tuple(stamped(order) for order in orders))
        except StoreError as error:  # a moment that came twice, as a clock was set back: not done, and asked again
            assert "UNIQUE" in str(error)
            return False

    def closed(self, case: Case, at: int) -> None:
        self.store.close_case(case.id, at, "quiet")
        self.told.append((case.id, at))


class People(RuleBasedStateMachine):
    """Two VMs, four people, their owner."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clocks = Clocks()
        self.patched = pytest.MonkeyPatch()
        self.patched.setattr(clock, "now", self.clocks.time_ns)
        self.patched.setattr(boottime, "time", self.clocks)
        self.patched.setattr("persons.Kept", Stamping)
        self.made, self.world = live(self.folder, {"clocks": CLOCKS}, VMS)
        self.orders: list[Order] = self.world.orders
        self.replies = 0
        self.before: dict[str, str] = {}
        self.leaders: dict[str, str] = {}

    def teardown(self) -> None:
        """Whatever was said and done: time alone frees."""
        try:
            self.waits(SILENCE)
            assert len(self.made.engine.ledger) == 0, "something outlasted every clock"
            assert self.stands() == {}
        finally:
            self.world.store.close()
            self.patched.undo()
            shutil.rmtree(self.folder)

    # ---- what happens --------------------------------------------------------------------------

    @rule(seconds=st.integers(1, 3), where=st.integers(1, 5), points=st.sampled_from([(0,), (0,), (1,), (0, 1)]))
    def floods(self, seconds: int, where: int, points: tuple[int, ...] = (0,)) -> None:
        begin = self.clocks.wall
        self.clocks.pass_by(seconds * SECOND)
        streams = [flood(begin, seconds * SECOND, dst=f"198.51.100.{where}", point=point) for point in points]
        feed(self.made.engine, *streams)

    @rule(seconds=st.sampled_from([1, 4, 9, 25, 45]))
    def waits(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clocks.pass_by(SECOND)
            self.made.engine.look(self.clocks.wall)

    @rule(by=PEOPLE, verb=st.sampled_from(sorted(VERBS)), number=VM, together=st.booleans())
    def says(self, by: str, verb: str, number: int = 0, together: bool = False) -> None:
        self.clocks.pass_by(1_009_000)  # nobody says two things at one moment
        ask = replace(VERBS[verb], term=f"vm-{number}")
        if together and hasattr(ask, "together"):
            ask = replace(ask, together=True)
        said = self.words()
        try:
            told = work(self.made, ask, by)
        except UsageError as refused:
            assert "\n" not in str(refused)
            assert self.words() == said
            return
        assert {id for id, words in self.words().items() if words != said.get(id)} <= {*told["cases"]}
        assert len(told["cases"]) == 1 or together
        assert not {one["case"] for one in told["failed"]} & {*told["cases"]}

    def words(self) -> dict[str, int]:
        """How many were said of each case."""
        return {case.id: len(self.world.store.words(case.id)) for case in self.world.store.cases(1000)}

    @rule(by=PEOPLE, first=PEOPLE, second=PEOPLE)
    def two_uphold(self, by: str, first: str, second: str) -> None:
        for one in (first, second):
            self.says(one, "uphold")

    @precondition(lambda self: len(self.made.engine.ledger))
    @rule(
        by=PEOPLE,
        found=st.sampled_from([one for one in Disposition if one is not Disposition.EXEMPT]),
        which=st.integers(0, 9),
        together=st.booleans(),
    )
    def releases(self, by: str, found: Disposition, which: int, together: bool) -> None:
        self.clocks.pass_by(1_009_000)
        before = list(self.made.engine.ledger)
        vm = before[which % len(before)].order.vm
        freed = {entry.decision.case for entry in before if entry.order.vm == vm}
        if together:
            led = {self.leaders.get(id) for id in freed} - {None}
            freed |= {id for id, leader in self.leaders.items() if leader in led}
        told = release(self.made, ReleaseNullRoute(vm, "x", found, together=together), by)
        left = [entry for entry in before if entry.decision.case not in freed]
        assert {entry.decision.id for entry in self.made.engine.ledger} == {entry.decision.id for entry in left}
        assert len(told["decisions"]) == len(told["cases"]) and told["failed"] == []
        assert {*told["cases"]} == freed & {entry.decision.case for entry in before}, "one person could not free it"

    @rule(keyword=st.sampled_from([None, *Keyword]), known=st.booleans())
    def owner_answers(self, keyword: Keyword | None, known: bool) -> None:
        cases = self.world.store.find("vm-0")
        if not cases:
            return
        self.replies += 1
        sender, id = OWNERS if known else "else@example.com", f"r-{self.replies}"
        ends = self.stands()
        Intake(self.world.store, mail_settings(25), ROSTER).take(
            Reply(id, Sort.REPLY, sender, (cases[0].id,), keyword, text="words"), self.clocks.wall
        )
        Hearing(self.made).look(self.clocks.wall)
        assert self.stands() == ends, "an answer changed an end"

    @rule(by=PEOPLE, seconds=st.integers(5, 60), point=VM)
    def null_routes_by_hand(self, by: str, seconds: int, point: int) -> None:
        self.clocks.pass_by(1_009_000)
        engine, now = self.made.engine, self.clocks.wall
        vm, tap = self.world.vm(point), self.world.tap(point)
        assert vm and tap
        subject, until = Subject(vm.id, tap.name, None), now + seconds * SECOND
        case = engine.docket.by_person(subject, now, vm, tap)
        made = by_person(case.id, subject, tap, Scope.FULL, (), now, until, why="x", by=by, config=self.made.config)
        if engine.ledger.get(made.id) is None:
            order = Order(made.id, made.act, made.scope, tap, vm.id, vm.addresses, (), until)
            assert engine.bind(case, None, made, order, point)

    @precondition(lambda self: len(self.made.engine.ledger))
    @rule(happened=st.sampled_from([Happened.ACKNOWLEDGED, Happened.VERIFIED, Happened.NOT_STOPPED, Happened.FAILED]))
    def kernel_says(self, happened: Happened) -> None:
        entry = next(iter(self.made.engine.ledger))
        outcome = Outcome(entry.decision.id, self.clocks.wall, happened, "as it says")
        recorded = self.world.store.recorded(entry.decision.id)
        if happened is Happened.FAILED:
            if recorded is None or recorded.stood or entry.acknowledged is not None:
                return
            self.orders.append(replace(entry.order, act=Act.RELEASE))  # it never stood
        self.world.store.outcome(outcome)
        self.made.engine.outcome(outcome)

    @rule(by=st.sampled_from([-3_600_013, -5_021, 7_019, 86_400_031]))
    def clock_is_set(self, by: int) -> None:
        """By ms; never so that a moment comes twice, as ids are made of moments."""
        left = {id: end - self.clocks.wall for id, end in self.stands().items()}
        self.clocks.wall += by * MILLISECOND
        self.made.engine.stepped(by * MILLISECOND, self.clocks.wall)
        assert {id: end - self.clocks.wall for id, end in self.stands().items()} == left, "a step moved an end"

    @rule()
    def restarts(self) -> None:
        """Another process over the same database; what the child reports while it was away is none."""
        made, world = live(self.folder, {"clocks": CLOCKS}, VMS)
        world.store.close()
        world.store = made.store = self.world.store
        kept: list[Order] = []
        made.enforcer = SimpleNamespace(order=world.orders.append, reconcile=kept.extend)
        made.attachments = SimpleNamespace(point_of=lambda tap: tap.ifindex - 10, vm=lambda point: world.vms[point])
        made.outward = SimpleNamespace(of_outcome=lambda outcome: ())
        made.remember = lambda decision: None
        before = {entry.decision.id: entry.over for entry in self.made.engine.ledger}
        world.orders[:] = self.orders
        world.told[:] = self.world.told
        self.made, self.world, self.orders = made, world, world.orders
        resuming.resume(made)
        after = {entry.decision.id: entry.over for entry in made.engine.ledger}
        assert after.keys() == before.keys() and {order.decision for order in kept} == after.keys()
        assert all(abs(after[id] - before[id]) < SECOND for id in after), "a restart moved an end"

    # ---- what always holds ---------------------------------------------------------------------

    def stands(self) -> dict[str, int]:
        """What the kernel holds, by the orders that were given: until when, on the wall clock of now."""
        held: dict[str, Order] = {}
        for order in self.orders:
            if order.act is Act.RELEASE:
                held.pop(order.decision, None)
            else:
                held[order.decision] = order
        return {id: self.clocks.wall + order.ends - self.clocks.boot for id, order in held.items()}

    @invariant()
    def kernel_ledger_and_case_agree(self) -> None:
        engine = self.made.engine
        ends = {entry.decision.id: entry.over for entry in engine.ledger}
        held = self.stands()
        assert held.keys() == ends.keys()
        assert all(abs(held[id] - ends[id]) < SECOND for id in ends)
        recorded = {one.decision.id for one in self.world.store.standing() if one.releasing is None}
        assert recorded == ends.keys()
        null_routed = {entry.decision.case for entry in engine.ledger}
        assert all(engine.docket.of(id) for id in null_routed), self.world.store.cases(9)
        for case in self.world.store.open_cases():
            assert TABLE.is_null_routed(case.state) == (case.id in null_routed), (case.state, case.id)
            known = engine.docket.of(case.id)
            assert known is None or known.state == case.state

    @invariant()
    def a_case_stays_with_its_leader(self) -> None:
        """Of its customer, begun less than ten minutes from it, and once found for ever; a leader leads itself."""
        cases = {case.id: case for case in self.world.store.cases(1000)}
        for case in cases.values():
            assert case.leader is not None and self.leaders.setdefault(case.id, case.leader) == case.leader
            leader = cases[case.leader]
            assert leader.leader == leader.id and leader.customer == case.customer
            assert abs(leader.opened - case.opened) < 600 * SECOND

    @invariant()
    def every_end_is_bounded(self) -> None:
        longest = self.clocks.wall + LONGEST * SECOND
        assert all(end <= longest for end in self.stands().values())

    @invariant()
    def nothing_is_null_routed_without_a_notice(self) -> None:
        for one in self.world.store.standing():
            letters = self.world.store.letters(one.case.id)
            assert one.decision.id in {letter.decision for letter in letters}, "nobody was told of this one"

    @invariant()
    def nothing_is_upheld_by_automation_or_by_one(self) -> None:
        for case in self.world.store.open_cases():
            words = self.world.store.words(case.id)
            for number, word in enumerate(words):
                if word.said in (Said.UPHOLD, Said.KEEP):
                    earlier = [one for one in words[:number] if one.said in (Said.VOICE, Said.UPHOLD, Said.KEEP)]
                    others = {one.by for one in earlier} - {word.by}
                    assert others and AUTOMATION not in {word.by, *others} and OWNER not in {word.by, *others}
                    if word.said is Said.KEEP:
                        assert len(others) >= 2 and word.by not in {one.by for one in earlier}
            if case.state == "upheld":
                assert any(word.said in (Said.UPHOLD, Said.KEEP) for word in words)
            assert [word.said for word in words].count(Said.HOLD) <= 1

    @invariant()
    def states_move_along_the_table(self) -> None:
        now = {case.id: case.state for case in self.world.store.cases(1000)}
        for id, state in now.items():
            assert state in reached(TABLE, self.before.get(id, "observed")), (self.before.get(id), state)
        self.before = now

    @invariant()
    def a_release_by_a_person_says_what_was_found(self) -> None:
        for case in self.world.store.cases(1000):
            for decision in self.world.store.decisions(case.id):
                if decision.act is Act.RELEASE and decision.by != AUTOMATION:
                    assert decision.grace is not None


TestPeople = People.TestCase
TestPeople.settings = settings(
    max_examples=max(1, STEPS // EACH),
    stateful_step_count=EACH,
    deadline=None,
    derandomize="EDGEGUARD_STEPS" not in os.environ,  # the long run looks for what nobody has seen yet
    phases=[Phase.generate],  # a trace is short enough as it is, and to shrink it takes an hour
    suppress_health_check=list(HealthCheck),
)


def test_what_stands_of_a_closed_case_ends_too() -> None:
    """After a step of the clock a new case may have a closed one's id: a restart takes up its null route, too."""
    state = People()
    state.floods(seconds=2, where=3)
    assert state.stands()
    state.world.store._db.execute("UPDATE cases SET closed = opened, outcome = 'quiet'")
    state.restarts()
    state.waits(seconds=45)
    state.teardown()
