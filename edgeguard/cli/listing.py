"""Cases as lines: one for those that go together, or one for each."""

from __future__ import annotations

from collections.abc import Sequence

from edgeguard.cases.case import Case
from edgeguard.cases.matter import Matter, head
from edgeguard.cases.reader import Reader
from edgeguard.cli import output, reading

MATTERS = ("case", "opened", "state", "vm", "name", "tap", "customer", "cases", "outcome")
CASES = ("case", "opened", "state", "vm", "name", "tap", "customer", "with", "outcome")


def of_matters(reader: Reader, term: str | None, only_open: bool, limit: int) -> None:
    """A line for each, under its leader's id."""
    heads = [head(case) for case in reader.find(term)] if term else reader.heads(limit, only_open)
    found = [one for one in reader.matters(heads) if one.outcome is None or not only_open][:limit]
    output.print_table(MATTERS, map(_of_matter, found), "no cases")


def _of_matter(one: Matter) -> output.Row:
    first, number = one.cases[0], len(one.vms)
    whose = (first.vm, first.vm_name, first.tap) if number < 2 else (f"{number} VMs", "", "")
    more = len(one.cases) if len(one.cases) > 1 else ""
    return (one.id, output.when(one.opened), one.state, *whose, first.customer, more, one.outcome)


def of_cases(reader: Reader, term: str | None, only_open: bool, limit: int, as_json: bool) -> None:
    """A line, or an object, for each."""
    found = reader.find(term) if term else reader.open_cases(limit)[::-1] if only_open else reader.cases(limit)
    shown = [case for case in found if case.closed is None or not only_open][:limit]
    beside = [reader.beside(case.id) for case in shown]
    if as_json:
        for case, others in zip(shown, beside, strict=True):
            output.print_json({**output.plain(case), "with": others})
        return
    rows = [
        (c.id, output.when(c.opened), c.state, c.vm, c.vm_name, c.tap, c.customer, _with(c, others), c.outcome)
        for c, others in zip(shown, beside, strict=True)
    ]
    output.print_table(CASES, rows, "no cases")


def _with(case: Case, others: Sequence[str]) -> str:
    """The first of those that go with a case, and how many more."""
    if not others:
        return ""
    first = head(case) if head(case) != case.id else others[0]
    return f"{first}{f' and {len(others) - 1} more' if len(others) > 1 else ''}"


def told_beside(shown: Case, others: Sequence[Case]) -> str:
    """Those that go with a case that is shown: each in short, and what to type for all."""
    rows = [[case.id, case.state, reading.who(case), f"began {output.when(case.opened)}"] for case in others]
    lines = output.aligned([[output.told(cell) for cell in row] for row in rows], "  ")
    led = "the first of them is this one" if head(shown) == shown.id else f"the first of them is {head(shown)}"
    return f"goes with {len(others)} more of the same customer; {led}:\n{lines}"
