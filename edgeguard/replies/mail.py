"""The bytes of a mail to a Reply. Whatever the bytes are, this never raises and never returns without bound.

    reply = read(raw, Own("abuse+{case}@example.net"))

A mail is a stranger's text: its headers are cut to a length before they are looked at, its body is read to a depth,
and character sets are decoded from a list of those that only decode.
"""

from __future__ import annotations

import email
import email.policy
import hashlib
import re
from dataclasses import dataclass, replace
from email.message import Message
from email.utils import getaddresses

from edgeguard.incoming import Reply, Sort
from edgeguard.model import identity
from edgeguard.replies import body, bounce, lines, names, sort

LARGEST = 10 * 2**20  # of a mail; attached screenshots and logs fit
READ = 2**20  # of it are read: what a person wrote stands before what is attached
LINE = 998  # RFC 5322 2.1.1: no line is longer, so no header of ours is
FOLDED = 40  # lines of one header; the rest of a longer one is left out
SUBJECT = 200  # characters of a subject that are kept
HEADER = 2_000  # characters of a header that are looked at
_HEAD = re.compile(rb"\r?\n\r?\n")
ADDRESS = 254  # RFC 5321 4.5.3.1.3, without the brackets


@dataclass(frozen=True, slots=True)
class Own:
    """What of our own mails a reply is recognised by."""

    reply_to: str  # [mail] reply_to; may hold {case}
    addresses: tuple[str, ...] = ()  # ours: what comes from them is answered by nobody


def read(raw: bytes, own: Own) -> Reply:
    """What the mail says. `raw` may be cut: at most READ bytes of it are looked at."""
    id = identity("reply", hashlib.sha256(raw).hexdigest())
    if len(raw) > LARGEST:
        return _unreadable(id, raw, own, f"it is larger than {LARGEST // 2**20} MiB")
    if not raw.strip():
        return Reply(id, Sort.UNREADABLE, defect="it is empty")
    try:
        return _read(id, _parsed(raw), own)
    except Exception as error:
        # The standard library's parser meets its own limits on hostile mail: depth, charsets, encodings.
        return _unreadable(id, raw, own, f"the parser gave up ({type(error).__name__})")


def bounded(reply: Reply) -> Reply:
    """The same reply within the bounds that `read` keeps: it came from another process."""
    return replace(
        reply,
        sender=reply.sender[:ADDRESS] if reply.sender else None,
        names=reply.names[: names.MOST],
        subject=body.line(reply.subject)[:SUBJECT],
        text=reply.text[: body.LONGEST],
        message_id=names.own_id(reply.message_id),
        status=reply.status[:20] if reply.status else None,
        defect=body.line(reply.defect)[:SUBJECT],
    )


def _unreadable(id: str, raw: bytes, own: Own, why: str) -> Reply:
    """Its headers alone, where they can be read: a person has to open it, and wants to know whose it is."""
    try:
        headers = _parsed(_HEAD.split(raw[:READ], 1)[0] + b"\n\n")
        found = names.of(headers, own.reply_to)
        return Reply(id, Sort.UNREADABLE, _sender(headers), found, subject=_subject(headers), defect=why)
    except Exception:
        return Reply(id, Sort.UNREADABLE, defect=why)


def _parsed(raw: bytes) -> Message:
    """compat32: the newer policy parses each header whole, which takes minutes for one that was made to."""
    return email.message_from_bytes(lines.bounded(raw[:READ], LINE, FOLDED), policy=email.policy.compat32)


def _read(id: str, message: Message, own: Own) -> Reply:
    sender, returned = _sender(message), bounce.report(message)
    kind = Sort.BOUNCE if returned else sort.sort_of(message)
    text = body.text(message)
    return Reply(
        id=id,
        sort=kind,
        sender=sender,
        names=returned.names if returned else names.of(message, own.reply_to),
        keyword=body.keyword(text) if kind is Sort.REPLY else None,
        subject=_subject(message),
        text=text,
        message_id=names.message_id(message),
        answerable=kind is Sort.REPLY and sender is not None and _is_strange(sender, own) and sort.may_answer(message),
        status=returned.status if returned else None,
    )


def _subject(message: Message) -> str:
    return body.line(lines.header(message, "Subject", HEADER))[:SUBJECT]


def _sender(message: Message) -> str | None:
    """The first address in From that a mail can be sent to."""
    for _, address in getaddresses([lines.header(message, "From", HEADER)]):
        local, at, domain = address.rpartition("@")
        plain = address.isascii() and address.isprintable() and not set(address) & set(' <>",;:()[]\\')
        if at and local and "." in domain and plain and len(address) <= ADDRESS:
            return address
    return None


def _is_strange(sender: str, own: Own) -> bool:
    """Not one of our own addresses: a mail of ours that came round is not answered."""
    before, token, after = own.reply_to.lower().rpartition(" ")[2].strip("<>").partition("{case}")
    address = sender.lower()
    if token and address.startswith(before) and address.endswith(after):
        return False
    return address not in {one.lower() for one in own.addresses}
