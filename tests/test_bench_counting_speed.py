"""The counting bench: its frames are what it says, everybody counts them right, and a missed figure is told."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from io import BytesIO
from ipaddress import ip_address
from pathlib import Path

import dpkt
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # the benches are no part of the package

from bench import counting
from bench.counting import BASE, BASES, CASES, Desk, Hall, WrongCountError
from bench.parts import buffer
from bench.parts.buffer import INTO, OUT, RANDOM, ZIPF, Buffer, Traffic
from bench.parts.rivals import RIVALS, memory_walk
from bench.table import __main__ as table

ROOT = Path(__file__).parents[1]
PACKETS = 20_000


def filled(what: Traffic, turn: int = 0) -> Buffer:
    made = Buffer(what.family, PACKETS)
    ranks = buffer.zipf_ranks(what.sources, PACKETS) if what.keys == ZIPF else np.zeros(0, np.uint32)
    made.fill(what, ranks, turn)
    return made


def sources(made: Buffer) -> Counter[int]:
    """Packets by source, as dpkt reads them."""
    found: Counter[int] = Counter()
    for _, frame in dpkt.pcap.Reader(_file(made)):
        found[int.from_bytes(dpkt.ethernet.Ethernet(frame).data.src, "big")] += 1
    return found


def _file(made: Buffer) -> BytesIO:
    return BytesIO(made.data.tobytes())


# ---- the traffic --------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [INTO, OUT])
@pytest.mark.parametrize("family", [4, 6])
def test_frames_are_whole(family: int, way: str) -> None:
    """Each frame must be a SYN of 60 bytes, IPv6 74, of one machine by its MAC, at 25 ns from the one before."""
    made = filled(Traffic(family=family, way=way, vms=8), turn=3)
    machines, stamps = set(), []
    for at, frame in dpkt.pcap.Reader(_file(made)):
        ethernet = dpkt.ethernet.Ethernet(frame)
        machines.add((ethernet.src if way == OUT else ethernet.dst)[-1])
        stamps.append(at)
        assert len(frame) == (60 if family == 4 else 74)
        assert ethernet.data.data.flags == dpkt.tcp.TH_SYN
        assert (ethernet.data.len if family == 4 else ethernet.data.plen + 20) == 40
    assert machines == set(range(8))
    assert len(stamps) == PACKETS
    assert float(stamps[-1] - stamps[0]) == pytest.approx((PACKETS - 1) / buffer.RATE, rel=1e-3)


def test_sources_are_as_many_as_asked() -> None:
    """Random sources must be as frequent as each other, and as many as there are to draw from."""
    found = sources(filled(Traffic(keys=RANDOM, sources=10)))
    assert len(found) == 10
    assert min(found.values()) > PACKETS / 10 * 0.9


def test_zipf_is_zipf() -> None:
    """The source of rank r must send 1 / r of what the first one sends."""
    ranks = buffer.zipf_ranks(1000, 400_000)
    counts = np.bincount(ranks, minlength=1000)
    for rank in (2, 3, 10, 50):
        assert counts[rank - 1] * rank == pytest.approx(counts[0], rel=0.1)


def test_time_goes_on() -> None:
    """A turn must begin where the one before ended."""
    desk = Desk(BASE)
    first = [int(records["ts"][-1]) for records in desk.batches(filled(BASE, 0).data)][-1]
    second = next(int(records["ts"][0]) for records in desk.batches(filled(BASE, 1).data))
    assert second - first == 1_000_000_000 // buffer.RATE


# ---- who counts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RIVALS)
@pytest.mark.parametrize("family", [4, 6])
def test_rivals_count_right(name: str, family: int) -> None:
    """No rival may say less than dpkt finds, and what it says too much must be little here."""
    what = Traffic(family=family, sources=50)
    made, rival = filled(what), RIVALS[name]()
    for records in Desk(what).batches(made.data):
        rival.add(records)
    for source, packets in sources(made).items():
        said = rival.estimate(source >> 64, source & (1 << 64) - 1)
        assert packets <= said <= packets + PACKETS // 20


def test_misra_gries_forgets_within_its_bound() -> None:
    """With more sources than counters no estimate may be too low, nor above the truth by more than the bound."""
    what = Traffic(keys=RANDOM, sources=10_000_000)
    made, rival = filled(what), RIVALS["misra_gries"]()
    for records in Desk(what).batches(made.data):
        rival.add(records)
    for source, packets in list(sources(made).items())[:500]:
        assert packets <= rival.estimate(0, source) <= packets + PACKETS // 16_384 + 1


@pytest.mark.parametrize("family", [4, 6])
def test_the_product_counts_right(family: int) -> None:
    """The flow memory must bracket what dpkt finds for every source above the limit, and have them all."""
    what = Traffic(family=family, sources=20)
    made, desk = filled(what), Desk(what)
    spent = desk.turn(made)
    assert spent["both"] >= spent["count"] > 0
    assert desk.remote is not None
    heavy = {h.network: h for h in desk.remote.heavy("syn", 1) if h.network.prefixlen in (32, 128)}
    for source, packets in sources(made).items():
        if packets >= counting.LIMITS["syn"]:
            found = heavy[next(n for n in heavy if n.network_address == (ip_address(source)))]
            assert found.at_least <= packets <= found.at_most


def test_a_wrong_count_ends_the_bench() -> None:
    """Packets that are in nobody's row must not become a figure."""
    desk = Desk(replace(BASE, vms=4))
    with pytest.raises(WrongCountError, match="counted of 20,000"):
        desk.turn(filled(replace(BASE, vms=8)))


