"""What was recorded since the last look, and what waits to be sent: for whoever counts the daemon's work.

    news = store.news()
    news.look().outcomes       # since it was made
    news.look().outcomes       # since then
    news.unsent()

A connection of its own that only reads: it never waits for who writes. One per daemon, for one thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeguard.cases.database import connect_reading
from edgeguard.cases.fresh import Fresh, Unsent
from edgeguard.cases.session import Session
from edgeguard.model import Act, Happened

_TOOK = "SELECT o.at - d.at FROM outcomes o JOIN decisions d ON d.id = o.decision"
_FIRST = "NOT EXISTS (SELECT 1 FROM outcomes p WHERE p.decision = o.decision AND p.seq < o.seq AND p.happened = ?)"
_UNSENT = {
    "mail": "SELECT count(*), min(created) FROM outbox WHERE state IN ('waiting', 'ready')",
    "hooks": "SELECT count(*), min(created) FROM deliveries WHERE state = 'ready' AND channel != 'page'",
    "page": "SELECT count(*), min(created) FROM deliveries WHERE state = 'ready' AND channel = 'page'",
}
_YOUNGEST = """
    SELECT (SELECT coalesce(max(rowid), 0) FROM decisions), (SELECT coalesce(max(seq), 0) FROM outcomes),
        (SELECT coalesce(max(seq), 0) FROM outbox)
"""


class News:
    """StoreError from every method; what was not told then is told by the next look."""

    def __init__(self, path: Path | str) -> None:
        self._session = Session(Path(path), connect_reading(Path(path)))
        with self._session.one_moment():
            self._youngest = self._places()
            self._waiting = self._unsent_mails()

    def close(self) -> None:
        self._session.close()

    def look(self) -> Fresh:
        """What was recorded since the last look, at one moment."""
        decision, outcome, notice = self._youngest
        with self._session.one_moment():
            youngest, waiting = self._places(), self._unsent_mails()
            fresh = Fresh(
                self._decisions(decision),
                self._outcomes(outcome),
                self._taken(outcome, Happened.ACKNOWLEDGED),
                self._taken(outcome, Happened.VERIFIED),
                self._noticed(notice, waiting),
            )
        self._youngest, self._waiting = youngest, waiting
        return fresh

    def unsent(self) -> dict[str, Unsent]:
        """What waits now: mails; documents for programs and webhooks; pages."""
        with self._session.reading("count what is unsent") as db:
            return {carrier: Unsent(*db.execute(query).fetchone()) for carrier, query in _UNSENT.items()}

    def _places(self) -> tuple[int, int, int]:
        ((decision, outcome, notice),) = self._rows(_YOUNGEST)
        return decision, outcome, notice

    def _decisions(self, since: int) -> tuple[tuple[str, str], ...]:
        return tuple(
            self._rows("SELECT act, json_extract(body, '$.scope') FROM decisions WHERE rowid > ? ORDER BY rowid", since)
        )

    def _outcomes(self, since: int) -> tuple[str, ...]:
        return tuple(happened for (happened,) in self._rows("SELECT happened FROM outcomes WHERE seq > ?", since))

    def _taken(self, since: int, happened: Happened) -> tuple[int, ...]:
        """From each null route's decision to the first outcome of a kind."""
        query = f"{_TOOK} WHERE o.seq > ? AND o.happened = ? AND d.act = ? AND {_FIRST}"
        return tuple(ns for (ns,) in self._rows(query, since, happened, Act.NULL_ROUTE, happened))

    def _noticed(self, since: int, waiting: set[int]) -> tuple[int, ...]:
        """Of those that are new, and those that waited at the last look."""
        new = {seq for (seq,) in self._rows("SELECT seq FROM outbox WHERE seq > ?", since)}
        taken = (self._sent_after(seq) for seq in (self._waiting | new) - waiting)
        return tuple(ns for ns in taken if ns is not None)

    def _sent_after(self, seq: int) -> int | None:
        """From a null route's decision to its mail; None: it is about something else, or was refused."""
        query = (
            "SELECT o.sent_at - d.at FROM outbox o JOIN decisions d ON d.id = o.decision"
            " WHERE o.seq = ? AND o.state = 'sent' AND d.act = ? AND o.created = d.at"  # written with it
        )
        found = self._rows(query, seq, Act.NULL_ROUTE)
        return int(found[0][0]) if found else None

    def _unsent_mails(self) -> set[int]:
        return {seq for (seq,) in self._rows("SELECT seq FROM outbox WHERE state IN ('waiting', 'ready')")}

    def _rows(self, query: str, *parameters: Any) -> list[Any]:
        return self._session.rows(query, *parameters)
