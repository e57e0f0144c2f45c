"""`:name` for each parameter and columns in capitals, as modules for Oracle have it."""

from __future__ import annotations

from typing import Any

from drivers.over import Connection, Cursor, Error, apilevel, threadsafety

__all__ = ["Error", "apilevel", "connect", "paramstyle", "threadsafety"]

paramstyle = "named"


class Capitals(Cursor):
    @property
    def description(self) -> Any:
        return [(column[0].upper(), *column[1:]) for column in super().description]


class Shouting(Connection):
    def cursor(self) -> Cursor:
        return Capitals(self._connection.cursor(), self._translate)


def connect(database: str) -> Connection:
    return Shouting(database, translate)


def translate(query: str, parameters: Any) -> tuple[str, Any]:
    assert isinstance(parameters, dict)
    return query, parameters
