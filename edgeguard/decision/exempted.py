"""The safety of exemptions: what people allowed a VM is left alone up to its ceiling, and nothing beside it."""

from __future__ import annotations

from collections.abc import Iterator

from edgeguard import units
from edgeguard.decision.answer import PASS, REFUSE
from edgeguard.decision.question import Question
from edgeguard.decision.reach import within
from edgeguard.grace import Exemption
from edgeguard.model import SafetyAnswer, Target

NAME = "exemption"


def exemption(question: Question) -> SafetyAnswer:
    """Refuses where what is left beside the exempted targets would be below the limit by itself."""
    verdict, exempt = question.verdict, targets(question)
    if not exempt:
        return SafetyAnswer(NAME, PASS, _why_none(question))
    named = ", ".join(target.place for target in exempt)
    rest = round(verdict.measured * (1 - sum(target.share for target in exempt)))
    if rest < verdict.limit:
        by = "; ".join(dict.fromkeys(_told(one) for one in _holding(question)))
        return SafetyAnswer(NAME, REFUSE, f"what goes to {named} is exempted: {by}")
    told = f"{units.count(rest)} {verdict.unit} go elsewhere, which is over the limit by itself"
    return SafetyAnswer(NAME, PASS, f"left out, because exempted: {named}; but {told}")


def targets(question: Question) -> tuple[Target, ...]:
    """The verdict's targets that an exemption covers, as long as no more goes there than its ceiling."""
    found = {t.key(): t for one in _holding(question) for t in _covered(one, question)}
    return tuple(found.values())


def _holding(question: Question) -> Iterator[Exemption]:
    """Exemptions that hold now, and whose traffic is within them."""
    verdict = question.verdict
    for one in question.exemptions:
        ceiling, covered = one.ceiling.of(verdict.unit), _covered(one, question)
        if covered and ceiling is not None and _sent(covered, question) <= ceiling:
            yield one


def _covered(one: Exemption, question: Question) -> list[Target]:
    at, vm = question.verdict.at, question.vm
    if not one.holds(at) or vm is None or one.vm != vm.id:
        return []
    return [t for t in question.verdict.targets if _matches(one, t)]


def _matches(one: Exemption, target: Target) -> bool:
    return (one.protocol, one.port) == (target.protocol, target.port) and within(target.network, one.target)


def _sent(covered: list[Target], question: Question) -> float:
    """A second's worth of what the targets got, in the verdict's unit."""
    verdict = question.verdict
    seconds = 1 if verdict.unit == "bits" else verdict.window_s
    return sum(target.share for target in covered) * verdict.measured / seconds


def _told(one: Exemption) -> str:
    return f"{one.id} by {one.by}, up to {units.count(one.ceiling.packets or 0)} packets a second"


def _why_none(question: Question) -> str:
    if not question.exemptions:
        return "nothing of this VM is exempted"
    if any(_covered(one, question) for one in question.exemptions):
        return "more than the ceiling of its exemption goes there"
    return "this VM's exemptions are for other traffic"
