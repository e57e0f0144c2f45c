"""The kill file: a person said that nothing new is to be null-routed on this host."""

from __future__ import annotations

from edgeguard.decision.answer import PASS, REFUSE
from edgeguard.decision.question import Question
from edgeguard.model import SafetyAnswer


def kill_file(question: Question) -> SafetyAnswer:
    if question.killed is not None:
        return SafetyAnswer("kill file", REFUSE, f"{question.killed}; observed only while it is there")
    return SafetyAnswer("kill file", PASS, "there is none")
