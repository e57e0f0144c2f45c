"""The list of a bundle's files, each with its length and its SHA-256: what is not in it does not count.

It is written last and put in its place by one rename, so a bundle that was being written when the power
went either has no manifest or one that fits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from edgeguard.errors import EvidenceError

NAME = "manifest.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Sealed:
    """One file as it was written."""

    bytes: int
    sha256: str


def sealed(content: bytes) -> Sealed:
    return Sealed(len(content), hashlib.sha256(content).hexdigest())


@dataclass(frozen=True, slots=True)
class Manifest:
    """Of one bundle. Times are ns since 1970; `written` of the part that was added last."""

    case: str
    decision: str
    frozen: int
    written: int
    host: str
    vm: str | None
    vm_name: str | None
    tap: str | None
    rule: str | None  # None: a person's null route
    scope: str
    frames: Mapping[str, int]  # by file
    files: Mapping[str, Sealed] = field(default_factory=dict)

    def adding(self, files: Mapping[str, bytes], frames: Mapping[str, int], written: int) -> Manifest:
        """With further files."""
        added = {name: sealed(content) for name, content in files.items()}
        return replace(self, files={**self.files, **added}, frames={**self.frames, **frames}, written=written)

    def text(self) -> bytes:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1).encode() + b"\n"

    @property
    def bytes(self) -> int:
        return sum(one.bytes for one in self.files.values())


def parse(content: bytes, path: Path) -> Manifest:
    """EvidenceError where it is no manifest of ours."""
    try:
        plain: dict[str, Any] = json.loads(content)
        if plain.pop("format") != FORMAT:
            raise ValueError("it was written by another version")
        files = {_name(name): Sealed(**one) for name, one in plain.pop("files").items()}
        return Manifest(files=files, **plain)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise EvidenceError(f"{path}: is no manifest of evidence ({error}); the bundle cannot be read") from None


def _name(name: str) -> str:
    """A manifest that somebody changed must not name a file elsewhere."""
    if name != Path(name).name or name in ("", ".", "..", NAME):
        raise ValueError(f"{name!r} is no file of a bundle")
    return name
