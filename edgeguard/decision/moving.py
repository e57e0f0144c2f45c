"""Which targets a null route would newly name, and whether that makes the flood one that moves."""

from __future__ import annotations

from edgeguard.decision import exempted, forged, probation, reach
from edgeguard.decision.question import Question
from edgeguard.model import Target

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
