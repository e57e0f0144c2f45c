"""The pace: how much automation does at a time. What is more waits, and is asked about again."""

from __future__ import annotations

from edgeguard import units
from edgeguard.decision import moving
from edgeguard.decision.answer import PASS, REFUSE, UNKNOWN
from edgeguard.decision.question import Question
from edgeguard.model import SafetyAnswer


def pace(question: Question) -> SafetyAnswer:
    settings, taps = question.config.pace, question.standing_taps
    if not _stands_here(question) and taps >= settings.standing:
        told = f"queued: {units.count(taps)} taps are null-routed, as many as may be at once"
        return SafetyAnswer("pace", REFUSE, told)
    told = f"{units.count(taps)} of {units.count(settings.standing)} taps are null-routed"
    fulls = f"{_fulls(question)} of {settings.full} full in {units.duration_text(settings.within)}"
    if not may_be_full(question) and _wants_full(question):
        return SafetyAnswer("pace", UNKNOWN, f"{told}; {fulls}: full is queued, no more than narrow is done")
    return SafetyAnswer("pace", PASS, f"{told}; {fulls}")


def may_be_full(question: Question) -> bool:
    """Whether one more full null route keeps the pace."""
    return _fulls(question) < question.config.pace.full


def _wants_full(question: Question) -> bool:
    targets = moving.new(question)
    moves, prior = moving.by_moving(question, targets), moving.by_prior(question, targets)
    return question.unstopped or moves is not None or prior is not None


def _fulls(question: Question) -> int:
    return question.recent.fulls(question.verdict.at, question.config.pace.within)


def _stands_here(question: Question) -> bool:
    """A tap that is null-routed already needs no further rule: its targets are routes in its table."""
    return bool(question.standing) or question.own_only or question.full
