"""An incident as data: what happened then, what is sent, what people do, and what must come of it here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from edgeguard.claims.claim import Finding
from edgeguard.lab.account import Account
from edgeguard.lab.incidents.post import Taken
from edgeguard.lab.incidents.streams import Stream
from edgeguard.word import Word

Rows = tuple[dict[str, Any], ...]  # of an inventory


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a timeline; `at`: ns since the story's beginning."""

    at: int
    text: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What somebody had before them who looked: by which ids what is open is listed, and in which order it is next."""

    by: str
    listed: tuple[str, ...]
    next: tuple[str, ...]
    null_routed: int  # VMs of the first of `next`


@dataclass(frozen=True, slots=True)
class Played:
    """What a run came to, on every host. Times are ns since 1970."""

    begin: int
    accounts: tuple[Account, ...]  # as the hosts' databases have it
    states: dict[str, tuple[str, ...]]  # of each case, in turn
    whose: dict[str, str | None]  # the VM of each case
    mails: tuple[Taken, ...]
    lines: tuple[Line, ...]
    claims: tuple[Finding, ...] = ()
    troubles: tuple[str, ...] = ()
    leaders: dict[str, str | None] = field(default_factory=dict)  # of each case
    looks: tuple[Seen, ...] = ()
    words: tuple[Word, ...] = ()  # what people, and owners, said of cases that holds


class Act(Protocol):
    """What somebody does at a virtual time. `do` is given the stage."""

    @property
    def at(self) -> int: ...
    def do(self, stage: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must be so. `wrong` says what is not, None where it holds."""

    text: str
    wrong: Callable[[Played], str | None]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number beside the one of then. `here`: ns, or with `counts` a number; None: it has not come to that."""

    text: str
    then: str
    here: Callable[[Played], int | None]
    counts: bool = False


@dataclass(frozen=True, slots=True)
class Incident:
    """One story."""

    name: str
    source: str  # the year it happened, or 'measured', 'foreseen'
    sentence: str
    then: tuple[Line, ...]
    figures: tuple[Figure, ...]
    hosts: tuple[Rows, ...]
    streams: tuple[Stream, ...]
    lasts: int  # ns
    expected: tuple[Expectation, ...]
    acts: tuple[Act, ...] = field(default=())
    real: str = ""  # the lab's scenario that shows the same with real packets and real null routes
