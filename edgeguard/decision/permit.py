"""The fleet's permit: one host sees only itself, so a service that sees all may be asked whether this one may go on."""

from __future__ import annotations

from edgeguard import units
from edgeguard.decision.answer import PASS, REFUSE
from edgeguard.decision.question import Question
from edgeguard.decision.recent import whose
from edgeguard.model import Band, SafetyAnswer

NAME = "fleet permit"


def fleet_permit(question: Question) -> SafetyAnswer:
    if question.replayed or not question.config.fleet.is_asked:
        return SafetyAnswer(NAME, PASS, "a replay asks no fleet" if question.replayed else "no fleet is configured")
    if question.verdict.band is Band.WARN:
        return SafetyAnswer(NAME, PASS, "not asked about a warning")
    if question.permit is not None:
        told = "the fleet allows it" if question.permit else "the fleet says no"
        return SafetyAnswer(NAME, PASS if question.permit else REFUSE, told)
    return _alone(question)


def _alone(question: Question) -> SafetyAnswer:
    """Without an answer the host's own view must do, for few."""
    settings, vm = question.config.fleet, question.vm
    lately = question.recent.customers(question.verdict.at, settings.within)
    number = len(lately | {whose(vm.id if vm else None, vm.customer if vm else None)})
    most = f"{units.count(settings.customers)} in {units.duration_text(settings.within)}"
    told = f"no answer from the fleet: {units.count(number)} customers with this one, allowed are {most}"
    return SafetyAnswer(NAME, PASS if number <= settings.customers else REFUSE, told)
