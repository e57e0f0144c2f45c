"""Several shards asked as one: whatever their steering and their order, the same as one shard, within the bound."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import counting as plain
from oracles import flows
from oracles.counting import SECOND, SLOT, Packet
from oracles.feeding import LIMITS, POINTS, WHATS, packet
from oracles.sharding import STEERINGS, Feeder, Steering, by_remote, feeders, release, run, until

from edgeguard.counting import flow_shards, state
from edgeguard.counting.distinct import Distinct
from edgeguard.counting.flow_memory import CLASSES
from edgeguard.counting.flow_shards import FlowShards
from edgeguard.counting.shards import FURTHER_TABLES, Shards, share
from edgeguard.counting.window import Counting
from edgeguard.model import Subject
from edgeguard.reading import Reading
from edgeguard.record import NOBODY

T = 1_767_225_600 * SECOND
MS = 1_000_000
GRID = 5 * MS
MIB = 1 << 20
OWN = (ip_network("192.0.2.0/30"),)
TARGETS = [f"198.51.100.{n}" for n in range(1, 30)]


def shards(n: int, points: int = 2) -> Shards:
    made = Shards(n, points=points)
    for point in range(points):
        made.assign(point, Subject(f"vm-{point}", f"tap{point}", None), OWN)
    return made


def one(points: int = 2) -> Counting:
    made = Counting(0, by_source=False, points=points)
    for point in range(points):
        made.assign(point, Subject(f"vm-{point}", f"tap{point}", None), OWN)
    return made


GAPS = (0, 1, MS, GRID - 1, GRID, 40 * MS, SLOT - 1, SLOT, 950 * MS, SECOND, 1_600 * MS, 90 * SECOND)


@st.composite
def streams(draw: st.DrawFn) -> list[Packet]:
    """Packets out of and into two VMs, by rising stamps."""
    at = st.sampled_from((NOBODY, 0, 1))
    shapes = st.tuples(
        st.one_of(st.sampled_from(GAPS[:6]), st.sampled_from(GAPS), st.integers(0, 50 * MS)),
        st.sampled_from(sorted(plain.KINDS)),
        st.sampled_from(("192.0.2.1", "192.0.2.9")),
        st.sampled_from(TARGETS),
        st.sampled_from((1, 1, 2, 30)),
        st.booleans(),
        at,
    )
    now, packets = T + draw(st.sampled_from((0, SLOT - 1, 17 * MS))), []
    for gap, what, vm, remote, weight, leaves, point in draw(st.lists(shapes, max_size=100)):
        now += gap
        src, dst = (vm, remote) if leaves else (remote, vm)
        out_of, into = (point, NOBODY) if leaves else (NOBODY, point)
        packets.append(Packet(now, what, src, dst, 443, weight, 60, out_of, into))
    return packets


def order(seed: int) -> Iterator[tuple[int, int]]:
    """Which shard is fed next, and with how many packets."""
    draw = random.Random(seed)
    while True:
        yield draw.randrange(8), draw.choice((1, 1, 2, 7, 100))


numbers = st.sampled_from((1, 2, 3, 8))
steerings = st.sampled_from(STEERINGS)


# ---- windows -------------------------------------------------------------------------------------


class Slots:
    """Looks as the engine does, and keeps what it was told at the end of every slot."""

    def __init__(self, made: Shards) -> None:
        self.made = made
        self.told: dict[tuple[int, int], Reading] = {}

    def look(self, to: int) -> None:
        if not self.made.slot_end:
            self.made.tick(to)
        slot_end = self.made.slot_end
        while slot_end <= min(to, self.made.slot_end + 12 * SLOT):
            for point in range(2):
                self.told[point, slot_end] = self.made.reading(point, slot_end)
            slot_end += SLOT
        self.made.tick(to)


@settings(max_examples=150, deadline=None)
@given(streams(), numbers, steerings, st.integers(0, 2**32))
def test_every_window_is_that_of_all_packets(packets: list[Packet], n: int, steering: Steering, seed: int) -> None:
    """At the end of every slot all sums are exact, and every target's count is true within what is said."""
    made = shards(n)
    slots = Slots(made)
    run(made, feeders(made, packets, steering), order(seed), slots.look)
    stream = plain.placed(packets)
    for (point, at), got in slots.told.items():
        slot = at // SLOT - 1
        sent = plain.window(stream, slot, lambda p, point=point: p.out_of == point and p.rule is not None)
        for rule in ("syn", "udp"):
            of_rule = [p for p in sent if p.rule == rule]
            assert (got.packets[rule], got.bytes[rule]) == (plain.packets(of_rule), plain.octets(of_rule))
            assert got.foreign is not None
            assert got.foreign[rule] == plain.packets(p for p in of_rule if p.src == "192.0.2.9")
        truth, ports = plain.by_target(sent), plain.by_port(sent)
        for flow in got.flows:
            key = flow.address, flow.protocol, flow.rule
            assert flow.packets <= truth[key] <= flow.packets + got.missing
            assert flow.port_packets <= ports.get((*key, flow.port or 0), 0)
    for point in range(2):
        assert made.frames(point) == (sum(p.out_of == point for p in packets), sum(p.into == point for p in packets))
    assert made.late == 0


