"""The daemon's end: starts the process that asks, keeps its last answer, and never waits long for a new one."""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import subprocess
from collections.abc import Callable

from edgeguard import companion
from edgeguard.clock import SECOND
from edgeguard.config import Fleet
from edgeguard.errors import EdgeGuardError
from edgeguard.fleet import wire
from edgeguard.fleet.permit import Facts

_START_S = 60.0
_END_S = 5.0

log = logging.getLogger("edgeguard")


class Asker:
    """A permit (permit.py) that is really asked for.

    asker = Asker.start(config.fleet, host)     before rights are given up
    asker.about = lambda: Facts(...)            what it is told
    asker.look(now, loud)                       once a second: asks anew before an answer is too old
    asker.answer(now)                           the answer that holds
    """

    def __init__(self, process: subprocess.Popen[bytes], channel: socket.socket, settings: Fleet, host: str) -> None:
        self._process = process
        self._channel = channel
        self._settings = settings
        self._host = host
        self.about: Callable[[], Facts] = Facts
        self._number = 0
        self._waits = False  # for the reply to the last ask
        self._answer: bool | None = None
        self._at: int | None = None  # when that was so
        self._said = ""
        self.trouble: str | None = None
        self._ended = False

    @classmethod
    def start(cls, settings: Fleet, host: str) -> Asker:
        """A new program rather than a fork, in a session of its own. EdgeGuardError when it does not start."""
        process, ours = companion.start(["-m", "edgeguard.fleet.child"])
        ours.send(wire.encode(wire.Whom(list(settings.command), settings.url, settings.timeout / SECOND)))
        asker = cls(process, ours, settings, host)
        asker._await_ready()
        return asker

    def _await_ready(self) -> None:
        self._channel.settimeout(_START_S)
        with contextlib.suppress(OSError):
            if self._channel.recv(wire.MAX_MESSAGE):
                self._channel.setblocking(False)
                return
        self.close()
        raise EdgeGuardError("cannot start the process that asks the fleet; see its message above")

    @property
    def pid(self) -> int:
        return self._process.pid

    def answer(self, now: int) -> bool | None:
        """What holds now. Where that is too old it is asked for, and waited for as long as configured at most."""
        self._hear(now)
        if not self._is_fresh(now, self._settings.keep):
            self._ask()
            self._wait()
            self._hear(now)
        if not self._is_fresh(now, self._settings.keep):
            self._keep(None, now, "it is late")  # nobody waits again for as long as an answer holds
        return self._answer

    def look(self, now: int, loud: bool) -> None:
        """Ask anew in good time while a decision may be near."""
        self._hear(now)
        if loud and not self._is_fresh(now, self._settings.keep // 2):
            self._ask()

    def _is_fresh(self, now: int, keep: int) -> bool:
        return self._ended or (self._at is not None and now - self._at < keep)

    def _ask(self) -> None:
        if self._waits or self._ended:
            return
        facts = self.about()
        asked = wire.Ask(self._number + 1, self._host, facts.customers, facts.null_routes)
        with contextlib.suppress(OSError):  # the next look finds that it has ended
            self._channel.send(wire.encode(asked))
            self._number, self._waits = asked.number, True

    def _wait(self) -> None:
        select.select([self._channel], [], [], self._settings.timeout / SECOND)

    def _hear(self, now: int) -> None:
        while not self._ended:
            try:
                raw = self._channel.recv(wire.MAX_MESSAGE)
            except BlockingIOError:
                return
            except OSError:
                raw = b""
            if not raw:
                self._end()
                return
            self._take(raw, now)

    def _take(self, raw: bytes, now: int) -> None:
        try:
            reply = wire.reply(raw)
        except wire.WireError as error:
            reply = wire.Reply(self._number, None, f"the process that asks said what cannot be understood: {error}")
        if reply.number == self._number:
            self._waits = False
            self._keep(reply.answer, now, reply.why)

    def _keep(self, answer: bool | None, now: int, why: str) -> None:
        self._answer, self._at = answer, now
        words = {True: "the fleet says yes", False: "the fleet says no: automation null-routes nothing new"}
        said = words[answer] if answer is not None else f"no answer from the fleet: {why}; local limits hold"
        self.trouble = said if answer is None else None
        if said != self._said:
            log.log(logging.INFO if answer else logging.WARNING, "%s", said)
        self._said = said

    def _end(self) -> None:
        """Said once. It cannot be started again: the rights for that are given up."""
        self._ended, self._answer = True, None
        self.trouble = "the process that asks the fleet has ended; local limits hold until the daemon is restarted"
        log.error("%s", self.trouble)

    def close(self) -> None:
        self._channel.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
