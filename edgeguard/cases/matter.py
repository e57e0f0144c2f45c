"""A matter: the cases that go together, as the one thing that a person has before them.

for matter in matters(cases): print(matter.id, matter.state, len(matter.cases))
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edgeguard.cases.case import Case

# Whoever waits for a person first, then how much is dropped, then how near it is to that.
MOST_URGENT: tuple[str, ...] = ("appealed", "full", "own-only", "narrow", "review", "upheld")
MOST_URGENT += ("suspect-data", "warned", "observed", "probation", "victim", "closed")


@dataclass(frozen=True, slots=True)
class Matter:
    """Cases of one leader, which stands first; the others in the order in which they began. Never empty."""

    cases: tuple[Case, ...]

    @property
    def id(self) -> str:
        """The leader's, also where it is not among them."""
        return head(self.cases[0])

    @property
    def opened(self) -> int:
        return self.cases[0].opened

    @property
    def vms(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(case.vm for case in self.cases if case.vm))

    @property
    def state(self) -> str:
        """The most urgent of its cases' states, and of how many, where others are in another."""
        states = [case.state for case in self.cases]
        first = min(states, key=MOST_URGENT.index)
        return first if {*states} == {first} else f"{first} ({states.count(first)} of {len(states)})"

    @property
    def outcome(self) -> str | None:
        """How its cases ended; None while one of them is open."""
        if any(case.outcome is None for case in self.cases):
            return None
        return ", ".join(dict.fromkeys(str(case.outcome) for case in self.cases))


def head(case: Case) -> str:
    """The id of the matter that a case is part of."""
    return case.leader or case.id


def matters(cases: Iterable[Case]) -> list[Matter]:
    """These cases by their leaders, in the order in which each matter comes first."""
    found: dict[str, list[Case]] = {}
    for case in cases:
        found.setdefault(head(case), []).append(case)
    return [Matter(tuple(sorted(of, key=_place))) for of in found.values()]


def _place(case: Case) -> tuple[bool, int, str]:
    return head(case) != case.id, case.opened, case.id
