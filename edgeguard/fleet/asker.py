"""The daemon's end: starts the process that asks, keeps its last answer, and never waits long for a new one."""

from __future__ import annotations

import logging
from collections.abc import Callable

from edgeguard.clock import SECOND
from edgeguard.companion import Companion
from edgeguard.config import Fleet
from edgeguard.fleet import wire
from edgeguard.fleet.permit import Facts

log = logging.getLogger("edgeguard")


class Asker:
    """A permit (permit.py) that is really asked for.

    asker = Asker.start(config.fleet, host)     before rights are given up
    asker.about = lambda: Facts(...)            what it is told
    asker.look(now, loud)                       once a second: asks anew before an answer is too old
    asker.answer(now)                           the answer that holds
    """

    def __init__(self, companion: Companion, settings: Fleet, host: str) -> None:
        self._companion = companion
        self._settings = settings
        self._host = host
        self.about: Callable[[], Facts] = Facts
        self._number = 0
        self._waits = False  # for the reply to the last ask
        self._answer: bool | None = None
        self._at: int | None = None  # when that was so
        self._said = ""
        self.trouble: str | None = None

    @classmethod
    def start(cls, settings: Fleet, host: str) -> Asker:
        """A new program rather than a fork, in a session of its own. EdgeGuardError when it does not start."""
        whom = wire.encode(wire.Whom(list(settings.command), settings.url, settings.timeout / SECOND))
        name = "the process that asks the fleet"
        return cls(Companion.begin("edgeguard.fleet.child", whom, name, wire.MAX_MESSAGE), settings, host)

    @property
    def pid(self) -> int:
        return self._companion.process.pid

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
        return self._companion.ended or (self._at is not None and now - self._at < keep)

    def _ask(self) -> None:
        if self._waits or self._companion.ended:
            return
        facts = self.about()
        asked = wire.Ask(self._number + 1, self._host, facts.customers, facts.null_routes)
        if self._companion.send(wire.encode(asked)):  # if not, the next look finds that it has ended
            self._number, self._waits = asked.number, True

    def _wait(self) -> None:
        self._companion.wait(self._settings.timeout / SECOND)

    def _hear(self, now: int) -> None:
        ended = self._companion.ended
        for raw in self._companion.heard():
            self._take(raw, now)
        if self._companion.ended and not ended:
            self._end()

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
        self._answer = None
        self.trouble = "the process that asks the fleet has ended; local limits hold until the daemon is restarted"
        log.error("%s", self.trouble)

    def close(self) -> None:
        self._companion.close()
