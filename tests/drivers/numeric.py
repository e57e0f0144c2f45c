"""`:1` for the first parameter, wherever it stands."""

from __future__ import annotations

import re
from typing import Any

from drivers.over import Connection, Error, apilevel, threadsafety

__all__ = ["Error", "apilevel", "connect", "paramstyle", "threadsafety"]

paramstyle = "numeric"


def connect(database: str) -> Connection:
    return Connection(database, translate)


def translate(query: str, parameters: Any) -> tuple[str, Any]:
    assert isinstance(parameters, tuple)
    return re.sub(r":(\d+)", r"?\1", query), parameters
