"""The values of a claim check: what is said, and what the measurement says to it, field by field."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from edgeguard.model import Network


class Answer(StrEnum):
    """What the measurement says to a part of a claim. It never says that somebody lied."""

    CONSISTENT = "consistent"
    INCONSISTENT = "inconsistent"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a customer says; None: nothing was said of it."""

    program: str | None = None
    protocol: int | None = None
    target: Network | None = None
    port: int | None = None
    rate: int | None = None  # packets a second


@dataclass(frozen=True, slots=True)
class Finding:
    """One field of a claim beside the measurement."""

    field: str
    said: str
    measured: str
    answer: Answer
    why: str
