"""How long until a flood is stopped, and until its owner knows?

    python bench/reaction.py [--runs N] [--host KIND] [--json] [--save]

Headline: the median of crossed -> routed: from the kernel's timestamp of the packet that reaches the
limit to the kernel's last acknowledgement of the null route. Each run is a whole `edgeguard lab
syn-flood` of its own, with the real daemon, in namespaces of its own. By name: flood start -> crossed
(which the rate and the limit decide), -> routed, -> verified, -> mail taken by the mail server; and
what left before the null route and after it. The limits, at the 99th percentile: the design's 25 ms to the null
route; a mail within 1 s of the verification, or within 5 s of the null route where it had to say "not yet verified".
The rival, FastNetMon, is quoted and not measured here: see QUOTED.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a file as with -m

from bench.parts import report

RUNS = 20
HOSTS = ("routed", "bridged", "routed-bridge")
MILLISECOND = 1e6  # ns
LIMIT_MS = 25  # crossed -> routed at the 99th percentile: ring 5, grid 5, commit 4, netlink 10
MAIL_MS = {"verified to mail": 1000, "routed to mail, not yet verified": 5000}
# FastNetMon 1.2.4, from the beginning of a flood to the call of its notify script, limit 20,000 packets
# a second. Measured by the project before this repository began: 2 cores, Linux 6.18, a veth pair.
QUOTED = {"flood of 1,400,000 a second": 1030, "flood of 100,000 a second": 1500}
SPANS = {
    "crossed to routed": ("crossed_ns", "routed_ns"),
    "flood start to crossed": ("flood_started_ns", "crossed_ns"),
    "flood start to routed": ("flood_started_ns", "routed_ns"),
    "flood start to verified": ("flood_started_ns", "verified_ns"),
    "flood start to mail": ("flood_started_ns", "notice_ns"),
    "verified to mail": ("verified_ns", "notice_ns"),
    "routed to mail, not yet verified": ("routed_ns", "notice_ns"),
}
LEFT = ("packets_before_route", "packets_leaked_after_route", "packets_leaked_after_verified")
Run = Mapping[str, Any]  # the object that `edgeguard lab --json` prints


class NoResultError(Exception):
    """The lab did not come to a result; its own last words."""


def live(host: str) -> Run:
    """One whole lab."""
    command = [sys.executable, "-m", "edgeguard", "lab", "syn-flood", "--host", host, "--json"]
    told = subprocess.run(command, cwd=report.ROOT, capture_output=True, text=True, check=False)
    lines = told.stdout.splitlines()
    if not lines:
        raise NoResultError(told.stderr.strip() or f"{' '.join(command[1:])} ended with {told.returncode}")
    run: Run = json.loads(lines[-1])
    return run


def spans(runs: Sequence[Run], name: str) -> list[float]:
    """One span of each run that has both ends [ms]."""
    begin, end = SPANS[name]
    both = [run for run in runs if run[begin] is not None and run[end] is not None]
    if name in MAIL_MS:  # each mail has one of the two limits
        both = [run for run in both if _too_early(run) == name.endswith("not yet verified")]
    return [(run[end] - run[begin]) / MILLISECOND for run in both]


def _too_early(run: Run) -> bool:
    return run["verified_ns"] is None or run["notice_ns"] < run["verified_ns"]


def _described(values: Sequence[float]) -> dict[str, float]:
    return {**report.spread(values), "p99": report.percentile(values, 0.99)}


def result(runs: Sequence[Run], host: str) -> dict[str, Any]:
    """The contract's object. A run that was not ok counts with the times it has, and is told."""
    described = {name: _described(values) for name in SPANS if (values := spans(runs, name))}
    if "crossed to routed" not in described:
        raise NoResultError("in no run was the flood null-routed")
    headline, routed = described["crossed to routed"], described["flood start to routed"]
    ratios = {"p99/limit": headline["p99"] / LIMIT_MS}
    ratios |= {f"{name}, p99/limit": described[name]["p99"] / ms for name, ms in MAIL_MS.items() if name in described}
    ratios |= {f"edgeguard/FastNetMon, {flood} (quoted)": routed["median"] / ms for flood, ms in QUOTED.items()}
    return report.document(
        "reaction",
        headline["median"],
        "ms",
        {name: report.neat(ratio) for name, ratio in ratios.items()},
        spread={name: headline[name] for name in ("min", "median", "max")},
        p99=headline["p99"],
        milliseconds=described,
        limit_ms={"crossed to routed, p99": LIMIT_MS, **{f"{name}, p99": ms for name, ms in MAIL_MS.items()}},
        quoted_ms={f"FastNetMon 1.2.4, {flood}": ms for flood, ms in QUOTED.items()},
        left={name: report.spread([run[name] or 0 for run in runs]) for name in LEFT},
        offered_pps=report.spread([run["offered_pps"] for run in runs]),
        host=host,
        runs=len(runs),
        runs_not_ok=sum(not run["ok"] for run in runs),
    )


def show(found: Mapping[str, Any]) -> None:
    columns = ("min", "median", "p99", "max")
    rows = [(name, *(values[c] for c in columns)) for name, values in found["milliseconds"].items()]
    print(report.table((f"milliseconds, {found['runs']} runs, {found['host']} host", *columns), rows))
    for name, ms in {"crossed to routed": LIMIT_MS, **MAIL_MS}.items():
        print(f"limit: {name} at most {ms:,} ms at the 99th percentile")
    for flood, ms in QUOTED.items():
        print(f"quoted, not measured here: FastNetMon 1.2.4, {flood}, to its ban: {ms:,} ms")
    if found["runs_not_ok"]:
        print(f"{found['runs_not_ok']} of {found['runs']} runs were NOT ok")


def bench(count: int, host: str, tell: Callable[[str], None]) -> dict[str, Any]:
    runs: list[Run] = []
    while len(runs) < count:
        runs.append(live(host))
        last = spans(runs[-1:], "crossed to routed")
        tell(f"run {len(runs)} of {count}: {f'{last[0]:.1f} ms' if last else 'not null-routed'}")
    return result(runs, host)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the result as one object, the last line")
    parser.add_argument("--save", action="store_true", help="keep the result in bench/results, for bench.table")
    parser.add_argument("--runs", type=int, default=RUNS, help="labs, one after the other (%(default)s)")
    parser.add_argument("--host", choices=HOSTS, default=HOSTS[0], help="the kind of host (%(default)s)")
    options = parser.parse_args()
    try:
        found = bench(options.runs, options.host, lambda text: print(text, file=sys.stderr, flush=True))
    except NoResultError as error:
        raise SystemExit(f"bench/reaction.py: {error}") from None
    show(found)
    report.deliver(found, options.json, options.save)
    sys.exit(1 if found["runs_not_ok"] else 0)


if __name__ == "__main__":
    main()
