"""What people allowed, how often each VM was null-routed lately, and what is known of its customer: in memory, as the
engine never waits for a disk.

Loaded at start, and again after each change (`exempted`, `judged`); what a person releases comes with its decision
(`after`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from edgeguard.context import Context, Known, Prior
from edgeguard.decision.repeats import Repeats
from edgeguard.grace import Exemption
from edgeguard.model import Act, Decision, Vm


class Allowances:
    """People's releases, which of them automation went against, the exemptions, the repeats, the settled cases that
    count. `known`: who is asked for a customer's standing; None: nobody."""

    def __init__(self) -> None:
        self._released: tuple[Decision, ...] = ()
        self._exemptions: tuple[Exemption, ...] = ()
        self.against: frozenset[str] = frozenset()
        self.repeats = Repeats()
        self.known: Known | None = None
        self._priors: tuple[Prior, ...] = ()

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

    def judged(self, priors: Iterable[Prior], case: str | None = None) -> None:
        """From now on these settled cases count, and no others; `case`: no others of that one."""
        others = () if case is None else (one for one in self._priors if one.case != case)
        self._priors = (*others, *priors)

    def context(self, vm: Vm | None, case: str, at: int, within: int) -> Context:
        """What is known of a VM's customer: the youngest settled case within the time beside this one, and its standing
        where somebody can be asked. Where the customer is not known the VM's own cases count."""
        if vm is None:
            return Context()
        counted = [
            one for one in self._priors if one.case != case and _theirs(one, vm) and abs(at - one.opened) < within
        ]
        told = self.known.of(vm.customer, at) if self.known is not None and vm.customer is not None else None
        return Context(told, max(counted, key=lambda one: one.opened, default=None))

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
        self._priors = tuple(replace(one, opened=one.opened + by) for one in self._priors)


def _theirs(one: Prior, vm: Vm) -> bool:
    """Of the same customer; by VM only where that is not known now: it may have been another's before."""
    return one.customer == vm.customer if vm.customer is not None else one.vm == vm.id
