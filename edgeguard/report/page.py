"""The report of a month as one HTML page: no script, nothing fetched, all that comes from the database escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from edgeguard import clock
from edgeguard.cases.measures import Measures
from edgeguard.report import plots, words
from edgeguard.report.svg import Markup, element, joined

# Nothing may be fetched, whatever stands in the page.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; --ink: #1d2733; --soft: #66717f; --grid: #d9dee5; --paper: #fff;
  --warned: #d9a02b; --routed: #2f6db3; --good: #3b8f5c; --unsure: #98a2ae; --wrong: #c0392b; --open: #dfe4ea; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e8ee; --soft: #9aa5b1; --grid: #36404c; --paper: #14181d;
  --open: #2b343e; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 760px;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin-top: 2rem; }
p.soft, caption, td.what, figcaption { color: var(--soft); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .5rem; border-bottom: 1px solid var(--grid); white-space: pre; }
th:first-child, td:first-child, td.what { text-align: left; } td.what { white-space: normal; }
.wide { overflow-x: auto; } figure { margin: 1rem 0; } svg { width: 100%; height: auto; display: block; }
svg text { font-size: 11px; fill: var(--ink); } .grid { stroke: var(--grid); }
.warned { fill: var(--warned); } .routed, .took { fill: var(--routed); } .took { opacity: .55; }
.confirmed { fill: var(--good); } .undetermined { fill: var(--unsure); } .overturned { fill: var(--wrong); }
.not-judged { fill: var(--open); } .half { fill: var(--ink); } .most { fill: var(--wrong); }
b.key { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 .8em; }
b.warned { background: var(--warned); }
b.routed { background: var(--routed); } b.confirmed { background: var(--good); } b.half { background: var(--ink); }
b.undetermined { background: var(--unsure); } b.overturned, b.most { background: var(--wrong); }
b.not-judged { background: var(--open); }
@media print { body { max-width: none; margin: 0; } h2 { break-after: avoid; } figure { break-inside: avoid; } }
"""


def page(found: Measures, host: str, now: int) -> str:
    """The whole document."""
    title = words.title(found, host)
    head = element(
        "head",
        Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
        element("title", title),
        element("style", Markup(STYLE)),
    )
    said = element("p", f"As the database says at {clock.utc(now)}.", class_="soft")
    body = element("body", element("h1", title), said, *_parts(found))
    return f'<!DOCTYPE html>\n<html lang="en">{head}{body}</html>\n'


def _parts(found: Measures) -> Iterator[Markup]:
    if found.is_empty:
        yield element("p", words.nothing(found))
        return
    yield _counts(found)
    yield from _part("By day", _keys("warned", "routed", names=("warnings", "null routes")), plots.by_day(found))
    if found.rulings:
        yield from _part(
            "What people said",
            _keys("overturned", "undetermined", "confirmed", "not-judged"),
            plots.by_rule(found),
            _table(words.RULING_COLUMNS, map(words.ruling, found.rulings)),
        )
    yield from _part(
        "How long it took",
        _keys("half", "most", names=("p50", "p95")),
        plots.by_time(found),
        _table(words.TIME_COLUMNS, words.times(found)),
    )


def _part(title: str, keys: Markup, plot: Markup, table: Markup | None = None) -> Iterator[Markup]:
    yield element("h2", title)
    yield element("figure", plot, element("figcaption", keys))
    if table is not None:
        yield table


def _counts(found: Measures) -> Markup:
    rows = (
        element("tr", element("td", name), element("td", number), element("td", what, class_="what"))
        for name, number, what in words.counts(found)
    )
    return element("div", element("table", *rows), class_="wide")


def _keys(*classes: str, names: Sequence[str] = ()) -> Markup:
    told = names or [class_.replace("-", " ") for class_ in classes]
    pairs = zip(classes, told, strict=True)
    return joined(part for class_, name in pairs for part in (element("b", class_=f"key {class_}"), name))


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    head = element("tr", *(element("th", column) for column in columns))
    body = (element("tr", *(element("td", cell) for cell in row)) for row in rows)
    return element("div", element("table", element("thead", head), element("tbody", *body)), class_="wide")
