"""The frozen values of what is told to people and programs: notices with what is known when they are sent, the mails
that left; deliveries to programs, webhooks and whoever is on duty."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from edgeguard.model import Target


@dataclass(frozen=True, slots=True)
class Notice:
    """A mail: the values it is rendered from, bound to one decision."""

    id: str
    case: str
    decision: str
    kind: str
    to: str | None  # None: the desk
    values: dict[str, Any] = field(default_factory=dict)


class Proof(StrEnum):
    """How far a null route, or its end, is proved at the moment its notice is written."""

    NOTHING = "nothing to prove"  # nothing was ordered: a warning, an observation, a replay
    NOT_YET = "not yet"
    VERIFIED = "verified"
    NO_ATTEMPTS = "no attempts"
    NOT_STOPPED = "not stopped"
    FAILED = "failed"  # never put in place, or the kernel refused the release
    RELEASED = "released"


PROVED = "proved"  # the kind of the second mail
UNPROVED = frozenset({Proof.NOT_YET, Proof.NO_ATTEMPTS, Proof.NOT_STOPPED})  # a mail that said so has a second one


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier null-routed case of the same VM: how it began and ended."""

    case: str
    at: int  # of its first null route
    scope: str
    rule: str | None = None  # None: a person ordered it
    kind: str | None = None
    unit: str = "packets"
    measured: int = 0  # in a window of `window` ns
    window: int = 0
    targets: tuple[Target, ...] = ()
    ended: int | None = None  # its last null route
    disposition: str | None = None  # what a person found who released it; None: it ended by itself


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a decision's outcome when its notice is written."""

    proof: Proof = Proof.NOTHING
    acted: int | None = None  # first acknowledgement by the kernel
    proved: int | None = None  # time of the outcome behind `proof`
    detail: str = ""
    dropped: int | None = None  # frames the null route has counted, where it counts
    ended: int | None = None  # when the null route ended, if it has
    history: tuple[Past, ...] = ()  # of a repeat: the earlier cases, the youngest first
    leaving: bool = False  # a proof that did not prove it saw such packets leave the host
    leader: str | None = None  # the case whose id names all that go together; None: its own does


@dataclass(frozen=True, slots=True)
class Queued:
    """A notice whose time to be sent has come."""

    notice: Notice
    facts: Facts
    attempts: int  # made so far
    earlier: tuple[str, ...] = ()  # notices already sent to this recipient about this case, oldest first


@dataclass(frozen=True, slots=True)
class Mail:
    """A notice as it was rendered and handed to the mail server."""

    subject: str
    text: str
    headers: tuple[tuple[str, str], ...] = ()
    message_id: str = ""
    fallback: str | None = None  # why the built-in text was used instead of the template
    proof: str = ""  # what it said of how far a null route is proved; empty: nothing


class Channel(StrEnum):
    """Where a delivery goes."""

    PROGRAM = "program"  # [hooks] program
    WEBHOOK = "webhook"  # [hooks] url
    PAGE = "page"  # [page] program, or the desk's mail
    DESK = "desk"  # the desk's mail: what another channel could not deliver


@dataclass(frozen=True, slots=True)
class Delivery:
    """One JSON document for one channel, handed over once."""

    id: str
    channel: Channel
    case: str | None  # None: about the host
    decision: str | None
    created: int
    body: str  # the document
    cause: str | None = None  # of a page: why a person is woken, one of model.PAGES


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A delivery whose turn has come."""

    delivery: Delivery
    attempts: int  # made so far
    grouped: int = 0  # pages of the same cause that were kept back since the last one
