"""The sum over all VMs of one customer, from packets to verdicts, against a plain oracle in virtual time."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import counting as plain
from oracles import customers as oracle
from oracles import sharding
from oracles.counting import SECOND, SLOT, Packet
from oracles.customers import Change, Event
from test_engine import HOST, LIMITS, TARGETS, T, World, vm

from edgeguard import config
from edgeguard.counting import state
from edgeguard.counting.shards import Shards
from edgeguard.counting.window import Counting
from edgeguard.decision.question import Window
from edgeguard.engine import Engine
from edgeguard.errors import ConfigError
from edgeguard.model import Act, Band, Scope, Share, Subject, Verdict
from edgeguard.reading import Circumstances
from edgeguard.record import UDP

MS = 1_000_000
POINTS = 6
HIGH = {"warn": 1_000_000, "act": 1_000_000, "hard": 1_000_000}
LOUD = {**HIGH, "warn": 20}  # judged by themselves, never so that the sum leaves them out
SUMS = {"syn": {"warn": 40, "hard": 60}, "udp": {"warn": 50, "hard": 90}}
ACME, OTHER = "Example Ltd", "Other Ltd"


def made(
    world: World,
    limits: dict[str, Any],
    customers: Sequence[str | None],
    quiet: str = "3s",
    counting: Any = None,
) -> Engine:
    """An engine whose VM n belongs to customers[n]."""
    clocks = {"quiet": quiet, "lifetime": "60s", "moves": "10s"}
    settings_ = {"enforce": ["all.act", "all.hard"], "limits": limits, "clocks": clocks, "host": {"name": "host"}}
    counting = counting or Counting(0, by_source=False, points=POINTS)
    engine = Engine(config.build(settings_), counting, world)
    for point, customer in enumerate(customers):
        hang(engine, Change(0, point, customer, anew=True))
    return engine


def hang(engine: Engine, change: Change) -> None:
    if change.anew:
        subject = Subject(f"vm-{change.point}", f"tap{change.point}", None)
        engine.counting.assign(change.point, subject, (ip_network(HOST),))
    engine.counting.customers.hang(change.point, change.customer)


def play(engine: Engine, events: Sequence[Event], until: int) -> None:
    """Packets as they come; a change finds everything looked at that ended before it."""
    batch: list[Packet] = []
    for event in events:
        if isinstance(event, Packet):
            batch.append(event)
            continue
        engine.feed(plain.rows(batch))
        batch = []
        engine.look(event.ts)
        hang(engine, event)
    engine.feed(plain.rows(batch))
    engine.look(until)


def world(vms: int = POINTS) -> World:
    return World([vm(n) for n in range(vms)], replayed=True)


def about_sums(found: World) -> list[Verdict]:
    return [verdict for verdict in found.verdicts if verdict.subject.customer is not None]


# ---- streams -------------------------------------------------------------------------------------

STEPS = (0, 0, MS, 20 * MS, 60 * MS, SLOT - 1, SLOT, 250 * MS, 950 * MS, 1_100 * MS)


def drawn(seed: int) -> tuple[list[Event], int]:
    """VMs of two customers that send, come, go and change hands; and when the story is over.

    Random rather than built up by Hypothesis: a sum that is reached needs many packets of many points.
    """
    draw = random.Random(seed)
    now = T + draw.choice((0, 7 * MS, SLOT - 1))
    owners = draw.choices((ACME, OTHER, None), (4, 1, 1), k=POINTS)
    events: list[Event] = [Change(T, point, owner, anew=True) for point, owner in enumerate(owners)]
    busy, changing, heavy = draw.choice((2, 5, 9)), draw.choice((0, 0.02, 0.2)), draw.choice((2, 6, 15))
    for _ in range(draw.choice((20, 80, 150))):
        now += draw.choice(STEPS[:busy])
        if draw.random() < changing:
            owner = draw.choice((ACME, ACME, OTHER, None))
            events.append(Change(now, draw.randrange(POINTS), owner, draw.random() < 0.5))
        what = draw.choice(("syn", "syn", "syn", "udp", "udp fragment", "tcp"))
        events.append(
            Packet(
                now, what, HOST, draw.choice(TARGETS[:3]), packets=draw.randint(1, heavy), out_of=draw.randrange(POINTS)
            )
        )
    return events, now + 2 * SECOND


def stories() -> st.SearchStrategy[tuple[list[Event], int]]:
    return st.integers(0, 2**32).map(drawn)


# ---- counting ------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(stories(), st.integers(0, 12))
def test_windows_of_many_rows_are_those_of_each_reading(story: tuple[list[Event], int], later: int) -> None:
    """What is read of many rows at once equals the readings one by one: packets, bytes, foreign, one-way."""
    events, _ = story
    engine = made(world(), {"syn": HIGH, "udp": HIGH}, [None] * POINTS)
    play(engine, events, max(event.ts for event in events))
    at = engine.counting.slot_end + later * SLOT
    windows = engine.counting.windows(np.arange(POINTS), at)
    for point in range(POINTS):
        one_way = engine.counting.one_way(point, at)
        reading = engine.counting.reading(point, at)
        assert windows[point, : state.RULES].tolist() == list(reading.packets.values())
        assert windows[point, state.OCTETS + UDP] == reading.bytes["udp"]
        assert windows[point, state.FOREIGN : state.FOREIGN + 5].tolist() == list((reading.foreign or {}).values())[:5]
        assert engine.counting.half_open(point, at) == (reading.half_open, reading.half_open_acks)
        assert one_way == (reading.one_way, reading.one_way_back)


@settings(max_examples=200, deadline=None)
@given(stories(), st.sampled_from((HIGH, LOUD)))
def test_no_crossing_of_a_sum_is_missed_and_none_is_invented(
    story: tuple[list[Event], int], own: dict[str, int]
) -> None:
    """However it is split over VMs and taps, whoever joins, leaves or is sold meanwhile: the episode begins with
    the very slot in which the sum reaches half of warn, and the verdict comes with that which reaches hard."""
    events, until = story
    found = world()
    engine = made(found, {"syn": own, "udp": own, "customer": SUMS}, [], quiet="15m")
    play(engine, events, until)
    assert first_hard(found) == expected_hard(events, until)
    assert begun(engine) == {
        (rule, customer): at - SLOT
        for rule in ("syn", "udp")
        for customer, (at, _) in oracle.first(events, rule, SUMS[rule]["warn"] // 2, until).items()
    }


def begun(engine: Engine) -> dict[tuple[str, str], int]:
    """Since when there is an episode of a customer's sum, by rule and customer."""
    numbers = {name: engine.counting.customers.number(name) for name in (ACME, OTHER)}
    found = {(rule, name): engine.docket.episode(n, rule) for name, n in numbers.items() for rule in ("syn", "udp")}
    return {key: episode.since for key, episode in found.items() if episode}


