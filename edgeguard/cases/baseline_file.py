"""The file of the baselines: what each VM is used to, day by day; a file of its own beside the case database.

Not a table of that: a decision must never wait for this file's lock, and losing the last minutes of it in a
crash loses nothing. Hence synchronous=NORMAL; what was committed before the last checkpoint stands.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from edgeguard.cases.database import BUSY_SECONDS, create, telling, transaction
from edgeguard.errors import StoreError

APPLICATION = 0x45644762  # 'EdGb'
VERSION = 1
Row = tuple[str, str | None, str, int, bytes]  # VM, customer, rule, day since 1970, histogram

SCHEMA = """
CREATE TABLE minutes (
    vm        TEXT NOT NULL,
    customer  TEXT,              -- whose it was then: another one's VM begins anew
    rule      TEXT NOT NULL,
    day       INTEGER NOT NULL,  -- since 1970
    histogram BLOB NOT NULL,     -- baselines/histogram.py
    PRIMARY KEY (vm, rule, day)
) STRICT, WITHOUT ROWID
"""


def beside(database: Path | str) -> Path:
    """Where the file lies: 'edgeguard.sqlite' has 'edgeguard.baselines.sqlite' beside it."""
    path = Path(database)
    return path.with_name(f"{path.stem}.baselines{path.suffix or '.sqlite'}")


class BaselineFile:
    """Opened by the daemon, which writes, or by a command, which reads. StoreError from every method.

    May be handed from thread to thread, but used by one at a time.
    """

    def __init__(self, path: Path, *, reading: bool = False) -> None:
        self.path = path
        self._db = self._open_reading() if reading else self._open()

    def _open(self) -> sqlite3.Connection:
        with telling(self.path, "open it for the baselines"):
            create(self.path)
            db = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            try:
                if self._version(db) == 0:
                    db.execute("PRAGMA journal_mode = WAL")
                    self._make(db)
                db.execute("PRAGMA synchronous = NORMAL")
            except BaseException:
                db.close()
                raise
        return db

    def _open_reading(self) -> sqlite3.Connection:
        if not self.path.exists():
            raise StoreError(f"{self.path}: there are no baselines; has the daemon run with this configuration?")
        with telling(self.path, "read the baselines"):
            uri = f"{self.path.absolute().as_uri()}?mode=ro"
            db = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
            try:
                if self._version(db) == 0:
                    raise StoreError(f"{self.path}: is empty; has the daemon run with this configuration?")
            except BaseException:
                db.close()
                raise
        return db

    def _version(self, db: sqlite3.Connection) -> int:
        application = int(db.execute("PRAGMA application_id").fetchone()[0])
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        tables = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if application != APPLICATION and (tables or application):
            raise StoreError(f"{self.path}: is another program's database; move it away")
        if version > VERSION:
            raise StoreError(f"{self.path}: version {version} is of a newer EdgeGuard; use that, or move it away")
        return version

    def _make(self, db: sqlite3.Connection) -> None:
        with transaction(db):
            if self._version(db) == 0:
                db.execute(SCHEMA)
                db.execute(f"PRAGMA user_version = {VERSION}")
                db.execute(f"PRAGMA application_id = {APPLICATION}")

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def write(self, rows: Iterable[Row], replaced: Iterable[str] = (), oldest: int | None = None) -> None:
        """In one transaction: leave what is not valid any more, what is older than a day, and put days in place."""
        with telling(self.path, "record baselines"), transaction(self._db):
            self._db.executemany("DELETE FROM minutes WHERE vm = ?", [(vm,) for vm in replaced])
            if oldest is not None:
                self._db.execute("DELETE FROM minutes WHERE day < ?", (oldest,))
            self._db.executemany("INSERT OR REPLACE INTO minutes VALUES (?, ?, ?, ?, ?)", rows)

    def rows(self, vm: str | None = None) -> list[Row]:
        """All days, or one VM's, the oldest first."""
        with telling(self.path, "read the baselines"):
            return self._db.execute(
                "SELECT vm, customer, rule, day, histogram FROM minutes WHERE ?1 IS NULL OR vm = ?1"
                " ORDER BY day, vm, rule",
                (vm,),
            ).fetchall()
