"""The frozen values of what comes in from outside: replies to our mails, and signals: what others report.

A reply says what its sender wrote and which case it may belong to. Nothing in it is believed: whether a name in
it is one of ours is looked up where the cases are.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Sort(StrEnum):
    """What kind of mail came in."""

    REPLY = "reply"  # a person wrote it, as far as can be told
    BOUNCE = "bounce"  # a mail of ours was not delivered (RFC 3464)
    AUTOMATIC = "automatic"  # a program answered (RFC 3834), or a list passed it on
    UNREADABLE = "unreadable"


class Keyword(StrEnum):
    """The first word of a reply. It fills a form; it never frees or binds anything."""

    CLEANED = "CLEANED"
    MINE = "MINE"
    WRONG = "WRONG"
    APPEAL = "APPEAL"
    HELP = "HELP"


@dataclass(frozen=True, slots=True)
class Reply:
    """One mail that came in."""

    id: str  # of its bytes: the same mail read twice is one reply
    sort: Sort
    sender: str | None = None  # address in From; it may be forged
    names: tuple[str, ...] = ()  # case ids and notice ids that it carries, those to be believed first
    keyword: Keyword | None = None
    subject: str = ""
    text: str = ""  # its new lines, without what they quote
    message_id: str = ""  # its own, for the thread
    answerable: bool = False  # an acknowledgement starts no loop
    status: str | None = None  # of a bounce: '5.1.1' (RFC 3463)
    defect: str = ""  # why it is unreadable


@dataclass(frozen=True, slots=True)
class Signal:
    """A report from outside about an address, checked. `document` is the reporter's: for the desk alone."""

    id: str
    sort: str  # 'connection/ddos': words of the standard, never the reporter's own
    source: str  # the address reported; or what else it named, where `is_address` is False
    is_address: bool
    since: int  # ns: from when on the reporter saw it
    until: int  # and until when
    document: str  # JSON, every field of it; of its evidence hash and size
