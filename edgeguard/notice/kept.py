"""What the owner is told when people keep a null route: as it stands now, by whom, why, and until when at the latest.

The one place where a word of people becomes a mail.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgeguard.letters import Notice
from edgeguard.model import Decision, Verdict, Vm
from edgeguard.notice.ruling import Ruling, ruled
from edgeguard.notice.values import Background
from edgeguard.word import Said, Word


def kept(
    word: Word, decisions: Sequence[Decision], verdict: Verdict | None, vm: Vm | None, background: Background
) -> tuple[Notice, ...]:
    """The notices of a word that keeps these null routes of one case: of the widest, with the targets of all."""
    if word.said is Said.HOLD:
        return ruled(_held(word, decisions), decisions, verdict, vm, background)
    voices = (word.first, word.by) if word.first else (word.by,)
    quiet = background.config.clocks.upheld_quiet if background.config else 0
    ruling = Ruling(word.at, voices, word.why, word.until, word.conditions, quiet, appeal=word.said is Said.KEEP)
    return ruled(ruling, decisions, verdict, vm, background)


def _held(word: Word, decisions: Sequence[Decision]) -> Ruling:
    """Quiet does not end it by itself now; one that lasts longer than it is held keeps its own end."""
    ends = [end for end in (word.until, *(one.until for one in decisions)) if end is not None]
    return Ruling(word.at, (word.by,), word.why, max(ends), hold=True)
