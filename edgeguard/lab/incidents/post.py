"""The mail server of an incident: a real one on the loopback, that keeps what it takes.

with Post(now) as post:
    ...                 # mails are sent to post.server
    post.mails
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from types import TracebackType
from typing import Self

from aiosmtpd.smtp import SMTP, Envelope, Session

from edgeguard.errors import EdgeGuardError

HOST = "127.0.0.1"
STARTS_S = 30


@dataclass(frozen=True, slots=True)
class Taken:
    """A mail as the server took it, at virtual time."""

    at: int
    to: tuple[str, ...]
    subject: str
    text: str
    headers: tuple[tuple[str, str], ...]


class Post:
    """One server, in a thread of its own."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="post", daemon=True)
        self.mails: list[Taken] = []
        self.server = ""

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(STARTS_S) or not self.server:
            raise EdgeGuardError(f"lab incident: no mail server could be started on {HOST}")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            made = self._loop.create_server(lambda: SMTP(self, hostname="mx.example.net", loop=self._loop), HOST, 0)
            server = self._loop.run_until_complete(made)
            self.server = f"{HOST}:{server.sockets[0].getsockname()[1]}"
            self._ready.set()
            self._loop.run_forever()
            server.close()
        finally:
            self._ready.set()
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """aiosmtpd's hook."""
        raw = envelope.content or b""
        message = email.message_from_bytes(raw if isinstance(raw, bytes) else raw.encode(), policy=email.policy.default)
        assert isinstance(message, EmailMessage), "the policy makes them so"
        body = message.get_body(("plain",))
        text = body.get_content() if body is not None else ""
        headers = tuple((name, str(value)) for name, value in message.items())
        self.mails.append(Taken(self._now(), tuple(envelope.rcpt_tos), str(message["Subject"]), text, headers))
        return "250 taken"
