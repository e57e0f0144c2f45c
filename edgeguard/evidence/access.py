"""The record of who looked at evidence, took it along or removed it: one JSON line each, only ever added to."""

from __future__ import annotations

import json
import os
from pathlib import Path

from edgeguard import clock
from edgeguard.errors import EvidenceError

NAME = "access.jsonl"


def note(root: Path, by: str, did: str, case: str, bundle: str, **more: str) -> None:
    """Write one line, on the disk when this returns. EvidenceError: then it must not be done."""
    line = {"at": clock.utc_millis(clock.now()), "by": by, "did": did, "case": case, "bundle": bundle, **more}
    path = root / NAME
    try:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, json.dumps(line).encode() + b"\n")
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        raise EvidenceError(
            f"{path}: cannot be written: {error.strerror}; evidence is not touched unless that is noted"
        ) from None
