"""Places where cases are kept, for the contract of stores: every implementer, and what a test asked of it.

    @about(Cases.find)
    def test_a_case_is_found(kept: Kept) -> None: ...

A test is run for each of PLACES. It sees no more than cases/protocol.py has, and has to ask what it says it is about.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from edgeguard.cases import protocol
from edgeguard.cases.protocol import Cases, CaseStore
from edgeguard.cases.reader import Reader
from edgeguard.cases.store import Store
from edgeguard.clock import SECOND

WAIT = 5 * SECOND  # a notice's, for the proof
PROTOCOLS = [one for _, one in inspect.getmembers(protocol, inspect.isclass) if one.__module__ == protocol.__name__]
ABOUT: set[str] = set()  # what any test is about
Test = TypeVar("Test", bound=Callable[..., None])


def methods(words: type) -> Iterator[str]:
    """'Cases.find' and the like: its own, none that it has of another protocol."""
    for name, value in vars(words).items():
        if not name.startswith("_") and inspect.isfunction(value):
            yield value.__qualname__


def about(*asked: Callable[..., Any]) -> Callable[[Test], Test]:
    """The methods whose contract a test states."""
    names = {one.__qualname__ for one in asked}
    ABOUT.update(names)

    def mark(test: Test) -> Test:
        test.about = names  # type: ignore[attr-defined]
        return test

    return mark


def unasked(test: Any, asked: set[str]) -> set[str]:
    """What a test is about, and did not ask."""
    return set(getattr(test, "about", ())) - asked


class Watched:
    """Hands on what a protocol has, and keeps what was asked. `beside`: asked instead, where it knows the word."""

    def __init__(self, words: type, kept: Any, asked: set[str], beside: Any = None) -> None:
        self._words, self._kept, self._asked, self._beside = words, kept, asked, beside

    def __getattr__(self, name: str) -> Any:
        word = inspect.getattr_static(self._words, name)
        if isinstance(word, property):
            return self._part(typing.get_type_hints(word.fget)["return"], name)
        self._asked.add(word.__qualname__)
        opens = typing.get_type_hints(word)["return"]
        if opens in PROTOCOLS:
            return lambda *given: Watched(opens, getattr(self._kept, name)(*given), self._asked)
        return getattr(self._beside if hasattr(self._beside, name) else self._kept, name)

    def _part(self, words: type, name: str) -> Watched:
        beside = None if self._beside is None else getattr(self._beside, name)
        return Watched(words, getattr(self._kept, name), self._asked, beside)

    def close(self) -> None:
        self._asked.add(self._words.close.__qualname__)
        for one in (self._kept, self._beside):
            if one is not None:
                one.close()


@dataclass(frozen=True)
class Place:
    """Where one implementer keeps cases, made of a folder of its own."""

    store: Callable[[Path], CaseStore]
    reader: Callable[[Path], Cases]


# A store of another database is one more line.
PLACES = {"sqlite": Place(lambda path: Store(path / "cases.sqlite", WAIT), lambda path: Reader(path / "cases.sqlite"))}


@dataclass(frozen=True)
class Kept:
    """One place, as often as it is opened. `read_beside`: whatever is read is read by its reader."""

    place: Place
    folder: Path
    read_beside: bool
    asked: set[str] = field(default_factory=set)

    def store(self) -> CaseStore:
        store = self.place.store(self.folder)
        beside = self.place.reader(self.folder) if self.read_beside else None
        return typing.cast(CaseStore, Watched(CaseStore, store, self.asked, beside))

    def reader(self) -> Cases:
        return typing.cast(Cases, Watched(Cases, self.place.reader(self.folder), self.asked))

    def elsewhere(self, folder: Path) -> Kept:
        """The same, with nothing in it."""
        return Kept(self.place, folder, self.read_beside, self.asked)


KEPT = [(name, beside) for name in PLACES for beside in (False, True)]


def named(kind: tuple[str, bool]) -> str:
    return f"{kind[0]}, read beside it" if kind[1] else kind[0]
