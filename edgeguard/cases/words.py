"""What people say of cases, as rows; and the replies that nobody has taken as a word yet."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from edgeguard.cases import codec
from edgeguard.incoming import Reply
from edgeguard.model import Order
from edgeguard.word import Word

# Replies of open cases, begun at the cases: those of closed ones are many, and the daemon asks every two seconds.
_OF_OPEN = """
    SELECT r.seq AS reply, c.id AS case_id FROM cases c CROSS JOIN replies r ON r.case_id = c.id WHERE c.closed IS NULL
    UNION ALL
    SELECT f.reply, c.id FROM filings f CROSS JOIN cases c ON c.id = f.case_id WHERE c.closed IS NULL
"""


@dataclass(frozen=True, slots=True)
class Heard:
    """A reply in a case, that no word was made of yet."""

    seq: int
    case: str
    at: int
    reply: Reply
    known: bool  # its sender is one of those whom the case's notices went to


def put(db: sqlite3.Connection, word: Word) -> None:
    db.execute(
        "INSERT INTO words (case_id, at, said, principal, until, reply, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            word.case,
            int(word.at),
            word.said,
            codec.text(word.by),
            None if word.until is None else int(word.until),
            word.reply,
            codec.dumps(word),
        ),
    )


def lengthen(db: sqlite3.Connection, orders: Iterable[Order]) -> None:
    """Null routes that stand last until when these orders say: so a restart and the reaper find them."""
    db.executemany(
        "UPDATE decisions SET orders = ?, until = ? WHERE id = ? AND act = 'null-route' AND ended IS NULL",
        [(codec.dumps(order), int(order.until), order.decision) for order in orders],
    )


def reopen(db: sqlite3.Connection, case: str, state: str) -> None:
    """A closed case is open again. How a person had closed it stands in its story."""
    db.execute("DELETE FROM judgements WHERE case_id = ?", (case,))
    db.execute(
        "UPDATE cases SET closed = NULL, outcome = NULL, state = ? WHERE id = ? AND closed IS NOT NULL", (state, case)
    )


def of_case(db: sqlite3.Connection, case: str) -> list[Word]:
    """In the order in which they were said."""
    return [
        codec.loads(Word, body)
        for (body,) in db.execute("SELECT body FROM words WHERE case_id = ? ORDER BY seq", (case,))
    ]


def unheard(db: sqlite3.Connection) -> list[Heard]:
    """Replies of people in open cases, theirs or filed there, that are no word yet; the oldest first."""
    rows = db.execute(
        "SELECT r.seq, o.case_id, r.at, r.body, EXISTS (SELECT 1 FROM outbox b WHERE b.case_id = o.case_id"
        "  AND b.kind != 'acknowledged' AND b.recipient = r.sender COLLATE NOCASE)"
        f" FROM ({_OF_OPEN}) o JOIN replies r ON r.seq = o.reply WHERE r.sort IN ('reply', 'unreadable')"
        " AND NOT EXISTS (SELECT 1 FROM words w WHERE w.reply = r.seq) ORDER BY r.seq"
    )
    return [Heard(seq, case, at, codec.loads(Reply, body), bool(known)) for seq, case, at, body, known in rows]
