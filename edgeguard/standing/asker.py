"""The daemon's end: starts the process that asks for standings and keeps what it answers. Nothing here ever waits."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from edgeguard.clock import SECOND
from edgeguard.companion import Companion
from edgeguard.config.standing import StandingSettings
from edgeguard.context import Told
from edgeguard.errors import EdgeGuardError
from edgeguard.standing import wire

AHEAD = 16  # customers asked for at a time while the provider answers; one where it does not
RETRY = 10 * SECOND  # after a failure, until the same customer is asked for again
STUCK = 120 * SECOND  # the longest that the process may take for what it was asked

log = logging.getLogger("edgeguard")


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer, and when it came."""

    told: Told
    at: int


@dataclass(frozen=True, slots=True)
class _Failed:
    """Why there was no answer that can be believed, and when."""

    why: str
    at: int


class Asker:
    """A `context.Known` that really asks.

    asker = Asker.start(config.standing)              before rights are given up
    asker.customers = lambda: ...                     who may be asked for soon, the most urgent first
    asker.look()                                      once a second: asks in good time
    asker.of(customer, at)                            what is known
    """

    def __init__(
        self, companion: Companion, settings: StandingSettings, ticks: Callable[[], int] = time.monotonic_ns
    ) -> None:
        """`ticks`: a clock that never goes back, ns."""
        self._companion = companion
        self._settings = settings
        self._ticks = ticks
        self.customers: Callable[[], Iterable[str]] = tuple
        self._number = 0
        self._asked: dict[int, tuple[str, int]] = {}  # by number: customer, and when
        self._kept: dict[str, _Kept] = {}
        self._failed: dict[str, _Failed] = {}
        self._said: str | None = None

    @classmethod
    def start(cls, settings: StandingSettings) -> Asker:
        """A new program rather than a fork, in a session of its own. EdgeGuardError when it does not start."""
        first = wire.encode(wire.Whom.of(settings))
        name = "the process that asks for standings"
        companion = Companion.begin("edgeguard.standing.child", first, name, wire.MAX_MESSAGE)
        if why := wire.decode(wire.Reply, companion.greeting).why:
            companion.close()
            raise EdgeGuardError(f"[standing] {why}")
        return cls(companion, settings)

    @property
    def pid(self) -> int:
        return self._companion.process.pid

    @property
    def trouble(self) -> str | None:
        """What is wrong with the provider, in words; None: it answers, or nobody was asked for yet."""
        if self._companion.ended:
            return "the process that asks for standings has ended: every customer is unknown until a restart"
        if self._is_stuck():
            return "the process that asks for standings does not answer: customers are unknown"
        if not self._failed:
            return None
        last = max(self._failed.values(), key=lambda one: one.at)
        return f"no standing of {len(self._failed)} customers, who are unknown: {last.why}"

    def of(self, customer: str, at: int) -> Told:
        """What holds at a time. Where nothing does, the customer is unknown, and asked for."""
        self._hear()
        now = self._ticks()
        kept = self._kept.get(customer)
        if kept is not None and self._is_fresh(kept, now) and not self._companion.ended:
            return kept.told.at(at, self._settings.age)
        if self._is_due(customer, now):
            self._ask(customer, now)
        failed = self._failed.get(customer)
        if self._companion.ended or self._is_stuck():
            return Told(False, "the process that asks for it does not answer")
        return Told(False, f"no answer: {failed.why}" if failed else "the provider has not answered yet")

    def look(self) -> None:
        """Ask for who may be needed soon, and forget who is not here any more."""
        self._hear()
        now, here = self._ticks(), tuple(dict.fromkeys(self.customers()))
        for customer in here:
            if len(self._asked) >= (1 if self._failed else AHEAD):
                break
            if self._is_due(customer, now):
                self._ask(customer, now)
        self._forget(set(here), now)
        self._say()

    def _is_fresh(self, kept: _Kept, now: int) -> bool:
        return now - kept.at < self._settings.keep

    def _is_due(self, customer: str, now: int) -> bool:
        """Not asked for now, not refused a moment ago, and without an answer that will hold for a while."""
        kept, failed = self._kept.get(customer), self._failed.get(customer)
        if any(customer == other for other, _ in self._asked.values()):
            return False
        if failed is not None and now - failed.at < RETRY:
            return False
        return kept is None or now - kept.at >= self._settings.keep // 2

    def _is_stuck(self) -> bool:
        return any(self._ticks() - since >= STUCK for _, since in self._asked.values())

    def _ask(self, customer: str, now: int) -> None:
        if len(customer) > wire.LONGEST_NAME:
            self._failed[customer] = _Failed(f"a name of {len(customer):,} characters cannot be asked for", now)
        elif not self._companion.ended and self._companion.send(wire.encode(wire.Ask(self._number + 1, customer))):
            self._number += 1
            self._asked[self._number] = customer, now

    def _hear(self) -> None:
        for raw in self._companion.heard():
            try:
                reply = wire.decode(wire.Reply, raw)
            except wire.WireError as error:
                log.error("the process that asks for standings said what cannot be understood: %s", error)
                continue
            self._take(reply)
        if self._companion.ended:
            self._asked.clear()

    def _take(self, reply: wire.Reply) -> None:
        customer, _ = self._asked.pop(reply.number, (None, 0))
        if customer is None:
            return
        now = self._ticks()
        if reply.told is None:  # what is kept holds on, for as long as it may
            self._failed[customer] = _Failed(reply.why or "it says nothing", now)
        else:
            self._failed.pop(customer, None)
            self._kept[customer] = _Kept(reply.told, now)

    def _forget(self, here: set[str], now: int) -> None:
        gone = [customer for customer, kept in self._kept.items() if not self._is_fresh(kept, now)]
        for customer in {*gone, *(customer for customer in self._kept if customer not in here)}:
            del self._kept[customer]
        for customer in [customer for customer in self._failed if customer not in here]:
            del self._failed[customer]

    def _say(self) -> None:
        """Trouble is said when it begins or is another one, and when it is over."""
        why = next(self._reasons(), None)
        if why != self._said:
            if why is None:
                log.info("the provider of standings answers")
            else:
                log.warning("%s", self.trouble)
        self._said = why

    def _reasons(self) -> Iterator[str]:
        """What is wrong, without numbers that change with every look."""
        if self._companion.ended or self._is_stuck():
            yield self.trouble or ""
        yield from sorted({one.why for one in self._failed.values()})

    def close(self) -> None:
        self._companion.close()
