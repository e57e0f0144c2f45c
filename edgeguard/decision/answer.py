"""The three answers of a safety, and what may be read from the answers of a decision."""

from __future__ import annotations

from edgeguard.model import Decision, SafetyAnswer, Scope

PASS, REFUSE, UNKNOWN = "pass", "refuse", "unknown"

MEASUREMENTS = ("capture health", "independent count", "return path")  # what they say may change within a second
BOUNDS = ("kill file", "breaker", "pace", "fleet permit")  # and these let more pass later
PEOPLE = ("exemption", "probation")  # what people allowed has a ceiling, that a flood may pass later
STANDING = "standing"  # a good one is waited for
ASKED_AGAIN = (*MEASUREMENTS, *BOUNDS, *PEOPLE, STANDING)


def refusals(answers: tuple[SafetyAnswer, ...]) -> tuple[SafetyAnswer, ...]:
    return tuple(answer for answer in answers if answer.answer == REFUSE)


def refusing(decision: Decision) -> frozenset[str]:
    """The names of the safeties that refused."""
    return frozenset(answer.name for answer in refusals(decision.safeties))


def is_allowed(decision: Decision) -> bool:
    """What people allowed, or a good standing, stood in the way of a null route: no data is in doubt."""
    return not refusing(decision).isdisjoint((*PEOPLE, STANDING))


def is_in_doubt(decision: Decision) -> bool:
    """Only what may change stood in the way of a null route: it is asked about again while the flood goes on.

    Who is in good standing is warned meanwhile.
    """
    refused = refusing(decision)
    held = decision.scope is Scope.OBSERVE and bool(refused) and refused <= set(ASKED_AGAIN)
    return held or is_warned_first(decision)


def is_warned_first(decision: Decision) -> bool:
    """A good standing alone stood in the way of a null route below hard."""
    return decision.scope is Scope.WARN and refusing(decision) == {STANDING}
