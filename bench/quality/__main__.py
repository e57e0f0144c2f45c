"""How often is EdgeGuard wrong?

    python -m bench.quality [--json] [--save] [--only NAME ...] [--held-out | --tuning] [--jobs N]

Every scenario of the catalogue through the decoder and the engine in virtual time, scored against
its promise, beside a plain threshold detector. Exit status 1 when one of the promised figures is missed.
`--only` takes names or patterns ('syn-*') and prints the arithmetic, too.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import sys
from typing import Any

from bench.parts import report
from bench.quality import totals
from bench.quality.catalogue import catalogue
from bench.quality.evaluation import all_scored, result, save
from bench.quality.score import Score

# ---- printing -------------------------------------------------------------------------------------


def line(one: Score) -> str:
    """A scenario as it is done."""
    verdict = f"{one.found or 'nothing'} {one.kind or ''}".strip()
    action = f", {one.scope}" if one.scope else ""
    after = f", {one.from_crossing:.3g} ms after crossing" if one.from_crossing is not None else ""
    faults = f"  << {', '.join(one.faults)}" if one.faults else ""
    held = " (held out)" if one.held_out else ""
    odd = " (indistinguishable)" if one.indistinguishable else ""
    return f"{one.name}{held}{odd}: {verdict}{action}{after}; rival: {one.rival}{faults}"


def show(found: dict[str, Any]) -> None:
    columns = ("totals", "held_out", "tuning", "rival")
    rows = [[name.replace("_", " "), *(_cell(found[c].get(name, "")) for c in columns)] for name in found["totals"]]
    print(report.table(("", "all", "held out", "for tuning", "rival"), rows))


def _cell(value: Any) -> Any:
    return f"{value['median']:,} / {value['p99']:,}" if isinstance(value, dict) else value


def chosen(options: argparse.Namespace) -> list[str]:
    """The names to run. SystemExit where a name is nobody's."""
    names = list(catalogue())
    if options.only:
        for pattern in options.only:
            if not fnmatch.filter(names, pattern):
                raise SystemExit(f"bench.quality: no scenario is called {pattern!r}")
        names = [name for name in names if any(fnmatch.fnmatch(name, pattern) for pattern in options.only)]
    part = True if options.held_out else False if options.tuning else None
    return [name for name in names if part is None or catalogue()[name].held_out is part]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.quality", description=str(__doc__).splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the result as one object, the last line")
    parser.add_argument("--save", action="store_true", help="keep the result, for bench.quality.page")
    parser.add_argument("--only", metavar="NAME", nargs="+", help="these scenarios, or patterns of names")
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--held-out", action="store_true", help="only those that are never used for tuning")
    part.add_argument("--tuning", action="store_true", help="only the others")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once (%(default)s)")
    options = parser.parse_args()
    if options.save and (options.only or options.held_out or options.tuning):
        parser.error("--save keeps the whole catalogue's result: leave out --only, --held-out and --tuning")
    return options


def main() -> None:
    options = arguments()
    scores = []
    for one in all_scored(chosen(options), 1 if options.only and len(options.only) == 1 else options.jobs):
        print(line(one), flush=True)
        if options.only:
            print("".join(f"    {said}\n" for said in one.said), end="")
        scores.append(one)
    found = result(scores)
    print()
    show(found)
    missed = totals.misses(found["totals"])
    print("\n" + "\n".join(missed or ["every promised figure holds"]))
    if options.save:
        save(found)
    report.deliver(found, options.json, save=False)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
