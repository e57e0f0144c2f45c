"""The engine within bounds: breaker, pace, kill file and doubt over streams of packets, live and in a replay."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network
from typing import Any

from oracles.counting import Packet
from test_engine import TARGETS, T, World, engine, feed, flood

from edgeguard.cases.case import Case
from edgeguard.clock import MINUTE, SECOND
from edgeguard.decision.question import KernelCount, Window
from edgeguard.decision.recent import recall
from edgeguard.engine import Engine
from edgeguard.model import Act, Decision, Order, Scope, Verdict, Vm

LONG = {"clocks": {"quiet": "3s", "lifetime": "4h", "moves": "10s"}}


def machine(n: int) -> Vm:
    return Vm(
        f"vm-{n}", f"web{n}", f"customer {n}", f"ops{n}@example.net", (f"tap{n}",), (), (ip_network("192.0.2.10"),)
    )


class Recorded(World):
    """Remembers, beside what is told, each decision with the customer of its case: as the database does."""

    def __init__(self, vms: int = 7, replayed: bool = False) -> None:
        super().__init__([machine(n) for n in range(vms)], replayed)
        self.rows: list[tuple[Decision, str | None]] = []

    def decided(self, case: Case, verdict: Verdict | None, decision: Decision, orders: tuple[Order, ...]) -> bool:
        recorded = super().decided(case, verdict, decision, orders)
        if recorded:
            self.rows.append((decision, case.customer))
        return recorded

    def of(self, act: Act) -> list[Decision]:
        return [decision for decision in self.decisions if decision.act is act]

    @property
    def pages(self) -> list[str]:
        return [decision.page for decision in self.decisions if decision.page]


def floods(points: Iterable[int], start: int = T, lasts: int = 4 * SECOND, rate: int = 2_000) -> list[list[Packet]]:
    return [flood(start, lasts, rate=rate, dst=TARGETS[n % 6], point=n) for n in points]


def null_routed(world: Recorded) -> list[str | None]:
    return [decision.subject.vm for decision in world.of(Act.NULL_ROUTE)]


def lived(world: Recorded, *streams: list[Packet], over: dict[str, Any] | None = None) -> Engine:
    made = engine(world, {**LONG, **(over or {})})
    for point, vm in enumerate(world.vms):
        made.counting.customers.hang(point, vm.customer if vm else None)
    feed(made, *streams)
    return made


# ---- breaker -------------------------------------------------------------------------------------


def test_six_accounts_at_once_and_then_a_seventh() -> None:
    """Incident 7: all seven are null-routed narrow, the last two for 15 minutes a second apart; one page goes out."""
    for replayed in (False, True):
        world = Recorded(replayed=replayed)
        lived(world, *floods(range(6)), *floods([6], T + 2 * SECOND))
        done = world.of(Act.NULL_ROUTE)
        assert sorted(null_routed(world)) == [f"vm-{n}" for n in range(7)]
        assert {decision.scope for decision in done} == {Scope.NARROW}
        assert [(d.until or 0) - d.at for d in done] == [240 * MINUTE] * 5 + [15 * MINUTE] * 2
        assert done[5].at - done[4].at >= SECOND
        assert done[6].at - done[5].at >= SECOND
        assert world.pages == ["breaker"]
        assert len(world.orders) == (0 if replayed else 7)


def test_a_replay_is_the_same_every_time() -> None:
    """What the breaker holds back, and when it is let pass, derives from the packets alone."""
    told = []
    for _ in range(2):
        world = Recorded(replayed=True)
        lived(world, *floods(range(7)))
        told.append(world.told)
    assert told[0] == told[1]


def test_what_waits_for_the_breaker_is_told_once() -> None:
    """Of a flood that is queued for a second the desk hears once, and once more when it is null-routed."""
    world = Recorded()
    lived(world, *floods(range(6)))
    last = world.of(Act.NULL_ROUTE)[-1].subject.vm
    acts = [decision.act for decision in world.decisions if decision.subject.vm == last]
    assert acts == [Act.NONE, Act.NULL_ROUTE]


def test_below_hard_an_open_breaker_stops() -> None:
    """A sixth customer in the act band is observed as long as the breaker is open, and pages for it."""
    world = Recorded()
    lived(world, *floods(range(5)), *floods([5], T, 8 * SECOND, rate=100))
    assert sorted(null_routed(world)) == [f"vm-{n}" for n in range(5)]
    assert world.pages == ["breaker"]


def test_switched_off_all_are_null_routed_at_once() -> None:
    """With the breaker off nothing waits."""
    world = Recorded()
    lived(world, *floods(range(7), lasts=SECOND), over={"breaker": {"on": False}})
    assert len(null_routed(world)) == 7
    assert len({decision.at for decision in world.of(Act.NULL_ROUTE)}) == 1


def test_a_restart_does_not_close_the_breaker() -> None:
    """An engine that is built anew from what was recorded holds back what the first one would have."""
    world = Recorded()
    made = lived(world, *floods(range(5), lasts=SECOND))
    assert recall(world.rows) == made.recent
    for remembers in (True, False):
        other = Recorded()
        again = engine(other, LONG)
        if remembers:
            again.recent = recall(world.rows)
        feed(again, *floods([5], T + 10 * SECOND, 8 * SECOND, rate=100))
        assert null_routed(other) == ([] if remembers else ["vm-5"])


def test_what_was_not_recorded_is_not_remembered() -> None:
    """A decision that the disk did not take counts for no breaker."""
    world = Recorded()
    world.disk_full = True
    made = lived(world, *floods(range(7), lasts=SECOND))
    assert made.recent == recall([])


# ---- pace ----------------------------------------------------------------------------------------


def test_a_flood_waits_for_a_free_tap() -> None:
    """With as many taps null-routed as may be, a further flood is observed, told once, and null-routed when one is
    free again."""
    world = Recorded(3)
    over = {"pace": {"standing": 2}, "clocks": {"quiet": "3s", "lifetime": "4s", "moves": "10s"}}
    lived(world, *floods([0, 1], lasts=SECOND), *floods([2], T + SECOND, 5 * SECOND), over=over)
    assert null_routed(world) == ["vm-0", "vm-1", "vm-2"]
    third = [decision for decision in world.decisions if decision.subject.vm == "vm-2"]
    assert [decision.act for decision in third] == [Act.NONE, Act.NULL_ROUTE]
    assert third[1].at >= min(decision.at for decision in world.of(Act.RELEASE))


# ---- kill file -----------------------------------------------------------------------------------


def test_a_flood_that_outlasts_the_kill_file() -> None:
    """While the kill file is there nothing is null-routed; what goes on when it is removed is, without a new look."""
    world = Recorded(1)
    world.kill = "the kill file is there"
    made = lived(world, *floods([0], lasts=2 * SECOND))
    assert (null_routed(world), world.orders, world.pages) == ([], [], [])
    world.kill = None
    feed(made, *floods([0], T + 2 * SECOND, SECOND))
    assert null_routed(world) == ["vm-0"]


# ---- the fleet -----------------------------------------------------------------------------------


def test_the_fleets_no_holds_until_it_says_yes() -> None:
    """A no is asked again with every slot, and pages when the flood has lasted; a yes lets it pass."""
    world = Recorded(1)
    world.allowed = False
    over = {"fleet": {"url": "http://127.0.0.1:9/permit"}}
    made = lived(world, *floods([0], lasts=7 * SECOND), over=over)
    assert (null_routed(world), world.pages) == ([], ["not stopped"])
    world.allowed = True
    feed(made, *floods([0], T + 7 * SECOND, SECOND))
    assert null_routed(world) == ["vm-0"]


def test_without_an_answer_two_customers_an_hour() -> None:
    """A fleet that does not answer leaves the host alone with two customers."""
    world = Recorded(4)
    lived(world, *floods(range(4), lasts=2 * SECOND), over={"fleet": {"command": ["/bin/true"]}})
    assert len(null_routed(world)) == 2


# ---- doubt ---------------------------------------------------------------------------------------


def test_a_short_doubt_wakes_nobody() -> None:
    """A count that is confirmed after four seconds is acted upon, and nobody was paged."""
    world = Recorded(1)
    world.kernel = None
    made = lived(world, *floods([0], lasts=4 * SECOND))
    assert (null_routed(world), world.pages) == ([], [])
    world.kernel = KernelCount(100, 100)
    feed(made, *floods([0], T + 4 * SECOND, SECOND))
    assert (null_routed(world), world.pages) == (["vm-0"], [])


def test_a_lasting_doubt_pages_once() -> None:
    """A hard flood that no counter confirms is told at once and pages after five seconds, once; nothing is done."""
    world = Recorded(1)
    world.kernel = KernelCount(100, 50)
    lived(world, *floods([0], lasts=20 * SECOND))
    assert [(decision.act, decision.page) for decision in world.decisions] == [
        (Act.NONE, None),
        (Act.NONE, "not stopped"),
    ]
    assert world.decisions[1].at - world.verdicts[0].since >= 5 * SECOND


def test_drops_below_hard_do_nothing_and_hard_goes_on() -> None:
    """With half of the frames lost a flood in the act band is told; one in hard is null-routed if it is confirmed."""
    lossy = Window(500, 500, 0, False)
    for rate, acts, confirmed in ((100, [], 100), (2_000, ["vm-0"], 100), (2_000, [], 50)):
        world = Recorded(1)
        world.health, world.kernel = lossy, KernelCount(100, confirmed)
        lived(world, *floods([0], lasts=7 * SECOND, rate=rate))
        assert null_routed(world) == acts
        assert world.pages == (["not stopped"] if confirmed == 50 else [])


def test_many_customers_without_confirmation_stop_everything() -> None:
    """Incident 4: six customers' counts are not confirmed; a seventh, whose is, is null-routed neither; one page."""

    class Torn(Recorded):
        def kernel_count(self, point: int) -> KernelCount | None:
            return KernelCount(100, 100 if point == 6 else 40)

    world = Torn()
    lived(world, *floods(range(6), lasts=9 * SECOND), *floods([6], T + 4 * SECOND, 5 * SECOND))
    assert (null_routed(world), world.orders, world.pages) == ([], [], ["breaker"])


def test_each_of_several_rules_is_bounded() -> None:
    """A customer who floods by SYN and by UDP at once is one customer."""
    world = Recorded(5)
    udp = [flood(T, 2 * SECOND, dst=TARGETS[7], what="udp", point=n) for n in range(5)]
    made = lived(world, *floods(range(5), lasts=2 * SECOND), *udp)
    assert len(made.recent.null_routed) == 5
    assert world.pages == []
    assert all((decision.until or 0) - decision.at == 240 * MINUTE for decision in world.of(Act.NULL_ROUTE))
