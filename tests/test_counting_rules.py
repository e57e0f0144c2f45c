"""What the rules of many floods need of counting, against plain lists: handshakes, prefixes, answers, shapes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard.counting.shards import Shards
from edgeguard.counting.window import Counting
from edgeguard.model import Subject
from edgeguard.reading import INTO, OUT, Flow, Reading
from edgeguard.record import (
    FRAGMENT,
    ICMP,
    NOBODY,
    OTHER,
    RECORD,
    REFLECTORS,
    RST,
    SYN,
    SYNACK,
    TCP,
    UDP,
    Records,
    halves,
)

SECOND = 1_000_000_000
SLOT = 100_000_000
MS = 1_000_000
T = 1_767_225_600 * SECOND
OWN = (ip_network("192.0.2.0/24"), ip_network("2001:db8:1::/64"))
HOST, HOST6 = "192.0.2.1", "2001:db8:1::1"
PROTOCOL = {SYN: 6, SYNACK: 6, RST: 6, TCP: 6, UDP: 17, ICMP: 1, FRAGMENT: 17, OTHER: 47}


@dataclass(frozen=True, slots=True)
class Seen:
    """One packet at the tap of one VM; `far` is the other side's address."""

    ts: int
    kind: int
    far: str = "198.51.100.1"
    out: bool = True
    far_port: int = 443
    port: int = 40_000
    packets: int = 1
    bytes: int = 60
    icmp_type: int = 0
    flags: int = 0x10
    own: str = ""  # the VM's side; empty: its address of the family


def rows(seen: Sequence[Seen]) -> Records:
    made = np.zeros(len(seen), RECORD)
    for row, one in zip(made, seen, strict=True):
        own = ip_address(one.own or (HOST6 if ":" in one.far else HOST))
        far = ip_address(one.far)
        source, target = (own, far) if one.out else (far, own)
        ports = (one.port, one.far_port) if one.out else (one.far_port, one.port)
        row["ts"], row["kind"], row["family"] = one.ts, one.kind, far.version
        row["protocol"] = 58 if one.kind == ICMP and far.version == 6 else PROTOCOL[one.kind]
        row["src_hi"], row["src_lo"] = halves(source)
        row["dst_hi"], row["dst_lo"] = halves(target)
        row["src_port"], row["dst_port"] = ports
        row["packets"], row["bytes"] = one.packets, one.bytes
        row["icmp_type"], row["tcp_flags"] = one.icmp_type, one.flags
        row["out_of"], row["into"] = (0, NOBODY) if one.out else (NOBODY, 0)
    return made


def counting(**limits: int) -> Counting:
    made = Counting(0, by_source=False, points=1)
    made.assign(0, Subject("vm-1", "tap1", None), OWN)
    made.limits(limits, {rule: 2 * limit for rule, limit in limits.items()})
    return made


def feed(made: Counting | Shards, seen: Sequence[Seen]) -> None:
    records, start = rows(seen), 0
    while (start := made.add(records, start)) < len(records):
        made.tick(int(records["ts"][start]))


def reading(seen: Sequence[Seen], at: int = T + SLOT, **limits: int) -> Reading:
    made = counting(**limits)
    feed(made, seen)
    return made.reading(0, at)


def flow(got: Reading, rule: str, length: int | None = None) -> Flow:
    return next(f for f in got.flows if f.rule == rule and f.length == length)


# ---- handshakes ----------------------------------------------------------------------------------


def third_acks(seen: Sequence[Seen]) -> Counter[str]:
    """By target: the first ACK out after each SYN-ACK that came in, connection by connection."""
    awaited: set[tuple[str, int, int]] = set()
    found: Counter[str] = Counter()
    for one in seen:
        connection = one.far, one.far_port, one.port
        if one.kind == SYNACK and not one.out:
            awaited.add(connection)
        elif one.kind == TCP and one.out and one.flags & 0x10 and connection in awaited:
            awaited.discard(connection)
            found[one.far] += 1
    return found


