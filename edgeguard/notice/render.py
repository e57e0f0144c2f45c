"""A notice's slot values and facts to subject and text.

    rendered = render(Kind.NARROW, notice.values, facts, written_at)

A template that fails (an unset slot, a syntax error, a missing file) falls back to the built-in
text, and says why.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from edgeguard import clock, units
from edgeguard.letters import Facts, Proof
from edgeguard.notice import builtin, layout, words
from edgeguard.notice.enclosure import SLOT
from edgeguard.notice.kinds import NULL_ROUTED, Kind
from edgeguard.notice.values import LATER, LATER_SLOTS, WITHOUT_ESTIMATES

TEXTS = Path(__file__).with_name("texts")
SUBJECT_WIDTH = 78

FILTERS = {
    "brief": words.brief,
    "utc": clock.utc,
    "duration": units.duration_text,
    "bits": units.bits_per_second,
    "percent": units.percent,
    "count": units.count,
    "number": words.number,
    "octets": words.length,
    "share": words.share,
    "target": words.target,
    "flow": words.flow,
    "listing": words.listing,
}


@dataclass(frozen=True, slots=True)
class Rendered:
    """A notice as text. fallback: why the built-in text stands here; None: the template did it."""

    subject: str
    text: str
    fallback: str | None = None


def render(kind: str, values: Mapping[str, Any], facts: Facts, written_at: int, texts: Path = TEXTS) -> Rendered:
    """The text of a notice. Never fails for a bad template; values and facts may be old or incomplete."""
    shown = str(Kind.FAILED) if facts.proof is Proof.FAILED and kind in NULL_ROUTED.values() else str(kind)
    slots = slots_of(values, facts, written_at)
    try:
        subject, text = _template(shown, slots, texts)
        return Rendered(subject, text)
    except Exception as error:
        # Whatever a template did, the customer gets a mail; the reason goes to the case.
        subject, text = builtin.text(shown, slots)
        why = words.clean(f"template {shown}.txt failed: {type(error).__name__}: {error}")
        return Rendered(_short(subject), text, why)


def slots_of(values: Mapping[str, Any], facts: Facts, written_at: int) -> dict[str, Any]:
    """Everything a template may name: cleaned values, what happened since, and the time of writing."""
    named = {name: value for name, value in values.items() if name != SLOT}
    return {
        **_of_today(words.cleaned(named)),
        "written": written_at,
        "proof": str(facts.proof),
        "acted": facts.acted,
        "proved": facts.proved,
        "detail": words.clean(facts.detail),
        "dropped": facts.dropped,
        "ended_at": facts.ended,
    }


def _of_today(values: dict[str, Any]) -> dict[str, Any]:
    """A row of the outbox that an earlier version wrote, with what it lacks."""
    whole = {**WITHOUT_ESTIMATES, **LATER_SLOTS, **values}
    flood = whole.get("flood")
    if isinstance(flood, dict):
        back = flood.get("came_back")
        told = {"came_back": {"third_acks": None, **back}} if isinstance(back, dict) else {}
        whole["flood"] = {**LATER, **flood, **told}
    return whole


@functools.cache
def _environment(texts: Path) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(texts),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,  # a line that is only a tag leaves nothing behind
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # plain text; slot values are cleaned to one line of ASCII before
    )
    environment.filters.update(FILTERS)
    return environment


def _template(kind: str, slots: dict[str, Any], texts: Path) -> tuple[str, str]:
    raw = _environment(texts).get_template(f"{kind}.txt").render(slots)
    head, _, body = raw.lstrip("\n").partition("\n")
    label, colon, subject = head.partition(": ")
    if label != "Subject" or not colon:
        raise ValueError("the first line is no 'Subject: ...'")
    return _short(subject), layout.fill(body)


def _short(subject: str) -> str:
    """At most 78 characters; the case id stands first, so it stays whole."""
    line = " ".join(subject.split())
    return line if len(line) <= SUBJECT_WIDTH else line[: SUBJECT_WIDTH - 3] + "..."
