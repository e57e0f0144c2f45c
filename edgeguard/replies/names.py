"""The names a reply carries: case ids and our Message-IDs. Whether they are ours is looked up later."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message
from email.utils import getaddresses, parseaddr

from edgeguard.replies import lines

MOST = 8  # names of one mail
LONGEST = 4_000  # characters of a header that is searched

CASE = re.compile(r"\bEG-[0-9]{8}(?:-[0-9a-z]{1,40}){1,6}", re.IGNORECASE)  # docket.py makes them
_NOTICE = re.compile(r"<(notice-[0-9a-f]{12})@[^<>\s]{1,200}>")  # notice/message.py makes them
_OWN_ID = re.compile(r"<[!-;=?-~]{1,200}@[!-;=?-~]{1,200}>")  # printable ASCII without brackets (RFC 5322 3.6.4)
TO = ("Delivered-To", "X-Original-To", "To", "Cc")


def of(message: Message, reply_to: str) -> tuple[str, ...]:
    """Each once, those first that say most exactly which case: the address, the mail that is answered, the subject,
    whose id is that of all cases that go together, and the mails before it in the thread."""
    answered, thread = (_in_thread(message, name) for name in ("In-Reply-To", "References"))
    found = dict.fromkeys([*_addressed(message, reply_to), *answered, *_in_subject(message), *thread])
    return tuple(found)[:MOST]


def message_id(message: Message) -> str:
    """The mail's own Message-ID; empty where it is none that can be answered."""
    return own_id(lines.header(message, "Message-ID", 500))


def own_id(text: str) -> str:
    """The first Message-ID in a text."""
    found = _OWN_ID.search(text)
    return found[0] if found else ""


def _addressed(message: Message, reply_to: str) -> Iterator[str]:
    """From the address it was sent to, where [mail] reply_to has a place for the case."""
    before, token, after = parseaddr(reply_to)[1].lower().partition("{case}")
    if not token:
        return
    values = [value for name in TO for value in lines.headers(message, name, LONGEST)]
    for _, address in getaddresses(values):
        low = address.lower()
        if low.startswith(before) and low.endswith(after):
            found = CASE.fullmatch(address[len(before) : len(address) - len(after)])
            if found:
                yield found[0].upper()[:3] + found[0].lower()[3:]


def _in_subject(message: Message) -> Iterator[str]:
    for found in CASE.finditer(lines.header(message, "Subject", LONGEST)):
        yield found[0].upper()[:3] + found[0].lower()[3:]


def _in_thread(message: Message, name: str) -> Iterator[str]:
    """The youngest first."""
    yield from reversed(notices(lines.header(message, name, LONGEST)))


def notices(text: str) -> list[str]:
    """Our notices' ids in a text of Message-IDs."""
    return [found[1] for found in _NOTICE.finditer(text)]
