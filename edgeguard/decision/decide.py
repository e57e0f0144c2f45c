"""Deciding: a verdict with its circumstances in, one decision out. Nothing is read or written here.

The ladder for a subject of unknown standing: warn -> WARN; act and hard -> narrow; full when the
flood moves (three targets null-routed within `clocks.moves` of one case). Every null route has an end.
"""

from __future__ import annotations

from dataclasses import replace

from edgeguard.config import Config
from edgeguard.decision import safeties
from edgeguard.decision.question import Question
from edgeguard.model import Act, Band, Decision, SafetyAnswer, Scope, Subject, Tap, Target, identity

MOVED = 3  # targets
AUTOMATION = "automation"
ANY_PROTOCOL = 0  # of a person's target: whatever goes to its address


def decide(question: Question) -> Decision:
    """What shall happen about a verdict, and why."""
    verdict = question.verdict
    answers = safeties.ask(question)
    refused = safeties.refusals(answers)
    if verdict.subject.customer is not None or verdict.band is Band.WARN:
        return _told(question, answers, refused)
    if done := _done(question):
        return replace(_decision(question, Scope.OBSERVE, verdict.targets, answers, done), silent=True)
    if refused:
        reason = f"{verdict.band} band, but {refused[0].name} refuses: {refused[0].reason}"
        return _decision(question, Scope.OBSERVE, verdict.targets, answers, reason)
    targets = _new(question)
    if not targets:
        reason = "its targets are null-routed already, protected, or were released by a person"
        return _decision(question, Scope.OBSERVE, verdict.targets, answers, reason)
    if _moves(question, targets) and not _lossy(question):
        minutes = question.config.clocks.moves // 60_000_000_000
        reason = f"the flood moves: {MOVED} targets within {minutes} minutes; all traffic of this VM is null-routed"
        return _decision(question, Scope.FULL, targets, answers, reason)
    return _decision(question, Scope.NARROW, targets, answers, f"{verdict.band} band: its targets are null-routed")


def _told(question: Question, answers: tuple[SafetyAnswer, ...], refused: tuple[SafetyAnswer, ...]) -> Decision:
    """A sum is for people, as none of its VMs needs to have sent too much by itself; a warning is for its customer."""
    if question.verdict.subject.customer is None:
        return _warned(question, answers, refused)
    doubts = (f"; in doubt, as {a.name} refuses: {a.reason}" for a in refused if a.name in safeties.MEASUREMENTS)
    reason = f"{question.verdict.band} limit of a customer's sum: the desk is told, no VM is null-routed for it"
    return _decision(question, Scope.OBSERVE, question.verdict.targets, answers, reason + "".join(doubts))


def _done(question: Question) -> str | None:
    """What stands already covers the verdict: nothing to do, and nothing to tell anybody."""
    if question.full:
        return "the whole VM is null-routed already"
    targets = question.verdict.targets
    if targets and all(_covered(target, question.standing) for target in targets):
        return "its targets are null-routed already"
    return None


def _covered(target: Target, by: tuple[Target, ...]) -> bool:
    address, protocol, port = target.key()
    keys = {other.key() for other in by}
    wider = {(address, protocol, port), (address, protocol, None), (address, ANY_PROTOCOL, None)}
    return not keys.isdisjoint(wider)


def _lossy(question: Question) -> bool:
    """A window with loss may act narrow only: what it did not see may be another target's."""
    return question.window is not None and question.window.loss > question.config.capture.loss


def is_in_doubt(decision: Decision) -> bool:
    """Only a measurement stood in the way of a null route: it may be certain a moment later."""
    refused = [answer.name for answer in safeties.refusals(decision.safeties)]
    return decision.scope is Scope.OBSERVE and bool(refused) and set(refused) <= set(safeties.MEASUREMENTS)


def _warned(question: Question, answers: tuple[SafetyAnswer, ...], refused: tuple[SafetyAnswer, ...]) -> Decision:
    """A warning goes to a customer: only where it is certain who that is and what was counted."""
    targets = question.verdict.targets
    doubt = next((answer for answer in refused if answer.name in safeties.BEFORE_WARNING), None)
    if doubt:
        reason = f"over warn, but {doubt.name} refuses: {doubt.reason}"
        return _decision(question, Scope.OBSERVE, targets, answers, reason)
    return _decision(question, Scope.WARN, targets, answers, "over warn: told, nothing is null-routed")


def _new(question: Question) -> tuple[Target, ...]:
    """The verdict's targets that may be null-routed, are not yet, and that no person has released."""
    settled = (*question.standing, *question.freed)
    return tuple(
        target
        for target in question.verdict.targets
        if not _covered(target, settled) and not safeties.is_protected(target, question.config)
    )


def _moves(question: Question, targets: tuple[Target, ...]) -> bool:
    """The third target of a case that was null-routed before: narrow cannot keep up."""
    before = {str(target.address) for target in question.null_routed}
    return bool(before) and len(before | {str(target.address) for target in targets}) >= MOVED


def _decision(
    question: Question, scope: Scope, targets: tuple[Target, ...], answers: tuple[SafetyAnswer, ...], reason: str
) -> Decision:
    verdict = question.verdict
    acts = scope in (Scope.NARROW, Scope.FULL)
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
    widest = max(ended, key=lambda decision: decision.scope is Scope.FULL)
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
    held = [str(target.address) for target in targets if safeties.is_protected(target, config)]
    answer = safeties.REFUSE if held else safeties.PASS
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
