"""The engine over streams of packets: what it tells its surroundings, and when. All limits are small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.counting import Packet, first_crossing, rows
from samples import BY_PERSON

from edgeguard import config
from edgeguard.cases.case import Case
from edgeguard.clock import SECOND, SLOT
from edgeguard.counting.window import Counting
from edgeguard.decision.decide import by_person
from edgeguard.decision.ledger import Entry
from edgeguard.decision.question import KernelCount, Window
from edgeguard.decision.writing import Writing
from edgeguard.engine import Engine
from edgeguard.grace import Disposition, Grace
from edgeguard.model import (
    Act,
    Band,
    Decision,
    Happened,
    Order,
    Outcome,
    Scope,
    Subject,
    Tap,
    TapKind,
    Target,
    Verdict,
    Vm,
)
from edgeguard.reading import Circumstances

T = 1_767_225_600 * SECOND
MS = 1_000_000
LIMITS = {"syn": {"warn": 20, "act": 50, "hard": 200}, "udp": {"warn": 40, "act": 100, "hard": 400}}
CLOCKS = {"quiet": "3s", "lifetime": "60s", "moves": "10s"}
ENFORCE = ["all.act", "all.hard"]
HOST = "192.0.2.10"
TARGETS = [f"198.51.100.{n}" for n in range(1, 9)]


def vm(n: int) -> Vm:
    return Vm(f"vm-{n}", f"web{n}", f"customer {n}", f"ops{n}@example.net", (f"tap{n}",), (), (ip_network(HOST),))


class World:
    """Surroundings of VMs at points 0, 1, ... that remember everything told to them."""

    def __init__(self, vms: Sequence[Vm | None] = (vm(0), vm(1)), replayed: bool = False) -> None:
        self.replayed = replayed
        self.vms = list(vms)
        self.told: list[Any] = []
        self.orders: list[Order] = []
        self.cases: list[Case] = []
        self.disk_full = False
        self.kernel: KernelCount | None = KernelCount(100, 100)
        self.health: Window | None = Window(0, 1000, 0, False)
        self.kill: str | None = None
        self.allowed: bool | None = None
        self.texts = Writing()

    def vm(self, point: int) -> Vm | None:
        return self.vms[point] if point < len(self.vms) else None

    def tap(self, point: int) -> Tap | None:
        return None if self.replayed else Tap(10 + point, f"tap{point}", f"02:00:00:00:00:0{point}", TapKind.ROUTED)

    def window(self) -> Window | None:
        return None if self.replayed else self.health

    def kernel_count(self, point: int) -> KernelCount | None:
        return None if self.replayed else self.kernel

    def circumstances(self, point: int) -> Circumstances:
        return Circumstances()

    def killed(self) -> str | None:
        return self.kill

    def customers(self) -> int:
        return len({vm.customer for vm in self.vms if vm})

    def taps_of(self, vm: Vm) -> list[tuple[int, Tap]]:
        found = [(point, self.tap(point)) for point, known in enumerate(self.vms) if known == vm]
        return [(point, tap) for point, tap in found if tap]

    def permit(self) -> bool | None:
        return self.allowed

    def writing(self) -> Writing:
        return self.texts

    def verdict(self, verdict: Verdict) -> None:
        self.told.append(verdict)

    def decided(self, case: Case, verdict: Verdict | None, decision: Decision, orders: tuple[Order, ...]) -> bool:
        if self.disk_full:
            return False
        self.told.append(decision)
        self.cases.append(case)
        self.orders += orders
        return True

    def amended(self, decision: Decision, order: Order) -> None:
        """Nothing is ordered here."""

    def page(self, cause: str, case: str, line: str) -> None:
        """Nobody is woken here."""

    def closed(self, case: Case, at: int) -> None:
        self.told.append((case.id, at))

    @property
    def verdicts(self) -> list[Verdict]:
        return [told for told in self.told if isinstance(told, Verdict)]

    @property
    def decisions(self) -> list[Decision]:
        return [told for told in self.told if isinstance(told, Decision)]

    @property
    def acts(self) -> list[tuple[Act, Scope, list[str]]]:
        return [(d.act, d.scope, [str(t.address) for t in d.targets]) for d in self.decisions]


def engine(world: World, over: dict[str, Any] | None = None, judge_sources: bool = False) -> Engine:
    values = {"enforce": ENFORCE, "limits": LIMITS, "clocks": CLOCKS, "host": {"name": "host"}, **(over or {})}
    counting = Counting(64, judge_sources=judge_sources)
    made = Engine(config.build(values), counting, world)
    for point, known in enumerate(world.vms):
        counting.assign(
            point, Subject(known.id if known else None, f"tap{point}", None), known.addresses if known else ()
        )
    return made


def flood(
    start: int, lasts: int, rate: int = 2_000, dst: str = TARGETS[0], what: str = "syn", point: int = 0
) -> list[Packet]:
    """One frame a millisecond that together are `rate` wire packets a second."""
    return [
        Packet(at, what, HOST, dst, packets=max(1, rate // 1000), out_of=point)
        for at in range(start, start + lasts, MS if rate >= 1000 else SECOND // rate)
    ]


def calm(start: int, lasts: int) -> list[Packet]:
    """A quiet VM that still sends something every 10 ms."""
    return [Packet(at, "tcp", HOST, TARGETS[7], out_of=0) for at in range(start, start + lasts, 10 * MS)]


def feed(made: Engine, *streams: list[Packet]) -> None:
    made.feed(rows(sorted((p for stream in streams for p in stream), key=lambda p: p.ts)))


# ---- from packets to orders ------------------------------------------------------------------------


def test_a_hard_flood_is_ordered_narrow_at_the_grid() -> None:
    """At the end of the 5 ms in which the limit was reached there are a verdict, a decision and an order."""
    world = World()
    feed(engine(world), flood(T + 1_003 * MS, SECOND))
    (verdict,), (decision,), (order,) = world.verdicts, world.decisions, world.orders
    assert verdict.crossed == T + (1_003 + 99) * MS
    assert verdict.at == T + 1_105 * MS
    assert (verdict.rule, verdict.band, verdict.subject) == ("syn", Band.HARD, Subject("vm-0", "tap0", None))
    assert verdict.measured == 2 * (1_105 - 1_003)
    assert (decision.verdict, decision.scope, decision.enforced) == (verdict.id, Scope.NARROW, True)
    assert decision.until == verdict.at + 60 * SECOND
    assert (order.decision, order.act, order.scope, order.vm) == (decision.id, Act.NULL_ROUTE, Scope.NARROW, "vm-0")
    assert (order.tap, order.targets, order.until) == (world.tap(0), decision.targets, decision.until)
    assert [str(prefix) for prefix in order.prefixes] == [f"{HOST}/32"]
    assert [str(target.address) for target in order.targets] == TARGETS[:1]


def test_a_sustained_flood_is_judged_after_five_seconds() -> None:
    """Between act and hard nothing is ordered before the fifth second over act, then narrow; warn is told only."""
    world = World()
    feed(engine(world), flood(T, 7 * SECOND, rate=100))
    assert [(v.band, v.at) for v in world.verdicts] == [(Band.ACT, T + 4 * SECOND + 5 * SLOT)]
    assert world.acts == [(Act.NULL_ROUTE, Scope.NARROW, TARGETS[:1])]
    world = World()
    feed(engine(world), flood(T, 7 * SECOND, rate=25))
    assert [(v.band, v.at) for v in world.verdicts] == [(Band.WARN, T + 4 * SECOND + 8 * SLOT)]
    assert world.acts == [(Act.NONE, Scope.WARN, TARGETS[:1])]
    assert world.orders == []


def test_a_victim_is_no_flooder() -> None:
    """SYN-ACKs and resets out of a VM under an inbound SYN flood are nothing: only what reaches it is observed."""
    world = World()
    inbound = [Packet(p.ts, "syn", TARGETS[0], HOST, packets=40, into=0) for p in flood(T, 7 * SECOND)]
    answers = [Packet(p.ts + 1, "synack", HOST, TARGETS[0], packets=30, out_of=0) for p in inbound]
    resets = [Packet(p.ts + 2, "rst", HOST, TARGETS[0], packets=10, out_of=0) for p in inbound]
    feed(engine(world), inbound, answers, resets)
    assert {v.rule for v in world.verdicts} <= {"syn-in"}
    assert {d.scope for d in world.decisions} <= {Scope.OBSERVE}
    assert world.orders == []


def test_answered_udp_is_nothing_and_what_comes_on_top_is_found_in_time() -> None:
    """Two-way UDP above hard is no verdict; a one-way flood beside it is found when it alone reaches hard."""
    world = World()
    voice = [Packet(p.ts, "udp", HOST, TARGETS[5], packets=2, out_of=0) for p in flood(T, 3 * SECOND)]
    back = [Packet(p.ts, "udp", TARGETS[5], HOST, packets=2, into=0) for p in voice]
    feed(engine(world), voice, back)
    assert world.told == []
    world = World()
    feed(engine(world), voice, back, flood(T + 2_003 * MS, SECOND // 2, what="udp"))
    (verdict,) = world.verdicts
    assert (verdict.rule, verdict.band) == ("udp", Band.HARD)
    assert [str(target.address) for target in verdict.targets] == TARGETS[:1]
    assert T + 2_202 * MS <= verdict.at <= T + 2_300 * MS
    assert 400 <= verdict.measured <= 600


def test_bits_beside_an_answered_upload_are_found_in_time() -> None:
    """Answered bytes, even above the limit, do not delay the verdict on those that nobody answers."""
    world = World()
    bits = {"warn": 10_000_000, "act": 40_000_000, "hard": 80_000_000}
    made = engine(world, {"limits": {"udp": {"warn": 20_000, "act": 50_000, "hard": 250_000, "bits": bits}}})
    up = [Packet(at, "udp", HOST, TARGETS[1], packets=2, bytes=17_800, out_of=0) for at in range(T, T + 4 * SECOND, MS)]
    back = [Packet(p.ts, "udp", TARGETS[1], HOST, into=0) for p in up]
    sent = [
        Packet(at, "udp", HOST, TARGETS[0], packets=2, bytes=17_800, out_of=0)
        for at in range(T + 2 * SECOND, T + 4 * SECOND, MS)
    ]
    feed(made, up, back, sent)
    first = next(told for told in world.verdicts if told.band is Band.HARD)
    crossed = T + 2 * SECOND + 80_000_000 // 8 // 17_800 * MS
    assert crossed <= first.at <= crossed + 10 * MS
    assert [str(target.address) for target in first.targets] == [TARGETS[0]]


def test_a_neighbours_address_does_not_touch_the_neighbour() -> None:
    """Who sends is told by the tap: the flooding VM is named, with all its packets foreign."""
    world = World()
    packets = [replace(p, src="192.0.2.20") for p in flood(T, SECOND)]
    feed(engine(world), packets)
    (verdict,) = world.verdicts
    assert verdict.subject.vm == "vm-0"
    assert verdict.foreign == verdict.measured
    assert [order.vm for order in world.orders] == ["vm-0"]


def test_an_unknown_tap_is_never_acted_upon() -> None:
    """A tap without an inventory entry: verdict, an observation for the desk, no order."""
    world = World([None])
    feed(engine(world), flood(T, SECOND))
    (verdict,) = world.verdicts
    assert verdict.subject == Subject(None, "tap0", None)
    assert verdict.foreign is None
    assert world.acts == [(Act.NONE, Scope.OBSERVE, TARGETS[:1])]
    assert world.orders == []


def test_replay_decides_the_same_and_orders_nothing() -> None:
    """In a file's time the decision stands in the ledger, so that its end comes too, but nothing is ordered."""
    world = World(replayed=True)
    made = engine(world)
    feed(made, flood(T, SECOND), calm(T + SECOND, 6 * SECOND))
    assert [d.act for d in world.decisions] == [Act.NULL_ROUTE, Act.RELEASE]
    assert [d.enforced for d in world.decisions] == [False, False]
    assert world.orders == []


