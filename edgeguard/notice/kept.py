"""What the owner is told when people keep a null route: as it stands now, by whom, why, and until when at the latest.

The one place where a word of people becomes a mail. It says what the mail of the null route says, with nothing of
quiet, which does not end it by itself now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgeguard.letters import Notice
from edgeguard.model import Decision, Verdict, Vm, identity
from edgeguard.notice.values import PEOPLE_DECIDE, Background, compose
from edgeguard.word import Word


def kept(
    word: Word, decisions: Sequence[Decision], verdict: Verdict | None, vm: Vm | None, background: Background
) -> tuple[Notice, ...]:
    """The notices of a word that keeps these null routes of one case: of the widest, with the targets of all."""
    who = f"{word.first} and {word.by}" if word.first else word.by
    targets = tuple({target.key(): target for one in decisions for target in one.targets}.values())
    first = max(decisions, key=lambda one: one.beside is None)
    as_now = replace(first, at=word.at, by=who, until=word.until, targets=targets, repeat=PEOPLE_DECIDE)
    made = compose(replace(as_now, reason=_why(word), silent=False), verdict, vm, background)
    return tuple(
        replace(one, id=identity("notice", first.id, word.said, word.at, word.by, one.to or "desk")) for one in made
    )


def _why(word: Word) -> str:
    enough = f"; it ends sooner when {' or when '.join(word.conditions)}" if word.conditions else ""
    return f"{word.why}{enough}"
