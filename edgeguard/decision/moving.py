"""Which targets a null route would newly name, and whether the whole VM is to be null-routed for the flood.

Hard: where it moves, and at once where a counted prior is known. In the act band only where both hold.
"""

from __future__ import annotations

from edgeguard.clock import MINUTE
from edgeguard.decision import exempted, forged, probation, reach
from edgeguard.decision.question import Question
from edgeguard.decision.standing import is_prior
from edgeguard.model import Band, Target

MOVED = 3  # targets


def new(question: Question) -> tuple[Target, ...]:
    """The verdict's targets that may be null-routed, are not yet, and that no person has released or exempted."""
    exempt = exempted.targets(question)
    return tuple(
        target
        for target in forged.usable(question)
        if not reach.is_covered(target, question.standing)
        and target not in exempt
        and not probation.left_alone(question, target)
    )


def moves(question: Question, targets: tuple[Target, ...]) -> bool:
    """The third target of a case that was null-routed before: narrow cannot keep up."""
    before = question.null_routed
    return bool(before) and reach.places((*before, *targets)) >= MOVED


def by_moving(question: Question, targets: tuple[Target, ...]) -> str | None:
    """Why the flood's moving makes it full, in words; None: it does not. Below hard narrow goes on after it."""
    if not moves(question, targets) or not (question.verdict.band is Band.HARD or is_prior(question)):
        return None
    within = f"{MOVED} targets within {question.config.clocks.moves // MINUTE} minutes"
    return f"the flood moves: {within}; all traffic of this VM is null-routed"


def by_prior(question: Question, targets: tuple[Target, ...]) -> str | None:
    """Why a counted prior makes it full at once, in words; None: it does not. What people exempted is not cut."""
    prior = question.context.prior
    if prior is None or question.verdict.band is not Band.HARD or exempted.targets(question):
        return None
    if not targets and (question.own_only or not forged.is_the_way(question)):
        return None
    return f"hard band, and a counted prior ({prior.case}, {prior.outcome}): all traffic of this VM is null-routed"
