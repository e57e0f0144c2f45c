"""The operator's mail server, in moods: a real one (aiosmtpd), well, slow, refusing, lying, or down."""

# ruff: noqa: N802 - aiosmtpd finds its hooks by their names

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mailserver import OK, Sink, serving

from edgeguard.lab.namespace import Namespace

PORT = 2525
HANG_S = 3600

MOODS = {
    "well": "takes every mail",
    "slow": "takes every mail, half a second after each command",
    "later": "451 to every recipient",
    "full": "452 to every mail",
    "closing": "421 to every sender",
    "never": "550 to the customer, who has no mailbox; well to all others",
    "gone after 250": "takes the mail, says 250 and hangs up without another word",
    "gone before 250": "takes the mail and hangs up without saying so",
    "gone in the mail": "hangs up at the end of the mail without having taken it",
    "hangs": "says nothing more once it has the mail, and has not taken it",
    "lies": "says 250 and throws the mail away",
}


@dataclass(slots=True)
class Taken:
    """One mail that was taken."""

    message_id: str
    at: float  # monotonic
    mood: str


@dataclass
class PostOffice(Sink):
    """Keeps what it took, by Message-ID."""

    mood: str = "well"
    never: str = ""  # the recipient that a server in the mood 'never' has no mailbox for
    taken: list[Taken] = field(default_factory=list)
    said: list[str] = field(default_factory=list)  # Message-IDs for which 250 was said
    offered: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    async def _pace(self) -> None:
        if self.mood == "slow":
            await asyncio.sleep(0.5)

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        await self._pace()
        if self.mood == "closing":
            return "421 closing for the night"
        return await super().handle_MAIL(server, session, envelope, address, options)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        await self._pace()
        if self.mood == "later":
            return "451 try again later"
        if self.mood == "never" and address == self.never:
            return "550 no such mailbox"
        return await super().handle_RCPT(server, session, envelope, address, options)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.offered += 1
        mood = self.mood
        await self._pace()
        if mood == "full":
            return "452 no room"
        if mood == "hangs":
            await asyncio.sleep(HANG_S)
        if mood == "gone in the mail":
            server.transport.abort()
            return OK
        return await self._take(server, session, envelope, mood)

    async def _take(self, server: Any, session: Any, envelope: Any, mood: str) -> str:
        answer = await super().handle_DATA(server, session, envelope)
        message_id = str(self.mails[-1]["Message-ID"])
        if mood != "lies":
            self.taken.append(Taken(message_id, time.monotonic(), mood))
        if mood == "gone before 250":
            server.transport.abort()
            return answer
        self.said.append(message_id)
        if mood == "gone after 250":
            await server.push(OK)
            server.transport.close()
        return answer

    def note(self, message_id: str) -> None:
        """A mail that was taken before the stage began."""
        self.taken.append(Taken(message_id, time.monotonic(), "well"))

    def copies(self) -> Counter[str]:
        """How often each Message-ID was taken."""
        return Counter(one.message_id for one in list(self.taken))


class Building:
    """Where the post office is, or is not: a port of the hypervisor's loopback."""

    def __init__(self, namespace: Namespace, office: PostOffice) -> None:
        self._namespace, self.office = namespace, office
        self._open = contextlib.ExitStack()

    def open(self) -> None:
        with self._namespace.inside():  # the server's thread begins there, and stays
            self._open.enter_context(serving(self.office, port=PORT))

    def shut(self) -> None:
        """Nobody listens there any more."""
        self._open.close()

    @contextlib.contextmanager
    def shut_for_a_while(self) -> Iterator[None]:
        self.shut()
        try:
            yield
        finally:
            self.open()
