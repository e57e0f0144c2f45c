"""A file's bytes as one mapping: plain files as they are, gzipped ones and pipes through the disk."""

from __future__ import annotations

import gzip
import mmap
import os
import stat
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edgeguard.errors import SavefileError

WANTED = "give a pcap or pcapng file, gzipped or not"

_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Mapped:
    """The bytes, and why a gzipped file gave less than it should ('' if all came)."""

    bytes: mmap.mmap
    damage: str = ""


def mapped(path: Path) -> Mapped:
    """Map a file to read; SavefileError where there is nothing to read."""
    try:
        with path.open("rb") as file:
            return _map(path, file)
    except OSError as error:
        raise SavefileError(f"{path}: cannot be read: {error.strerror or error}; {WANTED}") from None


def _map(path: Path, file: IO[bytes]) -> Mapped:
    damage = ""
    mode = os.fstat(file.fileno()).st_mode
    if stat.S_ISFIFO(mode):  # standard input, process substitution
        file = _copied(path, file)
    elif not stat.S_ISREG(mode):
        raise SavefileError(f"{path}: cannot be read: it is not a file; {WANTED}")
    if _starts_packed(file):
        file, damage = _unpacked(path, file)
    if not file.seek(0, 2):
        raise SavefileError(f"{path}: cannot be read as a savefile: {damage or 'it is empty'}; {WANTED}")
    content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    content.madvise(mmap.MADV_SEQUENTIAL)
    return Mapped(content, damage)


def _starts_packed(file: IO[bytes]) -> bool:
    magic = file.read(len(_GZIP_MAGIC))
    file.seek(0)
    return magic == _GZIP_MAGIC


def _copied(path: Path, file: IO[bytes]) -> IO[bytes]:
    copy = _scratch()
    _pour(path, file.read, copy)
    copy.seek(0)
    return copy


def _unpacked(path: Path, file: IO[bytes]) -> tuple[IO[bytes], str]:
    """The content as far as it can be unpacked, and what is wrong with it."""
    content = _scratch()
    try:
        with gzip.open(file) as packed:
            _pour(path, packed.read1, content)  # read() would lose the last whole chunk before a cut
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        return content, f"its gzip data is cut off or damaged ({error})"
    return content, ""


def _scratch() -> IO[bytes]:
    """A nameless file, because captures may be larger than memory. Lives as long as its mapping."""
    return tempfile.TemporaryFile()


def _pour(path: Path, read: Callable[[int], bytes], into: IO[bytes]) -> None:
    """Copy; what the source says about itself passes, a full disk becomes one line."""
    while chunk := read(_CHUNK):
        try:
            into.write(chunk)
        except OSError as error:
            raise SavefileError(
                f"{path}: cannot be unpacked into {tempfile.gettempdir()}: {error.strerror}; "
                "make room there, or name another place in TMPDIR"
            ) from None
