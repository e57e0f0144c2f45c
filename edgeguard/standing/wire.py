"""Messages between the daemon and the process that asks for standings: a typed value as JSON a datagram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from edgeguard.cases import codec
from edgeguard.clock import SECOND
from edgeguard.config.standing import StandingSettings
from edgeguard.context import Told

MAX_MESSAGE = 65_536
LONGEST_NAME = 1024  # characters of a customer that is asked for
LONGEST_WORDS = 300  # of a reason

T = TypeVar("T")


class WireError(ValueError):
    """A datagram that is no message."""


@dataclass(frozen=True, slots=True)
class Whom:
    """The first message: who is asked, and how long is waited."""

    file: str
    database: Any  # text, or a table for a driver
    driver: str
    password_file: str
    query: str
    url: str
    method: str
    token_file: str
    seconds: float

    @classmethod
    def of(cls, settings: StandingSettings) -> Whom:
        database = settings.database, settings.driver, settings.password_file, settings.query
        return cls(
            settings.file, *database, settings.url, settings.method, settings.token_file, settings.timeout / SECOND
        )


@dataclass(frozen=True, slots=True)
class Ask:
    """What is this customer's standing?"""

    number: int
    customer: str


@dataclass(frozen=True, slots=True)
class Reply:
    """`told` None: no answer that can be believed, for the reason `why`. Number 0 is said first: the process is ready,
    or why it never will be."""

    number: int
    told: Told | None
    why: str = ""


def encode(message: Whom | Ask | Reply) -> bytes:
    return codec.dumps(message).encode()


def decode(kind: type[T], raw: bytes) -> T:
    try:
        return codec.loads(kind, raw.decode())
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise WireError(f"no {kind.__name__}: {str(error)[:100]}") from None
