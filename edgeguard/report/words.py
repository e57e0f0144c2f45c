"""The words and figures that the text and the page share."""

from __future__ import annotations

from collections.abc import Iterator

from edgeguard.cases.measures import TIMES, Measures, Ruling, Took

NOTHING = "-"
UNITS = ((0.001, 1000, "ms"), (1.0, 60, "s"), (60.0, 60, "min"), (3_600.0, 24, "h"))  # s, how many of the next, name
WITHOUT = {  # of the keys of measures.TIMES: what those lack that have not come to their end
    "notice": "not sent",
    "warning": "not sent",
    "person": "nobody came",
    "reply": "nobody came",
    "release": "still stand",
}
RULING_COLUMNS = ("rule", "version", "cases", "judged", "confirmed", "undetermined", "overturned", "share")
TIME_COLUMNS = ("", "n", "p50", "p95", "longest", "without")


def span(seconds: float | None) -> str:
    """'850 ms', '1.4 s', '12.5 min', '4.0 h', '2.3 d': as fine as it matters."""
    if seconds is None:
        return NOTHING
    for size, most, name in UNITS:
        told = f"{seconds / size:.{0 if name == 'ms' else 1}f}"
        if float(told) < most:
            return f"{told} {name}"
    return f"{seconds / 86_400:.1f} d"


def share(value: float | None) -> str:
    """'8.3 %'."""
    return NOTHING if value is None else f"{100 * value:.1f} %"


def counts(found: Measures) -> Iterator[tuple[str, str, str]]:
    """Name, number, what it is."""
    scopes = ", ".join(f"{scope} {number:,}" for scope, number in found.scopes.items() if number)
    yield "cases", f"{found.opened:,}", f"opened; {found.still_open:,} of them are open still"
    yield "observations", f"{found.observed:,}", "told to the desk only"
    yield "warnings", f"{found.warnings:,}", "to the customer; to the desk where there is no contact"
    yield "null routes", f"{found.null_routes:,}", scopes
    if found.by_people:
        yield "by hand", f"{found.by_people:,}", "of the null routes: a person's"
    if found.refused:
        yield "refused", f"{found.refused:,}", "null routes that the kernel did not take"


def ruling(one: Ruling) -> tuple[str, ...]:
    """A row under RULING_COLUMNS."""
    said = (f"{number:,}" for number in one.outcomes.values())
    return one.rule, one.version or NOTHING, f"{one.cases:,}", f"{one.judged:,}", *said, share(one.overturned_share)


def times(found: Measures) -> Iterator[tuple[str, ...]]:
    """Rows under TIME_COLUMNS, in the order of measures.TIMES."""
    for key, name in TIMES.items():
        took = found.times.get(key, Took())
        lack = f"{took.without:,} {WITHOUT[key]}" if key in WITHOUT and took.without else ""
        figures = (span(took.percentile(0.5)), span(took.percentile(0.95)), span(took.longest))
        yield name if key in WITHOUT else f"  {name}", f"{len(took.seconds):,}", *figures, lack


def title(found: Measures, host: str) -> str:
    return f"EdgeGuard on {host}, {found.month} (UTC)"


def nothing(found: Measures) -> str:
    """Said in place of all figures."""
    return f"nothing in {found.month}: no case, no warning and no null route is recorded"
