"""The evaluation: its frames are what scenarios promise, and the truth about them is right."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dpkt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import Ether

sys.path.insert(0, str(Path(__file__).parents[1]))  # the benches are no part of the package

from bench.quality import packets as p
from bench.quality.catalogue import catalogue
from bench.quality.frames import Frames, pcap, together
from bench.quality.limits import defaults, limits
from bench.quality.machines import TARGET4, TARGET6, link, own4, own6, vm
from bench.quality.packets import Packets, drawn, ends, ports
from bench.quality.run import Host, parts
from bench.quality.scenario import START, Scenario, Sort
from bench.quality.truth import crossing, dues, sustained
from edgeguard.clock import MILLISECOND, SLOT
from edgeguard.detection.episode import RANK
from edgeguard.model import Band, Target
from edgeguard.reading import INTO

FLOODS = {name: one for name, one in catalogue().items() if one.sort is Sort.FLOOD}
A, B = vm(1), vm(2)
RNG = np.random.default_rng(4)
SEEN = 40  # frames of each shape that the independent readers look at


def read(frames: Frames) -> list[tuple[float, bytes]]:
    """By dpkt, with what the snap length cut off put back as the zeros that it was."""
    found = list(dpkt.pcap.Reader(io.BytesIO(pcap(frames))))
    return [(at, raw + bytes(int(size) - len(raw))) for (at, raw), size in zip(found, frames.length, strict=True)]


# ---- frames ---------------------------------------------------------------------------------------

SHAPES: dict[str, dict[str, Any]] = {
    "syn4": {},
    "syn6": {"source": own6(A), "target": ends(TARGET6)},
    "tagged": {"link": link(A, 7)},
    "twice tagged": {"link": link(A, 100, 7)},
    "udp4": {"protocol": p.UDP, "payload": lambda numbers, rng: rng.integers(0, 1400, len(numbers))},
    "udp6": {"protocol": p.UDP, "source": drawn("2001:db8:0:1::", 64), "target": ends(TARGET6), "payload": 301},
    "icmp": {"protocol": p.ICMP, "flags": 8 << 8, "payload": 56},
    "icmp6": {"protocol": p.ICMP6, "flags": 128 << 8, "source": own6(A), "target": ends(TARGET6), "payload": 56},
    "odd flags": {"flags": p.SYN | p.ECE | p.CWR | p.URG, "payload": 900},
}


def made(**changed: Any) -> Frames:
    plain = Packets(link(A), own4(A), ends(TARGET4), p.TCP, ports(), 443)
    frames = replace(plain, **changed)(np.arange(SEEN), RNG)
    frames.at[:] = START + np.arange(SEEN) * 1000
    return frames


@pytest.mark.parametrize("shape", SHAPES)
def test_checksums_and_lengths_are_right(shape: str) -> None:
    """Every header must be the one that scapy computes for the same packet."""
    for _, raw in read(made(**SHAPES[shape])):
        again = Ether(raw)
        for layer in (IP, IPv6, TCP, UDP, ICMP, ICMPv6EchoRequest):
            if layer in again:
                for name in {"chksum", "len", "plen", "cksum"} & {field.name for field in layer.fields_desc}:
                    delattr(again[layer], name)
        assert bytes(again) == raw


def test_a_savefile_holds_what_it_is_given() -> None:
    """Times to the nanosecond, both MACs, ports in turn, and lengths of the whole frame."""
    frames = made(protocol=p.UDP, payload=1000)
    for n, (at, raw) in enumerate(dpkt.pcap.Reader(io.BytesIO(pcap(frames)))):
        assert round(float(at) * 1e6) == START // 1000 + n
        assert raw[:12] == bytes.fromhex((link(A).target + link(A).source).replace(":", ""))
        assert dpkt.ethernet.Ethernet(raw).data.data.sport == 1024 + n
    assert set(frames.length) == {14 + 20 + 8 + 1000}


def test_frames_of_many_streams_come_in_order() -> None:
    """What is put together must be sorted by time, every frame with its own bytes."""
    late, early = made().moved(50 * 1000), made(protocol=p.UDP)
    both = together([late, early])
    assert (np.diff(both.at) >= 0).all()
    assert len(both) == 2 * SEEN
    assert [raw[23] for _, raw in read(both[both.at < late.at[0]])] == [17] * SEEN
    assert [raw[23] for _, raw in read(both[both.at > early.at[-1]])] == [6] * SEEN


def test_a_super_frame_counts_as_its_segments() -> None:
    """The decoder must be told the segment size that no savefile holds: 45 segments of 1,400 bytes."""
    records = Host((A,)).decode(made(protocol=p.UDP, payload=45 * 1400, segment=1400))
    assert set(records["packets"]) == {45}
    assert set(records["out_of"]) == {0}


# ---- the catalogue ----------------------------------------------------------------------------------


def first_frames(scenario: Scenario) -> Frames:
    """Some of the flood's own frames of every stream."""
    streams = scenario.traffic(np.random.default_rng(scenario.seed))
    made = [stream.make(np.arange(min(SEEN, len(stream.at))), np.random.default_rng(1)) for stream in streams]
    whole = together(made)
    return whole[whole.of_flood]


def test_there_are_enough_floods() -> None:
    """At least twenty, over and under the limits of both rules, out of a machine and into it."""
    assert len(FLOODS) >= 20
    assert sum(one.expected.band in (Band.ACT, Band.HARD) for one in FLOODS.values()) >= 20


