"""Replies in the database: written once, with what is said because of them, and listed until somebody looked.

    tray = Intray(store)
    case = tray.case_of(reply.names)
    tray.take(Taken(reply, at, case.id, ...), notices, deliveries)

No method here writes a decision, an order or the state of a case: a reply never frees and never binds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgeguard.cases import codec
from edgeguard.cases.box import put_notice
from edgeguard.cases.case import Case
from edgeguard.cases.reader import Reader
from edgeguard.cases.store import Store
from edgeguard.cases.together import TOGETHER, going_with
from edgeguard.cases.tray import put
from edgeguard.clock import HOUR, MINUTE
from edgeguard.incoming import Reply
from edgeguard.letters import Delivery, Notice

ONCE = HOUR  # a sender and case are acknowledged at most once in this time
DAY = 24 * HOUR
BEFORE = 10 * MINUTE  # a promise breaks, whoever gave it must hear of it; of a short one half its time
MOST = 10  # acknowledgements of one case in that time, whoever writes: a forged sender makes us a sender of many

_UNMATCHED = "case_id IS NULL AND sort IN ('reply', 'unreadable') AND NOT EXISTS"
_UNMATCHED += " (SELECT 1 FROM filings f WHERE f.reply = replies.seq)"


@dataclass(frozen=True, slots=True)
class Taken:
    """A reply as it is kept."""

    reply: Reply
    at: int
    case: str | None  # None: nobody's yet
    notice: str | None = None  # of a bounce
    acknowledged: str | None = None
    read_by: int | None = None
    seq: int = 0  # its number in the queue; 0: not written yet


class Intray:
    """What came in. Every method may raise StoreError; then nothing of it was written."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def case_of(self, names: Sequence[str]) -> Case | None:
        """The case of the first name that is one of ours: a case's id, whatever its letters' size, or a notice's."""
        for name in names:
            rows = self._rows(
                "SELECT id FROM cases WHERE id = ?1 COLLATE NOCASE UNION ALL SELECT case_id FROM outbox WHERE id = ?1",
                name,
            )
            if rows:
                return self._store.case(rows[0][0])
        return None

    def sent(self, names: Sequence[str]) -> Notice | None:
        """The notice that one of these names is. That it left may not be written down yet."""
        for name in names:
            for id, case, decision, kind, to, body in self._rows(
                "SELECT id, case_id, decision, kind, recipient, whole(body, packed) FROM outbox WHERE id = ?",
                name,
            ):
                return Notice(id, case, decision, kind, to, codec.loads(dict, body))
        return None

    def youngest_decision(self, case: str) -> str | None:
        """What an acknowledgement is bound to; None: nothing was decided, so nobody was written to."""
        rows = self._rows("SELECT id FROM decisions WHERE case_id = ? ORDER BY at DESC, rowid DESC LIMIT 1", case)
        return rows[0][0] if rows else None

    def contacts(self, case: str) -> frozenset[str]:
        """Whom the case's notices went to."""
        rows = self._rows("SELECT DISTINCT recipient FROM outbox WHERE case_id = ? AND kind != 'acknowledged'", case)
        return frozenset(to.lower() for (to,) in rows if to)

    def take(self, taken: Taken, notices: Sequence[Notice], deliveries: Sequence[Delivery] = ()) -> Taken | None:
        """Writes the reply; None: it is known already, and nothing is written.

        An acknowledgement among the notices is left out where this sender, or this case, had enough of them.
        """
        with self._store._writing("record a reply"):
            if self._is_known(taken.reply.id):
                return None
            if taken.acknowledged and not self._may_acknowledge(taken):
                notices = [notice for notice in notices if notice.id != taken.acknowledged]
                taken = _unacknowledged(taken)
            for notice in notices:
                put_notice(self._store._db, notice, taken.at, again="IGNORE")
            for delivery in deliveries:
                put(self._store._db, delivery)
            return self._put(taken)

    def file(self, seq: int, case: str | None, at: int, by: str) -> bool:
        """A person says which case an unmatched reply belongs to; None: to none. False: there is no such reply."""
        with self._store._writing(f"file reply {seq}"):
            written: sqlite3.Cursor = self._store._db.execute(
                f"INSERT INTO filings (reply, case_id, at, by) SELECT seq, ?, ?, ? FROM replies"
                f" WHERE seq = ? AND {_UNMATCHED}",
                (case, at, by, seq),
            )
            return written.rowcount == 1

    def _is_known(self, id: str) -> bool:
        return bool(self._rows("SELECT 1 FROM replies WHERE id = ?", id))

    def _may_acknowledge(self, taken: Taken) -> bool:
        """A clock that was far ahead once silences nothing."""
        rows = self._rows(
            "SELECT count(*), count(*) FILTER (WHERE sender = ?1 COLLATE NOCASE) FROM replies"
            " WHERE case_id = ?2 AND acknowledged IS NOT NULL AND at > ?3 - ?4 AND at < ?3 + ?4",
            taken.reply.sender,
            taken.case,
            taken.at,
            ONCE,
        )
        of_case, of_sender = rows[0]
        return bool(of_case < MOST and of_sender == 0)

    def _put(self, taken: Taken) -> Taken:
        reply = taken.reply
        self._store._db.execute(
            "INSERT INTO replies (id, case_id, at, sort, sender, notice, acknowledged, read_by, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
        )
        return self._taken("WHERE id = ?", reply.id)[0]

    def _taken(self, clause: str, *parameters: Any) -> list[Taken]:
        return _taken(self._store, clause, *parameters)

    def _rows(self, query: str, *parameters: Any) -> list[Any]:
        return self._store._rows(query, *parameters)


