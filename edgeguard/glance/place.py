"""Where the daemon of a configuration listens and what it writes, read by themselves: the whole of the configuration is
not checked for a glance."""

from __future__ import annotations

import os
import tomllib
from typing import Any

DEFAULT = "/etc/edgeguard/edgeguard.toml"
_SHIPPED = os.path.join(os.path.dirname(os.path.dirname(__file__)), "defaults.toml")  # noqa: PTH118, PTH120 - see _read


def socket_of(config: str) -> str | None:
    """None where it cannot be read like this: then the configuration as a whole is to be read, which says why."""
    return _path(config, "socket")


def database_of(config: str) -> str | None:
    """The file of the cases; None as above."""
    return _path(config, "database")


def given(config: str) -> dict[str, Any]:
    """What a configuration file says; nothing where nobody made the default one. OSError, ValueError: unreadable."""
    return {} if config == DEFAULT and not os.path.exists(config) else tomllib.loads(_read(config))  # noqa: PTH110


def shipped(table: str) -> dict[str, Any]:
    """One table of the defaults; of the file only that is read."""
    return tomllib.loads(_read(_SHIPPED).partition(f"\n[{table}]")[2].partition("\n[")[0])


def _path(config: str, key: str) -> str | None:
    try:
        paths = given(config).get("paths", {})
    except (OSError, ValueError):
        return None
    told = paths.get(key, "") if isinstance(paths, dict) else None
    if not isinstance(told, str):
        return None
    return told or str(shipped("paths")[key])


def _read(path: str) -> str:
    """Without pathlib, which takes a tenth of the whole command to load."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        return file.read()
