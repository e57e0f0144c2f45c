"""A file's bytes as one mapping: plain files as they are, gzipped ones and pipes through the disk."""

from __future__ import annotations

import gzip
import mmap
import os
import stat
import tempfile
import zlib
from collections.abc import Callable
from contextlib import ExitStack
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
    with ExitStack() as scratch:  # a mapping outlives its file
        if stat.S_ISFIFO(mode):  # standard input, process substitution
            file = _copied(path, file, scratch)
        elif not stat.S_ISREG(mode):
            raise SavefileError(f"{path}: cannot be read: it is not a file; {WANTED}")
        if _starts_packed(file):
            file, damage = _unpacked(path, file, scratch)
        if not file.seek(0, os.SEEK_END):
            raise SavefileError(f"{path}: cannot be read as a savefile: {damage or 'it is empty'}; {WANTED}")
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    content.madvise(mmap.MADV_SEQUENTIAL)
    return Mapped(content, damage)


def _starts_packed(file: IO[bytes]) -> bool:
    magic = file.read(len(_GZIP_MAGIC))
    file.seek(0)
    return magic == _GZIP_MAGIC


def _nameless() -> IO[bytes]:
    """A file on disk, because captures may be larger than memory."""
    return tempfile.TemporaryFile()


def _copied(path: Path, file: IO[bytes], scratch: ExitStack) -> IO[bytes]:
    copy = scratch.enter_context(_nameless())
    _pour(path, file.read, copy)
    copy.seek(0)
    return copy


def _unpacked(path: Path, file: IO[bytes], scratch: ExitStack) -> tuple[IO[bytes], str]:
    """The content as far as it can be unpacked, and what is wrong with it."""
    content = scratch.enter_context(_nameless())
    try:
        with gzip.open(file) as packed:
            _pour(path, packed.read1, content)  # read() would lose the last whole chunk before a cut
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        return content, f"its gzip data is cut off or damaged ({error})"
    return content, ""


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
