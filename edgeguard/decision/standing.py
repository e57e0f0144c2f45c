"""The safety of standing: a customer in good standing is waited for a little longer. Unknown is not bad.

It chooses the rung of the ladder: a good one is warned before it is null-routed, and a counted prior, our own
finding, is null-routed as a whole where another is not (moving.py).
"""

from __future__ import annotations

from edgeguard.context import Standing
from edgeguard.decision.answer import PASS, REFUSE, STANDING, UNKNOWN
from edgeguard.decision.question import Question
from edgeguard.model import Band, SafetyAnswer
from edgeguard.units import duration_text


def standing(question: Question) -> SafetyAnswer:
    """Refuses while a good one's flood has not gone on for long enough; it is asked again with every slot."""
    context, band = question.context, question.verdict.band
    if context.prior is not None:
        return SafetyAnswer(STANDING, PASS, f"counted prior: {context.prior.words}")
    if context.told is None:
        return SafetyAnswer(STANDING, UNKNOWN, f"unknown, which is not bad: {_why_unasked(question)}")
    words = context.told.words(question.verdict.at)
    if not context.told.good:
        return SafetyAnswer(STANDING, UNKNOWN, words)
    if band is Band.WARN:
        return SafetyAnswer(STANDING, PASS, f"{words}; a warning waits for nothing")
    if _stands(question):
        return SafetyAnswer(STANDING, PASS, f"{words}; this case is null-routed already")
    lasted, enough = _lasted(question), patience(question)
    told = f"{words}; over {band} for {duration_text(lasted)}, and {duration_text(enough)} are waited for"
    return SafetyAnswer(STANDING, PASS if lasted >= enough else REFUSE, told)


def patience(question: Question) -> int:
    """ns that a flood of a customer in good standing goes on before it is null-routed."""
    settings, verdict = question.config.standing, question.verdict
    if verdict.band is Band.HARD:
        return settings.patience_hard
    fast = settings.fast_bits and 8 * verdict.bytes > settings.fast_bits * verdict.window_s
    return settings.patience_fast if fast else settings.patience


def was_waited_for(question: Question) -> bool:
    """Whether this case was waited for in this band before: its owner was told then."""
    return question.recent.has_waited(question.case, question.verdict.band)


def is_prior(question: Question) -> bool:
    return question.context.standing is Standing.PRIOR


def _why_unasked(question: Question) -> str:
    if question.replayed:
        return "a replay asks nobody, and knows no history"
    if not question.config.standing.is_asked:
        return "no provider is configured"
    return "nobody was asked" if question.vm is not None and question.vm.customer else "the customer is not known"


def _stands(question: Question) -> bool:
    """Once the case is null-routed the wait is over, for its next target too."""
    return bool(question.null_routed or question.standing) or question.own_only or question.full


def _lasted(question: Question) -> int:
    verdict = question.verdict
    return question.recent.waited(question.case, verdict.band, verdict.at) or 0
