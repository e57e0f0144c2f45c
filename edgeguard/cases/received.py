"""What came in from outside, as it is kept: values only."""

from __future__ import annotations

from dataclasses import dataclass

from edgeguard.incoming import Reply


@dataclass(frozen=True, slots=True)
class Taken:
    """A reply."""

    reply: Reply
    at: int
    case: str | None  # None: nobody's yet
    notice: str | None = None  # of a bounce
    acknowledged: str | None = None
    read_by: int | None = None
    seq: int = 0  # its number in the queue; 0: not written yet


@dataclass(frozen=True, slots=True)
class Heard:
    """A reply in a case, that no word was made of yet."""

    seq: int
    case: str
    at: int
    reply: Reply
    known: bool  # its sender is one of those whom the case's notices went to


@dataclass(frozen=True, slots=True)
class Reported:
    """A signal. `document` is the reporter's."""

    seq: int
    id: str
    case: str | None
    at: int
    source: str
    sort: str
    seen: int
    measured: str
    document: str
