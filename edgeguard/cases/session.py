"""One connection to the case database, shared by the parts of a store: cases, replies, signals.

    session = Session(path, connect(path))
    session.rows("SELECT id FROM cases WHERE vm = ?", "vm-100")
    with session.writing("record case EG-1") as db:     # one transaction
        db.execute(...)

Several threads may use it: each call, or each `with`, has it alone.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgeguard.cases.database import telling, transaction


class Session:
    """StoreError from every method, for what is done inside a `with`, too."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self.path, self.db = path, db
        self._lock = threading.RLock()

    def close(self) -> None:
        with self._lock:
            self.db.close()

    def rows(self, query: str, *parameters: Any) -> list[Any]:
        with self.reading("read it") as db:
            return db.execute(query, parameters).fetchall()

    @contextmanager
    def reading(self, doing: str) -> Iterator[sqlite3.Connection]:
        """doing: what an error says could not be done."""
        with self._lock, telling(self.path, doing):
            yield self.db

    @contextmanager
    def writing(self, doing: str) -> Iterator[sqlite3.Connection]:
        """One transaction: on the disk when it is left, or nothing of it is written."""
        with self._lock, telling(self.path, doing), transaction(self.db):
            yield self.db

    @contextmanager
    def one_moment(self) -> Iterator[None]:
        """All that is asked inside sees the same state of the database."""
        with self.reading("read it") as db:
            db.execute("BEGIN")
            try:
                yield
            finally:
                db.execute("COMMIT")
