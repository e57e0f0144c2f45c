"""How many random sources are let through that should not pass?

    python bench/admission_storm.py [--json] [--save]

0.1, 1, 4 and 8 million sources of one packet each within one slot of 100 ms, and 1,000 sources of 50
packets, on 131,072 cells (256 KiB): the error of the upper bound (mean, 99th percentile, largest), and
the share of the one-packet sources whose bound reaches 64, or the admission threshold of a limit of
1,000 packets a second, 91. Headline: the share that the product itself admits at 4 million. Rivals on
the same memory: count-min with four rows, Misra-Gries. *Mean lane, at least* is packets / cells, as
every packet raises one lane or more: no filter whose lanes are about level can say much less.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a file as with -m

from bench.parts import report, storm

UNIQUE = (100_000, 1_000_000, 4_000_000, 8_000_000)
BETWEEN = (4_400_000, 4_800_000, 5_600_000, 6_000_000)  # where the storm begins, the product alone
HEADLINE = 4_000_000
HEAVY, PACKETS = 1000, 50
LIMIT = 1000
OVER = (64, -(-LIMIT // 11))
TITLES = {"edgeguard": "edgeguard's filter", "count_min": "count-min, 4 rows", "misra_gries": "Misra-Gries"}
Row = dict[str, Any]


def run(unique: int, seed: int) -> Row:
    """Everybody on the same keys."""
    keys = storm.stream(unique, seed, HEAVY, PACKETS)
    asked = np.unique(keys)
    truth = np.where(asked < HEAVY, PACKETS, 1)
    found = {name: _judged(keep(keys, asked), truth) for name, keep in storm.KEEPERS.items()}
    return {
        "unique": unique,
        "mean_lane_at_least": report.neat(len(keys) / storm.CELLS),
        **alone(unique, keys),
        "keepers": found,
    }


def alone(unique: int, keys: npt.NDArray[np.uint32]) -> Row:
    """What the product lets through by its own threshold, and how full its lanes are then, 1 at most."""
    admitted, full = storm.admitted(keys, LIMIT)
    return {"admitted": admitted / unique, "fullness": report.neat(full)}


def _judged(said: storm.Counts, truth: storm.Counts) -> dict[str, float]:
    error = said - truth
    if error.min() < 0:
        raise ValueError("an upper bound was below the truth")
    shares = {f"over_{limit}": report.neat(float((said[truth == 1] >= limit).mean())) for limit in OVER}
    mean, p99, most = float(error.mean()), float(np.percentile(error, 99)), float(error.max())
    return {"mean": report.neat(mean), "p99": report.neat(p99), "max": report.neat(most), **shares}


def result(rows: Sequence[Row], headline: int, between: Sequence[int]) -> dict[str, Any]:
    """The contract's object."""
    of = {row["unique"]: row for row in rows}[headline]
    ours = of["keepers"]["edgeguard"]
    ratios = {
        f"mean_error/{name}": report.neat(ours["mean"] / of["keepers"][name]["mean"])
        for name in TITLES
        if name != "edgeguard"
    }
    return report.document(
        "admission_storm",
        report.neat(of["admitted"]),
        "share wrongly admitted",
        ratios,
        spread=report.spread([row["admitted"] for row in rows]),
        levels=list(rows),
        between={f"{n:,}": alone(n, storm.stream(n, n, HEAVY, PACKETS)) for n in between},
        cells=storm.CELLS,
        limit=LIMIT,
        target={"value": 0.001},
    )


def show(found: Mapping[str, Any]) -> None:
    head = ("sources in a slot", "mean", "p99", "max", *(f"at {limit} or more" for limit in OVER))
    for row in found["levels"]:
        print(
            f"{row['unique']:,} sources of one packet: mean lane at least {row['mean_lane_at_least']}, "
            f"admitted {row['admitted']:.4%}, lanes {row['fullness']:.0%} full"
        )
        lines = [
            (TITLES[name], k["mean"], k["p99"], k["max"], *(f"{k[f'over_{limit}']:.3%}" for limit in OVER))
            for name, k in row["keepers"].items()
        ]
        print(report.table(head, lines), end="\n\n")
    for unique, row in found["between"].items():
        print(f"{unique} sources: admitted {row['admitted']:.4%}, lanes {row['fullness']:.0%} full")


def bench(
    unique: Sequence[int], headline: int, tell: Callable[[str], None], between: Sequence[int] = BETWEEN
) -> dict[str, Any]:
    rows = []
    for number in unique:
        rows.append(run(number, number))
        tell(f"{number:,} sources: done")
    return result(rows, headline, between)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the result as one object, the last line")
    parser.add_argument("--save", action="store_true", help="keep the result in bench/results, for bench.table")
    options = parser.parse_args()
    found = bench(UNIQUE, HEADLINE, lambda text: print(text, file=sys.stderr, flush=True))
    show(found)
    report.deliver(found, options.json, options.save)


if __name__ == "__main__":
    main()
