"""`%s` for each parameter, and `%%` for a percent sign, as most modules for MySQL have it."""

from __future__ import annotations

from typing import Any

from drivers.over import Connection, Error, apilevel, threadsafety

__all__ = ["Error", "apilevel", "connect", "paramstyle", "threadsafety"]

paramstyle = "format"


def connect(database: str) -> Connection:
    return Connection(database, translate)


def translate(query: str, parameters: Any) -> tuple[str, Any]:
    assert isinstance(parameters, tuple)
    return query % (("?",) * len(parameters)), parameters
