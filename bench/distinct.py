"""How far off are the distinct counts in any window, and what do they cost?

    python bench/distinct.py [--json] [--save]

1 to 10 million sources in windows of 1, 5 and 20 seconds, after as many others that have left the window:
the root of the mean square error (RMSE) and the largest error, over hash keys drawn anew each time.
Headline: the largest RMSE of all numbers of sources that were tried with 100 keys or more.

Rivals on about the same 2 KiB, estimated as well as is known: a ring of HyperLogLogs of one second (128
registers each), a ring of ones of 100 ms (16), which slides as finely as this, and sliding HyperLogLog (96
registers with a list each, whose memory is not bounded). *Whole* is the limit: one HyperLogLog of 2,048
registers for one window that does not slide. Costs are CPU time of one thread for records in the cache.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import thread_time_ns
from typing import Any, Protocol

import numpy as np
from numba import njit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a file as with -m

from bench.parts import report
from bench.parts.hyperloglog import LONGEST, SECOND, SLOT, Lists, Ring, Whole
from edgeguard.counting import distinct_state
from edgeguard.counting.distinct import Distinct
from edgeguard.record import NOBODY, RECORD, SYN, Records
from edgeguard.replay import BATCH

START = 1_767_225_600 * SECOND
WINDOWS = (1, 5, 20)  # seconds
# how many sources, and over how many keys: the error of an RMSE is itself over the root of twice as many
TRIALS = {1: 400, 2: 400, 5: 400, 10: 400, 100: 400, 1_000: 400, 10_000: 400, 100_000: 200, 10**6: 100, 10**7: 12}
SURE = 100  # keys of all windows together, for the headline: fewer say little of an RMSE
WANTED = 0.08
OURS = "edgeguard"
VMS = (1, 32, 1024)
ROUNDS, PACKETS = 5, 50 * BATCH


class Keeper(Protocol):
    """What counts distinct sources."""

    @property
    def memory(self) -> int: ...

    def add(self, records: Records) -> None: ...

    def estimate(self, at: int, seconds: int) -> float: ...


class Ours:
    """The product's count of sources into one VM."""

    def __init__(self, key: int) -> None:
        self._distinct = Distinct((key, 1), 1)
        self.memory = distinct_state.BYTES

    def add(self, records: Records) -> None:
        self._distinct.add(records, 0, len(records))

    def estimate(self, at: int, seconds: int) -> float:
        return self._distinct.estimate(0, distinct_state.SOURCES_IN, at, 10 * seconds)


KEEPERS: dict[str, Callable[[int], Keeper]] = {
    OURS: Ours,
    "hll_seconds": lambda key: Ring(21, 128, 6, SECOND, key),
    "hll_slots": lambda key: Ring(LONGEST + 1, 16, 5, SLOT, key),
    "sliding_hll": lambda key: Lists(96, key),
    "whole": Whole,
}


@njit(nogil=True)
def _fill(rows: Any, first: int, number: int, start: int, length: int, salt: Any) -> None:
    """Sources first, first + 1, ... of `number`, stamped evenly over the length, each another address (splitmix64)."""
    for i in range(rows.size):
        rows[i].ts = start + (first + i) * length // number
        x = (np.uint64(first + i) + salt) * np.uint64(0x9E37_79B9_7F4A_7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
        rows[i].src_lo = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)


def feed(keepers: Sequence[Keeper], rows: Records, number: int, start: int, seconds: int, salt: int) -> None:
    for first in range(0, number, len(rows)):
        part = rows[: min(len(rows), number - first)]
        _fill(part, first, number, start, seconds * SECOND, np.uint64(salt))
        for keeper in keepers:
            keeper.add(part)


def blank(into: int = 0) -> Records:
    rows = np.zeros(BATCH, RECORD)
    rows["src_hi"], rows["family"], rows["kind"], rows["protocol"] = 0x2001_0DB8 << 32, 6, SYN, 6
    rows["packets"], rows["out_of"], rows["into"] = 1, NOBODY, into
    return rows


def errors(number: int, seconds: int, trials: int) -> tuple[dict[str, list[float]], dict[str, int]]:
    """By keeper: the relative error of each trial, and its memory."""
    rows, found = blank(), {name: list[float]() for name in KEEPERS}
    memory = dict.fromkeys(KEEPERS, 0)
    for trial in range(trials):
        keepers = {name: make((trial * 7919 + number) * 100 + seconds) for name, make in KEEPERS.items()}
        sliding = [keeper for name, keeper in keepers.items() if name != "whole"]
        salt = trial << 48 | seconds << 40
        feed(sliding, rows, number, START - seconds * SECOND, seconds, salt + (1 << 39))  # these have left
        feed([*keepers.values()], rows, number, START, seconds, salt)
        for name, keeper in keepers.items():
            found[name].append(keeper.estimate(START + seconds * SECOND, seconds) / number - 1)
            memory[name] = max(memory[name], keeper.memory)
    return found, memory


# ---- what it costs ---------------------------------------------------------------------------------


