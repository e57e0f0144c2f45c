"""When a person is woken about a decision, and for which cause. Everything else is the desk's, in the morning."""

from __future__ import annotations

from dataclasses import replace

from edgeguard.clock import HOUR, SECOND
from edgeguard.decision import breaker, reachable
from edgeguard.decision.answer import PASS, is_in_doubt, refusing
from edgeguard.decision.question import Question
from edgeguard.decision.safeties import NO_FLOODS
from edgeguard.decision.standing import is_prior
from edgeguard.model import Act, Band, Decision, Scope
from edgeguard.reading import INTO

NOT_STOPPED, BREAKER, UNREACHABLE, AGAINST = "not stopped", "breaker", "unreachable", "against a release"
PRIOR = "counted prior"
ONLY_OBSERVED = {"enforce", "kill file"}  # people want it so
PATIENCE = 5 * SECOND  # a measurement is in doubt at every start of a tap: nobody is woken for what passes
AGAIN = HOUR  # the same about the same case; the breaker: about the host


def paged(question: Question, decision: Decision) -> Decision:
    """The decision with the cause for which it pages, if it does."""
    cause = _cause(question, decision)
    if decision.page or cause is None or question.recent.was_paged(cause, question.case, decision.at, AGAIN):
        return decision
    return replace(decision, page=cause)


def _cause(question: Question, decision: Decision) -> str | None:
    if decision.act is Act.NULL_ROUTE:
        return _of_a_null_route(question, decision)
    if not _is_held_back(question, decision):
        return None
    if is_in_doubt(decision) and breaker.is_open(question):
        return BREAKER
    if question.verdict.band is not Band.HARD or _are_copies(question):
        return None
    return NOT_STOPPED if not is_in_doubt(decision) or _lasts(question) else None


def _of_a_null_route(question: Question, decision: Decision) -> str | None:
    if breaker.is_open(question):
        return BREAKER
    if decision.scope is Scope.FULL and _is_unreachable(decision):
        return UNREACHABLE
    if decision.against:
        return AGAINST
    return PRIOR if decision.scope is Scope.FULL and is_prior(question) else None


def _is_unreachable(decision: Decision) -> bool:
    return any(answer.name == reachable.NAME and answer.answer != PASS for answer in decision.safeties)


def _is_held_back(question: Question, decision: Decision) -> bool:
    """A flood out of one VM that would have been null-routed, but for a safety."""
    verdict, refused = question.verdict, refusing(decision)
    theirs = verdict.rule not in INTO and verdict.subject.customer is None and verdict.kind not in NO_FLOODS
    acts = verdict.band is not Band.WARN and decision.scope is Scope.OBSERVE and not decision.silent
    return theirs and acts and bool(refused) and not refused & ONLY_OBSERVED


def _lasts(question: Question) -> bool:
    return question.recent.held_for(question.case, question.verdict.at) >= PATIENCE


def _are_copies(question: Question) -> bool:
    """A mirror port that doubles makes hard what is none: the copies left out, it is below the limit."""
    return question.verdict.measured * (1 - _copied(question)) < question.verdict.limit


def _copied(question: Question) -> float:
    """Share of the frames that came more often than the VM sent them: as seen, or by its tap's own counter.

    Only of a mirror port: where the tap itself is captured nothing comes twice, and a counter that says less is broken.
    """
    window, count = question.window, question.kernel
    seen = window.duplicates if window is not None else 0.0
    share = seen if seen > question.config.capture.duplicates else 0.0
    if question.config.capture.mirror and count is not None and count.ours:
        share = max(share, 1 - count.kernel / count.ours)
    return share
