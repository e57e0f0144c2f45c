"""What is known of a customer beside its packets: what a provider says of it, and our own history. Values only.

Context may only lower what is done; the one exception is a counted prior, which is our own finding. What a customer
pays, how old its account is and whom it shares a key with is no ground of anything: no value here can hold it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from edgeguard.clock import utc
from edgeguard.units import duration_text

FACTS: Mapping[str, str] = {  # by name, in words; yes or no each, so that no text can carry another fact in
    "contact_verified": "contact verified",
    "responds": "answers its mail",
    "on_call": "somebody answers at night",
    "reviewed": "a person reviewed what it runs",
    "agreed": "its traffic is agreed upon",
}


class NoGroundError(ValueError):
    """A fact that must not be a ground."""


class Standing(StrEnum):
    """What the ladder asks of a customer. Unknown is not bad."""

    GOOD = "good"
    UNKNOWN = "unknown"
    PRIOR = "counted prior"


@dataclass(frozen=True, slots=True)
class Fact:
    """One of FACTS. Another name cannot be recorded: NoGroundError."""

    name: str
    holds: bool
    as_of: int

    def __post_init__(self) -> None:
        if self.name not in FACTS:
            raise NoGroundError(f"{self.name[:60]!r} may not be a ground; facts of a standing are {', '.join(FACTS)}")


@dataclass(frozen=True, slots=True)
class Told:
    """What a provider says of one customer: good, or unknown and why. Nothing worse can be said."""

    good: bool
    why: str = ""  # unknown: in words
    facts: tuple[Fact, ...] = ()
    as_of: int | None = None  # of a good one never None
    until: int | None = None

    def at(self, now: int, age: int) -> Told:
        """As it holds at a time: what is past its end, or older than `age`, is unknown."""
        if not self.good or self.as_of is None:
            return self
        if self.until is not None and now >= self.until:
            return Told(False, f"the provider's answer was valid until {utc(self.until)}")
        if now - self.as_of >= age:
            return Told(False, f"the provider's answer is of {utc(self.as_of)}, older than {duration_text(age)}")
        return self

    def words(self, now: int) -> str:
        """With its facts and their age."""
        facts = [f"{FACTS[fact.name]}: {'yes' if fact.holds else 'no'}{self._aged(fact, now)}" for fact in self.facts]
        valid = [f"valid until {utc(self.until)}"] if self.until is not None else []
        told = "good by the provider" if self.good else f"unknown, which is not bad: {self.why}"
        as_of = "" if self.as_of is None else f", as of {utc(self.as_of)} ({_age(now, self.as_of)})"
        return "; ".join([told + as_of, *facts, *valid])

    def _aged(self, fact: Fact, now: int) -> str:
        """The age of a fact where it is another one than the answer's."""
        return "" if fact.as_of == self.as_of else f" ({_age(now, fact.as_of)})"


@dataclass(frozen=True, slots=True)
class Prior:
    """A settled case that counts: a person said how it ended, and it was not overturned."""

    case: str
    vm: str
    customer: str | None
    opened: int
    outcome: str  # confirmed or undetermined

    @property
    def words(self) -> str:
        return f"case {self.case} of VM {self.vm}, opened {utc(self.opened)}, closed as {self.outcome}"


@dataclass(frozen=True, slots=True)
class Context:
    """What a decision knows of the customer. `told` None: no provider is configured, or none was asked."""

    told: Told | None = None
    prior: Prior | None = None

    @property
    def standing(self) -> Standing:
        """Our own counted prior wins over what a provider says."""
        if self.prior is not None:
            return Standing.PRIOR
        return Standing.GOOD if self.told is not None and self.told.good else Standing.UNKNOWN


class Known(Protocol):
    """Whoever can be asked for a customer's standing (standing/asker.py)."""

    @property
    def trouble(self) -> str | None:
        """Why there was no answer the last time; None: there was one, or nobody was asked yet."""

    def of(self, customer: str, at: int) -> Told:
        """What is known at a time. It never waits."""


def _age(now: int, then: int) -> str:
    return f"{duration_text(now - then)} ago" if now - then >= 1_000_000_000 else "now"
