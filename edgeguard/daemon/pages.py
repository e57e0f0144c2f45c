"""Waking a person: every page is told in the log, recorded whatever the disk says, and handed over later."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from edgeguard import clock
from edgeguard.cases.protocol import CaseStore
from edgeguard.clock import HOUR
from edgeguard.errors import StoreError
from edgeguard.hooks.page import page
from edgeguard.letters import Delivery
from edgeguard.logs import about

KEPT = 64  # while the database takes nothing; later ones of the same causes would be grouped at any rate

log = logging.getLogger("edgeguard.page")


class Courier(Protocol):
    """Who hands pages over; hooks.courier.Courier does."""

    def wake(self) -> None: ...
    def at_once(self, page: Delivery) -> None: ...


class Pages:
    """Pages on their way into the database, the oldest first."""

    def __init__(self, store: CaseStore, host: str, courier: Courier) -> None:
        self._store = store
        self._host = host
        self._courier = courier
        self._trouble = ""
        self._unrecorded: dict[str, int] = {}  # causes handed over without the database, and when
        self._waiting: deque[Delivery] = deque()
        self._said: dict[tuple[str, ...], int] = {}  # what was said in the last hour, and when

    def say(self, cause: str, case: str | None, lines: Sequence[str], commands: Sequence[str] = ()) -> None:
        """Wake a person: `lines` (five at most) say what is wrong, `commands` are to paste. cause: one of model.PAGES.

        At most one an hour and cause is handed over, and the same lines are recorded once an hour: it may be said
        as often as it is true.
        """
        now = clock.now()
        if not self._is_news(cause, case, lines, now):
            return
        log.error("page (%s): %s%s", cause, f"{case}: " if case else "", "; ".join(lines), extra=about(case))
        if len(self._waiting) < KEPT:
            self._waiting.append(page(cause, self._host, now, case, lines, commands))
        self.record()

    def _is_news(self, cause: str, case: str | None, lines: Sequence[str], now: int) -> bool:
        self._said = {key: at for key, at in self._said.items() if abs(now - at) < HOUR}
        key = (cause, case or "", *lines)
        news = key not in self._said
        self._said.setdefault(key, now)
        return news

    def record(self) -> None:
        """What the database could not take is kept and tried again."""
        while self._waiting:
            try:
                self._store.deliver([self._waiting[0]])
            except StoreError as error:
                self._without_database(str(error))
                return
            self._waiting.popleft()
            self._trouble = ""
            self._courier.wake()

    def _without_database(self, error: str) -> None:
        """A full disk is when somebody must be woken: at once then, one an hour and cause; recorded later."""
        if error != self._trouble:
            log.error("a page cannot be recorded: %s", error)
        self._trouble = error
        for one in self._waiting:
            cause = one.cause or ""
            if abs(one.created - self._unrecorded.get(cause, -HOUR)) >= HOUR:
                self._unrecorded[cause] = one.created
                self._courier.at_once(one)
