"""The safeties about what came back: was it completed, can it be trusted."""

from __future__ import annotations

from edgeguard import units
from edgeguard.decision.answer import PASS, REFUSE, UNKNOWN
from edgeguard.decision.question import Question
from edgeguard.model import Band, Kind, SafetyAnswer, Verdict

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
    if question.verdict.band is Band.HARD and question.verdict.kind not in (Kind.SCAN, Kind.BUSY):
        return SafetyAnswer("return path", UNKNOWN, f"{why}; it supports nothing, and no more than narrow is done")
    return SafetyAnswer("return path", REFUSE, f"{why}, so a busy client would look the same")


def completed(question: Question) -> SafetyAnswer:
    """What the other side completes is a busy client's below hard: it is told, and not dropped.

    Warn and act measure half-open SYNs and one-way UDP alone, so a flood cannot hide behind connections that
    are completed elsewhere; here it is the window's own share that counts, where all of it was measured.
    """
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
    verdict = question.verdict
    if verdict.kind is Kind.REFLECTION:
        return "the requests of a reflection are forged, so that they came in says nothing", False
    if verdict.rule == "syn":
        return _handshakes(verdict, question.config.judging.completed_share)
    if verdict.rule == "udp" and verdict.unit == "packets":
        return _answers(verdict, question.config.judging.one_way_ratio)
    return "no answer completes what this rule counts", False


def _handshakes(verdict: Verdict, enough: float) -> tuple[str, bool] | None:
    acks, least = verdict.came_back.third_acks, units.percent(enough)
    if acks is None:
        return None
    connects = verdict.kind in (Kind.CONNECTIONS, Kind.BUSY)
    if verdict.band is not Band.HARD and not connects:
        return f"only SYNs to targets that complete less than {least} of the handshakes are counted here", False
    told = f"{units.count(acks)} handshakes were completed in this second; enough is {least} of the SYNs"
    return told, connects or acks >= enough * verdict.measured


def _answers(verdict: Verdict, ratio: int) -> tuple[str, bool] | None:
    back = verdict.came_back.packets
    if back is None:
        return None
    told = f"{units.count(back)} packets came back for {units.count(verdict.measured)}; enough is 1 for {ratio}"
    return told, back * ratio >= verdict.measured
