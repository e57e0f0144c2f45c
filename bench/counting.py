"""How fast are small packets decoded and counted, on one core, from memory?

    python bench/counting.py [--json] [--save]

Headline: million packets a second of decode (C) and count (rows of VMs and distinct counts in numba, every
remote key in the flow memory in C: all that the daemon counts) on four million SYNs from ten million Zipf
sources to 32 virtual machines. The axes: random sources, IPv6, frames that leave the machines, 10 sources to
10 million, 1 VM to 1,024. Rivals in the same rounds, on the same records, that only count by source: count-min
with four rows, Misra-Gries, a dict, DataSketches' count-min; and the limit, a walk that touches one
header line of each frame. The clock goes on from turn to turn, so that the memory is as warm as after hours.
Times are CPU time of the one thread, the kernel's share included: a core, not a share of one. The order of a
round turns with every round; a count that is wrong ends the bench.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path
from time import thread_time_ns
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a file as with -m

from bench.parts import buffer, report
from bench.parts.buffer import INTO, OUT, RANDOM, ZIPF, Buffer, Traffic
from bench.parts.rivals import RIVALS, SAMPLES, memory_walk
from edgeguard.counting.distinct import Distinct
from edgeguard.counting.flow_memory import FlowMemory
from edgeguard.counting.window import Counting
from edgeguard.model import Subject
from edgeguard.native import Savefile, Totals
from edgeguard.record import RECORD, Records, aligned
from edgeguard.replay import BATCH

PACKETS = 4_000_000
ROUNDS = 7
LIMITS = {"syn": 1000, "udp": 1000, "packets": 1000}  # of a remote key, in any second
KEY = (0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210)  # secret in the product; here the same every time
MOST_SOURCES, FEW_SOURCES = 10_000_000, (10, 1_000, 100_000)
SOURCES = {"sources": FEW_SOURCES[0]}, {"sources": MOST_SOURCES}
VMS = {"vms": 1}, {"vms": 1024}
BASE = Traffic(sources=MOST_SOURCES)
BASES = {ZIPF: BASE, RANDOM: replace(BASE, keys=RANDOM)}
CASES = [
    *BASES.values(),
    *(replace(base, family=6) for base in BASES.values()),
    *(replace(base, way=OUT) for base in BASES.values()),
    *(replace(base, sources=n) for base in BASES.values() for n in FEW_SOURCES),
    *(replace(base, vms=n) for base in BASES.values() for n in (1, 1024)),
]
# figures of the project: at least, at most
FLOORS = {"zipf_mpps": 35.0, "random_mpps": 30.0, "zipf/memory_walk": 0.12, "random/memory_walk": 0.09}
CEILINGS = {"sources_growth": 1.3, "vms_growth": 1.3, "memory_mib": 48.0}
PARTS = ("both", "decode", "count")
TITLES = {
    "rows": "edgeguard: rows alone, no flow memory, no distinct counts",
    "memory_walk": "limit: one header line (to decode and count)",
    "datasketches": "DataSketches' count-min, from Python",
}
Nanoseconds = dict[str, list[float]]  # a packet, round by round


class WrongCountError(Exception):
    """Not every packet was counted: the speed means nothing."""


@dataclass
class Desk:
    """The product's parts for one case, kept from turn to turn."""

    what: Traffic
    remote: FlowMemory | None = field(default_factory=lambda: FlowMemory(LIMITS, KEY))
    turns: int = 0

    def __post_init__(self) -> None:
        self.points = buffer.points(self.what.vms)
        distinct = Distinct(KEY) if self.remote else None
        self.counting = Counting(0, by_source=False, remote=self.remote, distinct=distinct)
        for vm in range(self.what.vms):
            own = ip_network("2001:2::/48" if self.what.family == 6 else "198.18.0.0/15")
            self.counting.assign(vm, Subject(vm=str(vm), tap=None, source=None), [own])
        self.rows: Records = aligned(BATCH, RECORD)
        self.totals = Totals()

    def batches(self, data: Any) -> Iterator[Records]:
        """The buffer, decoded in batches that stay in the L2 cache."""
        file = Savefile(data)
        while n := file.read(self.points.table, self.rows, self.totals):
            yield self.rows[:n]
        file.close()

    def turn(self, made: Buffer) -> dict[str, float]:
        """ns a packet of decode, of count, and of both with what is between them."""
        counting, spent, begun = self.counting, 0, thread_time_ns()
        for records in self.batches(made.data):
            before = thread_time_ns()
            counting.add(records, 0)
            spent += thread_time_ns() - before
        both = thread_time_ns() - begun
        self.turns += 1
        self._check(made.packets)
        return {"both": both / made.packets, "decode": (both - spent) / made.packets, "count": spent / made.packets}

    def _check(self, packets: int) -> None:
        """Every packet of every turn is in the row of a machine."""
        way = int(self.what.way == INTO)
        found = sum(self.counting.frames(vm)[way] for vm in range(self.what.vms))
        if found != packets * self.turns:
            raise WrongCountError(f"{self.what}: {found:,} packets counted of {packets * self.turns:,}")

    @property
    def memory(self) -> int:
        """Bytes of the rows, the distinct counts and the flow memory."""
        parts = (self.counting, self.counting.remote, self.counting.distinct)
        return sum(part.memory for part in parts if part is not None)