def test_a_source_without_inventory_is_judged_by_its_address() -> None:
    """With judged sources the subject is the source, nothing else is known of it."""
    world = World([], replayed=True)
    made = engine(world, judge_sources=True)
    feed(made, [replace(p, out_of=0xFFFF) for p in flood(T, SECOND)])
    (verdict,) = world.verdicts
    assert verdict.subject == Subject(None, None, HOST)
    assert world.acts == [(Act.NONE, Scope.OBSERVE, TARGETS[:1])]


# ---- batches ---------------------------------------------------------------------------------------

pieces = st.lists(
    st.tuples(
        st.sampled_from(("syn", "udp", "synack", "tcp", "udp fragment")),
        st.integers(0, 1),
        st.sampled_from(TARGETS[:4]),
        st.sampled_from((1, 3, 20)),
        st.integers(1, 40),
        st.sampled_from((MS, 3 * MS, 20 * MS, 150 * MS)),
        st.sampled_from((0, MS, SLOT, SECOND, 3 * SECOND, 10 * SECOND, -MS, -300 * MS)),
        st.booleans(),
    ),
    max_size=14,
)


def stream(drawn: list[tuple[str, int, str, int, int, int, int, bool]], far: bool = False) -> list[Packet]:
    """Bursts of packets at several points, with pauses and steps back between them; some are answered.

    `far`: steps back may add up to more than a second, which is a clock that was set back.
    """
    now, packets = T, []
    for what, point, dst, weight, n, gap, pause, answered in drawn:
        for _ in range(n):
            packets.append(Packet(now, what, HOST, dst, packets=weight, out_of=point))
            if answered:
                packets.append(Packet(now, "udp", dst, HOST, packets=weight, into=point))
            now += gap
        now += pause
        if not far:
            now = max(now, max(p.ts for p in packets) - 900 * MS)
    return packets


