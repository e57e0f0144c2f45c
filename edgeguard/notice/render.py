"""A notice's slot values and facts to subject and text.

    rendered = render(Kind.NARROW, notice.values, facts, written_at)

A template that fails (an unset slot, a syntax error, a missing file) falls back to the built-in
text, and says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgeguard.letters import Facts, Past, Proof
from edgeguard.notice import builtin, layout, words
from edgeguard.notice.enclosure import SLOT
from edgeguard.notice.kinds import NULL_ROUTES, Kind
from edgeguard.notice.values import LATER, LATER_SLOTS, WITHOUT_ESTIMATES, plain_target
from edgeguard.notice.wording import Texts, Wording

SHIPPED = Texts()

SUBJECT_WIDTH = 78


@dataclass(frozen=True, slots=True)
class Rendered:
    """A notice as text. fallback: why the built-in text stands here; None: the template did it."""

    subject: str
    text: str
    fallback: str | None = None
    language: str = "en"


class UnfitError(Exception):
    """A text that is there, and is not to be used."""


def render(kind: str, values: Mapping[str, Any], facts: Facts, written_at: int, texts: Texts = SHIPPED) -> Rendered:
    """The text of a notice. Never fails for a bad template; values and facts may be old or incomplete."""
    shown = shown_as(kind, facts)
    slots = slots_of(values, facts, written_at)
    try:
        if shown in texts.plain:
            raise UnfitError("it fails its lint")
        wording = texts.of(shown)
        subject, text = template(shown, slots, wording)
        return Rendered(subject, text, language=wording.words.language)
    except Exception as error:
        # Whatever a template did, the customer gets a mail; the reason goes to the case.
        subject, text = builtin.text(shown, slots)
        why = words.clean(f"template {shown}.txt failed: {type(error).__name__}: {error}")
        return Rendered(_short(subject), text, why)


def shown_as(kind: str, facts: Facts) -> str:
    """The kind whose text is used: a null route that never stood is told as that."""
    return str(Kind.FAILED) if facts.proof is Proof.FAILED and kind in NULL_ROUTES else str(kind)


def slots_of(values: Mapping[str, Any], facts: Facts, written_at: int) -> dict[str, Any]:
    """Everything a template may name: cleaned values, what happened since, and the time of writing."""
    named = {name: value for name, value in values.items() if name != SLOT}
    made = _of_today(words.cleaned(named))
    return {
        **made,
        "matter": words.clean(facts.leader) if facts.leader else made.get("case"),
        "written": written_at,
        "proof": str(facts.proof),
        "acted": facts.acted,
        "proved": facts.proved,
        "detail": words.clean(facts.detail),
        "leaving": facts.leaving,
        "dropped": facts.dropped,
        "ended_at": facts.ended,
        "history": [words.cleaned(_past(one)) for one in facts.history],
    }


def _past(past: Past) -> dict[str, Any]:
    return {**asdict(past), "targets": [plain_target(one) for one in past.targets]}


def _of_today(values: dict[str, Any]) -> dict[str, Any]:
    """A row of the outbox that an earlier version wrote, with what it lacks."""
    whole = {**WITHOUT_ESTIMATES, **LATER_SLOTS, **values}
    flood = whole.get("flood")
    if isinstance(flood, dict):
        back = flood.get("came_back")
        told = {"came_back": {"third_acks": None, **back}} if isinstance(back, dict) else {}
        whole["flood"] = {**LATER, **flood, **told}
    return whole


def template(kind: str, slots: dict[str, Any], wording: Wording) -> tuple[str, str]:
    """Subject and text of a kind's template. Raises whatever the template does."""
    raw = wording.environment.get_template(f"{kind}.txt").render(slots)
    head, _, body = raw.lstrip("\n").partition("\n")
    label, colon, subject = head.partition(": ")
    if label != "Subject" or not colon:
        raise ValueError("the first line is no 'Subject: ...'")
    return _short(subject), layout.fill(body)


def _short(subject: str) -> str:
    """At most 78 characters; the case id stands first, so it stays whole."""
    line = " ".join(subject.split())
    return line if len(line) <= SUBJECT_WIDTH else line[: SUBJECT_WIDTH - 3] + "..."
