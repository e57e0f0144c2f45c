"""The counting promise: every key above its limit is found, and what is said of it is true."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from ipaddress import ip_network
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import flows as plain
from oracles.counting import SECOND, SLOT, Packet, rows
from oracles.feeding import KEY, LIMITS, POINTS, WHATS, T, feed, found, memory, packet

from edgeguard.counting.flow_memory import CLASSES, FlowMemory
from edgeguard.native.flows import ADDRESS4, FULL, IN, NET6, QUIET
from edgeguard.record import NOBODY, RECORD, SYN, Records


def within_bounds(made: FlowMemory, truth: plain.Queues) -> None:
    for name in CLASSES:
        for heavy in made.heavy(name, 0):
            assert heavy.at_least <= truth.eleven((heavy.network, heavy.out), name) <= heavy.at_most


# ---- streams -------------------------------------------------------------------------------------

SENDERS = ("192.0.2.7", "192.0.2.200", "2001:db8:5::1", "2001:db8:5::2", "203.0.113.9")


@st.composite
def sources(draw: st.DrawFn) -> list[Packet]:
    """One remote above the limit of its class in some second, at any phase."""
    what = draw(st.sampled_from(WHATS))
    remote, points = draw(st.sampled_from(SENDERS)), draw(st.sampled_from(POINTS))
    limit = LIMITS[{"syn": "syn", "udp": "udp", "udp fragment": "udp"}.get(what, "packets")]
    shape = draw(st.sampled_from(plain.SHAPES))
    start = T + draw(st.integers(0, SECOND))
    return [packet(at, remote, what, points) for at in shape(limit, start, draw(st.integers(0, 40)))]


def noise(seed: int, packets: int) -> list[Packet]:
    """Random strangers, one packet each."""
    rng = random.Random(seed)
    return [
        packet(T + rng.randrange(5 * SECOND), f"203.0.113.{rng.randrange(256)}", rng.choice(WHATS), rng.choice(POINTS))
        for _ in range(packets)
    ]


# ---- the promise ---------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(sources(), min_size=1, max_size=3), st.integers(0, 2**32), st.integers(0, 200))
def test_no_key_above_its_limit_is_missed(planned: list[list[Packet]], seed: int, strangers: int) -> None:
    """A key is found at the packet that completes its limit in any second, and at every one after it."""
    stream = sorted([*itertools.chain(*planned), *noise(seed, strangers)], key=lambda one: one.ts)
    made, truth, batch = memory(), plain.Queues(), rows(stream)
    for n, one in enumerate(stream):
        made.add(batch, n, n + 1)
        truth.add(one)
        for name in plain.classes(one):
            above = {key for key in plain.keys(one) if truth.second(key, name) >= LIMITS[name]}
            assert not above or above <= found(made, name, LIMITS[name])
        if n % 64 == 0:
            within_bounds(made, truth)
    assert made.refused == 0
    assert made.effective == LIMITS


JUMPS = (
    0,
    1,
    10**6,
    SLOT - 1,
    SLOT,
    SLOT,
    3 * SLOT,
    10 * SLOT,
    11 * SLOT,
    12 * SLOT,
    13 * SLOT,
    14 * SLOT,
    90 * SECOND,
)
STEPS = (*JUMPS, -1, -SLOT, -SECOND, -2 * SECOND, -3600 * SECOND, 10**9 * SECOND)
steps = st.tuples(
    st.one_of(st.integers(0, 20 * 10**6), st.sampled_from(STEPS)),
    st.sampled_from(SENDERS),
    st.sampled_from((*WHATS, "arp")),
    st.sampled_from(POINTS),
    st.sampled_from((1, 1, 2, 5, 40, 5000)),
)


together = st.sampled_from((1, 2, 9, 63, 64, 65, 300))


@settings(max_examples=100, deadline=None)
@given(st.lists(steps, max_size=300), st.sampled_from((0, T, 4_291_747_200 * SECOND)), together)
def test_bounds_are_true_whatever_the_clock_does(walk: list[Any], start: int, together: int) -> None:
    """Idle gaps, jumps, clocks set back, 1970 and 2106: at least <= truth <= at most, in batches of any size."""
    at, stream = start, []
    for step, remote, what, points, weight in walk:
        at = min(max(0, at + step), 2**62)
        stream.append(packet(at, remote, what, points, weight))
    made, truth, batch = memory(), plain.Queues(), rows(stream)
    for n in range(0, len(stream), together):
        made.add(batch, n, min(n + together, len(stream)))
        for one in stream[n : n + together]:
            truth.add(one)
        within_bounds(made, truth)
        for name in CLASSES:
            assert truth.above(name, made.effective[name]) <= found(made, name, made.effective[name])


def test_a_pulsed_source_is_never_lost() -> None:
    """The eviction trap: three slots on, ten off, at 100 phases; found whenever a pulse is complete."""
    limit = LIMITS["syn"]
    for phase in range(100):
        made, stamps = memory(), plain.pulsed(limit, T + phase * SLOT // 100, 0)
        for last in range(limit, len(stamps) + 1, limit):
            feed(made, [packet(at, "192.0.2.7", "syn", POINTS[2]) for at in stamps[last - limit : last]])
            assert (ip_network("192.0.2.7"), False) in found(made, "syn", limit)


def test_a_key_that_leaves_and_comes_back_keeps_what_it_sent() -> None:
    """What an entry counted below the threshold goes back to the filter: 10 x 9 and 20 more are 110."""
    stamps = plain.simmering(110, T, 0)
    assert len(stamps) == 11 + 20 * 9 + 29
    made = memory({"syn": 110, "udp": 110, "packets": 110})
    feed(made, [packet(at, "192.0.2.7", "syn", POINTS[2]) for at in stamps[: 11 + 20 * 9]])
    assert made.used == 0
    feed(made, [packet(at, "192.0.2.7", "syn", POINTS[2]) for at in stamps[11 + 20 * 9 :][:20]])
    assert [(one.at_least, one.at_most) for one in made.heavy("syn", 110)] == [(11, 110)]


def test_an_entry_that_leaves_in_the_middle_of_a_slot_loses_nothing() -> None:
    """Packets of the slot in which an entry leaves count for its next admission, every one of them."""
    made = memory({"syn": 110, "udp": 110, "packets": 110})
    feed(made, [packet(T + k, "192.0.2.7", "syn", POINTS[2]) for k in range(10)])
    later = [packet(T + 12 * SLOT + k, "192.0.2.7", "syn", POINTS[2]) for k in range(10)]
    feed(made, later[:9])
    assert made.used == 0
    feed(made, later[9:])
    assert made.used == 1


# ---- time ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("slots", [1, 10, 11, 12, 13, 14, 26, 130, 10**6])
def test_nothing_is_left_of_a_window_after_a_gap(slots: int) -> None:
    """Rings and generations come round: what stood in them counts for eleven slots and no longer."""
    made = memory()
    feed(made, [packet(T, "192.0.2.7", "syn", POINTS[2], 40)])
    feed(made, [packet(T + slots * SLOT, "192.0.2.7", "syn", POINTS[2], 40)])
    (heavy,) = made.heavy("syn", 0)
    assert heavy.at_least == (80 if slots <= 10 else 40)
    assert heavy.at_most in ((82,) if slots <= 10 else (42, 40))


def test_a_clock_that_is_set_back_is_followed() -> None:
    """One packet from 2106 must not stop time: a second later slots turn again."""
    made, truth = memory(), plain.Queues()
    stream = [packet(4_291_747_200 * SECOND, "192.0.2.7", "syn", POINTS[2])]
    stream += [packet(T + k * SLOT, "192.0.2.7", "syn", POINTS[2], 4) for k in range(60)]
    for one in stream:
        feed(made, [one])
        truth.add(one)
        within_bounds(made, truth)
    assert truth.eleven((ip_network("192.0.2.7"), False), "syn") == 44
    assert made.late == 11


def test_a_slot_of_the_filter_that_comes_round_is_empty() -> None:
    """Lanes are used again after thirteen slots, those of prefixes too: a quiet key alone is bounded exactly."""
    made, prefix = memory(), ip_network("203.0.113.0/24")
    for slot in range(60):
        feed(made, [packet(T + slot * SLOT, f"203.0.113.{slot}", "udp", POINTS[1], 2)])
        assert made.bounds(prefix, True, "udp") == (0, 2 * min(slot + 1, 11))
        assert made.bounds(ip_network(f"203.0.113.{slot}"), True, "udp") == (0, 2)
    assert made.used == 0


# ---- the table of entries ------------------------------------------------------------------------


def entries(made: FlowMemory) -> dict[tuple[int, int, int], int]:
    """Keys and entries of the table, after a look that every one of them stands where it is looked for."""
    flows = made.flows
    used = np.flatnonzero(flows.flows["what"])
    table = (flows.index[flows.index != 0] & 0x7FFF).astype(int) - 1
    assert sorted(table.tolist()) == used.tolist()
    unused, n = [], int(flows.c.free_head)
    while n >= 0:
        unused.append(n)
        n = int(flows.free_links[n])
    assert sorted([*unused, *used.tolist()]) == list(range(made.capacity))
    assert made.used == len(used)
    return {tuple(map(int, flows.flows[n][["hi", "lo", "what"]])): int(n) for n in used}


def strangers(seed: int, at: int, keys: Iterable[int], weight: int) -> Records:
    """One packet each from addresses of many kinds, of `weight`, shuffled."""
    numbers = list(keys)
    random.Random(seed).shuffle(numbers)
    batch = np.zeros(len(numbers), RECORD)
    batch["ts"] = at + np.arange(len(numbers))
    batch["src_lo"], batch["packets"], batch["kind"], batch["protocol"] = numbers, weight, SYN, 6
    batch["src_hi"] = np.where(batch["src_lo"] % 3 == 0, batch["src_lo"] // 30, 0)
    batch["family"] = np.where(batch["src_lo"] % 3 == 0, 6, 4)
    batch["out_of"] = batch["into"] = NOBODY
    return batch


def test_the_table_survives_thousands_of_arrivals_and_leavings() -> None:
    """Index, entries and free list agree at every slot, and every key stands there exactly once."""
    made, rng = memory(entries=512), random.Random(5)
    alive: dict[int, int] = {}
    for slot in range(400):
        keys = {rng.randrange(4000) for _ in range(rng.randrange(30))}
        alive = {key: at for key, at in alive.items() if slot - at <= QUIET} | dict.fromkeys(keys, slot)
        batch = strangers(slot, T + slot * SLOT, keys, 40)
        made.add(batch, 0, len(batch))
        if keys:
            there = entries(made)
            assert set(alive) <= {lo for _, lo, what in there if what != NET6 + IN}
    assert made.admitted > 6000
    assert made.admitted - made.evicted == made.used
    assert made.refused == 0


def twins(made: FlowMemory) -> list[tuple[int, int]]:
    """Pairs of IPv4 sources with the same index cell and the same tag: what the index alone cannot tell apart."""
    low = np.arange(200_000, dtype=np.uint64) + np.uint64(0x0A00_0000)
    by = [np.uint64(number) for number in made.flows.c.home]
    with np.errstate(over="ignore"):
        mixed = (low ^ np.uint64(ADDRESS4 + IN) * np.uint64(0x9E37_79B9_7F4A_7C15)) * by[0]
        found = (mixed ^ mixed >> np.uint64(32)) * by[1]
    seen = (found >> np.uint64(32) & np.uint64(made.flows.c.mask)) << np.uint64(17) | found >> np.uint64(47)
    order = np.argsort(seen, kind="stable")
    same = np.flatnonzero(np.diff(seen[order]) == 0)
    return [(int(low[order[n]]), int(low[order[n + 1]])) for n in same]


def sent(at: int, sources: list[int]) -> Records:
    """One SYN each, in this order."""
    batch = np.zeros(len(sources), RECORD)
    batch["ts"], batch["src_lo"], batch["packets"] = at, sources, 1
    batch["kind"], batch["protocol"], batch["family"] = SYN, 6, 4
    batch["out_of"] = batch["into"] = NOBODY
    return batch


def test_keys_that_the_index_cannot_tell_apart_are_counted_apart() -> None:
    """Same cell, same tag: a heavy key's entry gets nothing of its twin's, and the twin an entry of its own."""
    pairs = twins(memory())
    assert len(pairs) > 50
    for n, (heavy, twin) in enumerate(pairs[:50]):
        made, rng = memory(), random.Random(n)
        made.add(sent(T, [heavy] * 40), 0, 40)
        mixed = [rng.choice((heavy, twin)) for _ in range(200)]
        made.add(sent(T + SLOT, mixed), 0, 200)
        counts = {heavy: 40 + mixed.count(heavy), twin: mixed.count(twin)}
        assert made.used == 2
        for key, truth in counts.items():
            low, high = made.bounds(ip_network(key), False, "syn")
            assert truth - 3 <= low <= truth <= high


def test_a_memory_that_stays_full_raises_its_limits_until_nobody_is_refused() -> None:
    """More steady keys than entries: limits rise, stay up, and a source above them is found among the crowd."""
    made, refused = memory(entries=64), []
    for slot in range(100):
        made.add(strangers(slot, T + slot * SLOT, [3 * n + 1 for n in range(100)], 30), 0, 100)
        refused.append(made.refused)
    assert 0 < refused[0] < refused[15] == refused[-1]
    assert LIMITS["syn"] * 8 <= made.effective["syn"] <= LIMITS["syn"] * 32
    limit = made.effective["syn"]
    feed(made, [packet(T + 100 * SLOT + k, "192.0.2.7", "syn", POINTS[2], 40) for k in range(-(-limit // 40))])
    assert (ip_network("192.0.2.7"), False) in found(made, "syn", limit)


def test_a_crowd_that_falls_silent_leaves_little_by_little() -> None:
    """At most 1,024 entries leave where a slot begins, so that no slot begins with a pause."""
    made = FlowMemory(LIMITS, KEY)
    made.add(strangers(1, T, [3 * n + 1 for n in range(4000)], 40), 0, 4000)
    left = []
    for slot in range(1, 20):
        made.add(strangers(2, T + slot * SLOT, [1], 1), 0, 1)
        left.append(made.evicted)
    assert left[10:] == [0, 1024, 2048, 3072, 4000, 4000, 4000, 4000, 4000]


def test_a_filter_with_every_lane_full_is_full() -> None:
    """The mean lane of a slot that has no room left is that of a full lane."""
    made, rng = memory(dict.fromkeys(CLASSES, 1000)), np.random.default_rng(1)
    flood = np.repeat(sent(T, [1]), 2_000_000)
    flood["src_lo"], flood["packets"] = rng.integers(0, 2**32, len(flood)), 100
    made.add(flood, 0, len(flood))
    assert made.flows.fullness(made.slot) == FULL


def test_a_full_memory_says_so() -> None:
    """A key that finds no entry is counted as refused; nothing is forgotten silently, nothing breaks."""
    made = memory(entries=16)
    made.add(strangers(1, T, [3 * n + 1 for n in range(20)], 40), 0, 20)
    assert (made.used, made.refused) == (16, 4)
    assert len(entries(made)) == 16


def test_a_crowded_memory_doubles_the_limits_once_and_takes_it_back() -> None:
    """The limit in force is exported, holds for whole windows, and does not run away while entries wait to leave."""
    made, seen = memory(entries=64), []
    for slot in range(60):
        crowd = [3 * n + 1 for n in range(60 if slot < 20 else 4)]
        made.add(strangers(slot, T + slot * SLOT, crowd, 4), 0, len(crowd))
        seen.append(made.effective["syn"] // LIMITS["syn"])
    assert seen[0] == 2
    assert max(seen) <= 4
    assert seen[-1] == 1
    assert made.refused == 0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 30), min_size=20, max_size=50))
def test_the_promise_holds_at_the_limit_in_force(seed: int, crowds: list[int]) -> None:
    """While thresholds double and come back, what is above the exported limit is found, and bounds are true."""
    made, truth, rng = memory(entries=24), plain.Queues(), random.Random(seed)
    for slot, crowd in enumerate(crowds):
        stamps = sorted(T + slot * SLOT + rng.randrange(SLOT) for _ in range(crowd))
        for at in stamps:
            one = packet(at, f"198.51.100.{rng.randrange(crowd)}", "syn", POINTS[2], rng.choice((1, 4, 8, 12)))
            feed(made, [one])
            truth.add(one)
            if made.refused:
                return
            assert truth.above("syn", made.effective["syn"]) <= found(made, "syn", made.effective["syn"])
        within_bounds(made, truth)


def test_a_filter_that_fills_doubles_the_limits() -> None:
    """Random sources beyond what the lanes can tell apart raise the exported limit before they are admitted."""
    made, seen, rng = FlowMemory(dict.fromkeys(CLASSES, 1000), KEY), [], np.random.default_rng(1)
    flood = np.repeat(strangers(1, T, [1], 5), 1_000_000)
    for slot in range(6):
        batch = flood[: len(flood) if slot < 2 else 2]
        batch["ts"], batch["src_lo"] = T + slot * SLOT, rng.integers(0, 2**32, len(batch))
        made.add(batch, 0, len(batch))
        seen.append(made.effective["syn"])
    assert seen == [1000, 2000, 2000, 2000, 2000, 2000]
    assert made.admitted < 1000  # of a million
    made.add(flood["ts"].put(0, T + 30 * SLOT) or flood, 0, 1)
    assert made.effective["syn"] == 1000


def test_limits_above_what_a_lane_holds() -> None:
    """A threshold of more than 32,768 packets a slot is cut to what a lane holds: bounds and promise stand."""
    limit = 1_000_000
    made, truth = memory(dict.fromkeys(CLASSES, limit)), plain.Queues()
    for slot in range(40):
        for k in range(4):
            stream = [packet(T + slot * SLOT + k, "192.0.2.7", "udp", POINTS[2], 24_000 if slot % 20 > 8 else 8_000)]
            feed(made, stream)
            truth.add(stream[0])
            within_bounds(made, truth)
            assert truth.above("udp", limit) <= found(made, "udp", limit)


def test_one_key_one_result() -> None:
    """With a fixed key a replay is the same to the last byte; memory is fixed at start and below 16 MiB."""
    batch = strangers(3, T, range(50_000), 4)
    first, second = FlowMemory(LIMITS, KEY), FlowMemory(LIMITS, KEY)
    at_start = first.memory
    for made in (first, second):
        made.add(batch, 0, len(batch))
    for name in ("flows", "past", "cells", "index"):
        assert getattr(first.flows, name).tobytes() == getattr(second.flows, name).tobytes()
    assert first.memory == at_start < 16 * 2**20
