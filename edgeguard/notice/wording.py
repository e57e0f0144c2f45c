"""Which file a text comes from: the operator's folder first, what ships behind it.

    texts = Texts(wording(Path("/etc/edgeguard/texts")), refused)
    texts.of("narrow").template("narrow.txt")

A kind whose text was refused is told with what ships, whole: its includes and words, too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Set
from dataclasses import dataclass
from pathlib import Path

import jinja2

from edgeguard import clock, units
from edgeguard.notice import vocabulary, words
from edgeguard.notice.turns import Environment
from edgeguard.notice.vocabulary import Phrases, Vocabulary

SHIPPED = Path(__file__).with_name("texts")


@dataclass(frozen=True)
class Wording:
    """The templates of one folder over the shipped ones, and the words that go with them."""

    folder: Path
    words: Vocabulary
    environment: jinja2.Environment


def wording(folder: Path = SHIPPED) -> Wording:
    """VocabularyError where the folder's words file is wrong; without one the shipped words stand."""
    own = folder / vocabulary.NAME
    known = vocabulary.read(own if own.exists() else SHIPPED / vocabulary.NAME)
    return Wording(folder, known, _environment(folder, known.phrases))


@functools.cache
def shipped() -> Wording:
    """What ships, read once."""
    return wording()


@dataclass(frozen=True)
class Texts:
    """What each kind is told with."""

    own: Wording | None = None  # the operator's; None: there is none
    refused: Set[str] = frozenset()  # kinds for which it does not stand
    plain: Set[str] = frozenset()  # kinds whose text fails its lint as it ships: told with the built-in one

    def of(self, kind: str) -> Wording:
        return self.own if self.own is not None and kind not in self.refused else shipped()


def _environment(folder: Path, phrases: Phrases) -> jinja2.Environment:
    environment = Environment(
        loader=jinja2.FileSystemLoader([folder, SHIPPED]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,  # a line that is only a tag leaves nothing behind
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,  # what was linted is what is used, until it is read anew
        autoescape=False,  # plain text; slot values are cleaned to one line of ASCII before
    )
    environment.filters.update(_filters(phrases))
    return environment


def _filters(phrases: Phrases) -> dict[str, Callable[..., str]]:
    told: tuple[tuple[str, Callable[..., str]], ...] = (
        ("percent", words.percent),
        ("octets", words.length),
        ("share", words.share),
        ("target", words.target),
        ("flow", words.flow),
        ("listing", words.listing),
    )
    return {
        "brief": words.brief,
        "utc": clock.utc,
        "duration": units.duration_text,
        "bits": units.bits_per_second,
        "count": units.count,
        "number": words.number,
        **{name: functools.partial(function, say=phrases) for name, function in told},
    }
