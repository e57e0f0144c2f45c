"""What the modules beside this one share: a connection whose cursors have their own way of writing a parameter."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

apilevel = "2.0"
threadsafety = 1
Error = sqlite3.Error


class Cursor:
    """`translate`: the query and its parameters, as sqlite3 takes them."""

    def __init__(self, cursor: sqlite3.Cursor, translate: Callable[[str, Any], tuple[str, Any]]) -> None:
        self._cursor = cursor
        self._translate = translate

    @property
    def description(self) -> Any:
        return self._cursor.description

    def execute(self, query: str, parameters: Any = ()) -> None:
        if parameters:
            query, parameters = self._translate(query, parameters)
        self._cursor.execute(query, parameters)

    def fetchmany(self, size: int) -> list[Any]:
        return self._cursor.fetchmany(size)


class Connection:
    def __init__(self, database: str, translate: Callable[[str, Any], tuple[str, Any]]) -> None:
        self._connection = sqlite3.connect(database)
        self._translate = translate

    def cursor(self) -> Cursor:
        return Cursor(self._connection.cursor(), self._translate)

    def commit(self) -> None:
        self._connection.commit()

    def rollback(self) -> None:
        self._connection.rollback()

    def close(self) -> None:
        self._connection.close()
