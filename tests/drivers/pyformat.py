"""`%(name)s` for each parameter, and `%%` for a percent sign, as most modules for PostgreSQL have it."""

from __future__ import annotations

from typing import Any

from drivers.over import Connection, Error, apilevel, threadsafety

__all__ = ["Error", "apilevel", "connect", "paramstyle", "threadsafety"]

paramstyle = "pyformat"
PASSWORD = "opens sesame"


def connect(*, host: str, dbname: str, port: int = 0, password: str = "") -> Connection:
    """The parameters must be these; `host` is the folder of the database file, port 1 wants the password."""
    if port and password != PASSWORD:
        raise Error(f"the password {password!r}\nis wrong")
    return Connection(f"{host}/{dbname}", translate)


def translate(query: str, parameters: Any) -> tuple[str, Any]:
    assert isinstance(parameters, dict)
    return query % {name: f":{name}" for name in parameters}, parameters
