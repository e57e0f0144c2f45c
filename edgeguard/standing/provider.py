"""Who is asked for a customer: a file, a query, a URL. What they say is judged elsewhere (answer.py)."""

from __future__ import annotations

from typing import Protocol

from edgeguard.standing.driver import Driver
from edgeguard.standing.file import File
from edgeguard.standing.query import Query
from edgeguard.standing.web import Web
from edgeguard.standing.wire import Whom


class Provider(Protocol):
    """Asked for one customer at a time, in a process where nobody waits for it."""

    def ask(self, customer: str) -> object:
        """What it says, as it stands; None: it does not know the customer. NoAnswerError, OSError, TimeoutError."""


def provider(whom: Whom) -> Provider:
    """The one that is configured. NoDriverError where it needs a driver that cannot be used."""
    if whom.file:
        return File(whom.file)
    if whom.driver:
        return Driver(whom.driver, whom.database, whom.password_file, whom.query, whom.seconds)
    if whom.database:
        return Query(whom.database, whom.query, whom.seconds)
    return Web(whom.url, whom.method, whom.token_file, whom.seconds)
