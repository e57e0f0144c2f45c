"""The safeties about what came back: was it completed, can it be trusted, do others suffer."""

from __future__ import annotations

from edgeguard import units
from edgeguard.decision.answer import PASS, REFUSE, UNKNOWN
from edgeguard.decision.question import Question
from edgeguard.model import Band, Kind, SafetyAnswer

ANSWERED = ("syn", "udp")  # rules whose packets a healthy other side answers


def doubt(question: Question) -> str | None:
    """Why it is not known what came back; None: it is."""
    if question.around.in_doubt:
        return question.around.in_doubt
    if question.verdict.rule in ANSWERED and question.verdict.came_back.packets is None:
        return "what came back is not known"
    return None


def return_path(question: Question) -> SafetyAnswer:
    """A cut return path makes every busy client look like a flood."""
    why = doubt(question)
    if why is None:
        return SafetyAnswer("return path", PASS, "nothing puts in doubt what came back")
    if question.verdict.band is Band.HARD:
        return SafetyAnswer("return path", UNKNOWN, f"{why}; it supports nothing, and no more than narrow is done")
    return SafetyAnswer("return path", REFUSE, f"{why}, so a busy client would look the same")


def completed(question: Question) -> SafetyAnswer:
    """What the other side completes is a busy client's below hard: it is told, and not dropped."""
    found = _completed(question)
    if found is None:
        return SafetyAnswer("completed", UNKNOWN, "what was completed is not known")
    told, enough = found
    if not enough:
        return SafetyAnswer("completed", PASS, told)
    if question.verdict.band is Band.HARD:
        return SafetyAnswer("completed", PASS, f"{told}; at this rate that does not help those who receive it")
    return SafetyAnswer("completed", REFUSE, f"{told}: below hard that is told, not dropped")


def _completed(question: Question) -> tuple[str, bool] | None:
    """The arithmetic in words, and whether it is enough to be no flood; None: not known."""
    verdict, judging = question.verdict, question.config.judging
    back = verdict.came_back
    if verdict.kind is Kind.REFLECTION:
        return "the requests of a reflection are forged, so that they came in says nothing", False
    if verdict.rule == "syn":
        return None if back.third_acks is None else _share(back.third_acks, verdict.measured, judging.completed_share)
    if verdict.rule == "udp" and verdict.unit == "packets":
        if back.packets is None:
            return None
        told = f"{units.count(back.packets)} packets came back for {units.count(verdict.measured)}"
        enough = back.packets * judging.one_way_ratio >= verdict.measured
        return f"{told}, enough is 1 for {judging.one_way_ratio}", enough
    return "nothing of this kind is completed by an answer", False


def _share(acks: int, syns: int, enough: float) -> tuple[str, bool]:
    told = f"{units.count(acks)} handshakes were completed for {units.count(syns)} SYN packets"
    return f"{told}, enough is {units.percent(enough)}", acks >= enough * syns


def harm(question: Question) -> SafetyAnswer:
    """Not a reason to refuse: what makes a band hard that would not be by its own limit."""
    if question.verdict.harm:
        return SafetyAnswer("harm", PASS, f"others suffer, so this counts as hard: {question.verdict.harm}")
    return SafetyAnswer("harm", PASS, "the band is that of its own limit; harm to others made no difference")
