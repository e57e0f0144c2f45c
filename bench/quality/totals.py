"""Many scores as a few figures, and which of the promised ones are missed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.parts import report
from bench.quality.scenario import Sort
from bench.quality.score import Score

DAY_S = 86_400
SUM = "customer"  # group of scenarios about a customer's sum, which is taken at the end of a slot of 100 ms
DOUBT = "doubt"  # group of scenarios in which what came back is unknown, so that hard needs 5 s
MOST_WARNED = 2  # look-alikes
WANTED = {
    "missed": 0,
    "not_acted": 0,
    "acted_on_distinguishable": 0,
    "wrong_vm": 0,
    "look_alikes_warned": MOST_WARNED,
    "late": 0,
}


def totals(scores: Sequence[Score]) -> dict[str, Any]:
    """What --json prints of a set of scores."""
    floods = [s for s in scores if s.sort == Sort.FLOOD]
    alike = [s for s in scores if s.sort == Sort.LOOK_ALIKE]
    false = [s for s in alike if (s.wrongly_acted or s.wrongly_warned) and not s.indistinguishable]
    hard = [s for s in floods if s.wanted == "hard"]
    days = sum(s.vm_seconds for s in alike) / DAY_S
    return {
        "floods": len(floods),
        "look_alikes": len(alike),
        "indistinguishable": sum(bool(s.indistinguishable) for s in alike),
        "missed": _count(floods, "missed"),
        "not_acted": _count(floods, "not_acted"),
        "wrongly_acted": _count(scores, "wrongly_acted"),
        "acted_on_distinguishable": sum(s.wrongly_acted and not s.indistinguishable for s in scores),
        "wrongly_warned": _count(scores, "wrongly_warned"),
        "look_alikes_warned": sum(s.wrongly_warned and not s.indistinguishable for s in alike),
        "wrong_vm": _count(scores, "wrong_vm"),
        "wrong_kind": _count(scores, "wrong_kind"),
        "late": _count(floods, "late"),
        "hard_after_crossing_ms": _times([s.from_crossing for s in hard if s.group not in (SUM, DOUBT)]),
        "sum_after_crossing_ms": _times([s.from_crossing for s in hard if s.group == SUM]),
        "hard_in_doubt_after_crossing_ms": _times([s.from_crossing for s in hard if s.group == DOUBT]),
        "act_after_sustain_ms": _times([s.from_crossing for s in floods if s.wanted == "act"]),
        "verdict_after_start_ms": _times([s.from_start for s in floods if s.wanted in ("act", "hard")]),
        "vm_days_of_look_alikes": report.neat(days),
        "false_positives_per_vm_day": report.neat(len(false) / days) if days else None,
    }


def rival(scores: Sequence[Score]) -> dict[str, Any]:
    """The same of the rival, as far as it has words for it."""
    judged = [s for s in scores if s.sort == Sort.FLOOD and s.wanted in ("act", "hard")]
    return {
        "floods": sum(s.rival in ("found", "missed", "wrong VM") for s in judged),
        "missed": sum(s.rival == "missed" for s in judged),
        "wrong_vm": sum(s.rival == "wrong VM" for s in judged),
        "wrongly_acted": sum(s.rival == "wrongly banned" for s in scores),
        "verdict_after_start_ms": _times([s.rival_after for s in judged if s.rival == "found"]),
    }


def misses(found: dict[str, Any]) -> list[str]:
    """The figures of the issue that do not hold, in words."""
    over = ((name, found[name], most) for name, most in WANTED.items() if found[name] > most)
    return [f"{name.replace('_', ' ')}: {count}, at most {most} wanted" for name, count, most in over]


def _count(scores: Sequence[Score], name: str) -> int:
    return sum(bool(getattr(s, name)) for s in scores)


def _times(values: Sequence[float | None]) -> dict[str, float] | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    return {"median": report.percentile(known, 0.5), "p99": report.percentile(known, 0.99), "n": len(known)}
