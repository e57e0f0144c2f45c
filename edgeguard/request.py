"""What a command may ask of the running daemon: typed, bounded, one line of JSON each.

{"verb": "nullroute.add", "term": "vm-101", "targets": ["198.51.100.7:80/tcp"], "for_ns": ..., "why": "..."}
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING

from edgeguard.errors import DaemonError

if TYPE_CHECKING:  # a command that only asks how the daemon is loads no numpy for it
    from edgeguard.model import Scope

MAX_TARGETS = 64  # of one request
MAX_CONDITIONS = 8
MAX_TEXT = 1_000  # characters of a reason or a term
MAX_NS = 365 * 24 * 3_600_000_000_000
MAX_ALONE_NS = 12 * 3_600_000_000_000  # of one person's null route; `[clocks] hold` may make it shorter
CONFIRMED = "confirmed"
OUTCOMES = (CONFIRMED, "undetermined", "overturned")  # that a person gives a case
MAX_RATE = 10**12  # packets a second


@dataclass(frozen=True, slots=True)
class AddNullRoute:
    """Null-route a VM by hand: these targets (`address[:port/protocol]`), its forged packets, or all of it."""

    term: str
    why: str
    for_ns: int
    targets: tuple[str, ...] = ()
    full: bool = False
    own_only: bool = False

    @property
    def scope(self) -> Scope:
        from edgeguard.model import Scope  # noqa: PLC0415

        return Scope.FULL if self.full else Scope.OWN_ONLY if self.own_only else Scope.NARROW


@dataclass(frozen=True, slots=True)
class ReleaseNullRoute:
    """End a VM's null routes, or the one of a decision, and say what was found (grace.Disposition)."""

    term: str
    why: str
    disposition: str
    consent: str = ""  # of the target's owner, for an exemption
    ceiling: int = 0  # of an exemption, packets a second; 0: 1.5 times what was released
    for_ns: int = 0  # of an exemption; 0: 30 days
    together: bool = False  # and the cases that go with it, each by itself


@dataclass(frozen=True, slots=True)
class AddExemption:
    """Leave alone what a case measured, up to a ceiling and until an end."""

    term: str
    why: str
    for_ns: int
    consent: str = ""
    ceiling: int = 0


@dataclass(frozen=True, slots=True)
class ExtendExemption:
    """Agree to a later end of an exemption (`term`): `for_ns` from its beginning."""

    term: str
    why: str
    for_ns: int


@dataclass(frozen=True, slots=True)
class EndExemption:
    """End an exemption (`term`) before its time."""

    term: str
    why: str


@dataclass(frozen=True, slots=True)
class ClaimCase:
    """Take a case."""

    term: str
    why: str
    together: bool = False  # and the cases that go with it, each by itself


@dataclass(frozen=True, slots=True)
class NoteCase:
    """Write a line (`why`) into a case's story."""

    term: str
    why: str


@dataclass(frozen=True, slots=True)
class CloseCase:
    """Say how a case ended, one of OUTCOMES, and its cause (`why`)."""

    term: str
    why: str
    outcome: str


@dataclass(frozen=True, slots=True)
class HoldCase:
    """Keep a null route although it is quiet, once; `for_ns` 0: until the next shift, 12 hours at most."""

    term: str
    why: str
    for_ns: int = 0
    together: bool = False  # and the cases that go with it, each by itself


@dataclass(frozen=True, slots=True)
class UpholdCase:
    """One of the two voices that keep a null route; the first says what is enough to end it. Or a third person's word
    on an appeal."""

    term: str
    why: str
    conditions: tuple[str, ...] = ()
    together: bool = False  # and the cases that go with it, each by itself


@dataclass(frozen=True, slots=True)
class AppealCase:
    """Enter that the owner disagrees."""

    term: str
    why: str


@dataclass(frozen=True, slots=True)
class ReopenCase:
    """Open a closed case again."""

    term: str
    why: str