def first_hard(found: World) -> dict[tuple[str, str], tuple[int, int]]:
    """When and with what sum the hard limit of each customer was first told, by rule and customer."""
    hard: dict[tuple[str, str], tuple[int, int]] = {}
    for verdict in about_sums(found):
        if verdict.band is Band.HARD:
            hard.setdefault((verdict.rule, str(verdict.subject.customer)), (verdict.at, verdict.measured))
    return hard


def expected_hard(events: Sequence[Event], until: int) -> dict[tuple[str, str], tuple[int, int]]:
    return {
        (rule, customer): first
        for rule in ("syn", "udp")
        for customer, first in oracle.first(events, rule, SUMS[rule]["hard"], until).items()
    }


@settings(max_examples=60, deadline=None)
@given(stories(), st.integers(1, 4), st.sampled_from(sharding.STEERINGS), st.integers(0, 2**32))
def test_several_shards_find_what_one_finds(
    story: tuple[list[Event], int], n: int, steering: sharding.Steering, seed: int
) -> None:
    """Split over VMs, taps and capture threads at once, a sum is still found at the end of its slot."""
    events, _ = story
    events = [replace(e, ts=T) if isinstance(e, Change) else e for e in events]
    events.sort(key=lambda event: (isinstance(event, Packet), event.ts))
    owners = {event.point: event for event in events if isinstance(event, Change)}
    sent = [event for event in events if isinstance(event, Packet)]
    found = world()
    shards = Shards(n, points=POINTS)
    engine = made(found, {"syn": HIGH, "udp": HIGH, "customer": SUMS}, [], quiet="15m", counting=shards)
    for change in owners.values():
        hang(engine, replace(change, anew=True))
    draw = random.Random(seed)
    order = iter(lambda: (draw.randrange(n), draw.randrange(1, 9)), None)
    sharding.run(shards, sharding.feeders(shards, sent, steering), order, engine.look)
    until = max((p.ts for p in sent), default=T) + 2 * SECOND
    engine.look(until)
    assert first_hard(found) == expected_hard([*owners.values(), *sent], until)


