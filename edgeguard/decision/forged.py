"""Forged packets as what a null route can be about, where no target stands out: own-only.

Own-only drops what carries a sender that is not the VM's, whatever its target, and nothing of the VM's own.
"""

from __future__ import annotations

from edgeguard.decision import reach
from edgeguard.decision.question import Question
from edgeguard.model import Target

STANDS_OUT = 0.5  # of the packets: targets with less together leave most of a forged flood running


def usable(question: Question) -> tuple[Target, ...]:
    """The verdict's targets that a null route may name at all."""
    targets, config = question.verdict.targets, question.config
    return tuple(t for t in targets if not reach.is_protected(t, config.protected.targets) and not reach.is_too_wide(t))


def spreads(question: Question) -> bool:
    """A forged flood of which the targets that may be named are less than half."""
    return question.verdict.forging and sum(target.share for target in usable(question)) < STANDS_OUT


def addresses_known(question: Question) -> bool:
    """Without the VM's own addresses nothing tells a forged packet from its own."""
    return question.vm is not None and bool(question.vm.addresses)


def is_the_way(question: Question) -> bool:
    """Whether own-only is the narrowest that stops this flood."""
    return spreads(question) and addresses_known(question)


def rest(question: Question) -> int | None:
    """Packets (or bits) of the window that carry the VM's own addresses; None: not known."""
    verdict = question.verdict
    if verdict.foreign is None:
        return None
    if verdict.unit == "packets":
        return max(0, verdict.measured - verdict.foreign)
    packets = next((packets for seconds, packets in verdict.longer if seconds == verdict.window_s), 0)
    return round(verdict.measured * (1 - min(1.0, verdict.foreign / packets))) if packets else None
