"""Distinct counts: the right addresses in the right window, exactly; and how far their number may be off."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address, ip_network
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import counting as plain
from oracles import distinct as oracle
from oracles.counting import SECOND, SLOT, Packet

from edgeguard.counting import distinct_state as d
from edgeguard.counting.distinct import Distinct
from edgeguard.record import NOBODY, RECORD, SYN, halves

T = 1_767_225_600 * SECOND
KEY = (7, 11)
POINTS = 3
OWN = (ip_network("192.0.2.0/30"), ip_network("2001:db8:1::/64"))
COUNTS = {"syn": d.SYN_TARGETS, "udp": d.UDP_TARGETS, "sources_out": d.SOURCES_OUT, "sources_in": d.SOURCES_IN}
BOUND = 0.075  # RMSE
FAR = 0.35  # five standard errors: no single estimate of these tests is further off


def made(points: int = POINTS, key: tuple[int, int] = KEY, own: bool = True) -> Distinct:
    found = Distinct(key, points)
    for point in range(points if own else 0):
        found.own(point, [sized(network) for network in OWN])
    return found


def sized(network: Any) -> tuple[int, int, int, int, int]:
    return (*halves(network.network_address), *halves(network.netmask), network.version)


def feed(distinct: Distinct, packets: Sequence[Packet]) -> None:
    rows = plain.rows(packets)
    distinct.add(rows, 0, len(rows))


def told(distinct: Distinct, slot: int, slots: int = 10, points: int = POINTS) -> dict[tuple[int, str], int]:
    """Every estimate of the window that ends with `slot`."""
    at = (slot + 1) * SLOT
    return {(p, name): distinct.estimate(p, n, at, slots) for p in range(points) for name, n in COUNTS.items()}


def of(addresses: Iterable[str]) -> int:
    """What is said of just these addresses: each once, in one slot, by one that has seen nothing else."""
    fresh = made(1, own=False)
    feed(fresh, [Packet(T, dst=address, out_of=0) for address in addresses])
    return fresh.estimate(0, d.SYN_TARGETS, T + 1, 1)


def expected(packets: Sequence[Packet], slot: int, slots: int = 10) -> dict[tuple[int, str], int]:
    stream = oracle.placed(packets)
    return {
        (point, name): of(oracle.addresses(stream, name, point, slot, slots, OWN))
        for point in range(POINTS)
        for name in COUNTS
    }


def numbered(n: int, key: tuple[int, int], start: int = 0x0A00_0000, step: int = 1) -> int:
    """The estimate for n different targets of one slot."""
    rows = np.zeros(n, RECORD)
    rows["ts"], rows["family"], rows["kind"], rows["protocol"], rows["packets"] = T, 4, SYN, 6, 1
    rows["into"] = NOBODY
    rows["dst_lo"] = start + step * np.arange(n)
    distinct = Distinct(key, 1)
    distinct.add(rows, 0, n)
    return distinct.estimate(0, d.SYN_TARGETS, T + 1, 1)


# ---- the right addresses in the right window -----------------------------------------------------

GAPS = (0, 1, 40_000_000, SLOT - 1, SLOT, 950_000_000, SECOND, 5 * SECOND, 199 * SLOT, 200 * SLOT, 231 * SLOT)
WRAPS = (249 * SLOT, 250 * SLOT, 251 * SLOT, 500 * SLOT, 250_000 * SLOT, 10**6 * SECOND)
BACK = (-1, -3_000_000, -90_000_000, -800_000_000, -2 * SECOND, -30 * SECOND, -25 * SECOND, -3600 * SECOND)
ADDRESSES = st.one_of(
    st.integers(0, 5).map(lambda n: f"192.0.2.{n}"),
    st.integers(0, 40).map(lambda n: f"198.51.100.{n}"),
    st.integers(0, 5).map(lambda n: f"2001:db8:1::{n:x}"),
    st.integers(0, 40).map(lambda n: f"2001:db8:{n:x}::1"),
)


@st.composite
def streams(draw: st.DrawFn, ordered: bool = False) -> list[Packet]:
    """Packets with gaps up to far beyond the epochs, wraps of them to the slot, and clocks set back."""
    steps = st.one_of(st.sampled_from(GAPS[:6]), st.sampled_from(GAPS), st.sampled_from(WRAPS), st.integers(0, SECOND))
    if not ordered:
        steps = st.one_of(steps, st.sampled_from(BACK))
    where = st.sampled_from((NOBODY, *range(POINTS)))
    kinds = st.sampled_from(sorted(plain.KINDS))
    shapes = st.tuples(steps, kinds, ADDRESSES, ADDRESSES, where, where, st.integers(1, 6))
    now, packets = T, []
    for gap, what, src, dst, out_of, into, times in draw(st.lists(shapes, max_size=60)):
        now += gap
        family = ip_address(src).version
        to = dst if ip_address(dst).version == family else ("203.0.113.9" if family == 4 else "2001:db8:9::9")
        packets += [Packet(now + n * 200_000_000, what, src, to, out_of=out_of, into=into) for n in range(times)]
        now = packets[-1].ts
    return packets


@settings(max_examples=150)
@given(streams(), st.sampled_from((0, 0, 1, 9, 10, 57, 199, 249, 250, 2_500)), st.sampled_from((1, 10, 50, 200)))
def test_a_window_holds_its_addresses_and_no_others(packets: list[Packet], later: int, slots: int) -> None:
    """After gaps, wraps, late packets and clocks set back, a window is that of exactly the addresses in its slots."""
    distinct = made()
    feed(distinct, packets)
    slot = (oracle.placed(packets)[-1][0] if packets else T // SLOT) + later
    assert told(distinct, slot, slots) == expected(packets, slot, slots)


def test_epochs_wrap_while_packets_come() -> None:
    """A point that is busy in every slot for two wraps of the epochs forgets each address after its window."""
    distinct, packets = made(1), []
    for n in range(520):
        at = T + n * SLOT
        new = [Packet(at + k, dst=f"198.51.{n % 256}.{k}", out_of=0) for k in range(3 if n % 7 == 0 else 0)]
        fresh = [*new, Packet(at + 9, dst="203.0.113.1", out_of=0)]
        packets = [*packets[-900:], *fresh]
        feed(distinct, fresh)
        for slots in (1, 10, 50, 200):
            stream = [(p.ts // SLOT, p) for p in packets]
            assert distinct.estimate(0, d.SYN_TARGETS, at + SLOT, slots) == of(
                oracle.addresses(stream, "syn", 0, at // SLOT, slots)
            ), (n, slots)


def test_cells_are_cleaned_before_their_epoch_comes_round() -> None:
    """Every cell older than the longest window is zero within 32 slots more, whatever the pauses were."""
    distinct, rng, slot = made(1), np.random.default_rng(1), T // SLOT
    seen: dict[int, int] = {}
    for _ in range(1_500):
        slot += int(rng.choice((1, 1, 1, 2, 5, 31, 33, 120)))
        before = distinct._cells.copy()
        feed(distinct, [Packet(slot * SLOT, dst=f"203.0.{rng.integers(256)}.{rng.integers(256)}", out_of=0)])
        for cell in np.flatnonzero(before != distinct._cells).tolist():
            seen[cell] = slot
        standing = np.flatnonzero(distinct._cells).tolist()
        assert min(seen[cell] for cell in standing) > slot - 200 - 32 - 120


@settings(max_examples=60)
@given(streams(ordered=True), st.integers(0, 60))
def test_batches_do_not_matter(packets: list[Packet], cut: int) -> None:
    """The same packets in other batches leave the same cells behind, to the byte."""
    whole, parts = made(), made()
    feed(whole, packets)
    feed(parts, packets[:cut])
    feed(parts, packets[cut:])
    assert whole._cells.tobytes() == parts._cells.tobytes()
    assert whole._points.tobytes() == parts._points.tobytes()


def test_only_what_rules_judge_is_seen() -> None:
    """SYNs and UDP, later fragments too, are seen; of SYN-ACKs, resets, ICMP and the rest forged senders alone."""
    for what in plain.KINDS:
        distinct = made(1)
        feed(distinct, [Packet(T, what, "203.0.113.1", "198.51.100.7", out_of=0, into=0)])
        got = told(distinct, T // SLOT, points=1)
        seen = int(what in ("syn", "udp", "udp fragment"))
        assert got[0, "syn"] == int(what == "syn")
        assert got[0, "udp"] == int("udp" in what)
        assert got[0, "sources_in"] == seen
        assert got[0, "sources_out"] == int(what != "arp")
        unknown = made(1, own=False)
        feed(unknown, [Packet(T, what, "203.0.113.1", "198.51.100.7", out_of=0, into=0)])
        assert told(unknown, T // SLOT, points=1)[0, "sources_out"] == seen


def test_own_addresses_are_no_sources() -> None:
    """Of a VM whose addresses are known the others count as sources out; of one without, all do."""
    sent = [Packet(T, src=src, dst="203.0.113.1", out_of=0) for src in ("192.0.2.1", "192.0.2.2", "192.0.2.9")]
    distinct = made(1)
    feed(distinct, sent)
    assert told(distinct, T // SLOT, points=1)[0, "sources_out"] == 1
    distinct = made(1, own=False)
    feed(distinct, sent)
    assert told(distinct, T // SLOT, points=1)[0, "sources_out"] == 3


def test_a_point_handed_over_is_empty() -> None:
    """What another VM has sent is forgotten; its neighbours' counts stay."""
    distinct = made()
    feed(distinct, [Packet(T, out_of=n, into=n) for n in range(POINTS)])
    before = told(distinct, T // SLOT, 200)
    distinct.assign(1)
    after = told(distinct, T // SLOT, 200)
    assert {name for name, n in before.items() if n != after[name]} == {(1, "syn"), (1, "sources_in")}
    assert not any(n for (point, _), n in after.items() if point == 1)
    feed(distinct, [Packet(T + 1, out_of=1)])
    assert told(distinct, T // SLOT)[1, "syn"] == 1


def test_windows_beyond_what_is_kept_are_refused() -> None:
    """A window is 1 to 20 whole seconds."""
    distinct = made()
    for seconds in (0, -1, 21):
        with pytest.raises(ValueError, match="1 to 20 whole seconds"):
            distinct.spread(0, T, seconds)


def test_the_spread_of_a_window() -> None:
    """By rule the rule's own targets, and the sources of both rules."""
    distinct = made(1)
    feed(distinct, [Packet(T, dst=f"203.0.113.{n}", out_of=0) for n in range(3)])
    feed(distinct, [Packet(T, "udp", dst="203.0.113.9", src="192.0.2.200", out_of=0), Packet(T, "udp", into=0)])
    spread = distinct.spread(0, T + SLOT)
    assert (spread["syn"].targets, spread["udp"].targets) == (3, 1)
    assert {(s.sources_out, s.sources_in) for s in spread.values()} == {(1, 1)}


# ---- several feeders -----------------------------------------------------------------------------


@settings(max_examples=100)
@given(streams(ordered=True), st.lists(st.integers(0, 2), min_size=1, max_size=40))
def test_feeders_of_the_same_cells_are_one(packets: list[Packet], turns: list[int]) -> None:
    """Packets dealt to three feeders, in any order of turns, are told as if one had been fed with all."""
    whole = made()
    feed(whole, packets)
    first = made()
    feeders = [first, first.shard(), first.shard()]
    for n, packet in enumerate(packets):
        feed(feeders[turns[n % len(turns)]], [packet])
    slot = packets[-1].ts // SLOT if packets else T // SLOT
    for slots in (1, 10, 200):
        assert told(feeders[1], slot, slots) == told(whole, slot, slots)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 900), ADDRESSES, st.integers(0, 1)), max_size=60))