@settings(max_examples=60, deadline=None)
@given(stories())
def test_the_vms_are_judged_as_if_there_were_no_sums(story: tuple[list[Event], int]) -> None:
    """A customer's sum changes nothing of what is found about a single VM, to the last number."""
    events, until = story
    limits = {"syn": {"warn": 20, "act": 30, "hard": 60}, "udp": {"warn": 20, "act": 30, "hard": 60}}
    verdicts = []
    for sums in (SUMS, {"syn": {"warn": 0, "hard": 0}, "udp": {"warn": 0, "hard": 0}}):
        found = world()
        play(made(found, {**limits, "customer": sums}, []), events, until)
        verdicts.append([verdict for verdict in found.verdicts if verdict.subject.customer is None])
    assert verdicts[0] == verdicts[1]


def test_a_point_is_hot_from_its_part_of_the_sum_on() -> None:
    """With k points the level is ceil(half of warn / k), and follows k; without a customer it is the VM's own."""
    engine = made(world(), {"syn": HIGH, "udp": HIGH, "customer": SUMS}, [ACME] * 3 + [None])
    part = [Packet(T, "syn", HOST, TARGETS[0], packets=6, out_of=n) for n in (0, 3)]
    engine.feed(plain.rows(part))
    assert engine.counting.hot() == []  # 20 / 3 is 7
    engine.counting.customers.hang(4, ACME)
    assert engine.counting.hot() == [0]  # 20 / 4 is 5: told at once, though no packet came
    engine.look(T + 3 * SECOND)
    assert engine.counting.hot() == []


def test_a_quiet_point_is_not_cooled_while_the_sum_may_need_it() -> None:
    """A VM that was loud by itself, and is not any more, still counts for a sum that others complete in silence."""
    engine = made(world(), {"syn": LOUD, "udp": LOUD, "customer": SUMS}, [ACME] * 5)
    loud = [Packet(T + slot * SLOT, "syn", HOST, TARGETS[0], packets=n, out_of=0) for slot, n in ((0, 3), (5, 8))]
    small = [Packet(T + 12 * SLOT, "syn", HOST, TARGETS[0], packets=3, out_of=point) for point in range(1, 5)]
    play(engine, loud + small, T + 13 * SLOT)  # 8 + 4 x 3 = 20, and each of the four is below 20 / 5
    assert begun(engine) == {("syn", ACME): T + 12 * SLOT}


def test_a_point_alone_stays_hot_by_its_own_limit() -> None:
    """Where a customer's only VM is below the level of the sum and loud by itself, it is judged until it is quiet."""
    engine = made(world(), {"syn": LOUD, "udp": LOUD, "customer": SUMS}, [ACME])
    engine.feed(plain.rows([Packet(T, "syn", HOST, TARGETS[0], packets=14, out_of=0)]))
    engine.look(T + 9 * SLOT)
    assert engine.counting.hot() == [0]
    engine.look(T + 11 * SLOT)
    assert engine.counting.hot() == []


# ---- judging -------------------------------------------------------------------------------------


