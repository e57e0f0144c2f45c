"""How fast is a savefile replayed?

    python bench/replay.py [--json] [--save]

Headline: million packets a second of the whole replay (decode, count, judge, decide, render, sum up)
over five million small packets, in a process whose kernels are compiled. Rivals in the same rounds:
`tcpdump -r FILE -w /dev/null`, which only copies; a dpkt and a scapy loop that count the same, on
the first part of the file; and the limit, a loop that looks at one byte of each header. By name:
the whole command with Python's start, decode alone, decode and count. Every measurement is a fresh
process; the order of a round turns with every round; a count that is wrong ends the bench.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a file as with -m

from bench.parts import report, traffic

PACKETS = 5_000_000
ROUNDS = 7
SAMPLES = {"dpkt": 200_000, "scapy": 20_000}  # of the slow ones
RIVALS = ("tcpdump", "scapy", "dpkt")
TARGET = 1.5  # times tcpdump
TITLES = {
    "edgeguard": "edgeguard: the whole replay",
    "command": "edgeguard replay FILE --json, from its start",
    "count": "edgeguard: decode and count",
    "decode": "edgeguard: decode",
    "tcpdump": "tcpdump -r FILE -w /dev/null",
    "dpkt": "dpkt loop",
    "scapy": "scapy loop",
    "walk": "limit: one byte of each header",
}
Mpps = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Contender:
    """What is measured: `run` reads the first `packets` of the file and gives the seconds it took."""

    packets: int
    run: Callable[[], float]


class WrongCountError(Exception):
    """A reader did not count what is in the file: its speed means nothing."""


def _child(path: Path, name: str, packets: int, truth: traffic.Truth) -> Callable[[], float]:
    command = [sys.executable, "-m", "bench.parts.readers", name, str(path), str(packets)]

    def run() -> float:
        told = subprocess.run(command, cwd=report.ROOT, stdout=subprocess.PIPE, check=True)
        found = json.loads(told.stdout)
        _check(name, found, truth)
        return float(found["seconds"])

    return run


def _check(name: str, found: Mapping[str, Any], truth: traffic.Truth) -> None:
    wrong = {key: found[key] for key, value in asdict(truth).items() if found.get(key, value) != value}
    if wrong:
        raise WrongCountError(f"{name} counted {wrong}, but the file holds {asdict(truth)}")


def _edgeguard(path: Path, truth: traffic.Truth) -> Callable[[], float]:
    def run() -> float:
        seconds, output = _command([sys.executable, "-m", "edgeguard", "replay", str(path), "--json"])
        _check("edgeguard replay", json.loads(output.splitlines()[-1]), truth)
        return seconds

    return run


def _command(words: list[str]) -> tuple[float, bytes]:
    """Wall time of a command from its start to its end, and what it printed."""
    start = time.perf_counter()
    told = subprocess.run(words, cwd=report.ROOT, capture_output=True, check=True)
    return time.perf_counter() - start, told.stdout


def contenders(path: Path, whole: traffic.Plan) -> dict[str, Contender]:
    """Everybody who takes part; a rival that is not installed does not."""
    packets = len(whole.at)
    found = {}
    for name in ("edgeguard", "count", "decode", "walk", *filter(importlib.util.find_spec, SAMPLES)):
        read = min(packets, SAMPLES.get(name, packets))
        reader = {"edgeguard": "replay"}.get(name, name)
        found[name] = Contender(read, _child(path, reader, read, whole.truth(read)))
    found["command"] = Contender(packets, _edgeguard(path, whole.truth(packets)))
    if shutil.which("tcpdump"):
        words = ["tcpdump", "-r", str(path), "-w", "/dev/null"]
        found["tcpdump"] = Contender(packets, lambda: _command(words)[0])
    return {name: found[name] for name in TITLES if name in found}


def measure(who: Mapping[str, Contender], rounds: int, tell: Callable[[str], None]) -> Mpps:
    """Each contender once a round; the first one of a round is another every time. One round warms up."""
    names = list(who)
    speeds: Mpps = {name: [] for name in names}
    for number in range(rounds + 1):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            speed = who[name].packets / who[name].run() / 1e6
            if number:
                speeds[name].append(speed)
        tell(f"round {number} of {rounds}" if number else "warmed up")
    return speeds


def ratio(speeds: Mpps, name: str, rival: str) -> float | None:
    """The median of the rounds' own ratios: what slows a round slows both. None: the rival is missing."""
    if rival not in speeds:
        return None
    return report.neat(statistics.median(a / b for a, b in zip(speeds[name], speeds[rival], strict=True)))


def result(speeds: Mpps, packets: int) -> dict[str, Any]:
    """The contract's object."""
    ratios = {f"edgeguard/{rival}": ratio(speeds, "edgeguard", rival) for rival in RIVALS}
    ratios |= {"edgeguard/limit": ratio(speeds, "edgeguard", "walk")}
    ratios |= {"command/tcpdump": ratio(speeds, "command", "tcpdump")}
    spread = report.spread(speeds["edgeguard"])
    return report.document(
        "replay",
        spread["median"],
        "Mpps",
        ratios,
        spread=spread,
        mpps={name: report.spread(values) for name, values in speeds.items()},
        packets=packets,
        samples={name: min(packets, sample) for name, sample in SAMPLES.items()},
        rounds=len(speeds["edgeguard"]),
        target={"edgeguard/tcpdump": TARGET},
    )


def show(found: Mapping[str, Any]) -> None:
    rows = [
        (TITLES[name], *(s[k] for k in ("min", "median", "max")), ratio_text(found, name))
        for name, s in found["mpps"].items()
    ]
    print(report.table(("million packets a second", "min", "median", "max", "edgeguard is"), rows))
    for rival in RIVALS:
        if found["ratios"][f"edgeguard/{rival}"] is None:
            print(f"{rival} is not installed here: there is no ratio to it")
    print(f"edgeguard/tcpdump is wanted at least {TARGET}")


def ratio_text(found: Mapping[str, Any], name: str) -> str:
    rival = {"walk": "limit"}.get(name, name)
    times = found["ratios"].get(f"edgeguard/{rival}")
    return f"{times:,.4g} x" if times else ""


def bench(packets: int, rounds: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Make the file, measure, and take the file away."""
    with tempfile.TemporaryDirectory(prefix="edgeguard-bench-") as directory:
        path = Path(directory) / "hypervisor.pcap"
        whole = traffic.plan(packets)
        traffic.write(path, whole)
        tell(f"{packets:,} packets, {path.stat().st_size / 1e6:,.0f} MB")
        return result(measure(contenders(path, whole), rounds, tell), packets)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the result as one object, the last line")
    parser.add_argument("--save", action="store_true", help="keep the result in bench/results, for bench.table")
    parser.add_argument("--packets", type=int, default=PACKETS, help="size of the savefile (%(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="measured rounds (%(default)s)")
    options = parser.parse_args()
    try:
        found = bench(options.packets, options.rounds, lambda text: print(text, file=sys.stderr, flush=True))
    except (WrongCountError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"bench/replay.py: {error}") from None
    show(found)
    report.deliver(found, options.json, options.save)


if __name__ == "__main__":
    main()
