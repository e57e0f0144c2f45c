"""The safety of a person's release: what a person let go lately is not null-routed again, but for worse, and once.

The signature is VM, protocol, target within its /24 or /48, port, and at most 1.5 times the rate that was released.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgeguard import units
from edgeguard.clock import MINUTE, utc
from edgeguard.decision.answer import PASS, REFUSE
from edgeguard.decision.question import Question
from edgeguard.decision.reach import ANY_PROTOCOL, WIDEST, within
from edgeguard.grace import HEADROOM
from edgeguard.model import Band, Decision, SafetyAnswer, Target

NAME = "probation"
SHORT = 15 * MINUTE  # that a null route against a person's release stands; not renewed


def probation(question: Question) -> SafetyAnswer:
    """Refuses below hard; from hard on only where automation went against that release before."""
    releases = tuple(_matching(question))
    if not releases:
        told = "what a person released of this VM is other traffic" if question.released else "no person released it"
        return SafetyAnswer(NAME, PASS, told)
    release = max(releases, key=lambda one: one.at)
    by = f"{release.by} released this at {utc(release.at)}"
    if all(left_alone(question, target) for target in question.verdict.targets or (None,)):
        return SafetyAnswer(NAME, REFUSE, f"{by}; {_why_alone(question, release)}")
    if not against(question):
        return SafetyAnswer(NAME, PASS, f"{by}; other targets of this flood were not released")
    return SafetyAnswer(NAME, PASS, f"{by}; {_worse(question, release)}: null-routed for 15 minutes against it, once")


def against(question: Question) -> tuple[str, ...]:
    """Ids of the releases that a null route now goes against."""
    targets = question.verdict.targets or (None,)
    done = [target for target in targets if not left_alone(question, target)]
    return tuple(r.id for r in _matching(question) if any(_covers(r, target, question) for target in done))


def is_on_probation(question: Question) -> bool:
    """Whether a person released any of this lately: it is null-routed narrow at most."""
    return next(_matching(question), None) is not None


def left_alone(question: Question, target: Target | None) -> bool:
    """Whether a person's release keeps a target from being null-routed. None: the flood has no target."""
    return any(
        _covers(release, target, question) and (release.id in question.against or _worse(question, release) is None)
        for release in _matching(question)
    )


def _matching(question: Question) -> Iterator[Decision]:
    """Releases within the time that cover any of the verdict."""
    verdict, within_ns = question.verdict, question.config.clocks.probation
    for release in question.released:
        covered = any(_covers(release, target, question) for target in verdict.targets or (None,))
        if abs(verdict.at - release.at) < within_ns and covered:
            yield release


def _covers(release: Decision, target: Target | None, question: Question) -> bool:
    """One of the release's targets, or its neighbour; released as a whole: whatever the same rules find."""
    rules = release.grace.rules if release.grace else ()
    if not release.targets:
        return not rules or question.verdict.rule in rules
    return target is not None and any(_alike(one, target) for one in release.targets)


def _alike(one: Target, target: Target) -> bool:
    protocol, port = one.protocol in (ANY_PROTOCOL, target.protocol), one.port in (None, target.port)
    widest = WIDEST[one.address.version]
    around = one.network if one.network.prefixlen <= widest else one.network.supernet(new_prefix=widest)
    return protocol and port and within(target.network, around)


def _worse(question: Question, release: Decision) -> str | None:
    """Why this is more than what was released; None: it is not. Harm to others makes the band hard."""
    verdict = question.verdict
    if verdict.band is Band.HARD:
        return f"others suffer: {verdict.harm}" if verdict.harm else "it is over hard"
    then = release.grace.rate.of(verdict.unit) if release.grace else None
    now = verdict.measured if verdict.unit == "bits" else verdict.measured // verdict.window_s
    if then is not None and now > then * HEADROOM:
        return f"{units.count(now)} {verdict.unit} a second are more than 1.5 times what was released"
    return None


def _why_alone(question: Question, release: Decision) -> str:
    worse = _worse(question, release)
    if worse is None:
        return f"below hard, and no more than then, nothing is null-routed: this is for {release.by} to read"
    return f"{worse}, but automation went against that once, and does not again"