FAR = st.sampled_from(("198.51.100.1", "198.51.100.2", "2001:db8:9::1"))
STEPS = st.builds(
    Seen,
    ts=st.just(T),
    kind=st.sampled_from((SYN, SYNACK, TCP, TCP, RST)),
    far=FAR,
    out=st.booleans(),
    far_port=st.sampled_from((80, 443)),
    port=st.integers(40_000, 40_003),
    flags=st.sampled_from((0x10, 0x18, 0x00)),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(STEPS, max_size=80))
def test_a_handshake_is_complete_with_the_first_ack_after_its_syn_ack(steps: list[Seen]) -> None:
    """Third ACKs are counted once for each connection, and at the target where its SYNs have a place."""
    seen = [Seen(T, SYN, far) for far in ("198.51.100.1", "198.51.100.2", "2001:db8:9::1")] + steps
    got, expected = reading(seen), third_acks(seen)
    assert got.third_acks == expected.total()
    assert {str(f.address): f.third_acks for f in got.flows if f.rule == "syn" and f.third_acks} == dict(+expected)


def test_an_ack_without_a_syn_ack_completes_nothing() -> None:
    """Who sends SYN and ACK by himself to somebody who does not answer completes no handshake."""
    got = reading([Seen(T, SYN, packets=100)] + [Seen(T + n, TCP, port=n) for n in range(100)])
    assert (got.third_acks, got.half_open) == (0, 100)


@pytest.mark.parametrize(("completed", "half_open"), [(0, 100), (19, 100), (20, 0), (100, 0)])
def test_half_open_is_what_goes_to_targets_that_complete_less_than_a_fifth(completed: int, half_open: int) -> None:
    """By target: 19 of 100 handshakes leave all of its SYNs half open, 20 of 100 none."""
    connections = [Seen(T + n, SYN, port=n) for n in range(100)]
    back = [Seen(T + 100 + n, SYNACK, out=False, port=n) for n in range(completed)]
    acks = [Seen(T + 200 + n, TCP, port=n) for n in range(completed)]
    got = reading([*connections, *back, *acks])
    assert (got.half_open, got.half_open_acks) == (half_open, completed if half_open else 0)


def test_connections_elsewhere_are_no_shield() -> None:
    """A flood of 600 beside 900 connections that complete is 600 half-open SYNs."""
    healthy = [Seen(T + n, SYN, "198.51.100.9", port=n) for n in range(900)]
    back = [Seen(T + 1_000 + n, SYNACK, "198.51.100.9", out=False, port=n) for n in range(900)]
    acks = [Seen(T + 2_000 + n, TCP, "198.51.100.9", port=n) for n in range(900)]
    assert reading([*healthy, *back, *acks, Seen(T + 3_000, SYN, packets=600)]).half_open == 600


def test_completions_are_counted_since_the_subject_came() -> None:
    """SYNs and third ACKs of a point, never cleared until the next subject hangs there."""
    made = counting()
    for second in range(3):
        at = T + second * 2 * SECOND
        feed(made, [Seen(at, SYN), Seen(at + 1, SYNACK, out=False), Seen(at + 2, TCP), Seen(at + 3, SYN)])
    assert made.completions(0) == (6, 3)
    made.assign(0, Subject("vm-2", "tap1", None), OWN)
    assert made.completions(0) == (0, 0)


# ---- prefixes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "own", "length", "prefix"),
    [("198.51.100.0", HOST, 24, "198.51.100.0"), ("2001:db8:9::", HOST6, 48, "2001:db8:9::")],
)
def test_a_carpet_is_counted_at_its_prefix_once_the_row_is_loud(base: str, own: str, length: int, prefix: str) -> None:
    """256 hosts of one prefix: no host keeps its share, the prefix has all packets since half of warn."""
    first = int(ip_address(base))
    seen = [Seen(T + n, SYN, str(ip_address(first + n % 256))) for n in range(4_000)]
    got = reading(seen, syn=500)
    carpet = flow(got, "syn", length)
    assert str(carpet.address) == prefix
    assert 4_000 - 500 - got.missing <= carpet.packets <= 4_000
    assert max(f.packets for f in got.flows if f.length is None) < 400
    assert all(f.length is None for f in reading(seen, syn=5_000).flows)
    assert got.half_open == 4_000, "a prefix is no further target"


