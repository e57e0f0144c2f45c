"""Packets within any number of seconds, and the distinct counts of a reading, against plain lists."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import counting as plain
from oracles.counting import SECOND, SLOT, Packet

from edgeguard.counting import state
from edgeguard.counting.distinct import Distinct
from edgeguard.counting.window import Counting
from edgeguard.errors import UsageError
from edgeguard.model import Subject

T = 1_767_225_600 * SECOND
GAPS = (0, 1, 40_000_000, SLOT - 1, SLOT, 950_000_000, SECOND, 7 * SECOND, 58 * SECOND, 90 * SECOND)


def counting(**named: Any) -> Counting:
    made = Counting(0, by_source=False, points=2, **named)
    for point in range(2):
        made.assign(point, Subject(f"vm-{point}", f"tap{point}", None), [ip_network("192.0.2.1/32")])
    return made


@st.composite
def streams(draw: st.DrawFn) -> list[Packet]:
    shapes = st.tuples(st.sampled_from(GAPS), st.sampled_from(("syn", "udp", "tcp")), st.integers(0, 1))
    now, packets = T, []
    for gap, what, point in draw(st.lists(shapes, max_size=80)):
        now += gap
        packets.append(Packet(now, what, packets=1 + now % 3, out_of=point))
    return packets


@settings(max_examples=100)
@given(streams(), st.integers(2, state.SECONDS))
def test_any_number_of_whole_seconds(packets: list[Packet], seconds: int) -> None:
    """From 2 to 64 seconds of Unix time, the running one included, are the packets of those seconds; one second
    is the window of ten slots."""
    made = counting()
    rows = plain.rows(packets)
    assert made.add(rows, 0) == len(rows)
    slot = packets[-1].ts // SLOT if packets else 0
    stream = plain.placed(packets)
    for point in range(2):
        for rule in ("syn", "udp"):
            mine = [(at, p) for at, p in stream if p.out_of == point and p.rule == rule]
            whole = sum(p.packets for at, p in mine if slot // 10 - seconds < at // 10)
            assert made.within(point, rule, seconds) == whole
            assert made.within(point, rule, 1) == sum(p.packets for at, p in mine if slot - 10 < at)


@pytest.mark.parametrize(
    ("point", "rule", "seconds", "said"),
    [
        (0, "syn", 0, "0 s is no window: ask for a whole number of seconds, 1 to 64"),
        (0, "syn", 65, "65 s is no window"),
        (0, "syn", -5, "-5 s is no window"),
        (0, "syn", 2.5, "2.5 s is no window"),
        (0, "gre", 5, "'gre' is no rule: packets are counted for syn, udp, icmp, fragments, tcp, total"),
        (2, "syn", 5, "2 is no attachment point: rows are numbered from 0 to 1"),
        (-1, "syn", 5, "-1 is no attachment point"),
    ],
)
def test_what_cannot_be_told_is_refused_in_one_line(point: int, rule: str, seconds: Any, said: str) -> None:
    """A window, rule or point that there is none of is an error that names it and says what there is."""
    with pytest.raises(UsageError) as refused:
        counting().within(point, rule, seconds)
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)


def test_a_reading_carries_the_distinct_counts() -> None:
    """The spread of a reading is that of its own window and VM, by rule; without distinct counts there is none."""
    made = counting(distinct=Distinct((1, 2), 2))
    sent = [Packet(T + n, dst=f"203.0.113.{n}", out_of=0) for n in range(3)]
    sent += [Packet(T + 9, "udp", dst="203.0.113.9", src="198.51.100.1", out_of=0)]
    sent += [Packet(T + 2 * SECOND, dst="203.0.113.99", src="192.0.2.1", out_of=0, into=1)]
    rows = plain.rows(sent)
    made.add(rows, 0)
    at = T + 2 * SECOND + SLOT
    spread = made.reading(0, at).spread
    assert spread is not None
    assert [(s.targets, s.sources_out, s.sources_in) for s in spread.values()] == [(1, 0, 0), (0, 0, 0)]
    assert counting().reading(0, at).spread is None


def test_a_handed_over_point_has_no_distinct_counts() -> None:
    """Assigned anew, a point's distinct counts begin again; its own addresses are those of the new VM."""
    made = counting(distinct=Distinct((1, 2), 2))
    made.add(plain.rows([Packet(T, dst="203.0.113.1", src="198.51.100.1", out_of=0)]), 0)
    made.assign(0, Subject("vm-9", "tap0", None), [ip_network("198.51.100.1/32")])
    spread = made.spread(0, T + SLOT)
    assert spread is not None
    assert (spread["syn"].targets, spread["syn"].sources_out) == (0, 0)
    made.add(plain.rows([Packet(T, dst="203.0.113.1", src="198.51.100.1", out_of=0)]), 0)
    spread = made.spread(0, T + SLOT)
    assert spread is not None
    assert (spread["syn"].targets, spread["syn"].sources_out) == (1, 0)
    assert made.spread(2, T + SLOT) is None  # a row without room for distinct counts: a judged source
