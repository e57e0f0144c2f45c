"""What a decision needs of the fleet, whoever asks it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Facts:
    """What the fleet is told of this host."""

    customers: int = 0  # null-routed by automation within the breaker's time
    null_routes: int = 0  # that stand


class Permit(Protocol):
    """Whether this host may null-route more. Times are nanoseconds of a clock that never goes back."""

    @property
    def trouble(self) -> str | None:
        """Why there was no answer the last time; None: there was one, or nobody was asked yet."""

    def answer(self, now: int) -> bool | None:
        """Yes, no, or None: no answer. It never waits longer than the configured timeout."""

    def look(self, now: int, loud: bool) -> None:
        """Called about once a second; `loud`: a decision may be near. It never waits."""
