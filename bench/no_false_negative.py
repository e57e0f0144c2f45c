"""Is a source above its limit ever missed?

    python bench/no_false_negative.py [--json] [--save]

A thousand sources each of five kinds: steady at 0.5 to 2 T, bursts of T within a slot, bursts across
the edge of a slot, pulses of three slots on and ten off, and simmering ones (loud, then below every
threshold for two seconds, then just enough). Beside them 0, 10 and 40 million packets a second of
random sources, and 2 of ten million Zipf sources. The truth is a queue of stamps for every planned
source. Headline: positions missed by the flow memory; a position is a packet with which the last
second of its source holds T or more. Rivals in the same run: counters of whole seconds, a moving
average, sampling, and the same memory with three other rules of leaving.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a file as with -m

from bench.parts import report, swarm, watchers

LIMIT = 1000  # T, packets in any second
EACH = 1000  # sources of a kind
SECONDS = 4
RANDOM = (0, 10_000_000, 40_000_000)  # packets a second
ZIPF = 2_000_000
LEAST = 4_000_000  # positions that are wanted
MEMORIES = {
    "edgeguard": watchers.Ours,
    "obvious": watchers.Obvious,
    "patient": watchers.Patient,
    "forgetful": watchers.Forgetful,
}
TITLES = {
    "edgeguard": "edgeguard",
    "obvious": "leaves when its window is low",
    "patient": "the same, not before a second",
    "forgetful": "leaves when quiet, counts lost",
    "tumbling": "counters of whole seconds",
    "ewma": "moving average, 5 s",
    "sampled": "sampling, 1 in 100",
}
Row = dict[str, Any]


def run(planned: swarm.Planned, random_rate: int, zipf_rate: int, limit: int) -> Row:
    """One level of noise, everybody on the same packets."""
    watchers._seed(7)
    sources, met = np.zeros(planned.sources, watchers.SOURCE), np.zeros(4, np.int64)
    memories = {name: make({"syn": limit, "udp": limit, "packets": limit}, (1, 2)) for name, make in MEMORIES.items()}
    for memory in memories.values():
        memory.watch(limit, planned.sources)
    highest = 0
    for batch, whose in swarm.chunks(planned, random_rate, zipf_rate):
        above = np.zeros(len(batch), bool)
        watchers.look(batch["ts"], whose, limit, sources, above, met)
        for memory in memories.values():
            memory.see((batch, whose), above)
        highest = max(highest, memories["edgeguard"].effective["syn"])
    ours, sought = memories["edgeguard"], sources["above"] == 1
    missed = {name: memory.missed for name, memory in memories.items()}
    missed |= dict(zip(watchers.RIVALS, met[1:].tolist(), strict=True))
    never = {name: int((memory.found[sought] == 0).sum()) for name, memory in memories.items()}
    never |= {name: int((sources["found"][sought, k] == 0).sum()) for k, name in enumerate(watchers.RIVALS)}
    strangers = random_rate * planned.seconds
    return {
        "random_mpps": random_rate / 1e6,
        "positions": int(met[0]),
        "sources": int(sought.sum()),
        "missed": missed,
        "never_found": never,
        "wrongly_admitted": ours.wrong / strangers if strangers else 0.0,
        "refused": ours.refused,
        "entries": ours.used,
        "highest_limit": highest,
    }


def result(rows: Sequence[Row], limit: int) -> dict[str, Any]:
    """The contract's object."""
    positions = sum(row["positions"] for row in rows)
    missed = {name: sum(row["missed"][name] for row in rows) for name in TITLES}
    per_row = [float(row["missed"]["edgeguard"]) for row in rows]
    return report.document(
        "no_false_negative",
        missed["edgeguard"],
        "positions missed",
        {f"{name}/positions": report.neat(missed[name] / positions) for name in TITLES},
        spread=report.spread(per_row),
        positions=positions,
        missed=missed,
        limit=limit,
        wrongly_admitted=report.neat(max(row["wrongly_admitted"] for row in rows)),
        levels=list(rows),
        target={"value": 0, "positions": LEAST, "wrongly_admitted": 0.001},
    )


def show(found: Mapping[str, Any]) -> None:
    for row in found["levels"]:
        print(
            f"{row['random_mpps']:g} Mpps of random sources: "
            f"{row['positions']:,} positions of {row['sources']:,} sources; "
            f"limit in force at most {row['highest_limit']}, wrongly admitted {row['wrongly_admitted']:.5%}, "
            f"refused {row['refused']}, entries at the end {row['entries']:,}"
        )
        head = ("", "positions missed", "share", "sources never found")
        lines = [
            (
                title,
                f"{row['missed'][name]:,}",
                f"{row['missed'][name] / row['positions']:.3%}",
                row["never_found"][name],
            )
            for name, title in TITLES.items()
        ]
        print(report.table(head, lines), end="\n\n")
    print(f"missed {found['value']} of {found['positions']:,} positions; wanted 0 of at least {LEAST:,}")


def bench(each: int, seconds: int, rates: Sequence[int], zipf: int, tell: Callable[[str], None]) -> dict[str, Any]:
    planned = swarm.plan(LIMIT, each, seconds)
    rows = []
    for rate in rates:
        rows.append(run(planned, rate, zipf, LIMIT))
        tell(f"{rate / 1e6:g} Mpps of random sources: done")
    return result(rows, LIMIT)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the result as one object, the last line")
    parser.add_argument("--save", action="store_true", help="keep the result in bench/results, for bench.table")
    parser.add_argument("--sources", type=int, default=EACH, help="sources of each kind (%(default)s)")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="virtual seconds of each level (%(default)s)")
    options = parser.parse_args()
    tell = lambda text: print(text, file=sys.stderr, flush=True)  # noqa: E731
    found = bench(options.sources, options.seconds, RANDOM, ZIPF, tell)
    show(found)
    report.deliver(found, options.json, options.save)


if __name__ == "__main__":
    main()