def unmatched(reader: Reader) -> list[Taken]:
    """Replies that named no case of ours and that nobody has looked at, the oldest first."""
    return _taken(reader, f"WHERE {_UNMATCHED} ORDER BY seq")


def waiting(reader: Reader) -> int:
    """How many `unmatched` there are: asked by the daemon, which reads none of them."""
    return int(reader._rows(f"SELECT count(*) FROM replies WHERE {_UNMATCHED}")[0][0])


def of_case(reader: Reader, case: str) -> list[Taken]:
    """A case's replies, the oldest first; those that a person filed under it too."""
    return _taken(
        reader, "WHERE case_id = ?1 OR seq IN (SELECT reply FROM filings WHERE case_id = ?1) ORDER BY at, seq", case
    )


# Of a reply's case, and of those that go with it: who read it there has read it.
_WITH_IT = going_with("replies.case_id")
_NOBODY_SINCE = (
    f" AND NOT EXISTS (SELECT 1 FROM notes n WHERE n.case_id IN ({_WITH_IT}) AND n.at >= replies.at"
    "   AND n.author != 'automation')"
    f" AND NOT EXISTS (SELECT 1 FROM words w WHERE w.case_id IN ({_WITH_IT}) AND w.at >= replies.at"
    "   AND w.principal != 'the owner')"
    f" AND NOT EXISTS (SELECT 1 FROM decisions d WHERE d.case_id IN ({_WITH_IT}) AND d.at >= replies.at"
    "   AND json_extract(d.body, '$.by') != 'automation')"
)


def unread(reader: Reader, case: str) -> list[Taken]:
    """Replies to a case, and to those that go with it, that no person's note, word or decision came after; the oldest
    first."""
    which = f"WHERE case_id IN ({TOGETHER}) AND sort IN ('reply', 'unreadable')"
    return _taken(reader, f"{which}{_NOBODY_SINCE} ORDER BY seq", case)


def promised(reader: Reader, now: int) -> list[Taken]:
    """Replies of open cases that a person must read soon, or should have by now; without those that somebody read.

    A note, a word or a decision by a person since then is the sign of it. After a day a case has other clocks.
    """
    return _taken(
        reader,
        "WHERE read_by > ?1 - ?2 AND read_by - min(?3, (read_by - at) / 2) <= ?1"
        f" AND EXISTS (SELECT 1 FROM cases o WHERE o.id IN ({_WITH_IT}) AND o.closed IS NULL)"
        f"{_NOBODY_SINCE} ORDER BY read_by, seq",
        now,
        DAY,
        BEFORE,
    )


def _taken(reader: Reader, clause: str, *parameters: Any) -> list[Taken]:
    rows = reader._rows(
        f"SELECT body, at, case_id, notice, acknowledged, read_by, seq FROM replies {clause}", *parameters
    )
    return [Taken(codec.loads(Reply, body), *rest) for body, *rest in rows]


def _unacknowledged(taken: Taken) -> Taken:
    return Taken(taken.reply, taken.at, taken.case, taken.notice)