def steady(points: Sequence[int], each: int, lasts: int, what: str = "syn", start: int = T) -> list[Packet]:
    """Every point sends `each` packets a second, one frame every 100 ms, targets of their own."""
    return [
        Packet(at + point, what, HOST, TARGETS[point % 8], packets=each // 10, bytes=6 * each, out_of=point)
        for at in range(start, start + lasts, SLOT)
        for point in points
    ]


def test_many_vms_below_their_limits_are_one_verdict_about_their_customer() -> None:
    """Ten at nine tenths: nobody is over a limit of his own, the customer's sum is, once; nothing is null-routed, and
    a neighbour's VMs are no part of it."""
    found = World([vm(n) for n in range(POINTS)])
    engine = made(found, {**LIMITS, "customer": {"syn": {"warn": 30, "hard": 1_000}}}, [ACME] * 4 + [OTHER] * 2)
    play(engine, steady(range(5), 10, 8 * SECOND), T + 8 * SECOND)
    (verdict,), (decision,) = found.verdicts, found.decisions
    assert (verdict.rule, verdict.band, verdict.subject) == ("syn", Band.WARN, Subject(None, None, None, ACME))
    assert (verdict.measured, verdict.at_least, verdict.limit) == (40, 40, 30)
    assert verdict.shares == tuple(Share(f"vm-{n}", f"tap{n}", 10) for n in range(4))
    assert sorted(str(target.address) for target in verdict.targets) == TARGETS[:4]
    assert (verdict.at, verdict.since, verdict.crossed) == (T + 4_800 * MS, T + 300 * MS, T + 4_800 * MS)
    assert (verdict.bytes, verdict.longer, verdict.foreign) == (2_400, ((5, 192), (60, 192)), 0)
    assert (decision.act, decision.scope, decision.tap, found.orders) == (Act.NONE, Scope.OBSERVE, None, [])
    assert (decision.safeties[0].name, decision.safeties[0].answer) == ("enforce", "refuse")
    (case,) = found.cases
    assert (case.vm, case.tap, case.source, case.customer, case.addresses) == (None, None, None, ACME, ())


def test_hard_does_not_wait_and_no_vm_is_null_routed_for_it() -> None:
    """A sum above hard is told at the end of the slot, and automation touches no VM, whatever `enforce` lists."""
    found = World([vm(n) for n in range(POINTS)])
    engine = made(found, {**LIMITS, "customer": {"syn": {"warn": 30, "hard": 70}}}, [ACME] * POINTS)
    burst = Packet(T + SECOND, "syn", HOST, TARGETS[0], packets=40, out_of=4)
    play(engine, sorted([*steady(range(4), 10, 2 * SECOND), burst], key=lambda p: p.ts), T + 3 * SECOND)
    (verdict,) = about_sums(found)
    assert (verdict.band, verdict.sustain, found.orders) == (Band.HARD, "at once", [])
    assert verdict.at == T + 1_100 * MS
    assert verdict.measured == sum(share.packets for share in verdict.shares) == 4 * 10 + 40


def test_in_doubt_a_sum_above_hard_waits_five_seconds() -> None:
    """Where it is not known what came back to one of its VMs, a sum says so, and hard must last as for one VM."""

    class Doubtful(World):
        def circumstances(self, point: int) -> Circumstances:
            return Circumstances(in_doubt="the way back is cut") if point == 2 else Circumstances()

    found = Doubtful([vm(n) for n in range(POINTS)])
    engine = made(found, {**LIMITS, "customer": {"syn": {"warn": 30, "hard": 38}}}, [ACME] * POINTS)
    play(engine, steady(range(4), 10, 8 * SECOND), T + 8 * SECOND)
    (verdict,) = about_sums(found)
    assert (verdict.band, verdict.came_back.packets, found.orders) == (Band.HARD, None, [])
    assert verdict.at - T >= 4_500 * MS
    assert any("the way back is cut" in one.why for one in verdict.alternatives)


def test_a_vm_with_a_verdict_of_its_own_is_no_news_of_its_customer() -> None:
    """One VM floods: its own verdict and null route, nothing about the customer; its share is named apart where the
    others alone are over the limit."""
    limits = {**LIMITS, "customer": {"syn": {"warn": 30, "hard": 200}}}
    found = World([vm(n) for n in range(POINTS)])
    play(made(found, limits, [ACME] * POINTS), steady([0], 300, 3 * SECOND), T + 3 * SECOND)
    assert ([v.subject.vm for v in found.verdicts], len(found.orders)) == (["vm-0"], 1)
    found = World([vm(n) for n in range(POINTS)])
    calm = steady([1, 2, 3], 10, 8 * SECOND)
    events = sorted(calm + steady([0], 300, 8 * SECOND), key=lambda p: p.ts)
    play(made(found, {**limits, "customer": {"syn": {"warn": 25, "hard": 200}}}, [ACME] * POINTS), events, T)
    (verdict,) = about_sums(found)
    assert (verdict.band, verdict.measured) == (Band.WARN, 30)
    assert verdict.shares[-1] == Share("vm-0", "tap0", 300, counted=False)
    assert len(found.orders) == 1


def test_vms_that_take_turns_are_seen() -> None:
    """Each VM is over its warn limit for one second in six, which does not last; their customer is over it always."""
    found = World([vm(n) for n in range(POINTS)])
    turns = [p for n in range(POINTS) for p in steady([n], 20, SECOND, start=T + n * SECOND)]
    play(
        made(found, {**LIMITS, "customer": {"syn": {"warn": 20, "hard": 100}}}, [ACME] * POINTS), turns, T + 7 * SECOND
    )
    (verdict,) = found.verdicts
    assert (verdict.subject.customer, verdict.band) == (ACME, Band.WARN)


def test_answered_udp_is_no_part_of_a_sum() -> None:
    """UDP is added up where it is one-way, as it is judged of a single VM."""
    found = World([vm(n) for n in range(POINTS)])
    limits = {**LIMITS, "customer": {"udp": {"warn": 30, "hard": 50}}}
    sent = steady(range(4), 30, 3 * SECOND, "udp")
    back = [replace(p, ts=p.ts + MS, src=p.dst, dst=p.src, out_of=0xFFFF, into=p.out_of) for p in sent if p.out_of < 3]
    play(made(found, limits, [ACME] * POINTS), sorted(sent + back, key=lambda p: p.ts), T + 4 * SECOND)
    assert found.verdicts == []
    found = World([vm(n) for n in range(POINTS)])
    some = [p for p in back if p.into < 2]
    play(made(found, limits, [ACME] * POINTS), sorted(sent + some, key=lambda p: p.ts), T + 4 * SECOND)
    (verdict,) = found.verdicts
    assert (verdict.measured, [share.vm for share in verdict.shares]) == (54, ["vm-2", "vm-3"])


def test_an_episode_of_a_customer_is_one_case() -> None:
    """Both rules and every band of one episode are in one case; it is closed when the sum has been quiet."""
    found = World([vm(n) for n in range(POINTS)])
    limits = {**LIMITS, "customer": {"syn": {"warn": 30, "hard": 60}, "udp": {"warn": 30, "hard": 100}}}
    syn = steady(range(4), 10, 8 * SECOND) + steady(range(4), 10, SECOND, start=T + 7 * SECOND + MS)
    events = sorted(syn + steady(range(4), 10, 8 * SECOND, "udp"), key=lambda p: p.ts)
    play(made(found, limits, [ACME] * POINTS), events, T + 20 * SECOND)
    assert sorted((v.rule, v.band) for v in found.verdicts) == [("syn", "hard"), ("syn", "warn"), ("udp", "warn")]
    assert len({case.id for case in found.cases}) == 1
    (closed,) = [told for told in found.told if isinstance(told, tuple)]
    assert closed[0] == found.cases[0].id
    assert T + 11 * SECOND <= closed[1] <= T + 12 * SECOND


def test_what_could_not_be_recorded_is_told_again() -> None:
    """A verdict whose decision the disk refused is given anew as long as the sum is over the limit."""
    found = World([vm(n) for n in range(POINTS)])
    engine = made(found, {**LIMITS, "customer": {"syn": {"warn": 10, "hard": 30}}}, [ACME] * POINTS)
    found.disk_full = True
    events = steady(range(4), 10, 3 * SECOND)
    play(engine, [p for p in events if p.ts < T + 2 * SECOND], T)
    assert found.decisions == []
    found.disk_full = False
    play(engine, [p for p in events if p.ts >= T + 2 * SECOND], T)
    assert len(found.decisions) == 1


def test_a_doubtful_window_is_told_with_its_doubt() -> None:
    """Frames that came twice make every count too high: the desk is told, and told why it is in doubt."""
    found = World([vm(n) for n in range(POINTS)])
    found.health = Window(0, 1_000, 0, False, duplicates=0.5)
    play(
        made(found, {**LIMITS, "customer": {"syn": {"warn": 10, "hard": 30}}}, [ACME] * POINTS),
        steady(range(4), 10, 2 * SECOND),
        T,
    )
    (decision,) = found.decisions
    assert "in doubt, as capture health refuses: 50 % of the frames came twice" in decision.reason


@pytest.mark.parametrize(
    ("sums", "said"),
    [
        (
            {"syn": {"warn": 0, "hard": 50_000}},
            "warn 0, hard 50000: both 0, so that no sum is judged, or both above it",
        ),
        ({"udp": {"warn": 300_000}}, "warn 300000, hard 250000 must not fall"),
        ({"syn": {"act": 5}}, "unknown key"),
        ({"icmp": {"warn": 5}}, "unknown key"),
        ({"syn": {"warn": -1}}, "greater than or equal to 0"),
    ],
)
def test_wrong_limits_are_said_in_one_line(sums: dict[str, Any], said: str) -> None:
    """A limit of a sum that cannot be meant is refused with its section and why."""
    with pytest.raises(ConfigError) as refused:
        config.build({"limits": {"customer": sums}})
    (line,) = refused.value.findings
    assert "[limits.customer" in line
    assert said in line
