"""What people allowed, and how often each VM was null-routed lately: in memory, as the engine never waits for a disk.

Loaded at start, and again after each change (`exempted`); what a person releases comes with its decision (`after`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from edgeguard.decision.repeats import Repeats
from edgeguard.grace import Exemption
from edgeguard.model import Act, Decision, Vm


class Allowances:
    """People's releases, which of them automation went against, the exemptions, and the repeats."""

    def __init__(self) -> None:
        self._released: tuple[Decision, ...] = ()
        self._exemptions: tuple[Exemption, ...] = ()
        self.against: frozenset[str] = frozenset()
        self.repeats = Repeats()

    def load(self, decisions: Iterable[Decision], exemptions: Iterable[Exemption]) -> None:
        """As the database has them, at start."""
        self._exemptions = tuple(exemptions)
        for decision in decisions:
            self.after(decision)

    def after(self, decision: Decision) -> None:
        """A decision stands: a person's release counts from now on, and one that was gone against is used up."""
        if decision.act is Act.RELEASE and decision.grace is not None:
            self._released = (*self._released, decision)
            self._exemptions = (*self._exemptions, *decision.grace.exempts)
        self.against |= set(decision.against)
        self.repeats = self.repeats.after(decision)

    def exempted(self, exemptions: Iterable[Exemption]) -> None:
        """From now on these hold, and no others."""
        self._exemptions = tuple(exemptions)

    def released(self, vm: Vm | None) -> tuple[Decision, ...]:
        """People's releases of a VM. How old one may be is the safety's affair."""
        return tuple(one for one in self._released if vm is not None and one.subject.vm == vm.id)

    def exemptions(self, vm: Vm | None) -> tuple[Exemption, ...]:
        return tuple(one for one in self._exemptions if vm is not None and one.vm == vm.id)

    def forget(self, before: int) -> None:
        """Releases that are older matter to nobody any more."""
        self._released = tuple(one for one in self._released if one.at >= before)
        self.against &= {one.id for one in self._released}

    def stepped(self, by: int) -> None:
        """The wall clock was set by so much: a release is as long ago as before. An exemption's end is a date."""
        self._released = tuple(replace(one, at=one.at + by) for one in self._released)
        self.repeats = self.repeats.stepped(by)
