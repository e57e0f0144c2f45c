"""What a person wrote in a mail: its new lines as plain text, bounded, and the keyword they begin with."""

from __future__ import annotations

import re
import unicodedata
from email.message import Message

from edgeguard.incoming import Keyword
from edgeguard.replies import markup
from edgeguard.replies.charsets import decoded
from edgeguard.replies.parts import leaves
from edgeguard.replies.quoting import new_lines

LONGEST = 2_000  # characters that are kept
LINES = 40
_BYTES = 262_144  # of a part that are read: far more than that many characters of any text
_WIDE = 500  # characters of a line that are looked at
_WORD = re.compile(r"[\W_]*([A-Za-z]+)")


def text(message: Message) -> str:
    """The new lines of the first plain text, or of the first HTML where there is none."""
    parts = [part for part in leaves(message) if _is_shown(part)]
    for kind in ("text/plain", "text/html"):
        for part in parts:
            if part.get_content_type() == kind and (said := _new(part, kind)):
                return said
    return ""


def keyword(text: str) -> Keyword | None:
    """The first word of the first new line, where it is one of ours; small letters will do."""
    found = _WORD.match(text.partition("\n")[0])
    word = found[1].upper() if found else ""
    return Keyword(word) if word in set(Keyword) else None


def line(text: str) -> str:
    """One line without signs that steer a terminal or turn the writing round."""
    return " ".join("".join(" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in text).split())


def _is_shown(part: Message) -> bool:
    disposition = str(part.get("Content-Disposition") or "")[:100].partition(";")[0].strip().lower()
    return disposition != "attachment" and part.get_content_maintype() == "text"


def _new(part: Message, kind: str) -> str:
    payload = part.get_payload(decode=True)
    raw = payload[:_BYTES] if isinstance(payload, bytes) else b""
    whole = decoded(raw, part.get_content_charset())
    shown = markup.text(whole) if kind == "text/html" else whole
    rows = [row[:_WIDE] for row in shown.splitlines()[: LINES * 20]]
    kept = [line(row) for row in new_lines("\n".join(rows))]
    return _trimmed(kept)[:LONGEST].rstrip()


def _trimmed(rows: list[str]) -> str:
    """Without blank lines at both ends, and no two in a row."""
    kept: list[str] = []
    for row in rows:
        if row or (kept and kept[-1]):
            kept.append(row)
    return "\n".join(kept[:LINES]).strip()