def test_a_feeder_that_lags_loses_nothing(sent: list[tuple[int, str, int]]) -> None:
    """Feeders up to a second apart: what came within the window is in it, and nothing older by more than the lag."""
    first = made(1, own=False)
    feeders = [first, first.shard()]
    for ms, address, who in sent:
        feed(feeders[who], [Packet(T + ms * 1_000_000, dst=address, out_of=0)])
    last = max((T + ms * 1_000_000) // SLOT for ms, _, _ in [*sent, (0, "", 0)])
    assert first.estimate(0, d.SYN_TARGETS, (last + 1) * SLOT, 10) == of({address for _, address, _ in sent})
    assert first.estimate(0, d.SYN_TARGETS, (last + 12) * SLOT, 1) == 0


def test_threads_share_cells_without_a_lock() -> None:
    """Four threads that feed the same point at the same time lose no store."""
    rng, parts = np.random.default_rng(5), []
    for _ in range(4):
        rows = np.zeros(50_000, RECORD)
        rows["ts"], rows["family"], rows["kind"], rows["protocol"], rows["packets"] = T, 4, SYN, 6, 1
        rows["dst_lo"], rows["src_lo"], rows["into"] = rng.integers(0, 2**32, 50_000), 5, NOBODY
        parts.append(rows)
    whole, first = made(1, own=False), made(1, own=False)
    feed(first, [Packet(T, dst="203.0.113.1", out_of=0)])  # the point stands at the slot: nobody cleans it now
    feed(whole, [Packet(T, dst="203.0.113.1", out_of=0)])
    feeders = [first.shard() for _ in parts]
    for rows in parts:
        whole.add(rows, 0, len(rows))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda pair: pair[0].add(pair[1], 0, len(pair[1])), zip(feeders, parts, strict=True)))
    syn = slice(0, d.BYTES)  # sources differ by the one packet of the oracle's
    assert first._cells[syn].tobytes() == whole._cells[syn].tobytes()


