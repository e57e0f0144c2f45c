"""How much room do 10,000 cases take, and how long does whoever lists them wait?

    python bench/cases.py [--cases N] [--rounds N] [--json] [--save]

The database is made through the daemon's own store: verdicts and decisions with all their answers, mails as they are
written for the mail server, documents for a program and a webhook, replies, notes and releases; half of the cases
were null-routed (bench/parts/casebook.py). Timed is the whole command as a person types it, in a fresh process:
Python's start, the configuration, the database, the print. Headline: the 99th percentile of the slowest of those that
people wait for; the limit is 300 ms, and 200 MB for the database with its log. What an empty Python program takes is
listed beside: the floor for any command of ours. Each round asks all of them, in an order that turns, after a round
that is not timed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a file as with -m

from bench.parts import casebook, report
from edgeguard import clock
from edgeguard.cases.month import Month

CASES = 10_000
OPEN = 50
ROUNDS = 30
LIMIT_MS = 300
LIMIT_MB = 200
FLOOR = "an empty Python program"

# Whoever types these waits for them: a command with the same limit is one more line here. {address} and {case} are of
# a case in the middle, {month} is the one before the youngest case.
LIMITED = {
    "case list": ("case", "list"),
    "case list --open": ("case", "list", "--open"),
    "case list ADDRESS": ("case", "list", "{address}"),
    "next": ("next",),
}
BESIDE = {"case show": ("case", "show", "{case}"), "report": ("report", "--month", "{month}")}

Times = dict[str, list[float]]  # ms


class NotDoneError(Exception):
    """A command that did not do its work has no time."""


def commands(config: Path, case: str, address: str, month: str) -> dict[str, list[str]]:
    """What is timed, by name."""
    values = {"case": case, "address": address, "month": month}
    ours = {
        name: [sys.executable, "-m", "edgeguard", *(word.format(**values) for word in words), "-c", str(config)]
        for name, words in (LIMITED | BESIDE).items()
    }
    return ours | {FLOOR: [sys.executable, "-c", "pass"]}


def timed(command: Sequence[str]) -> float:
    """From its start to its end [ms]."""
    began = time.perf_counter()
    done = subprocess.run(command, cwd=report.ROOT, capture_output=True, check=False)
    took = 1000 * (time.perf_counter() - began)
    if done.returncode or (len(done.stdout.splitlines()) < 2 and "pass" not in command):
        raise NotDoneError(f"{' '.join(command)}: {(done.stderr or done.stdout).decode(errors='replace').strip()}")
    return took


def measure(wanted: Mapping[str, Sequence[str]], rounds: int) -> Times:
    """Interleaved; every round begins with another command, and the first is not timed."""
    times: Times = {name: [] for name in wanted}
    names = list(wanted)
    for number in range(rounds + 1):
        for name in (*names[number % len(names) :], *names[: number % len(names)]):
            took = timed(wanted[name])
            if number:
                times[name].append(took)
    return times


def room(database: Path) -> int:
    """Bytes on the disk, the write-ahead log with it."""
    return sum(file.stat().st_size for file in database.parent.glob(f"{database.name}*"))


def result(times: Times, cases: int, size: int) -> dict[str, Any]:
    """The contract's object. `size` in bytes."""
    tails = {name: report.percentile(times[name], 0.99) for name in LIMITED}
    slowest = max(tails, key=lambda name: tails[name])
    floor = report.spread(times[FLOOR])["median"]
    megabytes = size / 1e6
    ratios = {
        "p99/limit": tails[slowest] / LIMIT_MS,
        "size/limit": megabytes / LIMIT_MB,
        f"slowest/{FLOOR}": report.spread(times[slowest])["median"] / floor,
    }
    described = {
        name: {**report.spread(values), "p99": report.percentile(values, 0.99)} for name, values in times.items()
    }
    return report.document(
        "cases",
        tails[slowest],
        "ms",
        {name: report.neat(value) for name, value in ratios.items()},
        spread=report.spread(times[slowest]),
        milliseconds=described,
        limit={"p99 ms": LIMIT_MS, "megabytes": LIMIT_MB},
        megabytes=report.neat(megabytes),
        bytes_a_case=round(size / cases),
        cases=cases,
        rounds=len(times[FLOOR]),
        slowest=slowest,
    )


def show(found: Mapping[str, Any]) -> None:
    columns = ("min", "median", "p99", "max")
    rows = [(name, *(values[c] for c in columns)) for name, values in found["milliseconds"].items()]
    print(report.table((f"milliseconds, {found['rounds']} rounds", *columns), rows))
    print(report.table(("ratio", ""), found["ratios"].items()))
    print(f"limit: {', '.join(LIMITED)} each at most {LIMIT_MS} ms at the 99th percentile")
    size = f"{found['megabytes']:,.1f} MB for {found['cases']:,} cases, {found['bytes_a_case']:,} bytes each"
    print(f"database: {size}; limit {LIMIT_MB} MB for {CASES:,}")


def bench(cases: int, rounds: int, tell: Callable[[str], None]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        database, config = Path(name) / "cases.sqlite", Path(name) / "edgeguard.toml"
        config.write_text(f'[paths]\ndatabase = "{database}"\n', encoding="utf-8")
        now = clock.now()
        ids = casebook.fill(database, cases, min(OPEN, cases // 2), now, tell)
        middle = len(ids) // 2
        address = str(casebook.Flood(middle, now).vm.addresses[0][0])
        month = str(Month.of(now - 32 * 24 * clock.HOUR))
        times = measure(commands(config, ids[middle], address, month), rounds)
        return result(times, cases, room(database))


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the result as one object, the last line")
    parser.add_argument("--save", action="store_true", help="keep the result in bench/results, for bench.table")
    parser.add_argument("--cases", type=int, default=CASES, help="(%(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of all commands (%(default)s)")
    options = parser.parse_args()
    try:
        found = bench(options.cases, options.rounds, lambda text: print(text, file=sys.stderr, flush=True))
    except NotDoneError as error:
        print(f"bench/cases.py: {error}", file=sys.stderr)
        sys.exit(1)
    show(found)
    report.deliver(found, options.json, options.save)


if __name__ == "__main__":
    main()
