"""The report of a month as text of at most 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgeguard import clock
from edgeguard.cases.measures import Measures
from edgeguard.glance.words import told
from edgeguard.report import words

WIDTH = 80
RULE_WIDTH = 13  # of a rule's name and of a version: longer ones are cut


def text(found: Measures, host: str, now: int) -> str:
    """Ends without a newline."""
    return "\n".join(line.rstrip() for line in _lines(found, host, now))


def _lines(found: Measures, host: str, now: int) -> Iterator[str]:
    yield told(words.title(found, host))[:WIDTH]
    yield f"as the database says at {clock.utc(now)}"
    yield ""
    if found.is_empty:
        yield words.nothing(found)
        return
    for name, number, what in words.counts(found):
        yield f"{name:<13}{number:>9}  {what}"[:WIDTH]
    yield from _rulings(found)
    yield ""
    widths = (24, 8, 10, 10, 10)
    yield _row(words.TIME_COLUMNS, widths)
    for row in words.times(found):
        yield _row(row, widths)


def _rulings(found: Measures) -> Iterator[str]:
    if not found.rulings:
        return
    yield ""
    yield "cases with a warning or a null route, and what people said of them"
    yield ""
    widths = (RULE_WIDTH, RULE_WIDTH, 7, 8, 10, 13, 11)
    heads = (*words.RULING_COLUMNS[:4], *(head[:12] for head in words.RULING_COLUMNS[4:]))
    yield _row(heads, widths, words=2)
    for one in found.rulings:
        yield _row(words.ruling(one), widths, words=2)


def _row(cells: Sequence[str], widths: Sequence[int], words: int = 1) -> str:
    """The first `words` cells to the left, numbers to the right, what has no width behind them."""
    parts = []
    for number, cell in enumerate(cells):
        if number >= len(widths):
            parts.append(f"  {told(cell)}")
            continue
        width = widths[number]
        parts.append(f"{told(cell)[: width - 1]:<{width}}" if number < words else f"{cell:>{width}}")
    return "".join(parts)
