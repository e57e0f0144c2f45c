"""What is new in a store since somebody looked, and what waits in it: values only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fresh:
    """What was recorded between two looks. Times are ns from a null route's decision on."""

    decisions: tuple[tuple[str, str], ...] = ()  # act and scope
    outcomes: tuple[str, ...] = ()
    null_routed: tuple[int, ...] = ()  # until the kernel had it
    verified: tuple[int, ...] = ()  # until its first proof
    noticed: tuple[int, ...] = ()  # until each of its mails left


@dataclass(frozen=True, slots=True)
class Unsent:
    """What waits to be sent, by what carries it."""

    number: int
    oldest: int | None  # when it was written
