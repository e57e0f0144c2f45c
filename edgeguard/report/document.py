"""The report of a month as one JSON object; its keys are in docs/report.md."""

from __future__ import annotations

from typing import Any

from edgeguard.cases.measures import Measures, Took
from edgeguard.report.words import WITHOUT


def document(found: Measures, host: str, now: int) -> dict[str, Any]:
    """Times in ns since 1970, how long something took in seconds; what nothing is known of is null."""
    return {
        "month": str(found.month),
        "host": host,
        "at": now,
        "first": found.month.first,
        "end": found.month.end,
        "empty": found.is_empty,
        "cases": {"opened": found.opened, "open": found.still_open},
        "observed": found.observed,
        "warnings": found.warnings,
        "null_routes": {
            "number": found.null_routes,
            **{scope.replace("-", "_"): number for scope, number in found.scopes.items()},
            "by_people": found.by_people,
            "refused": found.refused,
        },
        "rules": [
            {
                "rule": one.rule,
                "version": one.version or None,
                "cases": one.cases,
                "judged": one.judged,
                **one.outcomes,
                "overturned_share": one.overturned_share,
            }
            for one in found.rulings
        ],
        "times": {key: _took(took, key in WITHOUT) for key, took in found.times.items()},
        "days": [{"day": d.day, "warnings": d.warnings, "null_routes": d.null_routes} for d in found.days],
    }


def _took(took: Took, can_lack: bool) -> dict[str, Any]:
    figures = {"n": len(took.seconds), "p50": took.percentile(0.5), "p95": took.percentile(0.95)}
    return {**figures, "longest": took.longest, **({"without": took.without} if can_lack else {})}
