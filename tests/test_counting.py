"""Counting against a plain per-packet oracle: windows, targets, sources, crossings, totals."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import counting as plain
from oracles.counting import SECOND, SLOT, Packet

from edgeguard.counting import readings, state
from edgeguard.counting.window import Counting
from edgeguard.model import Subject
from edgeguard.reading import OUT, Reading
from edgeguard.record import NOBODY

T = 1_767_225_600 * SECOND
MS = 1_000_000
GRID = 5 * MS
RATIO = 32
OWN = (ip_network("192.0.2.0/30"), ip_network("2001:db8:1::/64"))
SOURCES = ("192.0.2.1", "192.0.2.9", "2001:db8:1::5", "2001:db8:2::5")
TARGETS = (("198.51.100.1", "2001:db8:9::1"), ("198.51.100.2", "2001:db8:9::2"), ("192.0.2.1", "2001:db8:1::5"))


def counting(points: int = 3, sources: int = 64, own: Sequence[Any] = OWN, **named: Any) -> Counting:
    made = Counting(sources, points=points, **named)  # all rows would cost more than all packets
    for point in range(points):
        made.assign(point, Subject(f"vm-{point}", f"tap{point}", None), own)
    return made


def feed(made: Counting, packets: Sequence[Packet]) -> list[int]:
    """Count all packets; the time stamps before which it wanted somebody to look."""
    rows, start, stops = plain.rows(packets), 0, []
    while (start := made.add(rows, start)) < len(rows):
        stops.append(int(rows["ts"][start]))
        made.tick(stops[-1])
    return stops


def reading(made: Counting, point: int, slot: int) -> Reading:
    return made.reading(point, (slot + 1) * SLOT)


# ---- streams -------------------------------------------------------------------------------------

GAPS = (0, 1, MS, GRID - 1, GRID, 40 * MS, SLOT - 1, SLOT, 950 * MS, SECOND, 1_500 * MS, 1_600 * MS, 90 * SECOND)
BACK = (-1, -3 * MS, -90 * MS, -800 * MS)
gaps = st.one_of(st.sampled_from(GAPS), st.sampled_from(GAPS[:6]), st.integers(0, 300 * MS))


@st.composite
def streams(draw: st.DrawFn, backwards: bool = True, points: int = 3, far: bool = False) -> list[Packet]:
    """Packets of several points, with gaps up to far beyond the ring, edges of slots and steps back.

    `far`: steps back may add up to more than a second, which is a clock that was set back.
    """
    steps = st.one_of(gaps, st.sampled_from(BACK)) if backwards else gaps
    at = st.sampled_from((NOBODY, *range(points)))
    shapes = st.tuples(
        steps,
        st.sampled_from(sorted(plain.KINDS)),
        st.sampled_from(SOURCES),
        st.sampled_from(TARGETS),
        st.sampled_from((1, 1, 1, 2, 64)),
        st.integers(20, 90_000),
        at,
        at,
    )
    now, packets = T + draw(st.sampled_from((0, SLOT - 1, 17 * MS))), []
    for gap, what, src, dst, weight, octets, out_of, into in draw(st.lists(shapes, max_size=120)):
        now += gap
        if packets and not far:
            now = max(now, max(p.ts for p in packets) - 900 * MS)
        packets.append(Packet(now, what, src, dst[":" in src], 443, weight, octets, out_of, into))
    return packets


# ---- windows of a row ----------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(streams(), st.integers(0, 20))
def test_windows_equal_the_packets_of_the_last_second(packets: list[Packet], later: int) -> None:
    """Every sum of a row is that of the packets of the ten slots that end with the reading's."""
    made = counting()
    feed(made, packets)
    stream = plain.placed(packets)
    slot = (max((at for at, _ in stream), default=T // SLOT)) + later
    for point in range(3):
        got = reading(made, point, slot)
        for rule in OUT:
            sent = plain.window(stream, slot, lambda p, point=point, rule=rule: p.out_of == point and rule in p.judged)
            into = plain.window(stream, slot, lambda p, point=point, rule=rule: p.into == point and rule in p.judged)
            assert (got.packets[rule], got.packets[f"{rule}-in"]) == (plain.packets(sent), plain.packets(into))
            assert (got.bytes[rule], got.bytes[f"{rule}-in"]) == (plain.octets(sent), plain.octets(into))
            mine = [p for p in stream if p[1].out_of == point and rule in p[1].judged]
            assert got.longer[rule] == longer(mine, slot)
            assert got.foreign is not None
            assert got.foreign[rule] == plain.packets(p for p in sent if not belongs(p.src) and p.what != "synack")
        came = plain.window(stream, slot, lambda p, point=point: p.into == point)
        targets = {p.target for p in packets if p.out_of == point and p.what == "syn"}
        answers = [p for p in came if p.sender in targets]  # at most: only what came after the target's first
        assert got.syn_acks <= plain.packets(p for p in answers if p.what == "synack")
        assert got.resets <= plain.packets(p for p in answers if p.what == "rst")


def longer(stream: list[plain.Placed], slot: int) -> tuple[tuple[int, int], ...]:
    """The windows of 5 and 60 whole seconds of Unix time, the running one included."""
    return tuple((n, sum(p.packets for at, p in stream if slot // 10 - n < at // 10 and at <= slot)) for n in (5, 60))


def belongs(source: str) -> bool:
    return any(ip_address(source) in prefix for prefix in OWN if prefix.version == ip_address(source).version)


@settings(max_examples=100, deadline=None)
@given(streams(), st.integers(0, 12))
def test_targets_are_exact_while_places_suffice(packets: list[Packet], later: int) -> None:
    """With few targets each one's count, and what it sent back after, is exact and nothing is missing."""
    made = counting()
    feed(made, packets)
    stream = plain.placed(packets)
    slot = (max((at for at, _ in stream), default=T // SLOT)) + later
    for point in range(3):
        got = reading(made, point, slot)
        sent = plain.window(stream, slot, lambda p, point=point: p.out_of == point and p.rule is not None)
        assert {(f.address, f.protocol, f.rule): f.packets for f in got.flows} == plain.by_target(sent)
        assert got.missing == 0
        answers = plain.window(stream, slot, lambda p, point=point: p.into == point)
        for flow in got.flows:
            sender = (flow.address, flow.protocol)
            assert flow.back <= plain.packets(p for p in answers if p.sender == sender)


def test_answers_are_counted_at_the_target_that_sent_them() -> None:
    """SYN-ACKs and resets count at the TCP target, UDP at the UDP target; a stranger's at none."""
    out = [Packet(T, "syn", dst="198.51.100.1", out_of=0), Packet(T, "udp", dst="198.51.100.1", out_of=0)]
    back = [
        Packet(T + 1, "synack", src="198.51.100.1", into=0, packets=2),
        Packet(T + 2, "rst", src="198.51.100.1", into=0, packets=4),
        Packet(T + 3, "udp", src="198.51.100.1", into=0, packets=8),
        Packet(T + 4, "udp fragment", src="198.51.100.1", into=0, packets=16),
        Packet(T + 5, "udp", src="198.51.100.9", into=0, packets=32),
        Packet(T + 6, "synack", src="198.51.100.9", into=0, packets=64),
        Packet(T + 7, "rst", src="198.51.100.9", into=0, packets=128),
    ]
    made = counting()
    feed(made, out + back)
    got = reading(made, 0, T // SLOT)
    assert {f.rule: f.back for f in got.flows} == {"syn": 2, "udp": 24}
    assert (got.syn_acks, got.resets) == (2, 4)


@settings(max_examples=60, deadline=None)
@given(streams())
def test_cumulative_counters_and_frames_are_exact(packets: list[Packet]) -> None:
    """Nothing is ever cleared: packets and bytes by class, frames as the kernel's counter shows them."""
    made = counting()
    feed(made, packets)
    for point in range(3):
        for way, side in enumerate(("out_of", "into")):
            own = [p for p in packets if getattr(p, side) == point]
            assert made.frames(point)[way] == len(own)
            sums = made._rows["cum"][point].tolist()
            octets = sums[state.OCTETS + 8 * way :]
            for kind, said in enumerate(readings.classes(sums, way)):
                of_kind = [p for p in own if plain.KINDS[p.what][0] == kind]
                assert (said, octets[kind]) == (plain.packets(of_kind), plain.octets(of_kind))


@settings(max_examples=60, deadline=None)
@given(streams(far=True), st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_batches_do_not_matter(packets: list[Packet], sizes: list[int]) -> None:
    """The same packets in other batches leave the same memory behind, to the byte."""
    whole, parts = counting(judge_sources=True), counting(judge_sources=True)
    for made in (whole, parts):
        made.limits({"syn": 8, "udp": 8}, {"syn": 16, "udp": 16})
    stops = feed(whole, packets)
    cut, told = 0, []
    for size in [*sizes, len(packets)]:
        told += feed(parts, packets[cut : cut + size])
        cut += size
    assert told == stops
    for name in ("_index", "_lines", "_state", "_tables"):
        assert getattr(whole, name).tobytes() == getattr(parts, name).tobytes()
    for used in (slice(0, 3), slice(state.POINTS, state.POINTS + 8)):
        assert whole._rows[used].tobytes() == parts._rows[used].tobytes()


def test_late_packets_are_counted_now_and_said() -> None:
    """A packet older than the one before it counts in the current slot, and as late."""
    packets = [Packet(T + 500 * MS, out_of=0), Packet(T + 100 * MS, out_of=0), Packet(T + 500 * MS + 1, out_of=0)]
    made = counting()
    feed(made, packets)
    assert made.late == 1
    assert reading(made, 0, (T + 500 * MS) // SLOT).packets["syn"] == 3
    assert reading(made, 0, (T + 1_400 * MS) // SLOT).packets["syn"] == 3
    assert reading(made, 0, (T + 1_500 * MS) // SLOT).packets["syn"] == 0


def test_a_clock_set_back_starts_anew() -> None:
    """After the clock was set back by an hour windows hold a second of packets again, not an hour of them."""
    before = [Packet(T + n * MS, out_of=0) for n in range(1_000)]
    back = T - 3_600 * SECOND
    after = [Packet(back + n * 10 * MS, out_of=0) for n in range(1_000)]
    made = counting(judge_sources=True)
    made.limits({"syn": 50, "udp": 50}, {"syn": 100, "udp": 100})
    feed(made, before + after)
    last = after[-1].ts // SLOT
    assert reading(made, 0, last).packets["syn"] == 100
    assert made.slot_end == (last + 1) * SLOT
    assert reading(made, 0, last).flows[0].packets == 100
    made.close()
    columns = made.source_columns()
    assert columns["syn"].tolist() == [2_000]
    assert columns["syn_at_most"][0] <= 1_000 + 100


def test_two_clocks_in_one_file_do_not_tear_each_other_apart() -> None:
    """Packets an hour behind between packets that are not count in the current slot, as late ones do."""
    both = [(Packet(T + n * MS, out_of=0), Packet(T + n * MS - 3_600 * SECOND, out_of=0)) for n in range(1_000)]
    made = counting()
    feed(made, [packet for pair in both for packet in pair])
    assert reading(made, 0, (T + 999 * MS) // SLOT).packets["syn"] == 2_000


def test_an_address_of_the_vm_is_never_foreign() -> None:
    """Foreign is what is in none of the VM's prefixes of that family; unknown without addresses, or with too many."""
    many = [ip_network(f"203.0.113.{n}/32") for n in range(17)]
    packets = [Packet(T, src="203.0.113.16", out_of=0), Packet(T, src="203.0.113.17", out_of=0)]
    for own, expected in ((many[:1], 2), (many[1:], 1), (many, None), ((), None)):
        made = counting(own=own)
        feed(made, packets)
        foreign = reading(made, 0, T // SLOT).foreign
        assert (foreign and foreign["syn"]) == expected
    v6 = counting(own=(ip_network("::/0"),))
    feed(v6, packets)
    assert reading(v6, 0, T // SLOT).foreign == {"syn": 2, "udp": 0, "icmp": 0, "fragments": 0, "tcp": 0, "total": 2}


def test_a_row_given_to_the_next_subject_is_empty() -> None:
    """Nothing of the subject before is left: windows, targets, frames, heat."""
    made = counting()
    made.limits({"syn": 5, "udp": 5}, {"syn": 10, "udp": 10})
    feed(made, [Packet(T, out_of=0, packets=20)])
    assert made.hot() == [0]
    made.assign(0, Subject("vm-9", "tap9", None), ())
    assert made.hot() == []
    got = reading(made, 0, T // SLOT)
    assert (got.packets["syn"], got.flows, got.foreign, got.subject.vm) == (0, (), None, "vm-9")
    assert made.frames(0) == (0, 0)
    feed(made, [Packet(T + 1, out_of=0, packets=10)])
    assert made.crossed


# ---- top targets: Misra and Gries ----------------------------------------------------------------


def crowd(seed: int, n: int, targets: int, heavy: float, gap: int) -> Iterator[Packet]:
    """Weighted packets at many targets, a share of them at three, on several ports."""
    draw = random.Random(seed)
    now = T
    for _ in range(n):
        now += draw.choice((0, gap, gap, 20 * gap))
        k = draw.randrange(3) if draw.random() < heavy else draw.randrange(3, targets)
        what = draw.choice(("syn", "udp", "udp", "udp fragment"))
        dst = f"198.51.{k // 250}.{k % 250 + 1}" if k % 2 else f"2001:db8:9::{k:x}"
        src = "192.0.2.1" if k % 2 else "2001:db8:1::1"
        yield Packet(now, what, src, dst, draw.choice((53, 80, 443)), draw.choice((1, 1, 3, 45)), out_of=0)


def table(made: Counting, point: int) -> Any:
    """The places of a row."""
    return made._tables[int(made._rows["table"][point])]


def check_places(table: Any) -> None:
    """A place in use has a tag, no other has; a key that was not found where it is would be there twice."""
    places = int(table["places"])
    assert [bool(tag) for tag in table["tag"]] == [n < places for n in range(len(table["tag"]))]
    keys = [tuple(key) for key in table["key"][: int(table["places"])].tolist()]
    assert len(set(keys)) == len(keys)


def check_bounds(got: Reading, truth: dict[Any, int], ports: dict[Any, int], room: bool) -> None:
    """count <= truth <= count + missing, for targets with a place and without."""
    counted = {(f.address, f.protocol, f.rule): f for f in got.flows if f.length is None}
    for flow in got.flows:
        if flow.length is not None:
            prefix = ip_network((flow.address, flow.length))
            inside = [n for (address, _, rule), n in truth.items() if address in prefix and rule == flow.rule]
            assert flow.packets <= sum(inside)
    for target, packets in truth.items():
        lower = counted[target].packets if target in counted else 0
        assert lower <= packets <= lower + got.missing
    for target, flow in counted.items():
        assert flow.packets <= truth.get(target, 0)
        if flow.port is not None:
            assert 0 < flow.port_packets <= ports[(*target, flow.port)]
    assert sum(f.packets for f in counted.values()) <= sum(truth.values())
    if room:
        assert got.missing == 0


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from((20, 40, 100, 400)),
    st.sampled_from((0.0, 0.2, 0.6)),
    st.sampled_from((20, 150, 1_000, 8_000)),
)
def test_no_target_is_off_by_more_than_what_is_said(seed: int, targets: int, heavy: float, gap_us: int) -> None:
    """For every target: its count <= truth <= its count + missing, with far more targets than places, over
    sliding windows; and the leading port's count is never above the truth."""
    packets = list(crowd(seed, 1_500, targets, heavy, gap_us * 1_000))
    stream = plain.placed(packets)
    made = counting(own=())
    with mock.patch.object(readings, "SHOWN", state.PLACES):
        for cut in range(0, len(packets), 300):
            feed(made, packets[cut : cut + 300])
            so_far = stream[: cut + 300]
            sent = plain.window(so_far, so_far[-1][0], lambda p: p.out_of == 0 and p.rule is not None)
            got = reading(made, 0, so_far[-1][0])
            check_bounds(got, plain.by_target(sent), plain.by_port(sent), room=targets == 20)
            check_places(table(made, 0))


def test_places_survive_thousands_of_evictions() -> None:
    """After 50,000 targets in one second each key has one place, and a flood among them is known
    within the error said, which is below a tenth of the window."""
    draw = random.Random(7)
    packets = []
    for n in range(50_000):
        dst = "198.51.100.1" if n % 4 == 0 else str(ip_address(draw.getrandbits(32)))
        packets.append(Packet(T + n * 10_000, dst=dst, out_of=0))
    made = counting(own=(), by_source=False)
    feed(made, packets)
    check_places(table(made, 0))
    got = reading(made, 0, packets[-1].ts // SLOT)
    flow = got.flows[0]
    assert flow.address == ip_address("198.51.100.1")
    assert flow.packets <= 12_500 <= flow.packets + got.missing
    assert got.missing < 5_000


def test_the_port_that_leads_is_named() -> None:
    """A port with all packets is named with its exact count; with two ports by turns no port has nine tenths."""
    one = [Packet(T + n, "udp", port=53, out_of=0) for n in range(100)]
    made = counting()
    feed(made, one)
    assert reading(made, 0, T // SLOT).flows[0].port_packets == 100
    two = [Packet(T + n, "udp", port=53 + n % 2, out_of=0) for n in range(100)]
    made = counting()
    feed(made, two)
    flow = reading(made, 0, T // SLOT).flows[0]
    assert flow.packets == 100
    assert flow.port_packets <= 50


# ---- fewer tables than rows ----------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(streams(), st.integers(0, 2), st.integers(0, 12))
def test_without_a_table_only_targets_are_not_known(packets: list[Packet], tables: int, later: int) -> None:
    """With fewer tables than rows every window stays exact, and every target is off by no more than what is said."""
    few, all_ = counting(tables=tables), counting()
    feed(few, packets)
    feed(all_, packets)
    stream = plain.placed(packets)
    slot = (max((at for at, _ in stream), default=T // SLOT)) + later
    for point in range(3):
        got, whole = reading(few, point, slot), reading(all_, point, slot)
        assert (got.packets, got.bytes, got.foreign, got.longer) == (
            whole.packets,
            whole.bytes,
            whole.foreign,
            whole.longer,
        )
        sent = plain.window(stream, slot, lambda p, point=point: p.out_of == point and p.rule is not None)
        check_bounds(got, plain.by_target(sent), plain.by_port(sent), room=False)
    assert few.untabled <= sum(p.packets for p in packets if p.out_of != NOBODY and p.rule)
    assert all_.untabled == 0


def test_a_quiet_row_gives_its_table_away() -> None:
    """A row that finds no table gets that of a row whose window is empty, and not that of a row in use."""
    made = counting(tables=1)
    feed(made, [Packet(T, out_of=0), Packet(T + 1, out_of=1, packets=5)])
    assert (made.untabled, reading(made, 0, T // SLOT).missing, reading(made, 1, T // SLOT).missing) == (5, 0, 5)
    feed(made, [Packet(T + 1_100 * MS, out_of=1, packets=7)])
    got = reading(made, 1, T // SLOT + 11)
    assert ([flow.packets for flow in got.flows], got.missing, made.untabled) == ([7], 0, 5)
    assert reading(made, 0, T // SLOT + 11).flows == ()
    made.assign(1, Subject("vm-9", "tap9", None), ())
    feed(made, [Packet(T + 1_100 * MS, out_of=2)])
    assert [flow.packets for flow in reading(made, 2, T // SLOT + 11).flows] == [1]


# ---- one-way UDP ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "back", "expected"),
    [(100, 0, (100, 0)), (100, 3, (100, 3)), (100, 4, (0, 0)), (100, 200, (0, 0)), (31, 0, (31, 0)), (32, 1, (0, 0))],
)
def test_one_way_is_fewer_than_one_back_per_32(sent: int, back: int, expected: tuple[int, int]) -> None:
    """UDP to a target counts as one-way when fewer than 1 packet per 32 came back from it."""
    packets = [Packet(T, "udp", packets=sent, out_of=0)]
    packets += [Packet(T + 1, "udp", src="198.51.100.1", packets=back, into=0)] if back else []
    made = counting()
    feed(made, packets)
    got = reading(made, 0, T // SLOT)
    assert (got.one_way, got.one_way_back) == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 400), st.integers(0, 30)), max_size=40))
def test_one_way_sums_the_targets_that_do_not_answer(flows: list[tuple[int, int]]) -> None:
    """Each target is judged by its own answers; what an answered one got is left out."""
    out = [Packet(T, "udp", dst=f"198.51.100.{n}", packets=sent, out_of=0) for n, (sent, _) in enumerate(flows)]
    back = [Packet(T, "udp", src=f"198.51.100.{n}", packets=b, into=0) for n, (_, b) in enumerate(flows) if b]
    made = counting()
    feed(made, out + back)
    got = reading(made, 0, T // SLOT)
    lonely = [(sent, b) for sent, b in flows if b * RATIO < sent]
    assert (got.one_way, got.one_way_back) == (sum(s for s, _ in lonely), sum(b for _, b in lonely))


def test_a_carpet_beyond_the_places_is_one_way() -> None:
    """UDP at 5,000 targets that never answer is one-way to the last packet."""
    made = counting(own=())
    feed(made, [Packet(T + n, "udp", dst=str(ip_address(0xC6336400 + n)), out_of=0) for n in range(5_000)])
    assert reading(made, 0, T // SLOT).one_way == 5_000


# ---- crossings -----------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(streams(points=1), st.integers(1, 200), st.integers(1, 100))
def test_crossed_is_the_stamp_of_the_packet_that_reaches_the_limit(packets: list[Packet], hard: int, loud: int) -> None:
    """A crossing carries the time stamp of exactly the packet whose count reaches the level."""
    made = counting(points=1)
    made.limits(dict.fromkeys(readings.JUDGED, min(loud, hard)), dict.fromkeys(readings.JUDGED, hard))
    feed(made, packets)
    now = int(made._state["slot"][0])
    crossed = reading(made, 0, now).crossed
    assert crossed == {rule: plain.last_crossing(packets, rule, hard, now) for rule in readings.JUDGED}


@settings(max_examples=100, deadline=None)
@given(streams(backwards=False, points=2), st.integers(1, 60))
def test_it_stops_at_the_grid_after_a_crossing_and_at_slots_while_hot(packets: list[Packet], hard: int) -> None:
    """Counting stops before the first packet of a new 5 ms cell after a crossing, and of a new slot while a row is
    hot; nowhere else."""
    loud = max(1, hard // 2)
    made = counting(points=2)
    made.limits({"syn": loud, "udp": loud}, {"syn": hard, "udp": hard})
    expected, crossed_in = [], {}
    for n, packet in enumerate(packets):
        before = packets[n - 1].ts if n else packet.ts
        cell = before // GRID
        hot = any(
            plain.first_crossing(own(packets[:n], point), rule, loud) for point in (0, 1) for rule in ("syn", "udp")
        )
        for point in (0, 1):
            for rule in ("syn", "udp"):
                if at := plain.first_crossing(own(packets[:n], point), rule, hard):
                    crossed_in[point, rule] = at // GRID
        new_cell = packet.ts // GRID > cell
        if (new_cell and cell in crossed_in.values()) or (hot and packet.ts // SLOT > before // SLOT):
            expected.append(packet.ts)
    assert feed(made, packets) == expected


def own(packets: list[Packet], point: int) -> list[Packet]:
    """The packets out of one point, as if it were point 0."""
    return [Packet(p.ts, p.what, packets=p.packets, out_of=0) for p in packets if p.out_of == point]


def test_a_crossing_is_reported_once_until_it_is_armed_again() -> None:
    """Looking at one crossing does not lose the next, and a level that was raised counts from there."""
    made = counting()
    made.limits({"syn": 5, "udp": 5}, {"syn": 10, "udp": 10})
    feed(made, [Packet(T + n, out_of=0) for n in range(10)])
    assert made.crossed
    made.tick(T + GRID)
    assert not made.crossed
    feed(made, [Packet(T + GRID + n, out_of=0) for n in range(5)])
    assert not made.crossed
    made.rearm(0, "syn", 18)
    feed(made, [Packet(T + GRID + 10 + n, out_of=0) for n in range(5)])
    assert made.crossed
    assert reading(made, 0, T // SLOT).crossed["syn"] == T + GRID + 12


def test_a_crossing_is_not_forgotten_before_its_cell_has_ended() -> None:
    """Packet time that is told to stay within the cell of a crossing leaves the crossing to be looked at."""
    made = counting()
    made.limits({"syn": 5, "udp": 5}, {"syn": 10, "udp": 10})
    feed(made, [Packet(T, packets=10, out_of=0)])
    made.tick(T - 45 * MS)
    assert made.crossed


def test_a_cool_row_is_not_looked_at() -> None:
    """A row is hot from its loud level on, until it is cooled; then it may become hot again."""
    made = counting()
    made.limits({"syn": 5, "udp": 5}, {"syn": 10, "udp": 10})
    feed(made, [Packet(T, packets=4, out_of=1)])
    assert made.hot() == []
    feed(made, [Packet(T, packets=1, out_of=1)])
    assert made.hot() == [1]
    made.cool(1)
    made.cool(1)
    assert made.hot() == []
    feed(made, [Packet(T, packets=1, out_of=1)])
    assert made.hot() == [1]


# ---- the source table ----------------------------------------------------------------------------


def columns(made: Counting) -> dict[str, dict[str, int]]:
    """The source table's columns by source, after its end."""
    made.close()
    found = made.source_columns()
    names = [k for k in found if k not in ("family", "hi", "lo")]
    return {str(made._address(n)): {name: int(found[name][n]) for name in names} for n in range(made.sources)}


@settings(max_examples=120, deadline=None)
@given(streams(backwards=False))
def test_peaks_enclose_the_true_maximum(packets: list[Packet]) -> None:
    """A source's peak is exactly its largest aligned 10 slots, at most its largest 11, and the largest half-open
    second lies between; its totals are exact."""
    made = counting()
    feed(made, packets)
    got = columns(made)
    stamps: dict[str, dict[str, list[tuple[int, int]]]] = defaultdict(lambda: {"syn": [], "udp": []})
    for packet in packets:
        if packet.source_rule:
            stamps[packet.src][packet.source_rule].append((packet.ts, packet.packets))
    assert got.keys() == stamps.keys()
    for source, by_rule in stamps.items():
        for rule, sent in by_rule.items():
            assert got[source][rule] == sum(weight for _, weight in sent)
            assert got[source][f"{rule}_peak"] == plain.widest_slots(sent, 10)
            assert got[source][f"{rule}_at_most"] == plain.widest_slots(sent, 11)
            assert got[source][f"{rule}_peak"] <= plain.widest_second(sent) <= got[source][f"{rule}_at_most"]
        mine = [p for p in packets if p.src == source and p.source_rule == "udp"]
        assert got[source]["udp_bytes"] == plain.octets(mine)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from(("syn", "udp")), st.integers(1, 5)), max_size=200))
def test_what_finds_no_line_is_said(drawn: list[tuple[int, str, int]]) -> None:
    """With a full table each packet is either in its source's line or in the overflow, never lost, never twice."""
    packets = [
        Packet(T + n, what, f"192.0.2.{source}", packets=weight) for n, (source, what, weight) in enumerate(drawn)
    ]
    made = counting(sources=8)  # as in a replay: a savefile's table is never emptied
    feed(made, packets)
    got = columns(made)
    first = list(dict.fromkeys(p.src for p in packets))[:8]
    assert list(got) == first
    for rule in ("syn", "udp"):
        mine = [p for p in packets if p.source_rule == rule]
        assert sum(line[rule] for line in got.values()) + made.overflow[rule] == plain.packets(mine)
        assert made.overflow[rule] == plain.packets(p for p in mine if p.src not in first)


KEYS = [tuple(drawn.getrandbits(64) for _ in state.SOURCE_KEY) for drawn in map(random.Random, range(3))]


@settings(max_examples=40, deadline=None)
@given(streams(backwards=False))
def test_no_result_depends_on_the_key(packets: list[Packet]) -> None:
    """Lines, rows and readings are the same under every key, in the same order."""
    found = []
    for key in KEYS:
        made = counting(judge_sources=True, key=key)
        made.limits({"syn": 4, "udp": 4}, {"syn": 10, "udp": 10})
        stops = feed(made, packets)
        rows = judged(made)
        readings_ = [reading(made, row, packets[-1].ts // SLOT) for row in rows.values()]
        found.append((stops, rows, readings_, list(columns(made).items())))
    assert found[0] == found[1] == found[2]


def crafted(how: str, n: int) -> tuple[Any, Any]:
    """(hi, lo) of `n` sources that meet under hashes without a secret, or that multiply words of 64 bits."""
    k = np.arange(n, dtype=np.uint64)
    none = np.zeros(n, np.uint64)
    golden = np.uint64(pow(0x9E37_79B9_7F4A_7C15, -1, 1 << 64))
    if how == "the inverse of a public multiplier":
        return none, ((k << np.uint64(32)) | k) * golden
    if how == "two words that cancel":
        return k, k * np.uint64(0xD6E8_FEB8_6659_FD93)
    if how == "the highest bits":
        return (k & np.uint64(63)) << np.uint64(58), (k >> np.uint64(6)) << np.uint64(58)
    return none, k << np.uint64(32)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "how", ["the inverse of a public multiplier", "two words that cancel", "the highest bits", "one word of 32 bits"]
)
def test_crafted_sources_are_spread_over_the_index(how: str, key: tuple[int, ...]) -> None:
    """No search passes more than a few lines: none is longer than the longest run of the index."""
    n = 4096
    rows = np.repeat(plain.rows([Packet(T, src="2001:db8::1")]), n)
    rows["src_hi"], rows["src_lo"] = crafted(how, n)
    made = counting(sources=n * 4, key=key)
    assert made.add(rows, 0) == n
    assert made.sources == n
    taken = made._index != 0
    assert np.count_nonzero(taken) == n
    free = np.flatnonzero(~taken)
    longest = int(np.diff(free, append=free[0] + len(taken)).max()) - 1
    assert longest < 32


def judged(made: Counting) -> dict[str, int]:
    """The rows of judged sources by address."""
    lines = made._lines[: made.sources]
    return {str(made._address(n)): int(row) - 1 for n, row in enumerate(lines["row"]) if row}


@settings(max_examples=80, deadline=None)
@given(streams(backwards=False), st.sampled_from((2, 4, 10, 40)))
def test_a_promoted_source_has_its_history(packets: list[Packet], loud: int) -> None:
    """A source that reached half of the loud level has a row whose windows are exact from the first packet, whose
    targets are exact within the error said; nobody else has one."""
    made = counting(judge_sources=True)
    made.limits({"syn": loud, "udp": loud}, {"syn": 1_000_000, "udp": 1_000_000})
    feed(made, packets)
    stream = plain.placed(packets)
    last = max((slot for slot, _ in stream), default=0)
    rows = judged(made)
    for source in SOURCES:
        level = loud // 2
        sent = [p for p in packets if p.src == source]
        mixed = any(p.what == "udp fragment" for p in sent)  # they make it busy, and no rule judges them as UDP
        busy = [Packet(p.ts, p.source_rule or p.what, packets=p.packets, out_of=0) for p in sent]
        assert (source in rows) == any(plain.first_crossing(busy, rule, level) for rule in ("syn", "udp"))
        if source not in rows:
            continue
        got = reading(made, rows[source], last)
        assert got.subject == Subject(None, None, source)
        for rule in ("syn", "udp"):
            mine = plain.window(stream, last, lambda p, source=source, rule=rule: p.src == source and p.rule == rule)
            exact = plain.packets(mine)
            assert got.packets[rule] <= exact if mixed and rule == "udp" else got.packets[rule] == exact
            assert got.longer[rule][0][1] >= got.packets[rule]
        # what came before it had a row is known of SYN and UDP alone
        got = replace(got, flows=tuple(flow for flow in got.flows if flow.rule in ("syn", "udp")))
        mine = plain.window(stream, last, lambda p, source=source: p.src == source and p.rule in ("syn", "udp"))
        check_bounds(got, plain.by_target(mine), plain.by_port(mine), room=False)


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_source_is_hot_from_the_very_packet(limit: int) -> None:
    """A source over its limits with its first packets is hot and crossed at once, however small the limit."""
    made = counting(judge_sources=True)
    made.limits({"syn": limit, "udp": limit}, {"syn": limit, "udp": limit})
    feed(made, [Packet(T + n) for n in range(limit)])
    assert made.crossed
    (row,) = made.hot()
    assert reading(made, row, T // SLOT).crossed["syn"] == T + limit - 1


def test_answers_to_a_judged_source_are_counted() -> None:
    """Once a source has a row, what comes back to it is seen."""
    made = counting(judge_sources=True)
    made.limits({"syn": 2, "udp": 2}, {"syn": 10, "udp": 10})
    back = [Packet(T + 2, "synack", "198.51.100.1", "192.0.2.1"), Packet(T + 3, "rst", "198.51.100.1", "192.0.2.1")]
    feed(made, [Packet(T), Packet(T + 1), *back])
    got = reading(made, judged(made)["192.0.2.1"], T // SLOT)
    assert (got.syn_acks, got.resets) == (1, 1)


def test_sources_beyond_the_rows_are_counted_and_said() -> None:
    """The 1,025th source worth judging gets no row: it is said, and counted on in its line."""
    made = counting(sources=4096, judge_sources=True)
    made.limits({"syn": 2, "udp": 2}, {"syn": 10, "udp": 10})
    packets = [Packet(T + n, src=str(ip_address(0xC0000200 + n)), packets=2) for n in range(state.JUDGED_SOURCES + 5)]
    feed(made, packets + packets[-1:])
    assert made.unjudged == 5
    assert len(judged(made)) == state.JUDGED_SOURCES
    assert columns(made)[packets[-1].src]["syn"] == 4


def test_sources_are_left_alone_where_nobody_asks() -> None:
    """Without by_source no line is used."""
    made = counting(by_source=False)
    feed(made, [Packet(T, out_of=0), Packet(T)])
    assert made.sources == 0
    assert reading(made, 0, T // SLOT).packets["syn"] == 1


def test_the_memory_is_what_the_kernels_expect() -> None:
    """A line's part that most packets touch is one cache line; an index is a power of two and at most half full."""
    assert state.LINE.fields is not None
    assert state.LINE.fields["udp_bytes"][1] + 8 == 64
    for n in (1, 7, 8, 9, 65_536):
        size = len(state.index(n))
        assert size & (size - 1) == 0
        assert size >= 2 * n
    assert np.all(state.rows(3)["arm"] == state.NEVER)
