"""Deliveries: written in the transaction of what they tell, handed over once by the thread that sends them.

    with transaction(db):
        put(db, delivery)               # a page may be grouped with an earlier one

    tray = Tray(path)                   # the sending thread's, with a connection of its own
    for one in tray.due(channels, now): ...
    tray.sent(one.delivery.id, now)

Order is kept for each channel and case: the next delivery of a case waits for the one before it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgeguard.cases.database import connect, telling, transaction
from edgeguard.cases.packing import pack
from edgeguard.clock import HOUR
from edgeguard.letters import Channel, Delivery, Undelivered

GROUPED_FOR = HOUR  # at most one page of a cause in this time

# The oldest of each channel and case. Pages and what is about no case wait for nothing of their own kind.
_FIRST = """
    SELECT min(seq) FROM deliveries WHERE state = 'ready'
    GROUP BY channel, CASE WHEN channel IN ('program', 'webhook') AND case_id IS NOT NULL THEN case_id ELSE seq END
"""

# Pages of the same cause kept back between the page before this one and this one.
_GROUPED = """
    SELECT count(*) FROM deliveries g WHERE g.channel = 'page' AND g.cause = d.cause AND g.state = 'grouped'
    AND g.seq < d.seq AND g.seq > coalesce((SELECT max(p.seq) FROM deliveries p
        WHERE p.channel = 'page' AND p.cause = d.cause AND p.state != 'grouped' AND p.seq < d.seq), 0)
"""


def put(db: sqlite3.Connection, delivery: Delivery, grouped: bool = False) -> None:
    """One row, inside the caller's transaction. What is recorded already stays as it is. grouped: another tells it."""
    db.execute(
        "INSERT INTO deliveries (id, channel, case_id, decision, cause, body, packed, created, state)"
        " VALUES (?, ?, ?, ?, ?, '', ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        (
            delivery.id,
            delivery.channel,
            delivery.case,
            delivery.decision,
            delivery.cause,
            pack(delivery.body),
            int(delivery.created),
            "grouped" if grouped or _is_grouped(db, delivery) else "ready",
        ),
    )


def _is_grouped(db: sqlite3.Connection, delivery: Delivery) -> bool:
    """A page of the same cause is less than an hour away. A clock that was far ahead once silences nothing."""
    if delivery.channel is not Channel.PAGE:
        return False
    found = db.execute(
        "SELECT 1 FROM deliveries WHERE channel = 'page' AND cause IS ?1 AND state != 'grouped'"
        " AND created > ?2 - ?3 AND created < ?2 + ?3 LIMIT 1",
        (delivery.cause, int(delivery.created), GROUPED_FOR),
    )
    return found.fetchone() is not None


class Tray:
    """Rows of the deliveries. Every method may raise StoreError; then nothing of it was written."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._opened: sqlite3.Connection | None = None

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def due(self, channels: Collection[Channel], now: int, limit: int = 100) -> list[Undelivered]:
        """What to hand over now, oldest first: the head of each case, not paused after a failure."""
        with telling(self.path, "read the deliveries"):
            rows = self._db.execute(
                "SELECT d.id, d.channel, d.case_id, d.decision, d.created, whole(d.body, d.packed), d.cause,"
                " d.attempts,"
                f" CASE WHEN d.channel = 'page' THEN ({_GROUPED}) ELSE 0 END"
                f" FROM deliveries d WHERE d.seq IN ({_FIRST}) AND d.next_try <= ?"
                f" AND d.channel IN ({_marks(channels)}) ORDER BY d.seq LIMIT ?",
                (now, *channels, limit),
            ).fetchall()
        return [_undelivered(row) for row in rows]

    def next_try(self, channels: Collection[Channel]) -> int | None:
        """When the next is due; a time already past: at once; None: nothing waits."""
        with telling(self.path, "read the deliveries"):
            row = self._db.execute(
                f"SELECT min(next_try) FROM deliveries WHERE seq IN ({_FIRST}) AND channel IN ({_marks(channels)})",
                tuple(channels),
            ).fetchone()
        return None if row[0] is None else int(row[0])

    def counts(self) -> dict[str, dict[str, int]]:
        """How many wait and how many failed for good, by channel."""
        with telling(self.path, "read the deliveries"):
            rows = self._db.execute(
                "SELECT channel, state, count(*) FROM deliveries WHERE state IN ('ready', 'failed') GROUP BY 1, 2"
            ).fetchall()
        found: dict[str, dict[str, int]] = {}
        for channel, state, number in rows:
            found.setdefault(channel, {})["waiting" if state == "ready" else state] = number
        return found

    def sent(self, id: str, at: int) -> None:
        """It was taken: never handed over again."""
        with self._writing(f"mark delivery {id} as sent"):
            self._db.execute(
                "UPDATE deliveries SET state = 'sent', sent_at = ?, attempts = attempts + 1, last_error = NULL"
                " WHERE id = ? AND state != 'sent'",
                (at, id),
            )

    def postponed(self, id: str, next_try: int, error: str, also: Sequence[Delivery] = ()) -> None:
        """An attempt failed. also: what is to be told because of it, in the same transaction."""
        with self._writing(f"postpone delivery {id}"):
            self._db.execute(
                "UPDATE deliveries SET attempts = attempts + 1, next_try = ?2, last_error = ?3"
                " WHERE id = ?1 AND state = 'ready'",
                (id, next_try, error),
            )
            self._put(also)

    def failed(self, id: str, error: str, also: Sequence[Delivery] = ()) -> None:
        """Given up for good."""
        with self._writing(f"record the failure of delivery {id}"):
            self._db.execute(
                "UPDATE deliveries SET state = 'failed', last_error = ?2 WHERE id = ?1 AND state = 'ready'", (id, error)
            )
            self._put(also)

    def _put(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            put(self._db, delivery)

    @property
    def _db(self) -> sqlite3.Connection:
        if self._opened is None:
            self._opened = connect(self.path)
        return self._opened

    @contextmanager
    def _writing(self, doing: str) -> Iterator[None]:
        with telling(self.path, doing), transaction(self._db):
            yield


def _marks(channels: Collection[Channel]) -> str:
    return ", ".join("?" * len(channels))


def _undelivered(row: Sequence[Any]) -> Undelivered:
    id, channel, case, decision, created, body, cause, attempts, grouped = row
    return Undelivered(Delivery(id, Channel(channel), case, decision, created, body, cause), attempts, grouped)
