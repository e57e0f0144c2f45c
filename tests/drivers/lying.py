"""A module that gives what its database is: an expression of column names and rows, of `customer` and `password`."""

from __future__ import annotations

import ctypes
import datetime
import decimal
import faulthandler
import os
import signal
import sys
import threading
import time
from typing import Any, NoReturn

__all__ = ["ctypes", "datetime", "decimal", "os", "signal", "sys", "threading", "time"]  # for the expressions

apilevel = "2.0"
paramstyle = "pyformat"


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("an error that cannot be told")


class SaidError(Exception):
    """A driver's own error."""


class Cursor:
    def __init__(self, database: str, password: str) -> None:
        self._database = database
        self._password = password
        self._rows: Any = []
        self.description: Any = None

    def execute(self, query: str, parameters: Any = None) -> None:
        if parameters is None:
            raise SaidError("understands no other statement")
        names, self._rows = eval(self._database, {**globals(), **parameters, "password": self._password})
        self.description = None if names is None else [(name, None) for name in names]

    def fetchmany(self, size: int) -> Any:
        return self._rows


class Connection:
    def __init__(self, database: str, password: str) -> None:
        self._database = database
        self._password = password

    def cursor(self) -> Cursor:
        return Cursor(self._database, self._password)

    def commit(self) -> None:
        """Nothing was changed."""

    def rollback(self) -> None:
        """Nothing was changed."""

    def close(self) -> None:
        raise SaidError("cannot be closed")


def connect(database: str, password: str = "") -> Connection:
    return Connection(database, password)


def fail(error: BaseException) -> NoReturn:
    raise error


def hang() -> NoReturn:
    """In C, holding Python's lock: no handler of Python's ever runs."""
    while True:
        ctypes.PyDLL(None).pause()


def crash() -> NoReturn:
    faulthandler.disable()  # where pytest has it on
    os.abort()