@settings(max_examples=60, deadline=None)
@given(pieces, st.lists(st.integers(1, 50), max_size=40), st.booleans())
def test_batches_change_nothing(drawn: Any, sizes: list[int], by_source: bool) -> None:
    """The same packets in any batches give the same verdicts, decisions, orders and ends, at the same times."""
    packets = rows(stream(drawn, far=True))
    worlds = []
    for cuts in ([], sizes):
        world = World([] if by_source else (vm(0), vm(1)), replayed=by_source)
        made = engine(world, judge_sources=by_source)
        if by_source:
            packets["out_of"] = packets["into"] = 0xFFFF
        start = 0
        for size in cuts:
            made.feed(packets[start : start + size])
            start += size
        made.feed(packets[start:])
        made.look(int(packets["ts"].max(initial=T)) + 100 * SECOND)
        worlds.append(world)
    assert worlds[0].told == worlds[1].told
    assert worlds[0].orders == worlds[1].orders


@settings(max_examples=60, deadline=None)
@given(pieces)
def test_nothing_stands_for_ever(drawn: Any) -> None:
    """Whatever happened, a while after the last packet each order has its release, each case is closed, and nothing
    is remembered; no order names a target that stood already, and nothing comes on top of full."""
    packets, world = stream(drawn), World()
    made = engine(world)
    made.feed(rows(packets))
    made.look(max([T, *(p.ts for p in packets)]) + 100 * SECOND)
    ended = [order.decision for order in world.orders if order.act is Act.RELEASE]
    assert sorted(ended) == sorted(order.decision for order in world.orders if order.act is Act.NULL_ROUTE)
    assert (len(made.ledger), made.docket.busy) == (0, False)
    closed = [told[0] for told in world.told if isinstance(told, tuple)]
    assert sorted(closed) == sorted({case.id for case in world.cases})
    standing: dict[str, Order] = {}
    for order in world.orders:
        if order.act is Act.RELEASE:
            del standing[order.decision]
            continue
        beside = [other for other in standing.values() if other.tap == order.tap]
        assert not any(other.scope is Scope.FULL for other in beside)
        assert not {t.key() for other in beside for t in other.targets} & {t.key() for t in order.targets}
        assert order.until > T
        standing[order.decision] = order


