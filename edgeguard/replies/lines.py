"""Lines and headers of a mail, cut to a length before anything else looks at them."""

from __future__ import annotations

from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message

from edgeguard.replies.charsets import decoded


def bounded(raw: bytes, longest: int, folded: int) -> bytes:
    """`raw` with lines of at most `longest` bytes, and at most `folded` indented ones in a row.

    So no header is longer than their product, and what parses it takes no longer than that is worth.
    """
    return b"\n".join(_bounded(raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n"), longest, folded))


def _bounded(raw: bytes, longest: int, folded: int) -> Iterator[bytes]:
    run = 0
    for line in raw.split(b"\n"):
        run = run + 1 if line[:1] in (b" ", b"\t") else 0
        if run <= folded:
            yield from (line[at : at + longest] for at in range(0, len(line) or 1, longest))


def header(message: Message, name: str, longest: int) -> str:
    """The first header of that name, decoded (RFC 2047), at most `longest` characters; empty: there is none."""
    return decoded_header(message.get(name), longest)


def headers(message: Message, name: str, longest: int, most: int = 4) -> list[str]:
    """All headers of that name, likewise."""
    return [decoded_header(value, longest) for value in (message.get_all(name) or [])[:most]]


def decoded_header(value: object, longest: int) -> str:
    """A header's text; what cannot be decoded stays as it is."""
    text = str(value or "")[:longest]
    try:
        parts = decode_header(text)
    except (HeaderParseError, ValueError):
        return text
    return "".join(part if isinstance(part, str) else decoded(part, charset) for part, charset in parts)[:longest]