@settings(max_examples=100, deadline=None)
@given(streams(), numbers, st.integers(0, 2**32))
def test_steered_by_remote_a_reading_is_that_of_one_shard(packets: list[Packet], n: int, seed: int) -> None:
    """Where both directions of a remote address meet in one shard, readings equal those of one counter in all."""
    made, single = shards(n), one()
    many = Slots(made)
    run(made, feeders(made, packets, by_remote), order(seed), many.look)
    batch, start = plain.rows(packets), 0
    single.watch(True)
    ends = sorted({at for _, at in many.told})
    for at in ends:
        while start < len(batch) and batch["ts"][start] < at:
            start += single.add(batch[start : start + 1], 0)
            if start < len(batch) and batch["ts"][start] >= single.slot_end:
                single.tick(int(batch["ts"][start]))
        for point in range(2):
            assert plainly(many.told[point, at]) == plainly(single.reading(point, at))


def plainly(got: Reading) -> Any:
    """A reading whose flows of equal size may stand in any order."""
    flows_ = sorted((-f.packets, str(f.address), f.protocol, f.port_packets, f.back) for f in got.flows)
    return got.packets, got.bytes, got.foreign, got.longer, flows_, got.missing, got.syn_acks, got.one_way


# ---- crossings -----------------------------------------------------------------------------------


