"""Replies in the database, written: once, with what is said because of them, and filed by people.

    case = store.replies.case_of(reply.names)
    store.replies.take(Taken(reply, at, case, ...), notices, deliveries)

No method here writes a decision, an order or the state of a case: a reply never frees and never binds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from edgeguard.cases import codec
from edgeguard.cases.box import put_notice
from edgeguard.cases.received import Taken
from edgeguard.cases.replies import UNMATCHED, Replies
from edgeguard.cases.tray import put
from edgeguard.clock import HOUR
from edgeguard.letters import Delivery, Notice

ONCE = HOUR  # a sender and case are acknowledged at most once in this time
MOST = 10  # acknowledgements of one case in that time, whoever writes: a forged sender makes us a sender of many


class Intray(Replies):
    """What comes in, and what its writing down needs to know. When StoreError is raised nothing of it was written."""

    def case_of(self, names: Sequence[str]) -> str | None:
        """The case of the first name that is one of ours: a case's id, whatever its letters' size, or a notice's."""
        for name in names:
            rows = self._session.rows(
                "SELECT id FROM cases WHERE id = ?1 COLLATE NOCASE UNION ALL SELECT case_id FROM outbox WHERE id = ?1",
                name,
            )
            if rows:
                return str(rows[0][0])
        return None

    def sent(self, names: Sequence[str]) -> Notice | None:
        """The notice that one of these names is. That it left may not be written down yet."""
        for name in names:
            for id, case, decision, kind, to, body in self._session.rows(
                "SELECT id, case_id, decision, kind, recipient, whole(body, packed) FROM outbox WHERE id = ?",
                name,
            ):
                return Notice(id, case, decision, kind, to, codec.loads(dict, body))
        return None

    def youngest_decision(self, case: str) -> str | None:
        """What an acknowledgement is bound to; None: nothing was decided, so nobody was written to."""
        rows = self._session.rows(
            "SELECT id FROM decisions WHERE case_id = ? ORDER BY at DESC, rowid DESC LIMIT 1", case
        )
        return rows[0][0] if rows else None

    def contacts(self, case: str) -> frozenset[str]:
        """Whom the case's notices went to."""
        rows = self._session.rows(
            "SELECT DISTINCT recipient FROM outbox WHERE case_id = ? AND kind != 'acknowledged'", case
        )
        return frozenset(to.lower() for (to,) in rows if to)

    def take(self, taken: Taken, notices: Sequence[Notice], deliveries: Sequence[Delivery] = ()) -> Taken | None:
        """Writes the reply; None: it is known already, and nothing is written.

        An acknowledgement among the notices is left out where this sender, or this case, had enough of them.
        """
        with self._session.writing("record a reply") as db:
            if db.execute("SELECT 1 FROM replies WHERE id = ?", (taken.reply.id,)).fetchone():
                return None
            if taken.acknowledged and not _may_acknowledge(db, taken):
                notices = [notice for notice in notices if notice.id != taken.acknowledged]
                taken = replace(taken, acknowledged=None, read_by=None)
            for notice in notices:
                put_notice(db, notice, taken.at, again="IGNORE")
            for delivery in deliveries:
                put(db, delivery)
            return replace(taken, seq=_put(db, taken))

    def file(self, seq: int, case: str | None, at: int, by: str) -> bool:
        """A person says which case an unmatched reply belongs to; None: to none. False: there is no such reply."""
        with self._session.writing(f"file reply {seq}") as db:
            written = db.execute(
                f"INSERT INTO filings (reply, case_id, at, by) SELECT seq, ?, ?, ? FROM replies"
                f" WHERE seq = ? AND {UNMATCHED}",
                (case, at, by, seq),
            )
            return written.rowcount == 1


def _may_acknowledge(db: sqlite3.Connection, taken: Taken) -> bool:
    """A clock that was far ahead once silences nothing."""
    of_case, of_sender = db.execute(
        "SELECT count(*), count(*) FILTER (WHERE sender = ?1 COLLATE NOCASE) FROM replies"
        " WHERE case_id = ?2 AND acknowledged IS NOT NULL AND at > ?3 - ?4 AND at < ?3 + ?4",
        (taken.reply.sender, taken.case, taken.at, ONCE),
    ).fetchone()
    return bool(of_case < MOST and of_sender == 0)


def _put(db: sqlite3.Connection, taken: Taken) -> int:
    """Its number in the queue."""
    reply = taken.reply
    (seq,) = db.execute(
        "INSERT INTO replies (id, case_id, at, sort, sender, notice, acknowledged, read_by, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING seq",
        (
            reply.id,
            taken.case,
            taken.at,
            reply.sort,
            reply.sender,
            taken.notice,
            taken.acknowledged,
            taken.read_by,
            codec.dumps(reply),
        ),
    ).fetchone()
    return int(seq)
