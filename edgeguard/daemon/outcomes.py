"""What the enforcing child reports: told in the log, and recorded whatever the disk says."""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from edgeguard.cases.protocol import CaseStore
from edgeguard.errors import EnforcementError, StoreError
from edgeguard.letters import Delivery
from edgeguard.logs import about
from edgeguard.model import Happened, Outcome

_LOUD = (Happened.FAILED, Happened.NOT_STOPPED)

log = logging.getLogger("edgeguard")


class Outcomes:
    """Outcomes on their way into the database, the oldest first."""

    def __init__(
        self, store: CaseStore, recorded: Callable[[], None], told: Callable[[Outcome], Sequence[Delivery]]
    ) -> None:
        """`recorded` is called after each that the database took: a notice may be due. `told`: who hears of it."""
        self._told = told
        self._store = store
        self._recorded = recorded
        self._waiting: deque[Outcome] = deque()
        self._last_trouble = ""

    def take(self, outcome: Outcome) -> bool:
        """Tell it, and record it. False: it is about no decision. EnforcementError: without the child nothing can
        be freed."""
        if not outcome.decision and outcome.happened is Happened.FAILED:
            raise EnforcementError(outcome.detail)
        if not outcome.decision:
            log.info("%s: %s", outcome.happened, outcome.detail)
            return False
        level = logging.ERROR if outcome.happened in _LOUD else logging.INFO
        said = (outcome.decision, outcome.happened, outcome.detail)
        log.log(level, "%s: %s: %s", *said, extra=about(decision=outcome.decision))
        self._waiting.append(outcome)
        self.record()
        return True

    def record(self) -> None:
        """What the database could not take is kept and tried again."""
        while self._waiting:
            try:
                self._store.outcome(self._waiting[0], self._told(self._waiting[0]))
            except StoreError as error:
                self.trouble(str(error))
                return
            self._waiting.popleft()
            self._recorded()

    @contextlib.contextmanager
    def suppressing(self) -> Iterator[None]:
        """What the database refuses inside is told, and not an error."""
        try:
            yield
        except StoreError as error:
            self.trouble(str(error))

    def unrecorded(self) -> str | None:
        """What is wrong while the database takes nothing; None: it holds all that has happened."""
        if not self._waiting:
            return None
        return f"{len(self._waiting)} outcomes cannot be recorded: {self._last_trouble}"

    def trouble(self, sentence: str) -> None:
        """The same trouble ten times a second is one line."""
        if sentence != self._last_trouble:
            log.error("%s", sentence)
        self._last_trouble = sentence