def test_answers_of_a_prefix_are_counted_with_it() -> None:
    """SYN-ACKs and third ACKs of any host of the prefix are its own."""
    syns = [Seen(T + n, SYN, f"198.51.100.{n % 200}", port=n) for n in range(1_000)]
    back = [Seen(T + 1_000 + n, SYNACK, f"198.51.100.{n % 200}", out=False, port=n) for n in range(400)]
    acks = [Seen(T + 2_000 + n, TCP, f"198.51.100.{n % 200}", port=n) for n in range(300)]
    carpet = flow(reading([*syns, *back, *acks], syn=10), "syn", 24)
    assert (carpet.back, carpet.third_acks) == (400, 300)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 400))
def test_a_prefix_is_never_said_to_have_more_than_it_got(seed: int, spread: int) -> None:
    """However many targets contend, host and prefix: count <= truth <= count + missing + what came before."""
    draw = random.Random(seed)
    far = [f"198.51.{draw.randrange(spread) % 100}.{draw.randrange(250)}" for _ in range(1_500)]
    got = reading([Seen(T + n, SYN, address) for n, address in enumerate(far)], syn=100)
    truth = Counter(ip_network(f"{address}/24", strict=False) for address in far)
    said = {ip_network((f.address, 24)): f.packets for f in got.flows if f.length == 24}
    for prefix, packets in truth.items():
        assert said.get(prefix, 0) <= packets <= said.get(prefix, 0) + got.missing + 100


# ---- the other rules -----------------------------------------------------------------------------


def test_targets_of_tcp_are_counted_from_a_tenth_of_a_loud_window_in_a_slot_on() -> None:
    """Below it no place is taken; above it every further packet is the target's; a quieter slot begins anew."""
    assert reading([Seen(T + n, TCP) for n in range(99)], tcp=1_000).flows == ()
    got = reading([Seen(T + n, TCP) for n in range(300)], tcp=1_000)
    assert flow(got, "tcp").packets + got.missing == 201
    assert got.missing <= 1, "the packet that took the row its table"
    later = [Seen(T + n, TCP) for n in range(300)] + [Seen(T + SLOT + n, TCP) for n in range(50)]
    assert flow(reading(later, at=T + 2 * SLOT, tcp=1_000), "tcp").packets <= 201


@pytest.mark.parametrize(("rule", "kind"), [("icmp", ICMP), ("fragments", FRAGMENT)])
def test_targets_of_icmp_and_fragments_are_always_counted(rule: str, kind: int) -> None:
    """With the first packet, whatever the limits are."""
    assert flow(reading([Seen(T + n, kind, icmp_type=8) for n in range(5)]), rule).packets == 5


def test_every_rule_is_tracked_when_the_total_is_loud() -> None:
    """A flood of several classes, each below its own limit, has targets too."""
    mixed = [Seen(T + n, kind, icmp_type=8) for n in range(200) for kind in (ICMP, FRAGMENT, TCP)]
    assert {f.rule for f in reading(mixed, total=100).flows if f.length is None} == {"icmp", "fragments", "tcp"}


@pytest.mark.parametrize(("back", "kind", "one_way"), [(0, TCP, 490), (4, TCP, 490), (5, TCP, 0), (500, RST, 490)])
def test_tcp_is_answered_by_one_segment_in_a_hundred_but_no_reset(back: int, kind: int, one_way: int) -> None:
    """Acknowledgements of an upload make it answered; resets, as a flood of ACKs gets them, do not."""
    sent = [Seen(T + n, TCP) for n in range(500)]
    got = reading([*sent, *[Seen(T + 1_000 + n, kind, out=False) for n in range(back)]], tcp=10)
    assert one_way <= got.one_way_tcp <= one_way + 10, "what came before targets were counted is judged by itself"


