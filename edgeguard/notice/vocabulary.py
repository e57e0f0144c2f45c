"""The words file: what stands in mails beside the texts, and what the lint asks of a text in that language.

vocabulary = read(Path("words.toml"))       # VocabularyError: file, key and reason, in one line
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

NAME = "words.toml"
STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"  # what the filter `utc` writes; STAMP in a pattern stands for it
_PATTERNS = ("units", "names", "rate", "difference", "mean", "peak", "counted", "within", "someone")
_GROUPS = {"rate": 3, "difference": 3, "mean": 1, "peak": 1, "counted": 2, "within": 1}
_TEXTS = ("term", "explained", "no_promise")


class VocabularyError(ValueError):
    """One sentence: which file, which key, why."""


@dataclass(frozen=True, slots=True)
class Phrases:
    """The words of the filters. As they are here they stand in the text that no file can break, too."""

    and_: str = "and"
    more: str = "more"
    bytes: str = "bytes"
    to: str = "to"
    port: str = "port"
    any_port: str = "any port"
    everything_to: str = "everything to"
    at_least: str = "at least"
    under: str = "under"
    over: str = "over"


ENGLISH = Phrases()


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A words file as it was read."""

    path: Path
    language: str
    phrases: Phrases
    top: tuple[str, ...]
    banned: tuple[re.Pattern[str], ...]
    slots: Mapping[str, re.Pattern[str]]  # by their names, which begin with their number
    patterns: Mapping[str, re.Pattern[str]]
    texts: Mapping[str, str]


def read(path: Path) -> Vocabulary:
    """VocabularyError for anything that is missing, unknown or of the wrong kind."""
    try:
        whole = tomllib.loads(path.read_text(encoding="ascii"))
    except OSError as error:
        raise VocabularyError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise VocabularyError(f"{path}: is no TOML in ASCII: {error}") from None
    _only(path, whole, "", ("language", "phrases", "lint"))
    lint = _table(path, whole, "lint")
    _only(path, lint, "lint.", ("top", "banned", "slots", *_PATTERNS, *_TEXTS))
    slots = _table(path, lint, "slots")
    return Vocabulary(
        path,
        _text(path, whole, "language"),
        _phrases(path, _table(path, whole, "phrases")),
        tuple(_texts(path, lint, "top")),
        tuple(_pattern(path, "lint.banned", one, re.IGNORECASE) for one in _texts(path, lint, "banned")),
        {name: _pattern(path, f"lint.slots.{name!r}", _text(path, slots, name)) for name in slots},
        {name: _pattern(path, f"lint.{name}", _text(path, lint, name)) for name in _PATTERNS},
        {name: _text(path, lint, name) for name in _TEXTS},
    )


def _phrases(path: Path, table: Mapping[str, Any]) -> Phrases:
    names = {field.name.rstrip("_"): field.name for field in fields(Phrases)}
    _only(path, table, "phrases.", names)
    return Phrases(**{names[name]: _text(path, table, name) for name in table})


def _only(path: Path, table: Mapping[str, Any], place: str, known: Any) -> None:
    for name in table:
        if name not in known:
            raise VocabularyError(f"{path}: {place}{name}: unknown key")


def _table(path: Path, table: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = table.get(name)
    if not isinstance(value, dict):
        raise VocabularyError(f"{path}: {name}: is missing, or no table of keys")
    return value


def _text(path: Path, table: Mapping[str, Any], name: str) -> str:
    value = table.get(name)
    if not isinstance(value, str) or not value.isprintable():
        raise VocabularyError(f"{path}: {name}: is missing, or not one line of text in quotes")
    return value


def _texts(path: Path, table: Mapping[str, Any], name: str) -> list[str]:
    value = table.get(name)
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise VocabularyError(f"{path}: {name}: is missing, or no list of texts in quotes")
    return value


def _pattern(path: Path, name: str, text: str, flags: int = 0) -> re.Pattern[str]:
    try:
        pattern = re.compile(text.replace("STAMP", STAMP), flags)
    except re.error as error:
        raise VocabularyError(f"{path}: {name}: is no regular expression: {error}") from None
    needed = _GROUPS.get(name.removeprefix("lint."))
    if needed is not None and pattern.groups != needed:
        raise VocabularyError(f"{path}: {name}: has {pattern.groups} groups, needs {needed}")
    return pattern
