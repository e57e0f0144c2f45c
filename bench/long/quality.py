"""How often is EdgeGuard wrong with other seeds, floods drawn at random, and healthy traffic for minutes?

    python -m bench.long.quality [--seeds N] [--floods N] [--seconds S] [--jobs N] [--json]

Three parts: the catalogue of bench/quality with N further seeds each; N floods whose rule, rate, family,
targets, sources, pulses and company are drawn; and every look-alike for S seconds. What a drawn
flood must come to follows from its own packets (bench/quality/truth.py). Exit status 1 when one of the figures
of `python -m bench.quality` is missed in any part.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file as with -m

from bench.parts import report
from bench.quality import packets as p
from bench.quality import times, totals
from bench.quality.catalogue import catalogue
from bench.quality.floods import FLOODER, NEIGHBOUR, anywhere
from bench.quality.floods_more import ECHO4, ECHO6, busy
from bench.quality.frames import Array
from bench.quality.limits import defaults, limits
from bench.quality.machines import link, own4, own6
from bench.quality.packets import Packets, Where, drawn, ends, ports
from bench.quality.record import look_alikes
from bench.quality.record.recording import load
from bench.quality.run import run
from bench.quality.scenario import Expected, Scenario, Sort, Stream
from bench.quality.score import Score, score
from bench.quality.truth import dues
from edgeguard.detection.episode import RANK
from edgeguard.model import Band, Kind, Scope

SEEDS, FLOODS, SECONDS = 3, 200, 130.0
MOST = 6_000_000  # packets of a drawn flood
TARGETS = ("203.0.113.7", "198.51.100.80", "192.0.2.250", "203.0.113.99")
TARGETS6 = ("2001:db8:beef::7", "2001:db8:cafe::1", "2001:db8:f00d::9", "2001:db8:beef:1::2")
_FLAGS = {"tcp": (p.ACK, p.RST, p.ACK | p.PSH, 0, p.FIN | p.PSH | p.URG), "syn": (p.SYN, p.SYN | p.ECE | p.CWR)}


# ---- floods drawn at random ----------------------------------------------------------------------


def drawn_flood(number: int) -> Scenario:
    """The same for the same number."""
    rng = np.random.default_rng([4, number])
    rule = str(rng.choice(("syn", "udp", "icmp", "tcp", "fragments")))
    six = rule != "fragments" and bool(rng.random() < 0.4)
    targets = (TARGETS6 if six else TARGETS)[: rng.integers(1, 4)]
    at, seconds = _when(rng, rule)
    forged = bool(rng.random() < 0.3)
    company = bool(rng.random() < 0.5)
    what = _what(rng, rule, six, forged, targets)

    def traffic(rng: np.random.Generator) -> tuple[Stream, ...]:
        return Stream(at, what), *(busy(rng, FLOODER, seconds) if company else ())

    found = dues(at, np.ones(len(at), int), limits(rule), defaults().judging)
    band = max((due.band for due in found), key=lambda band: RANK[band], default=None)
    return Scenario(
        f"drawn-{number}",
        f"{rule} at {len(targets)} targets, {len(at):,} packets in {seconds:.0f} s",
        Sort.FLOOD,
        (FLOODER, NEIGHBOUR),
        seconds,
        traffic,
        _expected(rule, band, targets, forged),
    )


def _when(rng: np.random.Generator, rule: str) -> tuple[Array, float]:
    """From 1.05 of act to 1.3 of hard, evenly on a logarithmic scale; steady, random, or in pulses."""
    limit = limits(rule)
    rate = float(np.exp(rng.uniform(np.log(1.05 * limit.act), np.log(1.3 * limit.hard))))
    since = float(rng.random())
    lasts = min(8.0, MOST / rate)
    how = rng.choice(("steady", "random", "pulses"))
    if how == "pulses":
        on, off = float(rng.uniform(1.1, 2.0)), float(rng.uniform(0.5, 8.0))
        return times.pulses(since, 6, rate, on, off), since + 6 * (on + off) + 1
    at = times.steady(since, lasts, rate) if how == "steady" else times.random(rng, since, lasts, rate)
    return at, since + lasts + 1


def _what(rng: np.random.Generator, rule: str, six: bool, forged: bool, targets: tuple[str, ...]) -> Packets:
    foreign: Where = drawn("2001:db8:dead::", 40) if six else anywhere()
    own: Where = own6(FLOODER) if six else own4(FLOODER)
    plain = Packets(
        link(FLOODER, *([7] if rng.random() < 0.2 else [])),
        foreign if forged else own,
        _among(targets),
        {"syn": p.TCP, "tcp": p.TCP, "icmp": p.ICMP6 if six else p.ICMP}.get(rule, p.UDP),
        ports(),
        ports(1, 60_000) if rng.random() < 0.3 else 443,
        payload=int(rng.choice((0, 18, 512, 1400))),
        of_flood=True,
    )
    if rule == "fragments":
        return replace(plain, fragment=185)
    if rule == "icmp":
        return replace(plain, flags=ECHO6 if six else ECHO4)
    return replace(plain, flags=int(rng.choice(_FLAGS[rule]))) if rule in _FLAGS else plain


def _among(targets: tuple[str, ...]) -> Where:
    """Each in turn."""
    known = [ends(target) for target in targets]
    hi, lo = (np.array([getattr(one, half) for one in known], np.uint64) for half in ("hi", "lo"))
    family = known[0].family
    return lambda numbers, _: p.Ends(family, hi[numbers % len(known)], lo[numbers % len(known)])


def _expected(rule: str, band: Band | None, targets: tuple[str, ...], forged: bool) -> Expected:
    if band is None:
        return Expected()
    acts = band is not Band.WARN
    return Expected(
        band,
        rule=rule,
        kinds=(Kind.FLOOD,),
        vm=FLOODER.id,
        targets=targets if acts else (),
        scopes=(Scope.NARROW, Scope.FULL)[: 1 + (len(targets) > 1)] if acts else (),
        forging=forged or None,
    )


# ---- the three parts ----------------------------------------------------------------------------


def _seeded(job: tuple[str, int]) -> Score:
    name, seed = job
    return score(catalogue()[name], run(catalogue()[name], seed))


def _drawn(number: int) -> Score:
    scenario = drawn_flood(number)
    return score(scenario, run(scenario))


def _lasting(job: tuple[int, float]) -> Score:
    number, seconds = job
    one = replace(look_alikes.LOOK_ALIKES[number], seconds=seconds)
    scenario = look_alikes.scenario(one, load(one.recording))
    return score(scenario, run(scenario))


def _plain() -> list[int]:
    """Those that nothing should be null-routed for: a null route of the others is no news after a minute either."""
    return [n for n, one in enumerate(look_alikes.LOOK_ALIKES) if not one.indistinguishable]


def parts(options: argparse.Namespace) -> Iterator[tuple[str, Callable[[Any], Score], list[Any]]]:
    """Title, what runs one, and which."""
    names = list(catalogue())
    yield "further seeds", _seeded, [(name, seed) for seed in range(1, options.seeds + 1) for name in names]
    yield "drawn floods", _drawn, list(range(options.floods))
    yield "lasting look-alikes", _lasting, [(n, options.seconds) for n in _plain()]


def _run(work: Callable[[Any], Score], jobs: Iterable[Any], at_once: int) -> list[Score]:
    with ProcessPoolExecutor(at_once, mp_context=get_context("spawn")) as pool:
        scores = []
        for one in pool.map(work, jobs):
            if one.faults:
                print(f"{one.name}: {', '.join(one.faults)}", *one.said, sep="\n    ", flush=True)
            scores.append(one)
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.long.quality", description=str(__doc__).splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the result as one object, the last line")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="further seeds of the catalogue (%(default)s)")
    parser.add_argument("--floods", type=int, default=FLOODS, help="floods to draw (%(default)s)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each look-alike (%(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once (%(default)s)")
    options = parser.parse_args()
    found, missed = {}, []
    for title, work, jobs in parts(options):
        found[title] = totals.totals(_run(work, jobs, options.jobs))
        missed += [f"{title}: {miss}" for miss in totals.misses(found[title])]
        told = {k: v for k, v in found[title].items() if not isinstance(v, dict)}
        print(f"\n{title}:\n" + report.table(("", ""), ((k.replace("_", " "), v) for k, v in told.items())) + "\n")
    print("\n".join(missed or ["every promised figure holds"]))
    spread = report.spread([float(len(missed))])
    result = report.document("quality_long", len(missed), "figures missed", {}, spread=spread, **found)
    report.deliver(result, options.json, save=False)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