@dataclass(frozen=True, slots=True)
class AskCase:
    """Ask the desk something (`why`) about a case: nothing else happens."""

    term: str
    why: str
    together: bool = False  # and the cases that go with it, each by itself


@dataclass(frozen=True, slots=True)
class TakeReply:
    """A customer's reply, read already: a value of incoming.Reply as codec.py writes it."""

    body: str


@dataclass(frozen=True, slots=True)
class TakeSignal:
    """What somebody outside reports: a document in XARF 4, its evidence by hash."""

    body: str


@dataclass(frozen=True, slots=True)
class Status:
    """How the daemon is."""


@dataclass(frozen=True, slots=True)
class Top:
    """Who is loud now, and what is done about it: one frame of `edgeguard top`."""


Keeping = HoldCase | UpholdCase | AppealCase | ReopenCase


@dataclass(frozen=True, slots=True)
class LookAt:
    """What is seen of a VM (`term`) now, and what is null-routed of it."""

    term: str


Together = ReleaseNullRoute | ClaimCase | AskCase | HoldCase | UpholdCase  # what can be said of all that go together
People = AddExemption | ExtendExemption | EndExemption | ClaimCase | NoteCase | AskCase | CloseCase | Keeping
Ask = AddNullRoute | ReleaseNullRoute | People | TakeReply | TakeSignal | Status | Top | LookAt
LOOKS = (Status, Top, LookAt)  # change nothing
TEXTS = (TakeReply, TakeSignal)  # bring what others wrote; nothing is null-routed or released by them
VERBS: dict[str, type[Ask]] = {
    "nullroute.add": AddNullRoute,
    "nullroute.release": ReleaseNullRoute,
    "reply.take": TakeReply,
    "signal.take": TakeSignal,
    "exempt.add": AddExemption,
    "exempt.extend": ExtendExemption,
    "exempt.end": EndExemption,
    "case.claim": ClaimCase,
    "case.note": NoteCase,
    "case.ask": AskCase,
    "case.close": CloseCase,
    "case.hold": HoldCase,
    "case.uphold": UpholdCase,
    "case.appeal": AppealCase,
    "case.reopen": ReopenCase,
    "status": Status,
    "top": Top,
    "look": LookAt,
}


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, and the principal who asks it."""

    by: str
    ask: Ask

    @property
    def verb(self) -> str:
        return verb_of(self.ask)


def _checked_target(text: object) -> None:
    from edgeguard.target import target  # noqa: PLC0415

    if not isinstance(text, str) or len(text) > MAX_TEXT:
        raise DaemonError("a target must be text like '198.51.100.7:80/tcp'")
    try:
        target(text)
    except ValueError as error:
        raise DaemonError(str(error)) from None


def verb_of(ask: Ask) -> str:
    """The word on the wire for a kind of request."""
    return next(verb for verb, kind in VERBS.items() if isinstance(ask, kind))


def read_request(line: bytes, by: str) -> Request:
    """The request in one line of JSON. DaemonError says what is wrong with it."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise DaemonError("the request is not one line of JSON") from None
    if not isinstance(document, dict):
        raise DaemonError("the request is not a JSON object")
    verb = document.pop("verb", None)
    kind = VERBS.get(verb) if isinstance(verb, str) else None
    if kind is None:
        raise DaemonError(f"no such verb: {str(verb)[:40]!r}; known are {', '.join(VERBS)}")
    try:
        ask = kind(**document)
    except TypeError:
        known = ", ".join(f.name for f in fields(kind)) or "none"
        raise DaemonError(f"{verb}: wrong or missing fields; known are {known}") from None
    return Request(by, _checked(ask))


