"""Mails to the desk, one after the other, beside the courier's thread: a mail server that hangs holds up no hook."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from edgeguard.hooks import wire
from edgeguard.hooks.message import mail
from edgeguard.letters import Undelivered

Send = Callable[[str, str, str, str], None]  # id, subject, text, to; raises what it could not do


class Mailing:
    """mailing.send(one, woken); later: for answer in mailing.answers(): ..."""

    def __init__(self, send: Send) -> None:
        """`send` returns when the mail server has taken the mail."""
        self._send = send
        self._waiting: queue.SimpleQueue[tuple[Undelivered, Callable[[], None]]] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[wire.Answer] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def send(self, one: Undelivered, woken: Callable[[], None]) -> None:
        """Never blocks. `woken` is called when its answer is there."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="hooks mail", daemon=True)
            self._thread.start()
        self._waiting.put((one, woken))

    def answers(self) -> list[wire.Answer]:
        """What became of them since the last call."""
        found = []
        while not self._done.empty():
            found.append(self._done.get())
        return found

    def _run(self) -> None:
        while True:
            one, woken = self._waiting.get()
            try:
                self._send(one.delivery.id, *mail(one))
                answer = wire.Answer(one.delivery.id, True, "taken by the mail server")
            except Exception as error:
                answer = wire.Answer(one.delivery.id, False, str(error) or type(error).__name__)
            self._done.put(answer)
            woken()
