"""The database and the control socket: can they be made and written, and does a daemon run?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from edgeguard import control
from edgeguard.cases.reader import Reader
from edgeguard.check.finding import Finding, ok, warning, wrong
from edgeguard.config import Paths
from edgeguard.errors import DaemonError, StoreError
from edgeguard.request import Status

LITTLE_SPACE = 100 * 1024 * 1024  # bytes: a case with its evidence takes some kilobytes
_ADVICE = "make it, or name another place in [paths]"


def places(paths: Paths) -> Iterator[Finding]:
    yield _database(Path(paths.database))
    yield _space(Path(paths.database))
    yield _socket(Path(paths.socket))
    yield _evidence(paths.bundles)


def _evidence(path: Path) -> Finding:
    """Without it null routes stand all the same: so it is a warning."""
    if not path.exists():
        found = _makeable("evidence", path)
        return found if found.grade == "ok" else warning("paths", "evidence", found.text)
    if not path.is_dir() or not os.access(path, os.W_OK | os.X_OK):
        return warning("paths", "evidence", f"{path}: may not be written; null routes go without evidence until it may")
    return ok("paths", "evidence", f"{path}: may be written")


def _database(path: Path) -> Finding:
    if not path.exists():
        return _makeable("database", path)
    if not os.access(path, os.W_OK):
        return wrong("paths", "database", f"{path}: may not be written; check its owner and mode")
    try:
        with Reader(path) as reader:
            cases = len(reader.open_cases())
    except StoreError as error:
        return wrong("paths", "database", str(error))
    return ok("paths", "database", f"{path}: {cases} open cases")


def _space(database: Path) -> Finding:
    folder = _existing(database)
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize
    text = f"{folder}: {free // 1024 // 1024:,} MiB free"
    if free < LITTLE_SPACE:
        return (warning if free else wrong)("paths", "space", f"{text}; free some: what cannot be recorded is not done")
    return ok("paths", "space", text)


def _socket(path: Path) -> Finding:
    if not path.exists():
        return _makeable("socket", path)
    try:
        control.ask(path, Status())
    except DaemonError as error:
        return warning("paths", "socket", f"{error} (a daemon that starts replaces it)")
    return ok("paths", "socket", f"{path}: a daemon answers")


def _makeable(what: str, path: Path) -> Finding:
    folder = _existing(path)
    if not folder.is_dir():
        return wrong("paths", what, f"{path}: {folder} is not a directory; {_ADVICE}")
    if not os.access(folder, os.W_OK | os.X_OK):
        return wrong("paths", what, f"{path}: {folder} may not be written; {_ADVICE}")
    return ok("paths", what, f"{path}: will be made")


def _existing(path: Path) -> Path:
    """The nearest folder above a path that is there."""
    return next(above for above in path.absolute().parents if above.exists())
