"""One bundle: a folder of files that are written whole or not at all, and read only where they fit their hashes.

EVIDENCE/CASE/20260131-030405-DECISION/
    before.pcap     frames from before the decision
    record.json     verdict, decision, safeties, subject: all that was known
    xarf.json       the same for other networks' abuse desks
    during.pcap     frames of the seconds after it, added later
    manifest.json   the hash of each
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeguard.errors import EvidenceError
from edgeguard.evidence import manifest
from edgeguard.evidence.manifest import Manifest, Sealed, sealed

UNFINISHED = "."  # names that begin so are no bundles
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that is whole as far as its manifest says."""

    path: Path
    manifest: Manifest

    @property
    def name(self) -> str:
        return self.path.name

    def read(self, name: str) -> bytes:
        """A file, as it was written. EvidenceError where it is gone or its hash does not fit."""
        return _verified(self.path / name, self.manifest.files[name])

    def findings(self) -> list[str]:
        """What is wrong with it: a sentence for each file that is gone or changed."""
        found = []
        for name in self.manifest.files:
            try:
                self.read(name)
            except EvidenceError as error:
                found.append(str(error))
        return found


def opened(path: Path) -> Bundle:
    """The bundle in a folder. EvidenceError where there is no manifest that can be read."""
    try:
        content = (path / manifest.NAME).read_bytes()
    except OSError as error:
        raise EvidenceError(f"{path}: no manifest can be read: {error.strerror}; this is no whole bundle") from None
    return Bundle(path, manifest.parse(content, path / manifest.NAME))


def write(root: Path, name: str, start: Manifest, files: Mapping[str, bytes]) -> Bundle:
    """A new bundle, on the disk when this returns; OSError and nothing of it otherwise."""
    for part in (start.case, name):
        if not _SAFE.fullmatch(part):
            raise OSError(22, f"{part!r} cannot name a folder")
    place = root / start.case / name
    scratch = root / f"{UNFINISHED}{name}"
    try:
        shutil.rmtree(scratch, ignore_errors=True)  # of a daemon that was killed
        scratch.mkdir(mode=0o700)
        for file, content in {**files, manifest.NAME: start.text()}.items():
            _put(scratch / file, content)
        _settle(scratch)
        place.parent.mkdir(mode=0o700, exist_ok=True)
        scratch.rename(place)
    except OSError:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    _settle(place.parent)
    _settle(root)
    return Bundle(place, start)


def add(bundle: Bundle, files: Mapping[str, bytes], now: Manifest) -> Bundle:
    """The bundle with further files; OSError, and it stays as it was, otherwise."""
    scratch = [(bundle.path / f"{UNFINISHED}{name}", name) for name in (*files, manifest.NAME)]
    try:
        for (path, _), content in zip(scratch, (*files.values(), now.text()), strict=True):
            _put(path, content)
        for path, name in scratch:  # the manifest is the last
            path.rename(bundle.path / name)
    except OSError:
        for path, _ in scratch:
            with contextlib.suppress(OSError):
                path.unlink()
        raise
    _settle(bundle.path)
    return Bundle(bundle.path, now)


def remove(path: Path) -> None:
    """Take a bundle away: at once, then its bytes."""
    aside = path.parent.parent / f"{UNFINISHED}{path.name}-removed"
    path.rename(aside)
    shutil.rmtree(aside)
    with contextlib.suppress(OSError):  # the case has other bundles
        path.parent.rmdir()


def _put(path: Path, content: bytes) -> None:
    """A new file with its bytes on the disk; what an earlier try left there is replaced."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(file, view) :]
        os.fsync(file)
    finally:
        os.close(file)


def _settle(folder: Path) -> None:
    """Names are on the disk only when their folder is."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _verified(path: Path, wanted: Sealed) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EvidenceError(f"{path}: cannot be read: {error.strerror}; the manifest says it was written") from None
    if sealed(content) != wanted:
        raise EvidenceError(
            f"{path}: its SHA-256 is not that of the manifest: the file was changed after it was written"
        )
    return content
