"""What people's words make of a case's null routes: which stay although it is quiet, and when an appeal is overdue.

Frozen: each word gives the next binding. Words are taken in the order in which they were said.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from edgeguard import units
from edgeguard.duty import Clocks
from edgeguard.word import Said, Word


@dataclass(frozen=True, slots=True)
class Binding:
    """Of one case. None: nobody said that."""

    hold: Word | None = None
    voice: Word | None = None  # waits for the second
    upheld: Word | None = None
    appeal: Word | None = None  # waits for its decision
    decided: bool = False  # the appeal against what is upheld now: it is not appealed again

    def after(self, word: Word) -> Binding:
        """With one more word."""
        match word.said:
            case Said.HOLD:
                return replace(self, hold=word)
            case Said.VOICE:
                return replace(self, voice=word)
            case Said.UPHOLD:
                was = self.appeal is not None  # without one it is read again, and can be appealed again
                return replace(self, upheld=word, voice=None, appeal=None, decided=was)
            case Said.KEEP:
                return replace(self, upheld=word, voice=None, appeal=None, decided=True)
            case Said.APPEAL:
                return replace(self, appeal=word, voice=None)
        return self

    def stepped(self, by: int) -> Binding:
        """The wall clock was set by so much."""
        hold, voice, upheld, appeal = (
            word.moved(by) if word else None for word in (self.hold, self.voice, self.upheld, self.appeal)
        )
        return replace(self, hold=hold, voice=voice, upheld=upheld, appeal=appeal)

    def holds(self, decision: str, at: int) -> bool:
        """Whether one person keeps it now, quiet or not."""
        return self.hold is not None and decision in self.hold.covers and at < (self.hold.until or 0)

    def upholds(self, decision: str) -> bool:
        """Whether two people keep it."""
        return self.upheld is not None and decision in self.upheld.covers

    def appealed(self, standing: Collection[str]) -> Word | None:
        """The appeal that waits, as long as anything of what it is about stands."""
        return self.appeal if self.appeal is not None and not set(standing).isdisjoint(self.appeal.covers) else None


NOTHING = Binding()


def due(appeal: Word, full_since: int | None, clocks: Clocks) -> int:
    """When an appeal has to be decided. full_since: when the whole VM was null-routed; None: it is not."""
    ends = appeal.at + clocks.appeal
    return ends if full_since is None else min(ends, max(appeal.at, full_since) + clocks.appeal_full)


def overdue(appeal: Word, full_since: int | None, at: int, clocks: Clocks) -> str | None:
    """Why an appeal that nobody decided ends a null route now, or None."""
    ends = due(appeal, full_since, clocks)
    if at < ends:
        return None
    return f"no third person decided the appeal within {units.duration_text(ends - appeal.at)}"


def by_quiet(quiet: int, clocks: Clocks) -> str | None:
    """Why what is upheld ends now, or None."""
    if quiet < clocks.upheld_quiet:
        return None
    return (
        f"{units.duration_text(clocks.upheld_quiet)} without attempts: one of the conditions it was upheld under is met"
    )
