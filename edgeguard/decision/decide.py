"""Deciding: a verdict with its circumstances in, one decision out. Nothing is read or written here.

The ladder for a subject of unknown standing: warn -> WARN; act and hard -> narrow; own-only where
forged packets go to no target that stands out; full when a hard flood moves (three targets null-routed
within `clocks.moves` of one case), where breaker and pace let it. A good standing is warned first in the act band,
and waited for a moment in hard; with a counted prior of our own a flood of the act band that moves is full, and a hard
one at once. Every null route has an end. A scan, a busy client and what the other side completes are told; what
reaches a VM is observed.
"""

from __future__ import annotations

from dataclasses import replace

from edgeguard import units
from edgeguard.config import Config
from edgeguard.decision import (
    breaker,
    exempted,
    forged,
    independent,
    moving,
    pace,
    paging,
    probation,
    reach,
    safeties,
    standing,
)
from edgeguard.decision.answer import PASS, REFUSE, STANDING, refusals
from edgeguard.decision.backwards import doubt
from edgeguard.decision.question import Question
from edgeguard.grace import Grace
from edgeguard.model import Act, Band, Decision, SafetyAnswer, Scope, Subject, Tap, Target, identity
from edgeguard.reading import INTO

AUTOMATION = "automation"
NULL_ROUTES = (Scope.NARROW, Scope.OWN_ONLY, Scope.FULL)


def decide(question: Question) -> Decision:
    """What shall happen about a verdict, why, and whether a person is woken for it."""
    return paging.paged(question, _decided(question))


def _decided(question: Question) -> Decision:
    answers = safeties.ask(question)
    refused = refusals(answers)
    if question.verdict.subject.customer is not None:
        return _told(question, answers, refused)
    if question.verdict.rule in INTO:
        return _victim(question, answers, refused)
    return _sent(question, answers, refused)


def _sent(question: Question, answers: tuple[SafetyAnswer, ...], refused: tuple[SafetyAnswer, ...]) -> Decision:
    """About what a VM sends: told, done already, softer than its band, refused, or null-routed."""
    verdict = question.verdict
    if exempt := next((answer for answer in refused if answer.name == exempted.NAME), None):
        return replace(_decision(question, Scope.OBSERVE, verdict.targets, answers, exempt.reason), silent=True)
    if verdict.band is Band.WARN:
        return _warned(question, answers, refused, "over warn: told, nothing is null-routed")
    if not question.unstopped and (done := _done(question)):
        return replace(_decision(question, Scope.OBSERVE, verdict.targets, answers, done), silent=True)
    others = tuple(answer for answer in refused if answer.name != STANDING)
    if softer := _softer(question, others):
        return _warned(question, answers, refused, softer)
    if others:
        reason = f"{verdict.band} band, but {others[0].name} refuses: {others[0].reason}"
        return _decision(question, Scope.OBSERVE, verdict.targets, answers, reason)
    decided = _null_routed(question, answers)
    return _waited_for(question, answers, refused) if refused and decided.act is Act.NULL_ROUTE else decided


def _waited_for(question: Question, answers: tuple[SafetyAnswer, ...], refused: tuple[SafetyAnswer, ...]) -> Decision:
    """What would be null-routed, were its customer not in good standing: told once, and asked about again.

    Nobody is written to for the moment that hard is waited for: what follows is told.
    """
    verdict, enough = question.verdict, units.duration_text(standing.patience(question))
    reason = f"over {verdict.band}: null-routed if it goes on for {enough}, as its customer is in good standing"
    if verdict.band is Band.HARD:
        return replace(_decision(question, Scope.OBSERVE, verdict.targets, answers, reason), silent=True)
    decided = _warned(question, answers, refused, reason)
    return replace(decided, silent=decided.silent or standing.was_waited_for(question))


def _null_routed(question: Question, answers: tuple[SafetyAnswer, ...]) -> Decision:
    """How wide, now that no safety refuses: as narrow as stops the flood."""
    verdict = question.verdict
    if question.unstopped:
        return _widened(question, answers)
    targets = moving.new(question)
    if (prior := moving.by_prior(question, targets)) and _may_be_full(question):
        return _decision(question, Scope.FULL, targets, answers, prior)
    if forged.is_the_way(question) and not question.own_only:
        reason = f"{verdict.band} band: forged senders, and no target stands out; only forged packets are null-routed"
        return _decision(question, Scope.OWN_ONLY, (), answers, reason)
    if not targets:
        reason = "its targets are null-routed already, protected, too wide, exempted, or released by a person"
        return _decision(question, Scope.OBSERVE, verdict.targets, answers, reason)
    if (moves := moving.by_moving(question, targets)) and _may_be_full(question):
        return _decision(question, Scope.FULL, targets, answers, moves)
    return _decision(question, Scope.NARROW, targets, answers, f"{verdict.band} band: its targets are null-routed")


