"""The operator's own texts, taken over kind by kind: one that fails the lint is refused, and the shipped one is used.

    adopted = adopt("/etc/edgeguard/texts")
    adopted.texts.of("narrow")          # the operator's, or what ships
    adopted.findings                    # 'FILE:LINE: why; what is used instead', each in one line

Each text is rendered with what may be known and unknown of a flood, before any flood is there.
"""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import meta

from edgeguard.clock import SECOND
from edgeguard.letters import Facts, Proof
from edgeguard.notice import lint, sample, words
from edgeguard.notice.kinds import DESK_PARTS, MEASURED, Kind, may_reach
from edgeguard.notice.render import render, shown_as, slots_of, template
from edgeguard.notice.vocabulary import NAME, VocabularyError
from edgeguard.notice.wording import SHIPPED, Texts, Wording, wording

WRITTEN = sample.AT + 2 * SECOND
INSTEAD = "the shipped text is used"


@dataclass(frozen=True)
class Adopted:
    """What mails are told with from now on, and what was refused of the folder."""

    texts: Texts
    findings: tuple[str, ...] = ()


def adopt(folder: str) -> Adopted:
    """Nothing of a folder stands unread: what cannot be used is a finding, and what ships is used for it."""
    if not folder:
        return Adopted(Texts())
    place = Path(folder)
    try:
        names = sorted(path.name for path in place.iterdir())
        own = wording(place)
    except OSError as error:
        return Adopted(Texts(), (f"{place}: cannot be read: {error.strerror}; the shipped texts are used",))
    except VocabularyError as error:
        return Adopted(Texts(), (f"{error}; the shipped texts are used",))
    refused = {kind: why for kind in Kind if (why := _refusal(kind, own, frozenset(names)))}
    unknown = tuple(_strange(place, names))
    told = tuple(f"{why}; {INSTEAD} for '{kind}'" for kind, why in refused.items())
    return Adopted(Texts(own, frozenset(map(str, refused))), unknown + told)


def _strange(place: Path, names: list[str]) -> Iterator[str]:
    known = {path.name for path in SHIPPED.iterdir()}
    for name in names:
        if name not in known and not name.startswith((".", "_")):
            yield f"{place / name}: is the text of no kind; name it as one of those that ship; it is not used"


def _refusal(kind: Kind, own: Wording, names: frozenset[str]) -> str | None:
    """Where and why a kind's text cannot be used; None: it can, or nothing of it is the operator's."""
    try:
        used = used_by(f"{kind}.txt", own.environment)
    except jinja2.TemplateSyntaxError as error:
        return f"{error.filename or own.folder}:{error.lineno}: {words.clean(str(error.message))}"
    except (jinja2.TemplateNotFound, UnicodeDecodeError) as error:
        return f"{own.folder}: {words.clean(str(error))} cannot be read"
    if not names & {*used, NAME}:
        return None
    if may_reach(kind, "somebody") and (of_the_desk := sorted(used & DESK_PARTS)):
        return f"{own.folder / f'{kind}.txt'}:1: includes {of_the_desk[0]}, which is for the desk, in a mail to others"
    for slots, facts in _trials(kind):
        if why := _linted(kind, slots, facts, own, names & used):
            return why
    return None


def used_by(name: str, environment: jinja2.Environment) -> frozenset[str]:
    """A template with all that it includes and imports, by name."""
    assert environment.loader is not None
    source, _, _ = environment.loader.get_source(environment, name)
    below = meta.find_referenced_templates(environment.parse(source, filename=_file(name, environment)))
    return frozenset({name}).union(*(used_by(one, environment) for one in below if one))


def _file(name: str, environment: jinja2.Environment) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[1] or name


def _trials(kind: Kind) -> Iterator[tuple[Mapping[str, Any], Facts]]:
    """What a text meets: every outcome, and what may be unknown."""
    slots = sample.slots(kind)
    for proof in Proof:
        acted = None if proof is Proof.FAILED else sample.AT
        yield slots, replace(sample.FACTS, proof=proof, acted=acted)
    yield slots, replace(sample.FACTS, proof=Proof.NOT_STOPPED, leaving=True)
    if kind in MEASURED:
        yield {**slots, "mechanism": "routed"}, sample.FACTS
        yield {**slots, "reply": False, "ground": ""}, Facts(Proof.NOT_YET)


def _failing(kind: Kind, slots: Mapping[str, Any], facts: Facts, own: Wording) -> str | None:
    try:
        template(shown_as(kind, facts), slots_of(slots, facts, WRITTEN), own)
    except Exception as error:
        place = next(
            (f for f in reversed(traceback.extract_tb(error.__traceback__)) if f.filename.endswith(".txt")), None
        )
        where = f"{place.filename}:{place.lineno}" if place else str(own.folder / f"{kind}.txt")
        return f"{where}: {words.clean(f'{type(error).__name__}: {error}')}"
    return None


def _linted(kind: Kind, slots: Mapping[str, Any], facts: Facts, own: Wording, names: frozenset[str]) -> str | None:
    texts = Texts(own)
    found = lint.check(kind, slots, facts, WRITTEN, texts)
    if not found:
        return None
    if found[0].rule == "renders" and (why := _failing(kind, slots, facts, own)):
        return why
    lines = render(kind, slots, facts, WRITTEN, texts).text.splitlines()
    first = found[0]
    told = lines[first.line - 1] if 0 < first.line <= len(lines) else first.text
    return f"{_nearest(told, own.folder, names or frozenset({NAME}))}: {first}"


def _nearest(told: str, folder: Path, names: frozenset[str]) -> str:
    """The line of the operator's files that a finding is most likely about; the first where none is alike."""
    best, at = 0.0, f"{folder / min(names)}:1"
    for name in sorted(names):
        for number, line in enumerate((folder / name).read_text(encoding="utf-8").splitlines(), 1):
            blocks = difflib.SequenceMatcher(None, told, line, autojunk=False).find_longest_match()
            if blocks.size > best:
                best, at = blocks.size, f"{folder / name}:{number}"
    return at