@settings(max_examples=60, deadline=None)
@given(pieces)
def test_hard_is_found_at_its_packet(drawn: Any) -> None:
    """The first hard SYN verdict of a VM carries the packet that reached the limit and is given at the end of its
    5 ms; without such a packet there is none."""
    packets, world = stream(drawn), World()
    made = engine(world)
    made.feed(rows(packets))
    made.look(max([T, *(p.ts for p in packets)]) + SECOND)
    for point in (0, 1):
        hard = [v for v in world.verdicts if (v.point, v.rule, v.band) == (point, "syn", Band.HARD)]
        crossed = first_crossing(packets, "syn", 200, point)
        assert bool(hard) == bool(crossed)
        if hard:
            assert hard[0].crossed == crossed
            assert hard[0].measured >= 200
            latest = max(p.ts for p in packets[: index_of(packets, crossed, point) + 1])
            assert hard[0].at == (latest // (5 * MS) + 1) * 5 * MS


def index_of(packets: list[Packet], ts: int, point: int) -> int:
    return next(n for n, p in enumerate(packets) if p.ts == ts and p.out_of == point and p.rule == "syn")


# ---- a flood that goes on, moves, ends ---------------------------------------------------------------


def test_a_flood_that_goes_on_is_told_once() -> None:
    """Attempts against a standing null route change nothing, for as long as they go on."""
    world = World()
    feed(engine(world), flood(T, 30 * SECOND))
    assert world.acts == [(Act.NULL_ROUTE, Scope.NARROW, TARGETS[:1])]


def test_a_flood_that_moves_is_full_at_its_third_target() -> None:
    """Narrow, narrow, full, all in one case; a fourth target adds nothing."""
    world = World()
    moving = [p for n in range(4) for p in flood(T + n * 2 * SECOND, 2 * SECOND, dst=TARGETS[n])]
    feed(engine(world), moving)
    assert world.acts == [
        (Act.NULL_ROUTE, Scope.NARROW, TARGETS[0:1]),
        (Act.NULL_ROUTE, Scope.NARROW, TARGETS[1:2]),
        (Act.NULL_ROUTE, Scope.FULL, TARGETS[2:3]),
        (Act.NONE, Scope.OBSERVE, TARGETS[2:4]),  # both in the window that reports the fourth
    ]
    assert [case.state for case in world.cases] == ["narrow", "narrow", "full", "full"]
    assert len({case.id for case in world.cases}) == 1


@pytest.mark.parametrize("disposition", Disposition)
def test_what_a_person_overturned_is_no_target_that_it_moved_to(disposition: Disposition) -> None:
    """Released as exempt or as our fault, a target is none of the three that make it full; otherwise it is."""
    world = World()
    made = engine(world)
    far = "203.0.113.9"  # of another /24: what goes near the others is judged without that release
    feed(made, flood(T, 2 * SECOND, dst=far), flood(T + 2 * SECOND, 2 * SECOND, dst=TARGETS[1]))
    first = next(entry for entry in made.ledger if str(entry.decision.targets[0].address) == far)
    assert made.release((first,), T + 4 * SECOND, "looked at", "alex", Grace(disposition))
    feed(made, flood(T + 4 * SECOND, 2 * SECOND, dst=TARGETS[2]))
    scope = Scope.NARROW if disposition in (Disposition.EXEMPT, Disposition.OUR_FAULT) else Scope.FULL
    assert world.acts[-1] == (Act.NULL_ROUTE, scope, TARGETS[2:3])


def test_a_slow_move_is_not_moving() -> None:
    """Three targets further apart than clocks.moves are each null-routed narrowly."""
    world = World()
    made = engine(world, {"clocks": {**CLOCKS, "quiet": "60s"}})
    for n in range(3):
        feed(made, flood(T + n * 12 * SECOND, SECOND, dst=TARGETS[n]))
    assert [scope for _, scope, _ in world.acts] == [Scope.NARROW] * 3


def test_quiet_releases_all_of_a_case_in_one_decision() -> None:
    """Three quiet seconds after the last loud window one decision ends both null routes, with an order for each;
    then the case is closed, once."""
    world = World()
    made = engine(world)
    feed(
        made,
        flood(T, SECOND, dst=TARGETS[0]),
        flood(T + SECOND, SECOND, dst=TARGETS[1]),
        calm(T + 2 * SECOND, 9 * SECOND),
    )
    first, second, ended = world.decisions
    assert (ended.act, ended.releases, ended.by) == (Act.RELEASE, (first.id, second.id), "automation")
    assert "quiet" in ended.reason
    loud = T + 3 * SECOND - SLOT  # the last window that held half of warn, at 2,000 a second
    assert ended.at == loud + 3 * SECOND
    assert [(order.act, order.decision) for order in world.orders[2:]] == [
        (Act.RELEASE, first.id),
        (Act.RELEASE, second.id),
    ]
    assert world.cases[-1].state == "probation"
    assert len(made.ledger) == 0
    assert world.told[-1] == (first.case, ended.at)
    assert not made.docket.busy


@pytest.mark.parametrize("how", ["calm packets", "no packets", "one packet an hour later"])
def test_the_end_comes_whatever_the_taps_carry(how: str) -> None:
    """A release does not wait for loud, silent or busy taps."""
    world = World()
    made = engine(world)
    feed(made, flood(T, SECOND))
    if how == "calm packets":
        for n in range(60):
            feed(made, calm(T + SECOND + n * 100 * MS, 100 * MS))
    elif how == "no packets":
        made.look(T + 7 * SECOND)
    else:
        feed(made, [Packet(T + 3_600 * SECOND, "tcp", HOST, TARGETS[7], out_of=1)])
    assert [d.act for d in world.decisions] == [Act.NULL_ROUTE, Act.RELEASE]
    assert world.decisions[1].at == T + 5 * SECOND - SLOT


def test_a_lifetime_ends_while_the_flood_goes_on_and_it_is_null_routed_again() -> None:
    """No null route outlives its end; what still floods is judged anew at once."""
    world = World()
    feed(engine(world), flood(T, 62 * SECOND))
    first, ended, again = world.decisions
    assert first.until is not None
    assert (ended.act, ended.reason) == (Act.RELEASE, "its lifetime is over")
    assert 0 <= ended.at - first.until < SLOT
    assert (again.act, again.scope, again.at - ended.at) == (Act.NULL_ROUTE, Scope.NARROW, SLOT)


def test_a_flood_that_comes_back_has_a_case_of_its_own() -> None:
    """After its case was closed the same VM's next flood opens another."""
    world = World()
    made = engine(world)
    feed(made, flood(T, SECOND))
    made.look(T + 20 * SECOND)
    feed(made, flood(T + 20 * SECOND, SECOND))
    null_routes = [d for d in world.decisions if d.act is Act.NULL_ROUTE]
    assert len({d.case for d in null_routes}) == 2


# ---- people ------------------------------------------------------------------------------------------


def test_a_persons_release_is_not_followed_by_the_same_cut() -> None:
    """While the flood goes on at the released target nothing is done; a new target is decided about."""
    world = World()
    made = engine(world)
    feed(made, flood(T, SECOND))
    ended = made.release(tuple(made.ledger), T + SECOND, "customer called", "alex", BY_PERSON.grace)
    assert ended is not None
    assert (ended.by, world.orders[-1].act) == ("alex", Act.RELEASE)
    feed(made, flood(T + SECOND, 3 * SECOND))
    assert len(world.decisions) == 2
    feed(made, flood(T + 6 * SECOND, 2 * SECOND, dst="203.0.113.9"))
    assert world.acts[2:] == [(Act.NULL_ROUTE, Scope.NARROW, ["203.0.113.9"])]


def person(made: Engine, world: World, targets: tuple[Target, ...] = ()) -> Decision:
    known, tap = vm(0), world.tap(0)
    assert tap is not None
    subject = Subject("vm-0", "tap0", None)
    case = made.docket.by_person(subject, T, known, tap)
    until = T + 5 * SECOND
    decision = by_person(
        case.id, subject, tap, Scope.FULL, targets, T, until, why="report", by="alex", config=made.config
    )
    order = Order(decision.id, decision.act, decision.scope, tap, known.id, known.addresses, targets, until)
    assert made.bind(case, None, decision, order, 0) is not world.disk_full
    return decision


def test_a_persons_null_route_ends_by_its_own_clock_alone() -> None:
    """Quiet does not end it, its lifetime does, on taps that carry calm traffic all the time."""
    world = World()
    made = engine(world)
    feed(made, calm(T - SECOND, SECOND))
    decision = person(made, world)
    for n in range(100):
        feed(made, calm(T + n * 100 * MS, 100 * MS))
    ended = world.decisions[-1]
    assert (ended.act, ended.releases, ended.at) == (Act.RELEASE, (decision.id,), T + 5 * SECOND)


def test_automation_adds_nothing_below_a_persons_full() -> None:
    """A flood of a VM that a person null-routed as a whole is observed in the same case."""
    world = World()
    made = engine(world)
    decision = person(made, world)
    feed(made, flood(T, SECOND))
    assert [d.scope for d in world.decisions] == [Scope.FULL, Scope.OBSERVE]
    assert {d.case for d in world.decisions} == {decision.case}


# ---- what cannot be done --------------------------------------------------------------------------


def test_what_could_not_be_recorded_was_never_decided() -> None:
    """With a full disk nothing stands, nothing is ordered and the case is as it was; the decision is made again at
    every look until it is recorded."""
    world = World()
    world.disk_full = True
    made = engine(world)
    feed(made, flood(T, SECOND))
    assert (len(made.ledger), world.orders, world.decisions) == (0, [], [])
    assert len(world.verdicts) > 5
    assert made.docket.case(world.verdicts[0], vm(0), world.tap(0)).state == "observed"
    world.disk_full = False
    feed(made, flood(T + SECOND, SECOND))
    assert world.acts == [(Act.NULL_ROUTE, Scope.NARROW, TARGETS[:1])]
    assert len(made.ledger) == 1


def test_a_release_that_could_not_be_recorded_is_tried_again() -> None:
    """With a full disk the null route stands on; it ends at the first look at which it can be recorded."""
    world = World()
    made = engine(world)
    feed(made, flood(T, SECOND))
    world.disk_full = True
    made.look(T + 10 * SECOND)
    assert made.release(tuple(made.ledger), T, "by hand", by="alex") is None
    assert len(made.ledger) == 1
    assert made.docket.case(world.verdicts[0], vm(0), world.tap(0)).state == "narrow"
    world.disk_full = False
    made.look(T + 11 * SECOND)
    assert [d.act for d in world.decisions] == [Act.NULL_ROUTE, Act.RELEASE]
    assert len(made.ledger) == 0


def test_a_persons_null_route_that_could_not_be_recorded_does_not_stand() -> None:
    """With a full disk a person is told no, and nothing stands."""
    world = World()
    world.disk_full = True
    made = engine(world)
    person(made, world)
    assert len(made.ledger) == 0


@pytest.mark.parametrize(
    "doubt",
    [{"kernel": None}, {"kernel": KernelCount(100, 10)}, {"health": Window(0, 1000, 0, True)}],
)
def test_a_doubt_that_passes_does_not_let_the_flood_go(doubt: dict[str, Any]) -> None:
    """While a measurement is in doubt the flood is observed, once; when it is certain it is null-routed."""
    world = World()
    made = engine(world)
    well = {name: getattr(world, name) for name in doubt}
    for name, value in doubt.items():
        setattr(world, name, value)
    feed(made, flood(T, 2 * SECOND))
    assert world.acts == [(Act.NONE, Scope.OBSERVE, TARGETS[:1])]
    for name, value in well.items():
        setattr(world, name, value)
    feed(made, flood(T + 2 * SECOND, 2 * SECOND))
    assert world.acts[1:] == [(Act.NULL_ROUTE, Scope.NARROW, TARGETS[:1])]
    assert [v.band for v in world.verdicts] == [Band.HARD, Band.HARD]
    assert len({d.id for d in world.decisions}) == 2


def test_a_flood_that_ended_in_doubt_is_left_alone() -> None:
    """Nothing is null-routed afterwards for a flood that is over when the doubt is."""
    world = World()
    world.kernel = None
    made = engine(world)
    feed(made, flood(T, SECOND))
    made.look(T + 2 * SECOND)
    world.kernel = KernelCount(100, 100)
    feed(made, calm(T + 2 * SECOND, 8 * SECOND))
    assert [d.act for d in world.decisions] == [Act.NONE]
    assert world.orders == []


def test_what_is_not_enforced_is_observed_once() -> None:
    """With the shipped empty list a flood that goes on is one verdict and one observation."""
    world = World()
    feed(engine(world, {"enforce": []}), flood(T, 20 * SECOND))
    assert world.acts == [(Act.NONE, Scope.OBSERVE, TARGETS[:1])]


# ---- outcomes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("happened", "stands"),
    [
        ([Happened.ACKNOWLEDGED, Happened.VERIFIED], True),
        ([Happened.ACKNOWLEDGED, Happened.NOT_STOPPED], True),
        ([Happened.FAILED], False),
        ([Happened.ACKNOWLEDGED, Happened.FAILED], True),
        ([Happened.ACKNOWLEDGED, Happened.RELEASED], False),
        ([Happened.LINK_GONE], False),
    ],
)
def test_the_ledger_follows_the_kernel(happened: list[Happened], stands: bool) -> None:
    """What never stood, ended by itself or went with its link is not in the ledger; a failed release still is."""
    world = World()
    made = engine(world)
    feed(made, flood(T, SECOND))
    for n, what in enumerate(happened):
        made.outcome(Outcome(world.decisions[0].id, T + n, what, "as it is"))
    assert (len(made.ledger) == 1) == stands