def _widened(question: Question, answers: tuple[SafetyAnswer, ...]) -> Decision:
    """What stands does not stop the flood: everything of the VM, where that may be; in any case a person is woken."""
    if question.full:
        reason = "the whole VM is null-routed, and its flood goes on"
        decided = _decision(question, Scope.OBSERVE, question.verdict.targets, answers, reason)
    elif _may_be_full(question):
        reason = "its null route does not stop the flood: all traffic of this VM is null-routed"
        decided = _decision(question, Scope.FULL, forged.usable(question), answers, reason)
    else:
        reason = "its null route does not stop the flood, and all traffic of this VM may not be null-routed"
        decided = _decision(question, Scope.OBSERVE, question.verdict.targets, answers, reason)
    return replace(decided, page="not stopped")


def _told(question: Question, answers: tuple[SafetyAnswer, ...], refused: tuple[SafetyAnswer, ...]) -> Decision:
    """A sum is for people, as none of its VMs needs to have sent too much by itself."""
    reason = f"{question.verdict.band} limit of a customer's sum: the desk is told, no VM is null-routed for it"
    return _decision(question, Scope.OBSERVE, question.verdict.targets, answers, reason + _doubts(refused))


def _victim(question: Question, answers: tuple[SafetyAnswer, ...], refused: tuple[SafetyAnswer, ...]) -> Decision:
    """What reaches a VM is recorded as what it is; the desk reads of it from hard on, as the host may suffer too."""
    reason = f"{question.verdict.band} limit of what reaches this VM: observed; it is no ground against the VM"
    decision = _decision(question, Scope.OBSERVE, question.verdict.targets, answers, reason + _doubts(refused))
    return replace(decision, silent=question.verdict.band is not Band.HARD)


def _doubts(refused: tuple[SafetyAnswer, ...]) -> str:
    """What is told stands on these."""
    unsure = [answer for answer in refused if answer.name in safeties.BEFORE_WARNING]
    return "".join(f"; in doubt, as {answer.name} refuses: {answer.reason}" for answer in unsure)


def _softer(question: Question, refused: tuple[SafetyAnswer, ...]) -> str | None:
    """Why this is no more than a warning, whatever its band: it is no flood, or it is completed."""
    verdict, names = question.verdict, {answer.name for answer in refused}
    if verdict.kind in safeties.NO_FLOODS and refused:
        return f"over {verdict.band}, and no flood but a {verdict.kind}: told, nothing is null-routed"
    if "completed" in names:
        told = next(answer.reason for answer in refused if answer.name == "completed")
        return f"over {verdict.band}, but {told}; nothing is null-routed"
    return None


def _done(question: Question) -> str | None:
    """What stands already covers the verdict: nothing to do, and nothing to tell anybody."""
    if question.full:
        return "the whole VM is null-routed already"
    if question.own_only and (left := _below(question)) is not None:
        return f"its forged packets are null-routed already; {left} with its own addresses are below the limit"
    if forged.is_the_way(question) and not question.own_only:
        return None
    targets = question.verdict.targets
    if targets and all(reach.is_covered(target, question.standing) for target in targets):
        return "its targets are null-routed already"
    return None


def _below(question: Question) -> str | None:
    """What goes on beside the forged packets, in words, where that is below the verdict's limit."""
    own, verdict = forged.rest(question), question.verdict
    return f"{units.count(own)} {verdict.unit}" if own is not None and own < verdict.limit else None


def _may_be_full(question: Question) -> bool:
    """Full needs a flood, whole counts, a known return path, a closed breaker and its pace; and no person who
    released any of it lately."""
    flood = question.verdict.kind not in safeties.NO_FLOODS and not probation.is_on_probation(question)
    known = not _lossy(question) and doubt(question) is None
    return flood and known and not breaker.is_open(question) and pace.may_be_full(question)