def test_a_download_elsewhere_is_no_shield_of_an_ack_flood() -> None:
    """ACKs to one target that never answers are one-way, however much comes from another one."""
    flood = [Seen(T + 10 + n, TCP) for n in range(500)]
    download = [Seen(T + 10 + n, TCP, "198.51.100.9", out=n % 10 == 0) for n in range(5_000)]
    got = reading(sorted((*flood, *download), key=lambda one: one.ts), tcp=10)
    assert 490 <= got.one_way_tcp <= 510


def test_resets_that_answer_syns_are_no_one_way_tcp() -> None:
    """A victim with closed ports resets what came in: its SYNs answer for the resets."""
    came = [Seen(T + 2 * n, SYN, out=False, port=80) for n in range(500)]
    sent = [Seen(T + 2 * n + 1, RST, port=80) for n in range(500)]
    got = reading(sorted((*came, *sent), key=lambda one: one.ts), tcp=10)
    assert (got.one_way_tcp, got.answers, got.packets["tcp"]) == (0, 500, 500)


def test_udp_is_told_by_size_service_and_bytes() -> None:
    """Sizes by four classes of IP bytes, answers of services by their port, bytes of each target exactly."""
    sizes = [(128, 3), (129, 5), (512, 7), (1_024, 11), (1_025, 13), (1_500, 17)]
    seen = [Seen(T + n, UDP, packets=k, bytes=size * k) for n, (size, k) in enumerate(sizes)]
    seen += [Seen(T + 50, UDP, out=False, bytes=300)]
    seen += [Seen(T + 60 + n, UDP, "198.51.100.2", port=port, bytes=100) for n, port in enumerate(REFLECTORS)]
    seen += [Seen(T + 90, UDP, "198.51.100.2", port=port, bytes=100) for port in (54, 65_535, 0)]
    got = reading(seen)
    assert got.sizes == (3 + len(REFLECTORS) + 3, 12, 11, 30)
    assert got.service == len(REFLECTORS)
    first = next(f for f in got.flows if str(f.address) == "198.51.100.1")
    assert (first.bytes, first.back_bytes) == (sum(size * k for size, k in sizes), 300)


def test_icmp_is_told_by_type() -> None:
    """Replies, errors and neighbour discovery answer; requests do not; unreachable is counted as it comes in."""
    answers4, answers6 = (0, 3, 11, 12, 14), (1, 2, 3, 4, 129, 130, 131, 132, 133, 134, 135, 136, 137)
    seen = [Seen(T, ICMP, icmp_type=kind) for kind in range(20)]
    seen += [Seen(T, ICMP, "2001:db8:9::1", icmp_type=kind) for kind in range(160)]
    seen += [Seen(T, ICMP, far, out=False, icmp_type=kind) for far, kind in (("198.51.100.1", 3), ("2001:db8:9::1", 1))]
    seen += [Seen(T, ICMP, far, out=False, icmp_type=kind) for far, kind in (("198.51.100.1", 1), ("2001:db8:9::1", 3))]
    got = reading(seen)
    assert (got.packets["icmp"], got.icmp_answers) == (180, len(answers4) + len(answers6))
    assert (got.packets["icmp-in"], got.unreachable) == (4, 2)


def test_what_an_icmp_target_sent_is_counted_by_icmp_and_others() -> None:
    """An error may answer a packet of any protocol: all that came from the host is known at its place."""
    out = [Seen(T, ICMP, icmp_type=3, packets=10), Seen(T, ICMP, "2001:db8:9::1", icmp_type=1, packets=10)]
    kinds = (SYN, SYNACK, RST, TCP, UDP, FRAGMENT, OTHER)
    back = [Seen(T + 1, kind, far, out=False) for far in ("198.51.100.1", "2001:db8:9::1") for kind in (*kinds, ICMP)]
    got = reading([*out, *back, Seen(T + 2, UDP, "198.51.100.9", out=False)])
    found = [(f.packets, f.back, f.others) for f in got.flows if f.rule == "icmp"]
    assert found == [(10, 1, len(kinds))] * 2


