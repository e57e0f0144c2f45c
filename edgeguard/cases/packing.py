"""Long texts made small: a third to a tenth of their size on the disk.

    blob = pack(text)
    assert unpack(blob) == text

The first byte says how; behind it is raw deflate (RFC 1951) with a dictionary of the sentences and keys that such
texts are made of. A database holds what was packed by any earlier version: a dictionary is never changed, a better one
gets the next number.

Rows have `packed` beside `body`. Where it is not null it is all of the text, and `body` holds what statements look for
in it (SEARCHED), no more. Statements read whole(body, packed); rows of earlier versions have everything in `body`.
"""

from __future__ import annotations

import functools
import json
import sqlite3
import zlib
from pathlib import Path
from typing import Any

YOUNGEST = 1
LEVEL = 6  # of zlib; 4 takes two thirds of the time, and a tenth more room
DICTIONARIES = {1: Path(__file__).with_name("packing1.txt")}

# By table: the keys that stay in `body`. json_extract finds no other.
SEARCHED = {"decisions": ("scope", "by", "silent", "against", "beside"), "verdicts": ("rule", "band", "kind")}


def pack(text: str) -> bytes:
    made = _primed(YOUNGEST).copy()
    parts: tuple[bytes, bytes] = made.compress(text.encode()), made.flush()
    return bytes([YOUNGEST]) + b"".join(parts)


def unpack(blob: bytes) -> str:
    """ValueError for what is not whole, or was packed by a newer version."""
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


def whole(body: str | None, packed: bytes | None) -> str | None:
    """The text of a row."""
    return body if packed is None else unpack(packed)


def searched(table: str, text: str) -> str:
    """What stays in `body` of a row of that table whose JSON text is packed."""
    values: dict[str, Any] = json.loads(text)
    return json.dumps({key: values[key] for key in SEARCHED[table] if key in values}, separators=(",", ":"))


def teach(connection: sqlite3.Connection) -> None:
    """Statements of this connection may say whole(body, packed)."""
    connection.create_function("whole", 2, whole, deterministic=True)


@functools.cache
def _dictionary(number: int) -> bytes:
    return DICTIONARIES[number].read_bytes()


@functools.cache
def _primed(number: int) -> Any:
    """To be copied: reading the dictionary takes longer than a text."""
    return zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=_dictionary(number))
