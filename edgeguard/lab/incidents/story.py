"""The stories of an incident's cases as one timeline: what was decided, done, told and answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from edgeguard.cases.case import Entry
from edgeguard.clock import SECOND
from edgeguard.lab.incidents.incident import Line

TOLD = ("decision", "reply", "signal", "note", "closed")
LONGEST = 150  # characters
Stories = Iterable[tuple[str, Sequence[Entry]]]  # host, and the entries of one of its cases


def lines(stories: Stories, begin: int) -> Iterator[Line]:
    """In the order of time; what happens to many at once is told once, with their number."""
    told = sorted(_told(stories, begin), key=lambda row: (row[0], row[1]))
    for _, alike in groupby(told, key=lambda row: (row[0] // SECOND, row[1])):
        rows = list(alike)
        at, _, text = rows[0]
        more = f" (and {len(rows) - 1} more like it)" if len(rows) > 1 else ""
        yield Line(at, f"{_short(text)}{more}")


def _told(stories: Stories, begin: int) -> Iterator[tuple[int, str, str]]:
    """(ns since the beginning, what is alike, the text); with its host where there are several."""
    every = list(stories)
    several = len({host for host, _ in every}) > 1
    for host, entries in every:
        for entry in entries:
            if entry.what in TOLD or _is_handed_over(entry) or _is_verified(entry):
                yield (
                    entry.at - begin,
                    f"{entry.what} {_kind(entry)}",
                    f"{host}: {entry.text}" if several else entry.text,
                )


def _kind(entry: Entry) -> str:
    """The first words: the rest differs from VM to VM."""
    return " ".join(entry.text.split()[:2])


def _is_handed_over(entry: Entry) -> bool:
    return entry.what in ("notice", "hook") and "handed" in entry.text


def _is_verified(entry: Entry) -> bool:
    return entry.what == "outcome" and entry.text.startswith(("verified", "not stopped", "failed"))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