@settings(max_examples=60)
@given(st.sets(ADDRESSES), st.sets(ADDRESSES))
def test_unions_are_monotone_and_merge_cell_by_cell(one: set[str], other: set[str]) -> None:
    """More addresses are never fewer; the larger byte of each cell is what one fed with both has."""
    both = made(1, own=False)
    parts = [made(1, own=False), made(1, own=False)]
    for part, addresses in zip(parts, (one, other), strict=True):
        packets = [Packet(T, dst=address, out_of=0) for address in sorted(addresses)]
        feed(part, packets)
        feed(both, packets)
    assert of(one | other) >= max(of(one), of(other))
    assert np.maximum(parts[0]._cells, parts[1]._cells).tobytes() == both._cells.tobytes()


# ---- how far the number may be off ---------------------------------------------------------------


@pytest.mark.parametrize("n", [100, 1_000, 20_000])
@pytest.mark.parametrize(("start", "step"), [(0x0A00_0000, 1), (0, 256), (1, 2**32)])
def test_the_error_is_bounded(n: int, start: int, step: int) -> None:
    """Over many keys the RMSE is below 7.5 %, no estimate is off by 35 %, and the mean is right within 2 %;
    for addresses in a row, a step of 256 apart, or different in their upper half alone."""
    errors = [numbered(n, (key, n), start, step) / n - 1 for key in range(300)]
    assert statistics.fmean(error * error for error in errors) ** 0.5 < BOUND
    assert max(map(abs, errors)) < FAR
    assert abs(statistics.fmean(errors)) < 0.02


