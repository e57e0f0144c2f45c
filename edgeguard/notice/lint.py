"""What a notice's text must keep, checked on the rendered text.

    findings = check(kind, values, facts, written_at)   # empty: good

Our sentences are judged with slot values masked, so that a server named 'final-build' fails
nothing. `at_start` is for the daemon: templates, and the text that must never fail, are checked
before they are needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edgeguard.clock import SECOND
from edgeguard.letters import Facts
from edgeguard.notice import builtin, numbers, promises, sample, words
from edgeguard.notice.finding import Finding
from edgeguard.notice.kinds import MEASURED, Kind
from edgeguard.notice.layout import WIDTH
from edgeguard.notice.promises import Promised
from edgeguard.notice.render import SHIPPED, SUBJECT_WIDTH, Rendered, render, shown_as, slots_of
from edgeguard.notice.vocabulary import Vocabulary
from edgeguard.notice.wording import Texts, shipped

TOP = 12  # lines that alone say what matters

# The points of NOTICE.md by number: what a mail about a flood says, and what one about the end of a null route says.
ALL = tuple(range(1, 16))
_OF_A_FLOOD = (3, 4, 5, 6, 7)  # what was not measured, because a person decided, has no numbers
_OF_AN_ANSWER = (12,)  # where nobody reads answers, none is asked for
_AFTERWARDS = (1, 2, 9, 12, 14, 15)
_SETTLED = (1, 2, 9, 10, 12, 13, 14, 15)
POINTS: dict[Kind, tuple[int, ...]] = {
    **dict.fromkeys(MEASURED, ALL),
    **dict.fromkeys((Kind.RELEASED, Kind.RELEASED_BY_PERSON, Kind.OUR_FAULT, Kind.EXEMPTED), _AFTERWARDS),
    Kind.PROVED: (9,),
    **dict.fromkeys((Kind.HELD, Kind.UPHELD, Kind.APPEAL_DECIDED), _SETTLED),
}


def check(kind: str, values: Mapping[str, Any], facts: Facts, written_at: int, texts: Texts = SHIPPED) -> list[Finding]:
    """Findings of a kind's template with these values."""
    rendered = render(kind, values, facts, written_at, texts)
    masked = render(kind, mask(values), facts, written_at, texts)
    found = [Finding("renders", rendered.fallback)] if rendered.fallback else []
    known = shipped() if rendered.fallback else texts.of(shown_as(kind, facts))
    promised = promises.promises(slots_of(values, facts, written_at), written_at)
    slots = slots_for(kind, values, known.words)
    return found + inspect(rendered, masked, *_ids(values, facts), slots, known.words, promised)


def _ids(values: Mapping[str, Any], facts: Facts) -> tuple[str, str]:
    """The case's own, and the one by which it and those that go with it are known."""
    case = words.clean(str(values.get("case")))
    return case, words.clean(facts.leader) if facts.leader else case


def builtin_findings(
    values: Mapping[str, Any], facts: Facts, written_at: int, kinds: Iterable[Kind] = Kind
) -> list[Finding]:
    """Findings of the built-in text: layout, words and the first lines."""
    found = []
    promised = promises.promises(values, written_at)
    for kind in kinds:
        real = Rendered(*builtin.text(kind, slots_of(values, facts, written_at)))
        masked = Rendered(*builtin.text(kind, slots_of(mask(values), facts, written_at)))
        found += inspect(real, masked, *_ids(values, facts), promised=promised)
    return found


@dataclass(frozen=True, slots=True)
class Start:
    """What the daemon finds of its texts before it needs them: every template, and the built-in text, on a sample."""

    texts: tuple[str, ...]
    built_in: tuple[str, ...]
    unfit: frozenset[str]  # kinds whose template has findings


def at_start(texts: Texts = SHIPPED) -> Start:
    written, of_texts, built_in, unfit = sample.AT + 2 * SECOND, [], [], set()
    for kind in Kind:
        slots = sample.slots(kind)
        found = check(kind, slots, sample.FACTS, written, texts)
        unfit |= {str(kind)} if found else set()
        of_texts += [f"notice text {kind}: {finding}" for finding in found]
        of_built_in = builtin_findings(slots, sample.FACTS, written, (kind,))
        built_in += [f"built-in notice text {kind}: {finding}" for finding in of_built_in]
    return Start(tuple(of_texts), tuple(built_in), frozenset(unfit))


