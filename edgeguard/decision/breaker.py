"""The breaker: floods of more customers at once than could be true mean that the data is not.

Nor may it be a shield: who floods from six accounts to open it, and then from a seventh, is null-routed all the
same, narrow and for a short time, as long as the kernel's counter confirms each.
"""

from __future__ import annotations

from edgeguard import units
from edgeguard.decision.answer import PASS, REFUSE
from edgeguard.decision.question import Question
from edgeguard.decision.recent import whose
from edgeguard.model import Band, SafetyAnswer

NAME = "breaker"


def breaker(question: Question) -> SafetyAnswer:
    settings = question.config.breaker
    if not settings.on:
        return SafetyAnswer(NAME, PASS, "it is switched off in the configuration")
    most = f"{units.count(_most(question))} customers in {units.duration_text(settings.within)}"
    if is_blind(question):
        doubtful = f"the kernel's counter does not confirm the floods of {len(_doubtful(question))} customers"
        told = f"{doubtful}, allowed are {most}"
        return SafetyAnswer(NAME, REFUSE, f"open, all automation stops: {told}")
    with_this = len(_customers(question))
    if not is_open(question):
        return SafetyAnswer(NAME, PASS, f"closed: {with_this} with this one, allowed are {most}")
    return _softened(question, f"open: {with_this} customers with this one, allowed are {most}")


def _softened(question: Question, told: str) -> SafetyAnswer:
    """What goes on while it is open, though every count is confirmed."""
    settings, at = question.config.breaker, question.verdict.at
    if question.verdict.band is not Band.HARD:
        return SafetyAnswer(NAME, REFUSE, f"{told}; below hard nothing is null-routed")
    every, since = units.duration_text(settings.every), question.recent.since_last(at)
    if since is not None and since < settings.every:
        return SafetyAnswer(NAME, REFUSE, f"{told}; queued, as it lets one hard flood pass in {every}")
    lasts = units.duration_text(settings.lifetime)
    return SafetyAnswer(NAME, PASS, f"{told}; hard goes on narrow, one in {every}, for {lasts}")


def is_open(question: Question) -> bool:
    """Whether this null route would be one customer too many, or so many are there already."""
    return question.config.breaker.on and (len(_customers(question)) > _most(question) or is_blind(question))


def is_blind(question: Question) -> bool:
    """Whether so many counts are not confirmed that none can be believed."""
    return question.config.breaker.on and len(_doubtful(question)) > _most(question)


def lifetime(question: Question) -> int:
    """Of a null route that is decided now."""
    usual, short = question.config.clocks.lifetime, question.config.breaker.lifetime
    return min(usual, short) if is_open(question) else usual


def _most(question: Question) -> int:
    return question.config.breaker.most(question.customers)


def _customers(question: Question) -> frozenset[str]:
    """Null-routed by automation within the time, this one among them."""
    return question.recent.customers(question.verdict.at, question.config.breaker.within) | {_this(question)}


def _doubtful(question: Question) -> frozenset[str]:
    """Not confirmed within the time, for longer than a moment."""
    return question.recent.doubtful(question.verdict.at, question.config.breaker.within)


def _this(question: Question) -> str:
    vm = question.vm
    return whose(vm.id if vm else question.verdict.subject.tap, vm.customer if vm else None)