def _lossy(question: Question) -> bool:
    """A window with loss may act narrow only: what it did not see may be another target's."""
    return question.window is not None and question.window.loss > question.config.capture.loss


def _warned(
    question: Question, answers: tuple[SafetyAnswer, ...], refused: tuple[SafetyAnswer, ...], why: str
) -> Decision:
    """A warning goes to a customer: only where it is certain who that is and what was counted."""
    targets = question.verdict.targets
    contradicted = (independent.NAME,) if independent.contradicts(question) else ()
    unsure = next((answer for answer in refused if answer.name in safeties.BEFORE_WARNING + contradicted), None)
    if unsure:
        reason = f"over {question.verdict.band}, but {unsure.name} refuses: {unsure.reason}"
        return _decision(question, Scope.OBSERVE, targets, answers, reason)
    again = question.warned and question.verdict.kind in safeties.NO_FLOODS  # what only rises is no further mail
    return replace(_decision(question, Scope.WARN, targets, answers, why), silent=again)


def _decision(
    question: Question, scope: Scope, targets: tuple[Target, ...], answers: tuple[SafetyAnswer, ...], reason: str
) -> Decision:
    verdict = question.verdict
    acts = scope in NULL_ROUTES
    against = probation.against(question) if acts else ()
    return Decision(
        id=identity("d", verdict.id, scope),
        case=question.case,
        verdict=verdict.id,
        at=verdict.at,
        act=Act.NULL_ROUTE if acts else Act.NONE,
        scope=scope,
        subject=verdict.subject,
        tap=question.tap,
        targets=targets,
        until=verdict.at + _lifetime(question, against) if acts else None,
        enforced=acts and not question.replayed,
        safeties=answers,
        reason=reason,
        against=against,
        repeat=question.repeat,
    )


def _lifetime(question: Question, against: tuple[str, ...]) -> int:
    """As usual; short where the breaker is open, or where a person released the same lately."""
    usual = breaker.lifetime(question)
    return min(usual, probation.SHORT) if against else usual


def release(
    ended: tuple[Decision, ...], at: int, reason: str, by: str = AUTOMATION, grace: Grace | None = None
) -> Decision:
    """The end of null routes of one case: a decision like any other. Its scope is the widest it ends."""
    widest = max(ended, key=lambda decision: NULL_ROUTES.index(decision.scope))
    return Decision(
        id=identity("d", *(decision.id for decision in ended), "release", at),
        case=widest.case,
        verdict=widest.verdict,
        at=at,
        act=Act.RELEASE,
        scope=widest.scope,
        subject=widest.subject,
        tap=widest.tap,
        targets=tuple({t.key(): t for decision in ended for t in decision.targets}.values()),
        until=None,
        enforced=widest.enforced,
        safeties=(),
        reason=reason,
        by=by,
        releases=tuple(decision.id for decision in ended),
        grace=grace,
    )


def at_other_tap(full: Decision, tap: Tap) -> Decision:
    """The same full null route at another tap of the VM: part of it, told with it and ended with it."""
    return replace(
        full,
        id=identity("d", full.id, tap.ifindex, tap.mac),
        tap=tap,
        subject=replace(full.subject, tap=tap.name),
        reason=f"the whole VM is null-routed: its tap {tap.name}, too",
        silent=True,
        page=None,
        beside=full.id,
    )


def by_person(
    case: str,
    subject: Subject,
    tap: Tap,
    scope: Scope,
    targets: tuple[Target, ...],
    at: int,
    until: int,
    *,
    why: str,
    by: str,
    config: Config,
) -> Decision:
    """A person's null route: the same value, the same ledger; only protected targets are refused to it."""
    held = [target.place for target in targets if reach.is_protected(target, config.protected.targets)]
    answer = REFUSE if held else PASS
    told = f"protected: {', '.join(held)}" if held else "no target is protected"
    return Decision(
        id=identity("d", case, tap.ifindex, by, scope, at, *(target.key() for target in targets)),
        case=case,
        verdict=None,
        at=at,
        act=Act.NONE if held else Act.NULL_ROUTE,
        scope=Scope.OBSERVE if held else scope,
        subject=subject,
        tap=tap,
        targets=targets,
        until=None if held else until,
        enforced=not held,
        safeties=(SafetyAnswer("protected target", answer, told),),
        reason=why,
        by=by,
    )
