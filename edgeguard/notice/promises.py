"""Every promise of a mail has a clock that keeps it: the times that lie ahead in its text, and the lengths of time.

    promised = promises(slots, written_at)      # what may be promised with these values
    findings(text, promised, vocabulary)

A new promise is made by naming its slot here, with the clock behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edgeguard import clock, units
from edgeguard.notice.finding import Finding
from edgeguard.notice.vocabulary import STAMP, Vocabulary

# Slot -> who keeps it: a clock of states.toml, a key of the configuration, or a module.
ENDS = {
    "until": "lifetime",
    "read_by": "mail.read_within",
    "exempt_until": "edgeguard.grace",
}
LASTS = {
    "quiet": "clocks.quiet",
    "undecided": "clocks.undecided",
    "probation": "clocks.probation",
    "upheld_quiet": "clocks.upheld_quiet",
}
ACKNOWLEDGED_AGAIN = 3600 * 10**9  # intray: at most one acknowledgement an hour for a sender and case


@dataclass(frozen=True, slots=True)
class Promised:
    """What has a clock, as it stands in a text."""

    written: str
    times: frozenset[str]
    lengths: frozenset[str]


def promises(slots: Mapping[str, Any], written_at: int) -> Promised:
    """What a text with these values may promise. A value that is none is none."""
    exempts = [one.get("until") for one in slots.get("exempts") or () if isinstance(one, Mapping)]
    ends = [slots.get(name) for name in ENDS] + exempts
    lasts = [*(slots.get(name) for name in LASTS), ACKNOWLEDGED_AGAIN]
    return Promised(
        clock.utc(written_at),
        frozenset(clock.utc(at) for at in map(_time, ends) if at),
        frozenset(units.duration_text(one) for one in map(_time, lasts) if one),
    )


def findings(plain: str, promised: Promised, words: Vocabulary) -> Iterator[Finding]:
    """`plain`: the text with its hanging lines joined."""
    for found in re.finditer(STAMP, plain):
        if found[0] > promised.written and found[0] not in promised.times:  # stamps of a width sort as times do
            yield Finding("promise", f"{found[0]} lies ahead, and no clock keeps it")
    for found in words.patterns["within"].finditer(plain):
        if found[1] not in promised.lengths:
            yield Finding("promise", f"{found[0]!r}: no clock keeps that")
    for found in words.patterns["someone"].finditer(plain):
        sentence = _sentence(plain, found.start())
        kept = any(one in sentence for one in (*promised.times, *promised.lengths, words.texts["no_promise"]))
        if not kept:
            yield Finding("promise", f"{found[0]!r} says not until when")


def _sentence(plain: str, at: int) -> str:
    """From a place in the text to the end of the sentence after it: an end may be told there."""
    ends = [found.end() for found in re.finditer(r"\.(?=\s|$)|\n\n", plain[at:])]
    return plain[at : at + (ends[1] if len(ends) > 1 else len(plain))]


def _time(value: object) -> int | None:
    """Of an old or incomplete row anything may stand there."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
