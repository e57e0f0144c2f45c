"""The safety that asks the kernel: its own counter of the tap must have seen what we counted."""

from __future__ import annotations

from edgeguard import units
from edgeguard.decision.answer import PASS, REFUSE, UNKNOWN
from edgeguard.decision.question import Question
from edgeguard.model import SafetyAnswer

NAME = "independent count"
CONFIRMED = 0.8  # the kernel must have seen this share of our frames


def contradicts(question: Question) -> bool:
    """Whether the kernel has seen too little of what we counted, which is more than that it cannot be asked."""
    return question.kernel is not None and independent_count(question).answer == REFUSE


def independent_count(question: Question) -> SafetyAnswer:
    count, name = question.kernel, NAME
    if question.replayed:
        return SafetyAnswer(name, UNKNOWN, "a savefile has no kernel counter beside it")
    if count is None:
        return SafetyAnswer(name, REFUSE, "the tap's kernel counter could not be read")
    told = f"the tap's kernel counter shows {units.count(count.kernel)} frames, we counted {units.count(count.ours)}"
    if count.kernel >= CONFIRMED * count.ours:
        return SafetyAnswer(name, PASS, told)
    return SafetyAnswer(name, REFUSE, f"{told}: less than {units.percent(CONFIRMED)}")
