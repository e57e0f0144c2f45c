"""Messages between the daemon and the process that asks the fleet: a JSON object a datagram, typed and bounded."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

MAX_MESSAGE = 4096
MAX_WHOM = 65_536
MAX_WORDS = 300  # of a reason


class WireError(ValueError):
    """A datagram that is no message."""


@dataclass(frozen=True, slots=True)
class Whom:
    """The first message: a program with its arguments, or a URL, and how long to wait."""

    command: list[str]
    url: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Ask:
    """May this host null-route more?"""

    number: int
    host: str
    customers: int
    null_routes: int


@dataclass(frozen=True, slots=True)
class Reply:
    """Number 0: the process is ready. `why`: what was wrong where there is no answer."""

    number: int
    answer: bool | None
    why: str = ""


def encode(message: Whom | Ask | Reply) -> bytes:
    return json.dumps(asdict(message)).encode()


def whom(raw: bytes) -> Whom:
    return Whom(**_object(raw, {"command": list, "url": str, "seconds": float}))


def ask(raw: bytes) -> Ask:
    found = _object(raw, {"number": int, "host": str, "customers": int, "null_routes": int})
    return Ask(**found)


def reply(raw: bytes) -> Reply:
    found = _object(raw, {"number": int, "answer": (bool, type(None)), "why": str})
    return Reply(**found)


def _object(raw: bytes, fields: dict[str, Any]) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except ValueError:
        raise WireError("not JSON") from None
    if not isinstance(found, dict) or found.keys() != fields.keys():
        raise WireError(f"not exactly {', '.join(fields)}")
    for name, kind in fields.items():
        wrong = not isinstance(found[name], kind) or (kind is int and isinstance(found[name], bool))
        if wrong:
            raise WireError(f"{name} is {found[name]!r}")
    return found
