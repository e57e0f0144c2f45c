"""Long texts that nobody searches, made small: what was sent already, a tenth to a sixth of its size.

    blob = pack(text)
    assert unpack(blob) == text

The first byte says how; behind it is raw deflate (RFC 1951) with a dictionary of the sentences and keys that such texts
are made of. A database holds what was packed by any earlier version: a dictionary is never changed, a better one gets
the next number.
"""

from __future__ import annotations

import functools
import sqlite3
import zlib
from pathlib import Path

YOUNGEST = 1
DICTIONARIES = {1: Path(__file__).with_name("packing1.txt")}


def pack(text: str) -> bytes:
    made = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=_dictionary(YOUNGEST))
    return bytes([YOUNGEST]) + made.compress(text.encode()) + made.flush()


def unpack(blob: bytes | None) -> str | None:
    """ValueError for what is not whole, or was packed by a newer version. None stays None."""
    if blob is None:
        return None
    number = blob[0] if blob else 0
    if number not in DICTIONARIES:
        raise ValueError(f"packed in way {number}, which this version does not know")
    packed = zlib.decompressobj(-zlib.MAX_WBITS, zdict=_dictionary(number))
    try:
        text = packed.decompress(blob[1:]) + packed.flush()
    except zlib.error as error:
        raise ValueError(f"packed text is damaged: {error}") from None
    if not packed.eof:
        raise ValueError("packed text is cut short")
    return text.decode()


def teach(connection: sqlite3.Connection) -> None:
    """Statements of this connection may say pack(text) and unpack(blob)."""
    connection.create_function("pack", 1, pack, deterministic=True)
    connection.create_function("unpack", 1, unpack, deterministic=True)


@functools.cache
def _dictionary(number: int) -> bytes:
    return DICTIONARIES[number].read_bytes()