def _checked(ask: Ask) -> Ask:
    """The same request, once its types and sizes are what they say."""
    if isinstance(ask, LookAt) and not _is_line(ask.term):
        raise DaemonError(f"term must be a line of 1 to {MAX_TEXT} characters")
    if isinstance(ask, LOOKS):
        return ask
    if isinstance(ask, TEXTS):
        return _checked_text(ask)
    for name in ("term", "why"):
        if not _is_line(getattr(ask, name)):
            raise DaemonError(f"{name} must be a line of 1 to {MAX_TEXT} characters")
    if type(getattr(ask, "together", False)) is not bool:
        raise DaemonError("together must be true or false")
    if isinstance(ask, AddNullRoute):
        return _checked_add(ask)
    if isinstance(ask, ReleaseNullRoute):
        _check_disposition(ask.disposition)
    if isinstance(ask, CloseCase) and ask.outcome not in OUTCOMES:
        raise DaemonError(f"a case closes with an outcome: {', '.join(OUTCOMES)}")
    if isinstance(ask, UpholdCase):
        return _checked_uphold(ask)
    _check_terms(ask)
    return ask


def _checked_uphold(ask: UpholdCase) -> UpholdCase:
    lines = ask.conditions
    if not isinstance(lines, (list, tuple)) or len(lines) > MAX_CONDITIONS or not all(map(_is_line, lines)):
        raise DaemonError(f"conditions must be at most {MAX_CONDITIONS} lines of 1 to {MAX_TEXT} characters")
    return replace(ask, conditions=tuple(lines))


def _is_line(text: object) -> bool:
    return isinstance(text, str) and bool(text.strip()) and len(text) <= MAX_TEXT and text.isprintable()


def _check_disposition(disposition: object) -> None:
    from edgeguard.grace import Disposition  # noqa: PLC0415

    if disposition not in list(Disposition):
        raise DaemonError(f"a release needs a disposition: {', '.join(Disposition)}")


def _check_terms(ask: Ask) -> None:
    """What an exemption may say: an end, a ceiling, a consent. 0 and empty, where there is a default: as measured."""
    for_ns, ceiling, consent = (getattr(ask, name, None) for name in ("for_ns", "ceiling", "consent"))
    least, what = (0, "it") if isinstance(ask, (ReleaseNullRoute, HoldCase)) else (1, "an exemption")
    if for_ns is not None and (type(for_ns) is not int or not least <= for_ns <= MAX_NS):
        raise DaemonError(f"{what} needs an end: above zero and at most 365d")
    if ceiling is not None and (type(ceiling) is not int or not 0 <= ceiling <= MAX_RATE):
        raise DaemonError(f"the ceiling must be packets a second, at most {MAX_RATE}")
    if consent is not None and (not isinstance(consent, str) or len(consent) > MAX_TEXT or not consent.isprintable()):
        raise DaemonError(f"consent must be a line of at most {MAX_TEXT} characters")


def _checked_text(ask: TakeReply | TakeSignal) -> Ask:
    if not isinstance(ask.body, str):
        raise DaemonError("body must be text")
    return ask


def _checked_add(ask: AddNullRoute) -> AddNullRoute:
    if type(ask.for_ns) is not int or not 0 < ask.for_ns <= MAX_ALONE_NS:
        raise DaemonError("one person null-routes for above zero and at most 12h; longer takes two: case uphold")
    if not isinstance(ask.targets, (list, tuple)) or len(ask.targets) > MAX_TARGETS:
        raise DaemonError(f"targets must be a list of at most {MAX_TARGETS}")
    for text in ask.targets:
        _checked_target(text)
    if type(ask.full) is not bool or type(ask.own_only) is not bool or not _one_width(ask):
        raise DaemonError("name targets, own_only or full, one of the three")
    return AddNullRoute(ask.term, ask.why, ask.for_ns, tuple(ask.targets), ask.full, ask.own_only)


def _one_width(ask: AddNullRoute) -> bool:
    return (bool(ask.targets), ask.own_only, ask.full).count(True) == 1


def written(ask: Ask) -> bytes:
    """The line that `read_request` reads."""
    return json.dumps({"verb": verb_of(ask), **asdict(ask)}).encode() + b"\n"
