"""The file of the case database: opened, brought to this version, its errors put into one line.

    writer = connect(path)             # created (0600) and migrated when needed
    reader = connect_reading(path)     # another process may be writing
    with telling(path, "record decision dec-1"), transaction(writer):
        ...

Write-ahead log with synchronous=FULL: a transaction is on the disk before COMMIT returns, and
readers never wait for the writer (https://www.sqlite.org/wal.html).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgeguard.cases.packing import teach
from edgeguard.errors import StoreError

APPLICATION = 0x45644764  # 'EdGd' in the file header: this is our database and no other's
BUSY_SECONDS = 2.0  # how long another writer is waited for; ours hold the lock for one fsync

_SCRIPTS = ("schema.sql", *(f"schema{number}.sql" for number in range(2, 9)))

# Version n is reached from n - 1 by the n-th script. Scripts are never changed once released.
MIGRATIONS = tuple(Path(__file__).with_name(name) for name in _SCRIPTS)
VERSION = len(MIGRATIONS)

_ADVICE = {
    "SQLITE_FULL": "the disk is full; free space there, what was recorded before stands",
    "SQLITE_BUSY": "another process holds the lock; see with 'fuser' who has the file open",
    "SQLITE_LOCKED": "another process holds the lock; see with 'fuser' who has the file open",
    "SQLITE_READONLY": "it may not be written; check the owner and mode of the file and its directory",
    "SQLITE_PERM": "it may not be opened; check the owner and mode of the file and its directory",
    "SQLITE_CANTOPEN": "it cannot be opened; check that the path exists and may be read and written",
    "SQLITE_CORRUPT": "the file is damaged; move it away, save what can be read with 'sqlite3 FILE .recover'",
    "SQLITE_NOTADB": "the file is no SQLite database; check the path, or move the file away",
    "SQLITE_IOERR": "the disk reports an error; look at the kernel log",
}


def sentence(path: Path, doing: str, error: sqlite3.Error) -> str:
    """One line: what was tried, on what, why it failed, what to do."""
    name = getattr(error, "sqlite_errorname", None) or ""
    # Extended codes such as SQLITE_IOERR_WRITE begin with the plain one.
    advice = next((text for code, text in _ADVICE.items() if name.startswith(code)), None)
    return f"{path}: cannot {doing}: {advice or f'{error} ({name or type(error).__name__})'}"


@contextmanager
def telling(path: Path, doing: str) -> Iterator[None]:
    """Turns SQLite's and the system's errors inside into a StoreError of one line."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(sentence(path, doing, error)) from error
    except OSError as error:
        raise StoreError(f"{path}: cannot {doing}: {error.strerror}; check the path, its owner and its mode") from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One transaction that has the write lock from its first statement; all of it or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk may already have rolled back by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def create(path: Path) -> None:
    """The file, empty, where there is none. Customers' names will be inside: its mode is set before the first byte.

    One that is there is not opened: with the descriptor this process would give up all its locks on the file
    (fcntl(2)), and another process that closes it would take the log away from under an open connection.
    """
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))


def connect(path: Path) -> sqlite3.Connection:
    """A writing connection; the file is created and brought to VERSION. StoreError otherwise.

    May be handed from thread to thread, but used by one at a time.
    """
    with telling(path, "open it as the case database"):
        create(path)
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            teach(connection)
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def connect_reading(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, for other processes than the daemon. StoreError otherwise."""
    if not path.exists():
        raise StoreError(f"{path}: there is no case database; has the daemon run with this configuration?")
    with telling(path, "read it"):
        uri = f"{path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            teach(connection)
            _current(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    version = _version(connection, path)
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise StoreError(f"{path}: cannot keep a write-ahead log here ({mode}); put the database on a local disk")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    if version < VERSION:
        _migrate(connection, path)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """A script and the record of it share one transaction: half a migration cannot be met."""
    with transaction(connection):
        # Asked again under the lock: another opener may have been faster.
        for number in range(_version(connection, path), VERSION):
            for statement in statements(MIGRATIONS[number].read_text(encoding="utf-8")):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute(f"PRAGMA application_id = {APPLICATION}")


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """The schema version in the file; 0 for an empty one. StoreError for a foreign or a newer one."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if application != APPLICATION and (tables or application):
        raise StoreError(f"{path}: is another program's database; check [paths] database")
    if version > VERSION:
        raise StoreError(
            f"{path}: has schema version {version}, this EdgeGuard knows {VERSION};"
            " use the newer EdgeGuard that wrote it"
        )
    return version


def _current(connection: sqlite3.Connection, path: Path) -> None:
    version = _version(connection, path)
    if version < VERSION:
        raise StoreError(
            f"{path}: has schema version {version}, this EdgeGuard needs {VERSION}; start the daemon to upgrade it"
        )


def statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one: executescript would commit before and between them."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
