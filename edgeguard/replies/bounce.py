"""A bounce: a report that a mail of ours was not delivered (RFC 3464)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message

from edgeguard.replies import lines, names
from edgeguard.replies.parts import leaves

_STATUS = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})(?!\d)")  # RFC 3463
_UNKNOWN = "5.0.0"  # failed, and nothing more is said


@dataclass(frozen=True, slots=True)
class Returned:
    """What a bounce says of one mail. names: of the mail that came back."""

    status: str
    names: tuple[str, ...]


def report(message: Message) -> Returned | None:
    """None: it is no bounce, or one of a mail that was delivered or is still being tried."""
    parts = list(leaves(message, into_messages=True))
    told = (part for part in parts if part.get_content_type() == "message/delivery-status")
    failures = [status for part in told for status in _failures(part)]
    return Returned(failures[0], _returned(message, parts)) if failures else None


def _failures(part: Message) -> Iterator[str]:
    """The status of each recipient that the mail did not reach."""
    blocks = part.get_payload()
    for block in blocks[:20] if isinstance(blocks, list) else ():
        if isinstance(block, Message) and lines.header(block, "Action", 100).strip().lower() == "failed":
            found = _STATUS.match(lines.header(block, "Status", 100))
            yield f"{found[1]}.{int(found[2])}.{int(found[3])}" if found and found[1] != "2" else _UNKNOWN


def _returned(message: Message, parts: list[Message]) -> tuple[str, ...]:
    """The mail that came back by its Message-ID: whole, or its headers alone; else what the bounce itself answers."""
    found: list[str] = []
    for part in parts:
        if part.get_content_type() in ("message/rfc822", "message/rfc822-headers"):
            found += [id for one in _messages(part) for id in names.notices(lines.header(one, "Message-ID", 500))]
        elif part.get_content_type() == "text/rfc822-headers":
            found += names.notices(str(part.get_payload())[: names.LONGEST])
    found += names.notices(lines.header(message, "In-Reply-To", names.LONGEST))
    return tuple(dict.fromkeys(found))[: names.MOST]


def _messages(part: Message) -> list[Message]:
    inner = part.get_payload()
    return [one for one in inner[:1] if isinstance(one, Message)] if isinstance(inner, list) else []