class Hall:
    """Everything that is measured, and what was found so far: ns a packet, by name."""

    def __init__(self, packets: int, cases: list[Traffic]) -> None:
        self.buffers = {family: Buffer(family, packets) for family in sorted({case.family for case in cases})}
        kinds = {(case.keys, case.sources) for case in cases}
        self.ranks = {kind: _ranks(*kind, packets) for kind in sorted(kinds)}
        self.desks = {case: Desk(case) for case in cases}
        self.bare = {case: Desk(case, None) for case in BASES.values()}  # rows alone, without a flow memory
        self.found: dict[Traffic, Nanoseconds] = {case: {} for case in cases}

    def jobs(self) -> list[Callable[[bool], None]]:
        """One a case; those of the headline also measure the rivals and the limit."""
        return [lambda keep, case=case: self.measure(case, keep) for case in self.desks]  # type: ignore[misc]

    def measure(self, case: Traffic, keep: bool) -> None:
        desk, made = self.desks[case], self.buffers[case.family]
        made.fill(case, self.ranks[case.keys, case.sources], desk.turns)
        spent = desk.turn(made)
        if case in BASES.values():
            spent |= {"rows": self.bare[case].turn(made)["count"], "memory_walk": _walk(made)}
            spent |= {name: _rival(name, desk, made) for name in RIVALS}
        if keep:
            for name, value in spent.items():
                self.found[case].setdefault(name, []).append(value)


def _ranks(keys: str, sources: int, packets: int) -> Any:
    return buffer.zipf_ranks(sources, packets) if keys == ZIPF else np.zeros(0, np.uint32)


def _walk(made: Buffer) -> float:
    begun = thread_time_ns()
    memory_walk(made.data, made.header_at, made.stride)
    return (thread_time_ns() - begun) / made.packets


def _rival(name: str, desk: Desk, made: Buffer) -> float:
    """ns a packet that a rival needs for the records; decoding them is not timed."""
    rival, left, packets, spent = RIVALS[name](), SAMPLES.get(name, made.packets), 0, 0
    for records in desk.batches(made.data):
        before = thread_time_ns()
        rival.add(records)
        spent += thread_time_ns() - before
        packets += len(records)
        if packets >= left:
            break
    return spent / packets


def measure(hall: Hall, rounds: int, tell: Callable[[str], None]) -> None:
    """Each case once a round; the first one of a round is another every time. One round warms up."""
    jobs = hall.jobs()
    for number in range(rounds + 1):
        turn = number % len(jobs)
        for job in jobs[turn:] + jobs[:turn]:
            job(number > 0)
        tell(f"round {number} of {rounds}" if number else "warmed up")


# ---- what was found ---------------------------------------------------------------------------------


def mpps(values: list[float]) -> dict[str, float]:
    return report.spread([1000 / value for value in values])


def times(over: list[float], under: list[float]) -> float:
    """The median of the rounds' own ratios: what slows a round slows both."""
    return report.neat(statistics.median(a / b for a, b in zip(over, under, strict=True)))


def ratios(found: Mapping[Traffic, Nanoseconds]) -> dict[str, float | None]:
    """How many times as fast: decode and count against the walk, count against the rivals' counting."""
    told: dict[str, float | None] = {}
    for keys, base in BASES.items():
        one = found[base]
        told[f"{keys}/memory_walk"] = times(one["memory_walk"], one["both"])
        for name in ("count_min", "misra_gries", "dict", "datasketches"):
            told[f"{keys}/{name}"] = times(one[name], one["count"]) if name in one else None
    return told


def growth(found: Mapping[Traffic, Nanoseconds], few: Mapping[str, Any], many: Mapping[str, Any]) -> dict[str, float]:
    """How much more a packet costs where there are more of something, by kind of sources."""
    return {
        keys: times(found[replace(base, **many)]["both"], found[replace(base, **few)]["both"])
        for keys, base in BASES.items()
    }


def figures(found: Mapping[Traffic, Nanoseconds], memory: int) -> dict[str, float]:
    """What the project asks of this bench."""
    told = {f"{keys}_mpps": mpps(found[base]["both"])["median"] for keys, base in BASES.items()}
    walk = {f"{keys}/memory_walk": times(found[b]["memory_walk"], found[b]["both"]) for keys, b in BASES.items()}
    grown = {
        "sources_growth": max(growth(found, *SOURCES).values()),
        "vms_growth": max(growth(found, *VMS).values()),
    }
    return {**told, **walk, **grown, "memory_mib": report.neat(memory / 2**20)}


