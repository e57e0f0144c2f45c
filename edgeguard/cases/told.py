"""What a month is measured by: what was decided in it, and what became of that since. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgeguard.cases.month import Month
from edgeguard.model import Act, Scope


@dataclass(frozen=True, slots=True)
class Told:
    """One decision and what became of it."""

    id: str
    case: str
    at: int
    act: str
    scope: str
    enforced: bool
    silent: bool
    by_person: bool
    rule: str | None  # None: a person's, or the clock's
    version: str | None  # of the EdgeGuard that judged
    stood: bool  # the kernel once held it
    ended: int | None
    ended_by_person: bool

    @property
    def is_null_route(self) -> bool:
        return self.act == Act.NULL_ROUTE and self.enforced

    @property
    def is_refused(self) -> bool:
        """The kernel took none of it."""
        return self.is_null_route and self.ended is not None and not self.stood

    @property
    def is_warning(self) -> bool:
        return self.act == Act.NONE and self.scope == Scope.WARN and not self.silent

    @property
    def is_observed(self) -> bool:
        return self.act == Act.NONE and self.scope == Scope.OBSERVE and not self.silent


@dataclass(frozen=True, slots=True)
class Account:
    """One month, all of it as it stood at one moment. Times are ns since 1970."""

    month: Month
    decisions: tuple[Told, ...] = ()  # oldest first; one for all taps of a VM
    # By those of them that somebody was to be told of: when the first mail left; None: not yet.
    mails: Mapping[str, int | None] = field(default_factory=dict)
    people: tuple[tuple[str, int], ...] = ()  # (case, time) of everything that people did since the month began
    outcomes: Mapping[str, str] = field(default_factory=dict)  # by case, of any month: what people said of it
    replies: tuple[tuple[str, int], ...] = ()  # (case, time) of what owners wrote, where it is known of which case
    begun: tuple[tuple[str, int], ...] = ()  # (case, time) where automation null-routed for the first time in a case
    opened: int = 0  # cases that began in it
    still_open: int = 0  # of those
