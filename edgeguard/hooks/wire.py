"""What passes between the daemon and the runner: typed, bounded messages.

One message is one SOCK_SEQPACKET datagram holding one JSON object with exactly the keys of its type. The runner
may start programs, so it is told once, before any packet is parsed, which ones; later messages only name a channel
and carry a document, and what does not fit is refused in one line.

    settings {"kind": "settings", "settings": {...}}          first and once
    hand     {"kind": "hand", "hand": {...}}                  hand this over
    ready    {"kind": "ready", "error": ""}                   back, once: the runner is up, or why it is not
    answer   {"kind": "answer", "answer": {...}}              back: taken, or why not
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgeguard.errors import DeliveryError
from edgeguard.letters import Channel

MAX_MESSAGE = 160 * 1024  # bytes of one datagram: a document, with its quotation marks escaped
MAX_BODY = 64 * 1024  # characters of a document or a page
MAX_TEXT = 256  # characters of an answer's sentence
MAX_SETTINGS = 4096  # characters of a URL, a file name or an argument
MAX_ARGUMENTS = 32
MAX_PEOPLE, MAX_NAME = 256, 64  # of the roster; characters
MAX_NS = 300_000_000_000

CHANNELS = (Channel.PROGRAM, Channel.WEBHOOK, Channel.PAGE)
_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_ARGUMENT = re.compile(r"[A-Za-z0-9:][A-Za-z0-9.:/_-]{0,63}")  # never an option, a path or a shell's sign
_NAME = re.compile(r"EDGEGUARD_[A-Z]{1,16}")
_VALUE = re.compile(r"[\x20-\x7e]{0,200}")


class WireError(DeliveryError):
    """A message that was refused."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"refused: {reason}")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the runner may start and where it may post. Times are ns."""

    program: tuple[str, ...]
    page: tuple[str, ...]
    url: str
    secret_file: str
    timeout: int
    page_timeout: int
    people: tuple[tuple[str, tuple[str, ...]], ...] = ()  # who of the roster is woken by a program of his own


@dataclass(frozen=True, slots=True)
class Hand:
    """A document for a channel. arguments and environment: of a program, beside what the operator wrote. people: of a
    page, whoever is on duty."""

    id: str
    channel: Channel
    body: str
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    people: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of it; `detail` is for people."""

    id: str
    taken: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The runner's first word; `error` says why it cannot work."""

    error: str


Message = Settings | Hand | Answer | Ready


# ---- writing ------------------------------------------------------------------------------------


def encode(message: Message) -> bytes:
    """The datagram of a message. WireError when it is too large to be sent."""
    kind = type(message).__name__.lower()
    values = asdict(message)
    for name in ("detail", "error"):
        if name in values:
            values[name] = values[name][:MAX_TEXT]
    raw = json.dumps({"kind": kind, kind: values}, separators=(",", ":")).encode()
    if len(raw) > MAX_MESSAGE:
        raise WireError(f"the message has {len(raw)} bytes, more than {MAX_MESSAGE}")
    return raw


# ---- reading ------------------------------------------------------------------------------------


def decode(raw: bytes) -> Message:
    """The message in a datagram. WireError says what does not fit."""
    if len(raw) > MAX_MESSAGE:
        raise WireError(f"a message of more than {MAX_MESSAGE} bytes")
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise WireError(f"no JSON: {error}") from None
    kind = document.get("kind") if isinstance(document, dict) else None
    if not isinstance(kind, str) or kind not in _READERS or set(document) != {"kind", kind}:
        raise _refuse("no message", document)
    values = document[kind]
    if not isinstance(values, dict):
        raise _refuse("no message", values)
    return _READERS[kind](values)


def _refuse(what: str, value: object) -> WireError:
    return WireError(f"{what}: {repr(value)[:80]}")


def _exact(values: Mapping[str, Any], *names: str) -> None:
    if set(values) != set(names):
        raise _refuse("wrong keys", sorted(values))


def _text(value: object, longest: int, pattern: re.Pattern[str] | None = None) -> str:
    if not isinstance(value, str) or len(value) > longest or (pattern and not pattern.fullmatch(value)):
        raise _refuse("not a text that fits", value)
    return value


def _texts(value: object, longest: int, pattern: re.Pattern[str] | None = None) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MAX_ARGUMENTS:
        raise _refuse("not a list that fits", value)
    return tuple(_text(one, longest, pattern) for one in value)


def _time(value: object) -> int:
    if type(value) is not int or not 0 < value <= MAX_NS:
        raise _refuse("not a time that fits", value)
    return value


def _settings(values: Mapping[str, Any]) -> Settings:
    _exact(values, "program", "page", "url", "secret_file", "timeout", "page_timeout", "people")
    return Settings(
        _texts(values["program"], MAX_SETTINGS),
        _texts(values["page"], MAX_SETTINGS),
        _text(values["url"], MAX_SETTINGS),
        _text(values["secret_file"], MAX_SETTINGS),
        _time(values["timeout"]),
        _time(values["page_timeout"]),
        tuple((name, _texts(program, MAX_SETTINGS)) for name, program in _pairs(values["people"], MAX_PEOPLE)),
    )


def _hand(values: Mapping[str, Any]) -> Hand:
    _exact(values, "id", "channel", "body", "arguments", "environment", "people")
    if values["channel"] not in [str(channel) for channel in CHANNELS]:
        raise _refuse("no channel", values["channel"])
    return Hand(
        _text(values["id"], 64, _ID),
        Channel(values["channel"]),
        _text(values["body"], MAX_BODY),
        _texts(values["arguments"], 64, _ARGUMENT),
        _environment(values["environment"]),
        _texts(values["people"], MAX_NAME),
    )


def _environment(value: object) -> tuple[tuple[str, str], ...]:
    pairs = _pairs(value, MAX_ARGUMENTS)
    return tuple((_text(name, 32, _NAME), _text(worth, 200, _VALUE)) for name, worth in pairs)


def _pairs(value: object, most: int) -> list[tuple[str, Any]]:
    """Names, each with its value."""
    if not isinstance(value, list) or len(value) > most:
        raise _refuse("not a list of names that fits", value)
    for pair in value:
        if not isinstance(pair, list) or len(pair) != 2:
            raise _refuse("not a name and its value", pair)
        _text(pair[0], MAX_NAME)
    return [(name, worth) for name, worth in value]


def _answer(values: Mapping[str, Any]) -> Answer:
    _exact(values, "id", "taken", "detail")
    if type(values["taken"]) is not bool:
        raise _refuse("neither taken nor not", values["taken"])
    return Answer(_text(values["id"], 64, _ID), values["taken"], _text(values["detail"], MAX_TEXT))


def _ready(values: Mapping[str, Any]) -> Ready:
    _exact(values, "error")
    return Ready(_text(values["error"], MAX_TEXT))


_READERS: dict[str, Callable[[Mapping[str, Any]], Message]] = {
    "settings": _settings,
    "hand": _hand,
    "answer": _answer,
    "ready": _ready,
}
