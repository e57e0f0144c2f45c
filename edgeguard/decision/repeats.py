"""How often a VM was null-routed by automation lately, each case once.

Frozen: each decision gives the next one. A restart builds it anew from the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from edgeguard.grace import Disposition
from edgeguard.model import Act, Decision
from edgeguard.states import AUTOMATION

NO_GROUND = (Disposition.EXEMPT, Disposition.OUR_FAULT)  # what was overturned weighs nothing
KEPT = 366 * 24 * 3_600_000_000_000


@dataclass(frozen=True, slots=True)
class Repeats:
    """Times of the first null route of each case."""

    of: Mapping[tuple[str, str], int] = field(default_factory=dict)  # by VM and case

    def number(self, vm: str | None, case: str, at: int, within: int) -> int:
        """1 for the first within the time, this case among them."""
        cases = {c for (v, c), then in self.of.items() if v == vm and c != case and abs(at - then) < within}
        return len(cases) + 1

    def after(self, decision: Decision) -> Repeats:
        """With one more decision. What is only written down, a person's, and what is overturned do not count."""
        key = (decision.subject.vm or "", decision.case)
        if decision.act is Act.NULL_ROUTE and decision.by == AUTOMATION and decision.enforced:
            near = {k: then for k, then in self.of.items() if abs(decision.at - then) < KEPT}
            return replace(self, of={key: decision.at, **near})
        if decision.grace is not None and decision.grace.disposition in NO_GROUND:
            return replace(self, of={k: then for k, then in self.of.items() if k != key})
        return self

    def stepped(self, by: int) -> Repeats:
        """The wall clock was set by so much: what was lately is as long ago as before."""
        return replace(self, of={key: then + by for key, then in self.of.items()})
