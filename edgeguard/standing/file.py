"""Customers in a TOML or JSON file, as an export writes it; read again whenever it is another one.

as_of = 2026-01-31T06:00:00Z          # of all below; without it the file's own time holds

[customer."Example Ltd"]
standing = "good"
facts = { contact_verified = true }
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeguard.clock import SECOND
from edgeguard.exchange import NoAnswerError

MOST = 16_777_216  # bytes: a hundred thousand customers
KEYS = {"as_of", "customer"}


class File:
    """A provider (provider.py)."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._stamp: tuple[int, ...] = ()
        self._customers: Mapping[str, Any] = {}
        self._as_of: Any = None

    def ask(self, customer: str) -> object:
        self._follow()
        found = self._customers.get(customer)
        return {"as_of": self._as_of, **found} if isinstance(found, Mapping) else found

    def _follow(self) -> None:
        try:
            status = self._path.stat()
            stamp = status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size
            if stamp == self._stamp:
                return
            with self._path.open("rb") as file:
                content = file.read(MOST + 1)
        except TimeoutError:
            raise  # a pipe that nobody writes to
        except OSError as error:
            raise NoAnswerError(f"{self._path}: cannot be read: {error.strerror}") from None
        self._stamp = ()  # what is wrong is read again
        document = self._document(content)
        self._customers, self._as_of = document["customer"], document.get("as_of", status.st_mtime_ns / SECOND)
        self._stamp = stamp

    def _document(self, content: bytes) -> Mapping[str, Any]:
        if len(content) > MOST:
            raise NoAnswerError(f"{self._path}: longer than {MOST:,} bytes")
        try:
            text = content.decode()
            document = json.loads(text) if self._path.suffix == ".json" else tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise NoAnswerError(f"{self._path}: cannot be understood: {str(error)[:200]}") from None
        if not isinstance(document, dict) or not document.keys() <= KEYS:
            raise NoAnswerError(f"{self._path}: holds something else than {' and '.join(sorted(KEYS))}")
        if not isinstance(document.get("customer"), dict):
            raise NoAnswerError(f"{self._path}: has no table `customer`")
        return document
