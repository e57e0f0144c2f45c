"""What people say of cases, as rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from edgeguard.cases import codec
from edgeguard.model import Order
from edgeguard.word import Word


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