def test_the_walk_touches_each_header() -> None:
    """The walk's sum must be that of the first byte of every IP header."""
    made = filled(BASE)
    assert memory_walk(made.data, made.header_at, made.stride) == 0x45 * PACKETS


# ---- what is told -------------------------------------------------------------------------------


def test_figures_are_of_the_same_round() -> None:
    """What slows a round slows both sides of a ratio; growth is the worse of Zipf and random."""
    found = {case: {"both": [10.0, 20.0, 10.0], "count": [5.0, 10.0, 5.0]} for case in CASES}
    for base in BASES.values():
        found[base] |= {"memory_walk": [2.0, 4.0, 2.0], "count_min": [10.0, 20.0, 10.0], "misra_gries": [5.0] * 3}
        found[base] |= {"dict": [50.0, 100.0, 50.0]}
    found[replace(BASES[RANDOM], sources=10)] = {"both": [5.0, 10.0, 5.0]}
    ratios = counting.ratios(found)
    assert ratios["zipf/memory_walk"] == 0.2
    assert ratios["random/count_min"] == 2
    assert ratios["zipf/datasketches"] is None
    told = counting.figures(found, 49 << 20)
    assert (told["zipf_mpps"], told["sources_growth"], told["vms_growth"]) == (100, 2, 1)
    assert counting.missed(told) == ["sources_growth", "memory_mib"]


def test_the_bench_prints_its_object() -> None:
    """A short run must end with the contract's object on the last line, with every case, rival and figure."""
    words = [sys.executable, "bench/counting.py", "--json", "--packets", str(PACKETS), "--rounds", "1"]
    told = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(told.stdout.splitlines()[-1])
    assert found["bench"] == "counting"
    assert found["value"] == found["mpps"][str(BASE)]["median"]
    assert set(found["mpps"]) == {str(case) for case in CASES}
    assert {f"{keys}/{rival}" for keys in BASES for rival in ("memory_walk", *RIVALS)} <= set(found["ratios"])
    assert set(found["figures"]) == set(found["target"])
    for name in found["figures"]:
        assert f"{name} " in told.stdout
    assert "min': " not in table.section(found)  # the page has a place for every value
    assert ("MISSED" in told.stdout) == bool(found["missed"])


def test_every_axis_is_measured() -> None:
    """The cases must hold both families, both ways, and the ends of both growths for both kinds of sources."""
    for base in BASES.values():
        assert {case.sources for case in CASES if replace(case, sources=base.sources) == base} == {
            10, 1_000, 100_000, 10_000_000,
        }  # fmt: skip
        assert {case.vms for case in CASES if replace(case, vms=base.vms) == base} == {1, 32, 1024}
        assert replace(base, family=6) in CASES
    assert Hall(8, CASES[:2]).desks.keys() == set(CASES[:2])
