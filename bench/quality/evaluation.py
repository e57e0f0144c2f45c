"""Every scenario that is asked for, run and scored, and the object that comes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bench.parts import report
from bench.quality import totals
from bench.quality.catalogue import catalogue
from bench.quality.run import run
from bench.quality.score import Score, document, score

SAVED = Path(__file__).with_name("result.json")


def scored(name: str) -> Score:
    """One scenario, run."""
    scenario = catalogue()[name]
    return score(scenario, run(scenario))


def save(found: dict[str, Any]) -> None:
    """Where bench.quality.page looks."""
    SAVED.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def all_scored(names: Sequence[str], jobs: int) -> Iterator[Score]:
    """In the order of their names; each in a fresh state, `jobs` at once."""
    if jobs == 1:
        yield from map(scored, names)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(scored, names)


def result(scores: Sequence[Score]) -> dict[str, Any]:
    """The contract's object."""
    found = totals.totals(scores)
    rival = totals.rival(scores)
    wrong = [s for s in scores if not s.indistinguishable and (s.missed or s.not_acted or s.wrongly_acted)]
    about = {name: scenario.about for name, scenario in catalogue().items()}
    return report.document(
        "quality",
        len(wrong),
        "floods missed or healthy machines cut",
        {
            "rival missed/floods": _ratio(rival["missed"], rival["floods"]),
            "rival banned/look-alikes": _ratio(rival["wrongly_acted"], found["look_alikes"]),
        },
        spread=report.spread([float(len(wrong))]),
        **{name: found[name] for name in CONTRACT},
        totals=found,
        held_out=totals.totals([s for s in scores if s.held_out]),
        tuning=totals.totals([s for s in scores if not s.held_out]),
        rival=rival,
        scenarios=[document(s) | {"about": about[s.name], "faults": s.faults} for s in scores],
    )


CONTRACT = ("floods", "look_alikes", "missed", "wrongly_acted", "wrongly_warned", "wrong_vm", "wrong_kind")


def _ratio(part: int, whole: int) -> float | None:
    return report.neat(part / whole) if whole else None
