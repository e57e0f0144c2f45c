"""Customers in an SQLite database, read by a configured query: one row (row.py) for a customer, or none."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from edgeguard.exchange import NoAnswerError
from edgeguard.standing import row

LONGEST = 65_536  # bytes of a value
STEPS = 10_000  # of SQLite's machine between two looks at the clock: some milliseconds


class Query:
    """A provider (provider.py). It opens the database for reading only, anew each time: it may be replaced."""

    def __init__(self, database: str, query: str, seconds: float) -> None:
        self._path = database
        self._query = query
        self._seconds = seconds

    def ask(self, customer: str) -> object:
        end = time.monotonic() + self._seconds
        try:
            with closing(self._open()) as connection:
                connection.set_progress_handler(lambda: time.monotonic() >= end, STEPS)
                return self._row(connection.execute(self._query, {"customer": customer}))
        except sqlite3.Error as error:
            if time.monotonic() >= end:
                raise TimeoutError from None
            raise NoAnswerError(f"{self._path}: {str(error)[:200]}") from None
        except ValueError:
            raise NoAnswerError(f"{self._path}: cannot be asked for a name that is no text") from None

    def _open(self) -> sqlite3.Connection:
        uri = f"{Path(self._path).absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=self._seconds, isolation_level=None)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)  # no other database is opened, for writing or at all
        return connection

    def _row(self, cursor: sqlite3.Cursor) -> object:
        rows = cursor.fetchmany(2)
        if len(rows) > 1:
            raise NoAnswerError(f"{self._path}: the query gives more than one row for a customer")
        if not rows:
            return None
        return row.answer([column[0] for column in cursor.description], rows[0])
