"""What every bench prints: a table for people, and one JSON object for `bench/results/`."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench" / "results"


def spread(values: Sequence[float]) -> dict[str, float]:
    """Smallest, median and largest of some measurements."""
    return {"min": neat(min(values)), "median": neat(statistics.median(values)), "max": neat(max(values))}


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest rank: with few values the 99th percentile is the largest."""
    return neat(sorted(values)[math.ceil(share * len(values)) - 1])


def neat(value: float) -> float:
    """Four digits: more would claim more than was measured."""
    return float(f"{value:.4g}")


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def commit() -> str | None:
    """The commit that was measured, with a plus where files differ from it; None outside a repository."""
    head = _git("rev-parse", "--short=12", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!bench/results", ":!docs")
    return head and head + ("+" if changed else "")


def _git(*words: str) -> str | None:
    try:
        told = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return told.stdout.strip()


def document(bench: str, value: float, unit: str, ratios: Mapping[str, float | None], **more: Any) -> dict[str, Any]:
    """The contract's object; `more` holds `spread` and everything else by name."""
    head = {"bench": bench, "value": value, "unit": unit, "ratios": dict(ratios)}
    return {**head, **more, "machine": machine(), "commit": commit()}


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns for a terminal: words to the left, numbers to the right."""
    cells = [list(head), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(_padded(row, widths)).rstrip() for row in cells)


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]


def _cell(value: object) -> str:
    return "-" if value is None else f"{value:,.4g}" if isinstance(value, float) and value < 1000 else str(value)


def deliver(found: dict[str, Any], as_json: bool, save: bool) -> None:
    """Print the object as the last line, and keep it where `python -m bench.table` looks."""
    if save:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{found['bench']}.json"
        path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if as_json:
        print(json.dumps(found), flush=True)
