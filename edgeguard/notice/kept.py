"""What the owner is told when people keep a null route: as it stands now, by whom, why, and until when at the latest.

The one place where a word of people becomes a mail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgeguard.letters import Notice
from edgeguard.model import Decision, Verdict, Vm, identity
from edgeguard.notice.ruling import Ruling, ruled
from edgeguard.notice.values import PEOPLE_DECIDE, Background, compose
from edgeguard.word import Said, Word


def kept(
    word: Word, decisions: Sequence[Decision], verdict: Verdict | None, vm: Vm | None, background: Background
) -> tuple[Notice, ...]:
    """The notices of a word that keeps these null routes of one case: of the widest, with the targets of all."""
    if word.said is Said.HOLD:
        return _held(word, decisions, verdict, vm, background)
    voices = (word.first, word.by) if word.first else (word.by,)
    quiet = background.config.clocks.upheld_quiet if background.config else 0
    ruling = Ruling(word.at, voices, word.why, word.until, word.conditions, quiet, appeal=word.said is Said.KEEP)
    return ruled(ruling, decisions, verdict, vm, background)


def _held(
    word: Word, decisions: Sequence[Decision], verdict: Verdict | None, vm: Vm | None, background: Background
) -> tuple[Notice, ...]:
    """What the mail of the null route says, with nothing of quiet, which does not end it by itself now."""
    targets = tuple({target.key(): target for one in decisions for target in one.targets}.values())
    first = max(decisions, key=lambda one: one.beside is None)
    as_now = replace(first, at=word.at, by=word.by, until=word.until, targets=targets, repeat=PEOPLE_DECIDE)
    made = compose(replace(as_now, reason=word.why, silent=False), verdict, vm, background)
    return tuple(
        replace(one, id=identity("notice", first.id, word.said, word.at, word.by, one.to or "desk")) for one in made
    )
