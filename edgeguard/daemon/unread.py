"""Replies that wait for a person: those that name no case, and those that somebody was promised to read.

A promise has a clock: the desk is told before it breaks, once; `edgeguard status` says so from then on. A person's note
or decision in the case is the sign that it was read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from edgeguard import clock
from edgeguard.cases.protocol import CaseStore
from edgeguard.cases.received import Taken
from edgeguard.clock import MINUTE
from edgeguard.errors import StoreError
from edgeguard.hooks.message import to_desk
from edgeguard.logs import about
from edgeguard.model import identity

LOOK = MINUTE // 2

log = logging.getLogger("edgeguard")


class Unread:
    """Looks about twice a minute. `trouble`: what waits, in words; None: nothing."""

    def __init__(self, store: CaseStore, host: str, wake: Callable[[], None]) -> None:
        """`wake`: deliveries may be due."""
        self.trouble: str | None = None
        self._store = store
        self._host = host
        self._wake = wake
        self._next = 0

    def look(self, at: int) -> None:
        """A database that cannot be read is told elsewhere; what waited still waits."""
        if 0 <= self._next - at <= LOOK:
            return
        self._next = at + LOOK
        try:
            promised, unmatched = self._store.replies.promised(at), self._store.replies.waiting()
            for taken in promised:
                self._tell(taken, at)
        except StoreError:
            return
        self.trouble = _words([taken for taken in promised if (taken.read_by or 0) <= at], unmatched)

    def _tell(self, taken: Taken, at: int) -> None:
        """The delivery's id is the reply's: it is written once, whoever looks."""
        case, by = taken.case or "", clock.utc(taken.read_by or at)
        log.warning("%s: a person was promised to read a reply by %s", case, by, extra=about(case))
        id = identity("desk", taken.reply.id, "promise")
        text = (
            f"A customer was promised that a person reads his reply by {by}. Nobody has yet.\n\n"
            f"  edgeguard case show {case}\n\nA note in the case, or a decision, says that it was read.\n"
        )
        subject = f"[EdgeGuard] {self._host}: a reply is to be read by {by} ({case})"
        self._store.deliver([to_desk(id, case, subject, text, at)])
        self._wake()


def _words(late: list[Taken], unmatched: int) -> str | None:
    said = []
    if late:
        more = f" and {len(late) - 1} more" if len(late) > 1 else ""
        said.append(f"{late[0].case}{more}: a reply was promised to be read by now")
    if unmatched:
        said.append(f"replies that name no case: {unmatched}; see 'edgeguard reply --unmatched'")
    return "; ".join(said) or None
