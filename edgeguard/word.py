"""What people, and the owner of a VM, say of a case: the frozen value. A word is kept as it was said.

Some words keep a null route longer than its clocks would (hold, uphold, keep), and those cover the null routes that
stood when they were said, no later ones. The others (reply, appeal) only ever make its end sooner, or change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

OWNER = "the owner"  # a principal of the system has no space in its name


class Said(StrEnum):
    """Each is an event of states.toml, but a voice, which is half of one."""

    HOLD = "hold"  # one person, once a case: it stays although it is quiet
    VOICE = "voice"  # one of the two that it takes to uphold
    UPHOLD = "uphold"  # the second of them
    APPEAL = "appeal"
    KEEP = "keep"  # a third person keeps what two had upheld: the appeal is decided
    REPLY = "reply"
    REOPEN = "reopen"


@dataclass(frozen=True, slots=True)
class Word:
    """One."""

    case: str
    said: Said
    at: int
    by: str  # a principal, or OWNER
    why: str
    until: int | None = None  # when what it keeps ends at the latest
    covers: tuple[str, ...] = ()  # decisions whose null routes stood then
    conditions: tuple[str, ...] = ()  # of a voice: what is enough to end it sooner
    first: str | None = None  # of an uphold: whose the first voice was
    reply: int | None = None  # of the owner's: the number of the reply
    since: int = 0  # CLOCK_BOOTTIME when it was said, ns: a step of the wall clock neither frees nor binds
    boot: str = ""  # the boot that `since` counts in

    def moved(self, by: int) -> Word:
        """The same, of a wall clock that was set by so much."""
        return replace(self, at=self.at + by, until=None if self.until is None else self.until + by)