def test_small_numbers_are_nearly_exact() -> None:
    """Nothing is 0, one is 1 and two are two but for one key in a hundred; five and ten are off by one at most
    nearly always."""
    keys = [(key, 99) for key in range(200)]
    assert {numbered(0, key) for key in keys} == {0}
    assert {numbered(1, key) for key in keys} == {1}
    for n, exact in ((2, 0.97), (5, 0.9), (10, 0.75)):
        found = [numbered(n, key) for key in keys]
        assert sum(one == n for one in found) >= exact * len(keys), n
        assert max(abs(one - n) for one in found) <= 2, n
        assert sum(abs(one - n) > 1 for one in found) <= 0.02 * len(keys), n


def test_millions_are_told() -> None:
    """Two million addresses, in one slot or over a whole window of twenty seconds, are told within the bound."""
    assert abs(numbered(2_000_000, KEY) / 2_000_000 - 1) < FAR
    rows = np.zeros(2_000_000, RECORD)
    rows["ts"] = T + np.arange(len(rows)) * (20 * SECOND // len(rows))
    rows["family"], rows["kind"], rows["protocol"], rows["out_of"] = 6, SYN, 6, NOBODY
    rows["src_hi"], rows["src_lo"] = 0x2001_0DB8 << 32, np.arange(len(rows))
    distinct = Distinct(KEY, 1)
    distinct.add(rows, 0, len(rows))
    for seconds in (1, 5, 20):
        got = distinct.spread(0, T + 20 * SECOND, seconds)["syn"].sources_in
        assert abs(got / (100_000 * seconds) - 1) < FAR


def test_full_cells_are_told_as_the_most_there_can_be() -> None:
    """Where no register is empty nothing more can be told than that there are 500 million or more."""
    distinct = Distinct(KEY, 1)
    feed(distinct, [Packet(T, out_of=0)])
    distinct._cells[:] = 1 + T // SLOT % d.EPOCHS
    assert distinct.estimate(0, d.SYN_TARGETS, T + 1, 10) == 500_000_000


# ---- memory and keys -----------------------------------------------------------------------------


def test_the_memory_is_fixed() -> None:
    """At most 2 KiB for each of the four counts of a point, and what its own addresses need; none for a shard."""
    distinct = Distinct(KEY, 1024)
    assert distinct.memory == 1024 * (4 * 2016 + 656)
    assert distinct.shard()._cells is distinct._cells
    assert distinct._cells.ctypes.data % 64 == 0


def test_keys_decide_which_cells() -> None:
    """The same key gives the same bytes, another key others: nobody who sends can know them."""
    packets = [Packet(T, dst=f"203.0.113.{n}", out_of=0) for n in range(9)]
    cells = []
    for key in ((1, 2), (1, 2), (2, 1), (0, 0)):
        distinct = made(1, key)
        feed(distinct, packets)
        cells.append(distinct._cells.tobytes())
    assert cells[0] == cells[1]
    assert len(set(cells)) == 3