def test_a_fifth_is_held_out_by_name() -> None:
    """Nobody chooses: the hash of a name does, the same everywhere; about one in five."""
    share = sum(one.held_out for one in catalogue().values()) / len(catalogue())
    assert 0.1 < share < 0.3
    assert [FLOODS[name].held_out for name in ("syn-direct-v4", "syn-spray", "reflection-dns")] == [False, True, True]


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_what_it_promises(name: str) -> None:
    """dpkt must see the protocol, the flags, the targets and the machine that the scenario names."""
    scenario = FLOODS[name]
    wanted, rule = scenario.expected, (scenario.expected.rule or name).split("-")[0]
    macs = {bytes.fromhex(mac.replace(":", "")) for one in scenario.machines for mac in one.macs}
    frames = first_frames(scenario)
    assert len(frames)
    seen = set()
    for _, raw in read(frames):
        frame = dpkt.ethernet.Ethernet(raw)
        assert (frame.dst if wanted.rule in INTO else frame.src) in macs
        inside = frame.data
        seen.add(str(Target(p.address(p.ends(_text(inside.dst))), 0, None).address))
        if rule == "syn":
            assert inside.data.flags & (dpkt.tcp.TH_SYN | dpkt.tcp.TH_ACK) == dpkt.tcp.TH_SYN
        if rule == "tcp":
            assert not inside.data.flags & dpkt.tcp.TH_SYN
        if rule in ("syn", "tcp", "udp", "icmp"):
            assert inside.p in {"syn": (6,), "tcp": (6,), "udp": (17,), "icmp": (1, 58)}[rule]
        if rule == "fragments":
            assert inside.offset > 0
    whole = [target for target in wanted.targets if "/" not in target]
    assert not whole or seen <= set(whole)


def _text(packed: bytes) -> str:
    return dpkt.utils.inet_to_str(packed)


@pytest.mark.parametrize("name", FLOODS)
def test_the_promised_band_is_the_one_that_is_reached(name: str) -> None:
    """The flood's own packets must cross the limits of the promised band, and of none above it."""
    scenario = FLOODS[name]
    wanted = scenario.expected
    rule = wanted.rule or name.split("-", maxsplit=1)[0]
    at, packets = _labelled(scenario)
    found = dues(at, packets, limits(f"customer.{rule}" if wanted.customer else rule), defaults().judging)
    highest = max((due.band for due in found), key=lambda band: RANK[band], default=None)
    if not scenario.losses:
        assert highest == wanted.band


def _labelled(scenario: Scenario) -> tuple[Any, Any]:
    """Times of the flood's packets and how many each is, from the plan alone: no frame is made."""
    at, packets = [], []
    for stream in scenario.traffic(np.random.default_rng(scenario.seed)):
        if not len(stream.at):
            continue
        one = stream.make(np.arange(1), np.random.default_rng(1))
        if one.of_flood[0]:
            at.append(stream.at)
            size = int(one.length[0]) - 14 - 20 - (8 if one.head[0, 23] == p.UDP else 20)
            packets.append(np.full(len(stream.at), -(-size // int(one.gso[0])) if one.gso[0] else 1))
    order = np.argsort(np.concatenate(at), kind="stable")
    return np.concatenate(at)[order], np.concatenate(packets)[order]


def test_traffic_is_the_same_every_time() -> None:
    """Two runs of a scenario must make the same bytes."""
    scenario = FLOODS["syn-forged-sources"]
    whole = [
        b"".join(pcap(part) for part in parts(scenario.traffic(np.random.default_rng(scenario.seed)), 2.0, 3))
        for _ in range(2)
    ]
    assert whole[0] == whole[1]


# ---- truth ------------------------------------------------------------------------------------------

moments = st.lists(st.integers(0, 40), min_size=1, max_size=60).map(
    lambda steps: START + np.cumsum(steps) * 25 * MILLISECOND
)


@given(moments, st.integers(1, 12))
@settings(max_examples=100, deadline=None)
def test_a_crossing_is_what_a_plain_loop_finds(at: Any, limit: int) -> None:
    """The first packet with which the slots of the last second hold `limit` packets."""
    plain = next(
        (int(t) for n, t in enumerate(at) if sum(s // SLOT > t // SLOT - 10 for s in at[: n + 1]) >= limit), None
    )
    assert crossing(at, np.ones(len(at), int), limit) == plain


@given(moments, st.integers(1, 6))
@settings(max_examples=100, deadline=None)
def test_a_sustain_is_what_a_plain_loop_finds(at: Any, limit: int) -> None:
    """The first slot at whose end three seconds of the last six, none overlapping another, held `limit` packets."""
    judging = SimpleNamespace(sustain_seconds=3, sustain_of=6)
    slots = range(int(at[0]) // SLOT, int(at[-1]) // SLOT + 10)
    over = [end for end in slots if sum(end - 10 < int(t) // SLOT <= end for t in at) >= limit]
    plain = next((end for end in over if _most_apart([one for one in over if end - 60 < one <= end]) >= 3), None)
    assert sustained(at, np.ones(len(at), int), limit, judging) == (None if plain is None else (plain + 1) * SLOT)


def _most_apart(ends: list[int]) -> int:
    """How many of these slots can be taken that are ten or more apart: by trying each as the first."""
    most = dict.fromkeys(ends, 0)
    for end in reversed(ends):
        most[end] = 1 + max((most[other] for other in ends if other >= end + 10), default=0)
    return max(most.values(), default=0)