class Crossing:
    """Feeds single packets, and holds that no shard leaves a grid cell while the sum is over an unseen level."""

    def __init__(self, made: Shards, all_: Sequence[Feeder], level: int) -> None:
        self.made, self.all, self.level = made, all_, level
        self.seen = False

    def sum(self) -> int:
        counted = [packet for feeder in self.all for packet in feeder.counted]
        latest = max((packet.ts for packet in counted), default=0) // SLOT
        stream = [(packet.ts // SLOT, packet) for packet in counted]
        return plain.packets(plain.window(stream, latest, lambda p: p.out_of == 0 and p.rule == "syn"))

    def step(self, feeder: Feeder) -> None:
        before, cell = self.sum(), self.made.of[feeder.shard].grid_end
        came = feeder.feed(1)
        if came and came[0].ts >= cell and came[0].ts // SLOT == cell // SLOT:
            assert before < self.level or self.seen

    def look(self, to: int) -> None:
        if not self.made.slot_end:
            self.made.tick(to)
        due = self.made.slot_end <= to or (self.made.crossed and self.made.grid_end <= to)
        if due and 0 in self.made.hot():
            got = self.made.reading(0, min(self.made.grid_end, self.made.slot_end)).packets["syn"]
            assert got == self.sum()
            if got >= self.level:
                self.seen = True
            else:
                self.made.rearm(0, "syn", self.level)
        self.made.tick(to)


@settings(max_examples=100, deadline=None)
@given(streams(), numbers, steerings, st.integers(0, 2**32), st.integers(1, 120))
def test_no_crossing_of_a_sum_is_missed(
    packets: list[Packet], n: int, steering: Steering, seed: int, level: int
) -> None:
    """A sum over its level is looked at before any shard goes on to another grid cell, however it is spread."""
    made = shards(n)
    made.limits({"syn": max(1, level // 2), "udp": 10**6}, {"syn": level, "udp": 10**6})
    all_ = feeders(made, packets, steering)
    crossing, draw = Crossing(made, all_, level), random.Random(seed)
    while waiting := [feeder for feeder in all_ if not feeder.done]:
        ready = [feeder for feeder in waiting if not feeder.stopped]
        if ready:
            crossing.step(draw.choice(ready))
        if not ready or any(feeder.stopped for feeder in all_):
            crossing.look(until(made, all_))
            release(made, all_)


def test_a_flood_over_all_shards_is_looked_at_a_few_times_only() -> None:
    """Between nothing and the level there are as many looks as halvings, not one for every packet."""
    made = shards(4)
    made.limits({"syn": 5_000, "udp": 10**6}, {"syn": 10_000, "udp": 10**6})
    all_ = feeders(made, [Packet(T + n * 9_000, out_of=0) for n in range(10_000)], lambda n, _: n)
    crossing = Crossing(made, all_, 10_000)
    looks = 0
    while not crossing.seen:
        for feeder in all_:
            feeder.feed(64)
        looks += made.crossed
        made.until([feeder.time(0) for feeder in all_])
        if made.crossed:
            if made.reading(0, made.slot_end).packets["syn"] >= 10_000:
                break
            made.rearm(0, "syn", 10_000)
        for shard in made.of:
            shard.looked()
        if all(feeder.stopped or feeder.done for feeder in all_):
            made.tick(min(feeder.time(made.slot_end) for feeder in all_))
    assert 0 < looks < 60


@given(st.integers(1, 10**6), st.integers(1, 8))
def test_a_share_is_reached_when_the_sum_is(total: int, n: int) -> None:
    """While every shard is below its share the sum is below the total; a level that is never reached has no share."""
    assert (share(total, n) - 1) * n < total <= share(total, n) * n
    assert share(state.NEVER, n) == state.NEVER


# ---- clocks --------------------------------------------------------------------------------------


def test_a_clock_set_back_takes_every_shard_along() -> None:
    """When one shard knows that the clock was set back, all go on at the new time, with empty windows."""
    made = shards(2)
    made.tick(T)
    for shard in made.of:
        shard.add(plain.rows([Packet(T + 1, out_of=0, packets=9)]), 0)
    back = T - 3600 * SECOND
    made.of[0].add(plain.rows([Packet(back + n * 100 * MS, out_of=0) for n in range(12)]), 0)
    to = made.until([back + 1_100 * MS, T + 1])
    assert made.slot_end == back + 1_100 * MS
    assert to <= made.slot_end
    made.tick(to)
    made.of[1].add(plain.rows([Packet(made.slot_end - 1, out_of=0)]), 0)
    assert made.reading(0, made.slot_end).packets["syn"] <= 2


# ---- places --------------------------------------------------------------------------------------


def test_rows_without_places_are_counted_and_said() -> None:
    """In a shard with fewer tables than rows the windows are exact; targets that are not known are missing."""
    made = shards(2, points=300)
    made.tick(T)
    packets = [Packet(T + 1, out_of=point, packets=3) for point in range(300)]
    made.of[1].add(plain.rows(packets), 0)
    got = [made.reading(point, T + SLOT) for point in range(300)]
    assert {reading.packets["syn"] for reading in got} == {3}
    assert sorted(reading.missing for reading in got) == [0] * FURTHER_TABLES + [3] * (300 - FURTHER_TABLES)
    assert made.untabled == 3 * (300 - FURTHER_TABLES)


# ---- the flow memory -----------------------------------------------------------------------------

SENDERS = ("192.0.2.7", "192.0.2.200", "2001:db8:5::1", "2001:db8:5::2")


@st.composite
def sources(draw: st.DrawFn) -> list[Packet]:
    """One remote above the limit of its class in some second, at any phase."""
    what = draw(st.sampled_from(WHATS))
    remote, points = draw(st.sampled_from(SENDERS)), draw(st.sampled_from(POINTS))
    limit = LIMITS[{"syn": "syn", "udp": "udp", "udp fragment": "udp"}.get(what, "packets")]
    shape = draw(st.sampled_from(flows.SHAPES))
    start = T + draw(st.integers(0, SECOND))
    return [packet(at, remote, what, points) for at in shape(limit, start, draw(st.integers(0, 40)))]


@settings(max_examples=15, deadline=None)
@given(st.lists(sources(), min_size=1, max_size=3), st.sampled_from((2, 3, 8)), st.sampled_from((1, 3, 7)))
def test_no_key_above_its_limit_is_missed_however_it_is_spread(
    planned: list[list[Packet]], n: int, stride: int
) -> None:
    """A key over its limit in the sum of all shards is found, and what is said of any key is true of the sum."""
    stream = sorted(itertools.chain(*planned), key=lambda one: one.ts)
    made, truth, batch = FlowShards(LIMITS, [(k, 7) for k in range(n)]), flows.Queues(), plain.rows(stream)
    for k, one_packet in enumerate(stream):
        if k and stream[k - 1].ts // SLOT != one_packet.ts // SLOT:
            made.turn(one_packet.ts)
        made.of[k // stride % n].add(batch, k, k + 1)
        truth.add(one_packet)
        for name in flows.classes(one_packet):
            above = {key for key in flows.keys(one_packet) if truth.second(key, name) >= LIMITS[name]}
            if above:
                assert above <= {(heavy.network, heavy.out) for heavy in made.heavy(name, LIMITS[name])}
        if k % 64 == 0:
            for name in CLASSES:
                for heavy in made.heavy(name, 1):
                    assert heavy.at_least <= truth.eleven((heavy.network, heavy.out), name) <= heavy.at_most
    assert made.effective == LIMITS
    assert made.refused == 0


def test_limits_of_memories_that_were_too_full_add_up() -> None:
    """The limit in force is what the sum cannot reach while each memory is below its own."""
    made = FlowShards(dict.fromkeys(CLASSES, 1000), [(1, 2), (3, 4), (5, 6)])
    assert made.effective == dict.fromkeys(CLASSES, 1000)
    made.of[1]._doubled = 2
    assert made.effective == dict.fromkeys(CLASSES, 334 + 4 * 334 + 334 - 2)


# ---- memory --------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 8])
def test_the_memory_is_fixed_and_within_its_budget(n: int) -> None:
    """One shard takes at most 48 MiB, each further one at most 16 MiB; counting takes no more."""
    remote = FlowShards(dict.fromkeys(CLASSES, 1000), [(k, k) for k in range(n)])
    distinct = Distinct((1, 2))
    made = Shards(n, remote=remote, distinct=distinct)
    assert made.of[0].memory + remote.of[0].memory + distinct.memory <= 48 * MIB
    for shard, memory in zip(made.of[1:], remote.of[1:], strict=True):
        assert shard.memory + memory.memory <= 16 * MIB
    total = made.memory + remote.memory
    made.tick(T)
    batch = plain.rows([Packet(T + k, dst=f"198.51.{k // 200}.{k % 200 + 1}", out_of=k) for k in range(600)])
    for shard in made.of:
        shard.add(batch, 0)
    assert made.memory + remote.memory == total
    assert remote.capacity == flow_shards.ENTRIES + (n - 1) * flow_shards.FURTHER_ENTRIES
    assert np.all(np.array([shard.late for shard in made.of]) == 0)


@pytest.mark.parametrize("n", [0, 9])
def test_there_are_one_to_eight_shards(n: int) -> None:
    """Any other number is refused."""
    with pytest.raises(ValueError, match="1 to 8"):
        Shards(n)