def test_foreign_sources_are_counted_by_rule() -> None:
    """Every rule has its own forged packets, and the total has all of them."""
    kinds = {"syn": SYN, "udp": UDP, "icmp": ICMP, "fragments": FRAGMENT, "tcp": TCP}
    seen = [Seen(T + n, kind, own="203.0.113.7", packets=n + 1) for n, kind in enumerate(kinds.values())]
    seen += [Seen(T + 50, kind) for kind in kinds.values()]
    got = reading(seen)
    assert got.foreign == {rule: n + 1 for n, rule in enumerate(kinds)} | {"total": 15}


# ---- levels --------------------------------------------------------------------------------------


def test_each_rule_wakes_by_its_own_level_in_both_directions() -> None:
    """A row is hot with the very packet of the rule that reaches its level, and with no other rule's."""
    kinds: dict[str, Any] = {"syn": SYN, "udp": UDP, "icmp": ICMP, "fragments": FRAGMENT, "tcp": TCP, "total": OTHER}
    for rule in (*OUT, *INTO):
        kind = kinds[rule.removesuffix("-in")]
        made = counting(**{rule: 10})
        feed(made, [Seen(T + n, kind, out=not rule.endswith("-in")) for n in range(9)])
        feed(made, [Seen(T + 50 + n, kind, out=rule.endswith("-in")) for n in range(30)])
        assert made.hot() == [], rule
        feed(made, [Seen(T + 100, kind, out=not rule.endswith("-in"))])
        assert made.hot() == [0], rule
        assert not made.crossed
        feed(made, [Seen(T + 101 + n, kind, out=not rule.endswith("-in")) for n in range(10)])
        assert made.crossed
        assert (made.crossing(), made.crossing()) == ([0], [])
        assert made.reading(0, T + SLOT).crossed[rule] == T + 110


def test_a_point_has_limits_of_its_own_until_it_is_given_away() -> None:
    """Own levels hold for one point only, and not for the next VM there."""
    made = Counting(0, by_source=False, points=2)
    for point in (0, 1):
        made.assign(point, Subject(f"vm-{point}", None, None), OWN)
    made.limits({"syn": 100}, {"syn": 200})
    made.limit(1, {"syn": 5}, {"syn": 10})
    both = rows([Seen(T + n, SYN) for n in range(6)])
    both = np.concatenate([both, both])
    both["out_of"][6:] = 1
    made.add(both, 0)
    assert made.hot() == [1]
    made.assign(1, Subject("vm-2", None, None), OWN)
    made.add(both[6:], 0)
    assert made.hot() == []


@settings(max_examples=40, deadline=None)
@given(st.lists(STEPS, max_size=120), st.integers(1, 4))
def test_shards_say_what_one_counter_says(steps: list[Seen], n: int) -> None:
    """Steered by the remote address, several shards have the windows, answers and handshakes of one."""
    one, many = counting(syn=8, tcp=8), Shards(n, points=1)
    many.assign(0, Subject("vm-1", "tap1", None), OWN)
    many.tick(T)
    records = rows(steps)
    feed(one, steps)
    for shard in range(n):
        mine = [k for k, step in enumerate(steps) if hash(step.far) % n == shard]
        many.of[shard].add(np.ascontiguousarray(records[mine]), 0)
    a, b = one.reading(0, T + SLOT), many.reading(0, T + SLOT)
    for name in ("packets", "bytes", "foreign", "third_acks", "half_open", "half_open_acks", "answers", "syn_acks"):
        assert getattr(a, name) == getattr(b, name), name