def slots_for(kind: str, values: Mapping[str, Any], known: Vocabulary | None = None) -> tuple[str, ...]:
    """The names of the points that a kind must not leave out, with these values."""
    points = next((points for one, points in POINTS.items() if one == kind), ())
    left_out: tuple[int, ...] = () if values.get("flood") is not None else _OF_A_FLOOD
    left_out += () if values.get("reply") else _OF_AN_ANSWER
    names = (known or shipped().words).slots
    return tuple(name for name in names if _number(name) in points and _number(name) not in left_out)


def _number(name: str) -> int:
    """Of '12 how to answer'; a name without one is always asked for."""
    number = name.partition(" ")[0]
    return int(number) if number.isdigit() else 0


def inspect(
    rendered: Rendered,
    masked: Rendered,
    case: str,
    matter: str = "",
    slots: tuple[str, ...] = (),
    known: Vocabulary | None = None,
    promised: Promised | None = None,
) -> list[Finding]:
    """Findings of a text; `masked` is the same text with slot values that are not ours replaced.

    matter: the id that the subject has to carry; without one the case's own.
    """
    known = known or shipped().words
    plain, real = unfold(masked.text, case, matter), unfold(rendered.text, case, matter)
    return [
        *_layout(rendered, matter or case),
        *_top(rendered.text, known),
        *_banned(masked, known),
        *numbers.findings(real, plain, known),
        *(promises.findings(plain, promised, known) if promised else ()),
        *(Finding("slot", f"{name} is missing") for name in slots if not known.slots[name].search(rendered.text)),
    ]


def mask(values: Any, key: str = "") -> Any:
    """Values whose words are not ours replaced by a neutral one."""
    if isinstance(values, Mapping):
        return {name: mask(value, name) for name, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [mask(value, key) for value in values]
    # `by` tells automation from a person: the texts ask for it.
    if isinstance(values, str) and key in words.FREE and values not in ("", "automation"):
        return "name"
    return values


def unfold(text: str, *ids: str) -> str:
    """The text with its hanging lines joined and ids of cases taken out: words of a sentence side by side."""
    joined = re.sub(r"\n(?=[ ]{2,}\S)|\n(?=[a-z(])", " ", text)
    # A stamp may be parted by a line end of a paragraph.
    joined = re.sub(r"(\d{4}-\d\d-\d\d|:\d\d)\n", r"\1 ", joined)
    for id in filter(None, ids):
        joined = joined.replace(id, "")
    return re.sub(r" {2,}", " ", joined)


def _layout(rendered: Rendered, case: str) -> Iterator[Finding]:
    if len(rendered.subject) > SUBJECT_WIDTH:
        yield Finding("subject", f"{len(rendered.subject)} characters, at most {SUBJECT_WIDTH}")
    if case and case not in rendered.subject:
        yield Finding("subject", f"does not carry {case}")
    for number, line in enumerate(rendered.text.splitlines(), 1):
        if len(line) > WIDTH:
            yield Finding("width", f"line {number}: {len(line)} columns, at most {WIDTH}", number)
        if not all(" " <= c <= "~" for c in line):
            yield Finding("ascii", f"line {number}: holds more than printable ASCII", number)
    if not rendered.subject.isascii() or "\n" in rendered.subject or "\r" in rendered.subject:
        yield Finding("ascii", "the subject holds more than one line of ASCII")


def _top(text: str, known: Vocabulary) -> Iterator[Finding]:
    lines = text.splitlines()
    first = "\n".join(lines[:TOP])
    for label in known.top:
        if not re.search(rf"^{re.escape(label)}: +\S", first, re.MULTILINE):
            yield Finding("top", f"the first {TOP} lines do not say {label!r}", 1)
    # The last of them must be over by then, not only begun.
    block = next((number for number, line in enumerate(lines) if not line.strip()), len(lines))
    if block > TOP:
        yield Finding("top", f"the first block has {block} lines, at most {TOP}", block)
    term, explained = known.texts["term"], known.texts["explained"]
    if term in text and explained not in " ".join(text.split()):
        yield Finding("words", f"{term!r} is not explained")


def _banned(masked: Rendered, known: Vocabulary) -> Iterator[Finding]:
    prose = " ".join(f"{masked.subject}\n{masked.text}".split())
    for pattern in known.banned:
        if found := pattern.search(prose):
            yield Finding("banned", f"{found[0]!r}")
