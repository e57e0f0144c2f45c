"""Where the daemon of a configuration listens and what it writes, read by themselves: the whole of the configuration is
not checked for a glance."""

from __future__ import annotations

import os
import tomllib

DEFAULT = "/etc/edgeguard/edgeguard.toml"
_SHIPPED = os.path.join(os.path.dirname(os.path.dirname(__file__)), "defaults.toml")  # noqa: PTH118, PTH120 - see _read


def socket_of(config: str) -> str | None:
    """None where it cannot be read like this: then the configuration as a whole is to be read, which says why."""
    return _path(config, "socket")


def database_of(config: str) -> str | None:
    """The file of the cases; None as above."""
    return _path(config, "database")


def _path(config: str, key: str) -> str | None:
    try:
        values = {} if config == DEFAULT and not os.path.exists(config) else tomllib.loads(_read(config))  # noqa: PTH110
    except (OSError, ValueError):
        return None
    paths = values.get("paths", {})
    told = paths.get(key, "") if isinstance(paths, dict) else None
    if not isinstance(told, str):
        return None
    return told or _shipped(key)


def _shipped(key: str) -> str:
    """The default's; of the file only its table is read."""
    table = _read(_SHIPPED).partition("\n[paths]\n")[2].partition("\n[")[0]
    return str(tomllib.loads(table)[key])


def _read(path: str) -> str:
    """Without pathlib, which takes a tenth of the whole command to load."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        return file.read()