def test_a_tap_that_is_gone_takes_everything_with_it() -> None:
    """Nothing of a tap that disappeared is judged, stands or is released later; its case is closed."""
    world = World()
    made = engine(world)
    feed(made, flood(T, SECOND), flood(T, SECOND, point=1))
    made.gone(0)
    assert [entry.point for entry in made.ledger] == [1]
    made.look(T + 10 * SECOND)
    assert [d.subject.vm for d in world.decisions if d.act is Act.RELEASE] == ["vm-1"]
    assert len([told for told in world.told if isinstance(told, tuple)]) == 2


def test_a_flood_is_judged_anew_when_its_vm_becomes_known() -> None:
    """A tap that was unknown is only observed; once the inventory names its VM the flood is null-routed."""
    world = World([None])
    made = engine(world)
    feed(made, flood(T, SECOND))
    world.vms = [vm(0)]
    made.counting.assign(0, Subject("vm-0", "tap0", None), vm(0).addresses)
    made.handed_over(0, T + SECOND)
    feed(made, flood(T + SECOND, SECOND))
    assert [(d.scope, d.subject.vm) for d in world.decisions] == [(Scope.OBSERVE, None), (Scope.NARROW, "vm-0")]


def test_what_stood_before_a_restart_has_its_end() -> None:
    """A null route taken up at start is released when it was quiet since the restart, on silent taps too."""
    world = World()
    old = engine(world)
    feed(old, flood(T, SECOND))
    (entry,) = tuple(old.ledger)
    made = engine(world)
    made.docket.resume(world.cases[-1])
    start = T + 20 * SECOND
    made.resume([Entry(entry.decision, entry.order, entry.rule, entry.point, resumed=start)])
    made.look(start)
    assert len(made.ledger) == 1
    made.look(start + 4 * SECOND)
    assert [d.act for d in world.decisions] == [Act.NULL_ROUTE, Act.RELEASE]
    assert world.decisions[1].at == start + 3 * SECOND