def traffic(vms: int, out: bool, turn: int) -> Records:
    """Random IPv4 sources to or from the VMs; out of them all forged, so that both addresses are seen."""
    rng = np.random.default_rng(turn)
    rows = np.zeros(PACKETS, RECORD)
    rows["ts"] = START + turn * SLOT + np.arange(PACKETS) * 25
    rows["family"], rows["kind"], rows["protocol"], rows["packets"] = 4, SYN, 6, 1
    rows["src_lo"], rows["dst_lo"] = rng.integers(0, 2**32, PACKETS), 0xC612_0000 + rng.integers(0, 4, PACKETS)
    rows["out_of" if out else "into"] = rng.integers(0, vms, PACKETS)
    rows["into" if out else "out_of"] = NOBODY
    return rows


def timed(add: Callable[[Records], None], rows: Records) -> float:
    """ns a packet; every batch is in the second cache, as after decoding."""
    room, spent = np.zeros(BATCH, RECORD), 0
    for first in range(0, len(rows), BATCH):
        room[:] = rows[first : first + BATCH]
        before = thread_time_ns()
        add(room)
        spent += thread_time_ns() - before
    return spent / len(rows)


def costs() -> dict[str, float]:
    """The best of the rounds: what others do on the machine only adds."""
    found: dict[str, float] = {}
    for vms in VMS:
        for out in (True, False):
            distinct = Distinct((1, 2))
            for vm in range(vms):
                distinct.own(vm, [(0, 0xC000_0201, 0, 0xFFFF_FFFF, 4)])
            each = [
                timed(lambda rows, d=distinct: d.add(rows, 0, len(rows)), traffic(vms, out, n))  # type: ignore[misc]
                for n in range(ROUNDS + 1)
            ]
            found[f"{'two addresses, out of' if out else 'one address, into'} {vms:,} VMs"] = min(each[1:])
    for name in ("hll_seconds", "sliding_hll"):
        keeper = KEEPERS[name](1)
        each = [timed(keeper.add, traffic(1, False, n)) for n in range(ROUNDS + 1)]
        found[f"{name}: one address, into 1 VMs"] = min(each[1:])
    return {name: report.neat(value) for name, value in found.items()}


# ---- what was found --------------------------------------------------------------------------------


def rmse(values: Sequence[float]) -> float:
    return report.neat(float(np.sqrt(np.mean(np.square(values)))))


def bench(trials: Mapping[int, int], windows: Sequence[int], tell: Callable[[str], None]) -> dict[str, Any]:
    levels, memory = [], dict.fromkeys(KEEPERS, 0)
    for number, keys in trials.items():
        for seconds in windows:
            found, used = errors(number, seconds, keys)
            memory = {name: max(memory[name], used[name]) for name in KEEPERS}
            levels.append({"sources": number, "seconds": seconds, "keys": keys, "errors": found})
        tell(f"{number:,} sources: done")
    return result(levels, memory, costs())


def result(levels: Sequence[Mapping[str, Any]], memory: Mapping[str, int], ns: Mapping[str, float]) -> dict[str, Any]:
    """The contract's object."""
    names = [f"{level['sources']:,} in {level['seconds']} s" for level in levels]
    square = {n: {k: rmse(v) for k, v in level["errors"].items()} for n, level in zip(names, levels, strict=True)}
    most = {
        n: {k: report.neat(float(np.abs(v).max())) for k, v in level["errors"].items()}
        for n, level in zip(names, levels, strict=True)
    }
    sure = _sure(levels)
    worst = {name: max(row[name] for row in sure) for name in KEEPERS}
    return report.document(
        "distinct",
        worst[OURS],
        "RMSE, the largest of all numbers of sources",
        {f"rmse/{name}": report.neat(worst[OURS] / worst[name]) for name in KEEPERS if name != OURS},
        spread=report.spread([row[OURS] for row in sure]),
        rmse=square,
        largest_error=most,
        ns_a_packet=dict(ns),
        bytes_a_count=dict(memory),
        target={"value": WANTED},
    )


def _sure(levels: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """RMSE by keeper for every number of sources, over all windows, where it was tried often enough to say."""
    pooled: dict[int, dict[str, list[float]]] = {}
    for level in levels:
        row = pooled.setdefault(level["sources"], {name: [] for name in KEEPERS})
        for name, values in level["errors"].items():
            row[name] += values
    return [{k: rmse(v) for k, v in row.items()} for row in pooled.values() if len(row[OURS]) >= SURE]


def show(found: Mapping[str, Any]) -> None:
    for title in ("rmse", "largest_error"):
        lines = [(name, *(f"{row[k]:.2%}" for k in KEEPERS)) for name, row in found[title].items()]
        print(report.table((title.replace("_", " "), *KEEPERS), lines), end="\n\n")
    print(report.table(("ns a packet", ""), found["ns_a_packet"].items()), end="\n\n")
    print(report.table(("bytes a count", ""), found["bytes_a_count"].items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the result as one object, the last line")
    parser.add_argument("--save", action="store_true", help="keep the result in bench/results, for bench.table")
    options = parser.parse_args()
    found = bench(TRIALS, WINDOWS, lambda text: print(text, file=sys.stderr, flush=True))
    show(found)
    report.deliver(found, options.json, options.save)


if __name__ == "__main__":
    main()
