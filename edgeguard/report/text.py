"""The report of a month as text of at most 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgeguard import clock
from edgeguard.cases.measures import Measures
from edgeguard.glance.words import told
from edgeguard.report import words

WIDTH = 80
RULING_WIDTHS = (12, 9, 8, 8, 10, 13, 11, 9)  # a longer name of a rule or version is cut
TIME_WIDTHS = (23, 7, 9, 9, 9)


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
    yield _row(words.TIME_COLUMNS, TIME_WIDTHS)
    for row in words.times(found):
        yield _row(row, TIME_WIDTHS)


def _rulings(found: Measures) -> Iterator[str]:
    if not found.rulings:
        return
    yield ""
    yield "cases with a warning or a null route, and what people said of them"
    yield ""
    yield _row(words.RULING_COLUMNS, RULING_WIDTHS, names=2)
    for one in found.rulings:
        yield _row(words.ruling(one), RULING_WIDTHS, names=2)


def _row(cells: Sequence[str], widths: Sequence[int], names: int = 1) -> str:
    """The first `names` cells to the left, numbers to the right, what has no width behind them."""
    parts = []
    for number, cell in enumerate(cells):
        if number >= len(widths):
            parts.append(f"  {told(cell)}")
            continue
        width = widths[number]
        parts.append(f"{told(cell)[: width - 1]:<{width}}" if number < names else f"{cell:>{width}}")
    return "".join(parts)
