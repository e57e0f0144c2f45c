"""Write docs/measured.md from what the benches saved: every number in the manual comes from a run.

    python bench/replay.py --save && python -m bench.table

With --check nothing is written; exit 1 when docs/measured.md is not what the results say.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench" / "results"
PAGE = ROOT / "docs" / "measured.md"
HEAD = """# Measured

Written by `python -m bench.table` from `bench/results/`, which the benches wrote with `--save`.
Nothing here is typed by hand. Figures hold for the machine and the commit named with them; a plus
behind a commit means that files had been changed since.
"""
NOTHING = "\nNo bench has been saved yet: `python bench/replay.py --save`, `python bench/reaction.py --save`.\n"
Result = Mapping[str, Any]


def page(results: Path = RESULTS) -> str:
    """The whole page, benches by name."""
    files = sorted(results.glob("*.json"))
    found = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    return HEAD + ("".join("\n" + section(result) for result in found) or NOTHING)


def section(result: Result) -> str:
    """One bench: its question, its number, its machine, and everything it measured by name."""
    name = result["bench"]
    spread = result["spread"]
    machine = ", ".join(f"{key} {value}" for key, value in result["machine"].items())
    parts = [
        f"## {question(name)}\n",
        f"`python {_file(name).relative_to(ROOT)}`: **{number(result['value'])} {result['unit']}**, "
        f"from {number(spread['min'])} to {number(spread['max'])}.\n",
        f"Machine: {machine}. Commit: {result['commit'] or 'unknown'}.\n",
        *tables(result),
    ]
    return "\n".join(parts)


def question(name: str) -> str:
    """The first line of a bench's own text."""
    file = _file(name)
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) if file.exists() else None
    return text.splitlines()[0] if text else name


def _file(name: str) -> Path:
    long = ROOT / "bench" / "long" / f"{name}.py"
    return long if long.exists() else ROOT / "bench" / f"{name}.py"


def tables(result: Result) -> Iterator[str]:
    """Scalars in one list; each table of spreads and each table of numbers by its name."""
    left_out = ("bench", "value", "unit", "spread", "machine", "commit")
    rest = {key: value for key, value in result.items() if key not in left_out}
    for key, value in rest.items():
        if isinstance(value, dict) and value:
            yield spreads(key, value) if isinstance(next(iter(value.values())), dict) else numbers(key, value)
    plain = {key: value for key, value in rest.items() if not isinstance(value, dict) and not _nested(value)}
    if plain:
        yield numbers("also", plain)


def _nested(value: Any) -> bool:
    """Tables within a result stay in its file: a page shows what fits a line."""
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)


def spreads(title: str, rows: Mapping[str, Mapping[str, float]]) -> str:
    columns = list(next(iter(rows.values())))
    lines = [_row([words(title), *columns]), _row(["---", *["---:"] * len(columns)])]
    lines += [_row([words(name), *(number(values[c]) for c in columns)]) for name, values in rows.items()]
    return "\n".join(lines) + "\n"


def numbers(title: str, rows: Mapping[str, Any]) -> str:
    lines = [_row([words(title), ""]), _row(["---", "---:"])]
    return "\n".join([*lines, *(_row([words(name), number(value)]) for name, value in rows.items())]) + "\n"


def words(name: str) -> str:
    return name.replace("_", " ")


def number(value: Any) -> str:
    """With separators; what is unknown is said."""
    if value is None:
        return "not measured"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.table", description=str(__doc__).splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the page is out of date")
    wanted = page()
    if parser.parse_args().check:
        sys.exit(0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == wanted else 1)
    PAGE.write_text(wanted, encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {len(list(RESULTS.glob('*.json')))} benches")


if __name__ == "__main__":
    main()