def missed(told: Mapping[str, float]) -> list[str]:
    """The figures that are not reached."""
    low = [name for name, floor in FLOORS.items() if told[name] < floor]
    return low + [name for name, ceiling in CEILINGS.items() if told[name] > ceiling]


def result(hall: Hall, packets: int, rounds: int) -> dict[str, Any]:
    """The contract's object."""
    found, base = hall.found, mpps(hall.found[BASE]["both"])
    told = figures(found, hall.desks[BASE].memory)
    mhz = _mhz()
    return report.document(
        "counting",
        base["median"],
        "Mpps",
        ratios(found),
        spread=base,
        mpps=_named(found, "both"),
        decode_mpps=_named(found, "decode"),
        count_mpps=_named(found, "count"),
        rivals_mpps={f"{keys}/{name}": value for keys, base in BASES.items() for name, value in _beside(found[base])},
        cycles_computed={  # ns x MHz of /proc/cpuinfo: no counter of the CPU was read
            str(case): {part: report.neat(statistics.median(one[part]) * mhz / 1000) for part in PARTS}
            for case, one in found.items()
        },
        mhz=mhz,
        growth={
            "sources": growth(found, *SOURCES),
            "vms": growth(found, *VMS),
        },
        figures=told,
        missed=missed(told),
        flows={str(case): _flows(desk.remote) for case, desk in hall.desks.items() if desk.remote},
        target={**FLOORS, **CEILINGS},
        packets=packets,
        rounds=rounds,
        samples=SAMPLES,
    )


def _named(found: Mapping[Traffic, Nanoseconds], part: str) -> dict[str, dict[str, float]]:
    return {str(case): mpps(one[part]) for case, one in found.items()}


def _beside(one: Nanoseconds) -> Iterator[tuple[str, dict[str, float]]]:
    """What was measured beside the product itself."""
    return ((name, mpps(values)) for name, values in one.items() if name not in PARTS)


def _flows(remote: FlowMemory) -> dict[str, int]:
    """How full a flow memory is at the end, and the limit in force for SYNs."""
    return {"used": remote.used, "refused": remote.refused, "effective_syn": remote.effective["syn"]}


def _mhz() -> float:
    """Mean clock of the cores, as Linux tells it; 0 where it does not."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    found = [float(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz")]
    return report.neat(statistics.mean(found)) if found else 0.0


# ---- what is shown ----------------------------------------------------------------------------------


def show(found: Mapping[str, Any]) -> None:
    print(
        report.table(("million packets a second", "min", "median", "max", "decode", "count", "cycles"), _cases(found))
    )
    print("decode and count alone: medians; cycles a packet of both: ns x MHz of /proc/cpuinfo, computed\n")
    for keys in BASES:
        head = (f"counting alone, {keys}", "min", "median", "max", "edgeguard is")
        print(report.table(head, _rivals(found, keys)), end="\n\n")
    for name in (name for name, value in found["ratios"].items() if value is None):
        print(f"datasketches is not installed here: there is no {name}")
    for name, value in found["figures"].items():
        wanted = f"at least {FLOORS[name]:g}" if name in FLOORS else f"at most {CEILINGS[name]:g}"
        print(f"{name} {value:g}, wanted {wanted}: {'MISSED' if name in found['missed'] else 'reached'}")


def _cases(found: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    for case, both in found["mpps"].items():
        parts = (found[name][case]["median"] for name in ("decode_mpps", "count_mpps"))
        yield case, *_spread(both), *parts, found["cycles_computed"][case]["both"]


def _rivals(found: Mapping[str, Any], keys: str) -> Iterator[tuple[object, ...]]:
    yield "edgeguard: count", *_spread(found["count_mpps"][str(BASES[keys])]), ""
    for name, spread in found["rivals_mpps"].items():
        kind, _, rival = name.partition("/")
        if kind == keys:
            factor = found["ratios"].get(name)
            yield TITLES.get(rival, rival), *_spread(spread), f"{factor:,.4g} x" if factor else ""


def _spread(spread: Mapping[str, float]) -> tuple[float, float, float]:
    return spread["min"], spread["median"], spread["max"]


def bench(packets: int, rounds: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Make the frames, and measure."""
    hall = Hall(packets, CASES)
    tell(f"{len(CASES)} kinds of traffic, {packets:,} packets a turn")
    measure(hall, rounds, tell)
    return result(hall, packets, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the result as one object, the last line")
    parser.add_argument("--save", action="store_true", help="keep the result in bench/results, for bench.table")
    parser.add_argument("--packets", type=int, default=PACKETS, help="frames of a turn (%(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="measured rounds (%(default)s)")
    options = parser.parse_args()
    try:
        found = bench(options.packets, options.rounds, lambda text: print(text, file=sys.stderr, flush=True))
    except WrongCountError as error:
        raise SystemExit(f"bench/counting.py: {error}") from None
    show(found)
    report.deliver(found, options.json, options.save)


if __name__ == "__main__":
    main()
