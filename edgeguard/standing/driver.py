"""Customers in any database that a Python module of the operator's speaks to (DB-API 2.0, PEP 249).

One row (row.py) for a customer, or none. Each question has a process (apart.py) and a connection of its own: nothing is
held open between questions, so a server that was restarted is asked as before, and many hosts take no connections.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from edgeguard.exchange import NoAnswerError
from edgeguard.glance.words import told
from edgeguard.standing import row
from edgeguard.standing.apart import apart
from edgeguard.standing.paramstyle import STYLES

MOST = 16_384  # characters of an answer
MOST_QUOTED = 200  # of what a driver says
PACKAGES = {  # where the module's name is not its package's
    "psycopg": "'psycopg[binary]'",
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient",
    "mysql": "mysql-connector-python",
}
IN_TIME = (  # or the server works on for nobody
    "SET LOCAL statement_timeout = {ms}",  # PostgreSQL
    "SET SESSION max_execution_time = {ms}",  # MySQL
    "SET SESSION max_statement_time = {seconds}",  # MariaDB
)
# Of this transaction alone where that can be said: a pool may give the session to somebody else afterwards.
READ_ONLY = (
    "SET TRANSACTION READ ONLY",  # the standard's
    "PRAGMA query_only = ON",  # SQLite
)


class NoDriverError(NoAnswerError):
    """A module that is not there, or is none that can be asked."""


class Driver:
    """A provider (provider.py). It never says a password, and believes no answer that does."""

    def __init__(
        self, driver: str, database: str | dict[str, Any], password_file: str, query: str, seconds: float
    ) -> None:
        """`database`: what connect() is given. NoDriverError."""
        self._name = driver
        self._module = _module(driver)
        self._database = database
        self._password_file = password_file
        self._query = query
        self._seconds = seconds

    def ask(self, customer: str) -> object:
        return apart(lambda: self._found(customer), self._seconds)

    def _found(self, customer: str) -> object:
        password = self._password()
        try:
            with self._connected(password) as connection:
                names, rows = self._asked(connection, customer)
        except MemoryError:
            raise
        except UnicodeEncodeError:
            raise NoAnswerError(f"{self._name}: cannot be asked for a name that is no text") from None
        except Exception as error:  # of whatever class: it is foreign code
            raise NoAnswerError(f"{self._name}: {_said(error, password)}") from None
        if len(rows) > 1:
            raise NoAnswerError(f"{self._name}: the query gives more than one row for a customer")
        return self._answer(names, rows[0], password) if rows else None

    def _password(self) -> str:
        """Read each time: it may be renewed."""
        if not self._password_file:
            return ""
        try:
            password = Path(self._password_file).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "is no text"
            raise NoAnswerError(f"{self._password_file}: the password cannot be read: {why}") from None
        if not password:
            raise NoAnswerError(f"{self._password_file}: is empty, and no password")
        return password

    @contextlib.contextmanager
    def _connected(self, password: str) -> Iterator[Any]:
        secret = {"password": password} if password else {}
        if isinstance(self._database, str):
            connection = self._module.connect(self._database, **secret)
        else:
            connection = self._module.connect(**self._database, **secret)
        try:
            yield connection
        finally:
            with contextlib.suppress(Exception):  # what it said is known by now
                connection.close()

    def _asked(self, connection: Any, customer: str) -> tuple[list[Any], list[Any]]:
        """The columns' names, and two rows at most."""
        times = {"ms": int(self._seconds * 1000), "seconds": self._seconds}
        _first_understood(connection, [statement.format(**times) for statement in IN_TIME])
        _first_understood(connection, READ_ONLY)
        cursor = connection.cursor()
        cursor.execute(*STYLES[self._module.paramstyle](self._query, customer))
        return [column[0] for column in cursor.description], list(cursor.fetchmany(2))

    def _answer(self, names: list[Any], values: Any, password: str) -> object:
        """As JSON carries it. Some databases write the names of columns in capitals."""
        if not all(isinstance(name, str) for name in names):
            raise NoAnswerError(f"{self._name}: the query gives a column without a name")
        columns = [name.lower() for name in names]
        if twice := [name for name in columns if columns.count(name) > 1]:
            raise NoAnswerError(f"{self._name}: the query gives {columns.count(twice[0])} columns {_short(twice[0])}")
        plain = [self._plain(name, value) for name, value in zip(columns, values, strict=True)]
        texts = [*names, *(value for value in plain if isinstance(value, str))]
        if password and any(password in text for text in texts):
            raise NoAnswerError(f"{self._name}: its answer repeats the password that it was given")
        found = row.answer(columns, plain)
        if len(json.dumps(found)) > MOST:
            raise NoAnswerError(f"{self._name}: its row is longer than {MOST:,} characters")
        return found

    def _plain(self, name: str, value: Any) -> str | int | float | None:
        if isinstance(value, datetime):
            return value.isoformat()
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day, tzinfo=UTC).isoformat()
        if isinstance(value, Decimal):
            return float(value)
        if value is None or isinstance(value, (str, int, float)):
            return value
        raise NoAnswerError(
            f"{self._name}: column {_short(name)} is of type {type(value).__name__}: cast it to another"
        )


def _module(name: str) -> Any:
    try:
        module = importlib.import_module(name)
    except Exception as error:  # of whatever class: it is foreign code
        first = name.partition(".")[0]
        package = PACKAGES.get(first, first)
        where = f"{sys.executable} -m pip install {package}"
        raise NoDriverError(f"driver {name!r}: cannot be imported: {_said(error, '')}; install it: {where}") from None
    if not callable(getattr(module, "connect", None)) or getattr(module, "paramstyle", None) not in STYLES:
        raise NoDriverError(f"driver {name!r}: is no DB-API 2.0 module, which has connect() and a paramstyle; name one")
    return module


def _first_understood(connection: Any, statements: Sequence[str]) -> None:
    """Run the first one that the database does not refuse, in the transaction that the query is then a part of."""
    for statement in statements:
        try:
            connection.cursor().execute(statement)
        except MemoryError:
            raise
        except Exception:  # of a database that has other words; a lost one is seen by the query
            connection.rollback()
        else:
            return


def _said(error: Exception, password: str) -> str:
    """On one line and short; not where the password stands in it."""
    text = str(error)
    if password and password in text:
        return f"{type(error).__name__}, whose words repeat the password"
    return told(" ".join(text.split()))[:MOST_QUOTED] or type(error).__name__


def _short(text: str) -> str:
    return ascii(text[:60])
