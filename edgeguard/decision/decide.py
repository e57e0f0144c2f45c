"""Deciding: a verdict with its circumstances in, one decision out. Nothing is read or written here.

The ladder for a subject of unknown standing: warn -> WARN; act and hard -> narrow; own-only where
forged packets go to no target that stands out; full when the flood moves (three targets null-routed
within `clocks.moves` of one case). Every null route has an end. A scan, a busy client and what the
other side completes are told; what reaches a VM is observed.
"""

from __future__ import annotations

from dataclasses import replace

from edgeguard import units
from edgeguard.config import Config
from edgeguard.decision import forged, reach, safeties
from edgeguard.decision.answer import PASS, REFUSE
from edgeguard.decision.backwards import doubt
from edgeguard.decision.question import Question
from edgeguard.model import Act, Band, Decision, SafetyAnswer, Scope, Subject, Tap, Target, identity
from edgeguard.reading import INTO

MOVED = 3  # targets
AUTOMATION = "automation"
NULL_ROUTES = (Scope.NARROW, Scope.OWN_ONLY, Scope.FULL)


def decide(question: Question) -> Decision:
    """What shall happen about a verdict, and why."""
    answers = safeties.ask(question)
    refused = safeties.refusals(answers)
    if question.verdict.subject.customer is not None:
        return _told(question, answers, refused)
    if question.verdict.rule in INTO:
        return _victim(question, answers)
    return _sent(question, answers, refused)


def _sent(question: Question, answers: tuple[SafetyAnswer, ...], refused: tuple[SafetyAnswer, ...]) -> Decision:
    """About what a VM sends: told, done already, softer than its band, refused, or null-routed."""
    verdict = question.verdict
    if verdict.band is Band.WARN:
        return _warned(question, answers, refused, "over warn: told, nothing is null-routed")
    if done := _done(question):
        return replace(_decision(question, Scope.OBSERVE, verdict.targets, answers, done), silent=True)
    if softer := _softer(question, refused):
        return _warned(question, answers, refused, softer)
    if refused:
        reason = f"{verdict.band} band, but {refused[0].name} refuses: {refused[0].reason}"
        return _decision(question, Scope.OBSERVE, verdict.targets, answers, reason)
    return _null_routed(question, answers)


def _null_routed(question: Question, answers: tuple[SafetyAnswer, ...]) -> Decision:
    """How wide, now that no safety refuses: as narrow as stops the flood."""
    verdict = question.verdict
    if forged.is_the_way(question) and forged.is_freed(question):
        reason = "no target stands out, and a person released its forged packets"
        return _decision(question, Scope.OBSERVE, verdict.targets, answers, reason)
    if forged.is_the_way(question) and not question.own_only:
        reason = f"{verdict.band} band: forged senders, and no target stands out; only forged packets are null-routed"
        return _decision(question, Scope.OWN_ONLY, (), answers, reason)
    targets = _new(question)
    if not targets:
        reason = "its targets are null-routed already, protected, too wide, or were released by a person"
        return _decision(question, Scope.OBSERVE, verdict.targets, answers, reason)
    if _moves(question, targets) and _may_be_full(question):
        minutes = question.config.clocks.moves // 60_000_000_000
        reason = f"the flood moves: {MOVED} targets within {minutes} minutes; all traffic of this VM is null-routed"
        return _decision(question, Scope.FULL, targets, answers, reason)
    return _decision(question, Scope.NARROW, targets, answers, f"{verdict.band} band: its targets are null-routed")


def _told(question: Question, answers: tuple[SafetyAnswer, ...], refused: tuple[SafetyAnswer, ...]) -> Decision:
    """A sum is for people, as none of its VMs needs to have sent too much by itself."""
    doubts = (f"; in doubt, as {a.name} refuses: {a.reason}" for a in refused if a.name in safeties.MEASUREMENTS)
    reason = f"{question.verdict.band} limit of a customer's sum: the desk is told, no VM is null-routed for it"
    return _decision(question, Scope.OBSERVE, question.verdict.targets, answers, reason + "".join(doubts))


def _victim(question: Question, answers: tuple[SafetyAnswer, ...]) -> Decision:
    """What reaches a VM is recorded as what it is; the desk reads of it from hard on, as the host may suffer too."""
    reason = f"{question.verdict.band} limit of what reaches this VM: observed; it is no ground against the VM"
    decision = _decision(question, Scope.OBSERVE, question.verdict.targets, answers, reason)
    return replace(decision, silent=question.verdict.band is not Band.HARD)


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
    """Full needs a flood, whole counts and a known return path; and no person who released full in this case."""
    flood = question.verdict.kind not in safeties.NO_FLOODS
    return flood and not _lossy(question) and doubt(question) is None and Scope.FULL not in question.freed_scopes


def _lossy(question: Question) -> bool:
    """A window with loss may act narrow only: what it did not see may be another target's."""
    return question.window is not None and question.window.loss > question.config.capture.loss


def is_in_doubt(decision: Decision) -> bool:
    """Only a measurement stood in the way of a null route: it may be certain a moment later."""
    refused = [answer.name for answer in safeties.refusals(decision.safeties)]
    return decision.scope is Scope.OBSERVE and bool(refused) and set(refused) <= set(safeties.MEASUREMENTS)


def _warned(
    question: Question, answers: tuple[SafetyAnswer, ...], refused: tuple[SafetyAnswer, ...], why: str
) -> Decision:
    """A warning goes to a customer: only where it is certain who that is and what was counted."""
    targets = question.verdict.targets
    unsure = next((answer for answer in refused if answer.name in safeties.BEFORE_WARNING), None)
    if unsure:
        reason = f"over {question.verdict.band}, but {unsure.name} refuses: {unsure.reason}"
        return _decision(question, Scope.OBSERVE, targets, answers, reason)
    again = question.warned and question.verdict.kind in safeties.NO_FLOODS  # what only rises is no further mail
    return replace(_decision(question, Scope.WARN, targets, answers, why), silent=again)


def _new(question: Question) -> tuple[Target, ...]:
    """The verdict's targets that may be null-routed, are not yet, and that no person has released."""
    freed = question.freed
    return tuple(
        target
        for target in forged.usable(question)
        if not reach.is_covered(target, (*question.standing, *freed))
        and not any(reach.covers(target, other) for other in freed)
    )


def _moves(question: Question, targets: tuple[Target, ...]) -> bool:
    """The third target of a case that was null-routed before: narrow cannot keep up."""
    before = question.null_routed
    return bool(before) and reach.places((*before, *targets)) >= MOVED


def _decision(
    question: Question, scope: Scope, targets: tuple[Target, ...], answers: tuple[SafetyAnswer, ...], reason: str
) -> Decision:
    verdict = question.verdict
    acts = scope in NULL_ROUTES
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
        until=verdict.at + question.config.clocks.lifetime if acts else None,
        enforced=acts and not question.replayed,
        safeties=answers,
        reason=reason,
    )


def release(ended: tuple[Decision, ...], at: int, reason: str, by: str = AUTOMATION) -> Decision:
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
    held = [target.place for target in targets if reach.is_protected(target, config)]
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
