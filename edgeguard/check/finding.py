"""One thing looked at, and what was found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    OK = "ok"
    WARNING = "warning"  # works, but not as most operators want it
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """`area` groups findings, `what` was looked at, `text` says what was found and what to do."""

    area: str
    what: str
    grade: Grade
    text: str


def ok(area: str, what: str, text: str) -> Finding:
    return Finding(area, what, Grade.OK, text)


def warning(area: str, what: str, text: str) -> Finding:
    return Finding(area, what, Grade.WARNING, text)


def wrong(area: str, what: str, text: str) -> Finding:
    return Finding(area, what, Grade.WRONG, text)
