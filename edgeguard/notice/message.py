"""A queued notice as an Internet message (RFC 5322), threaded by case.

The Message-ID derives from the notice's id, so a mail that went out twice (the connection broke
after the server took it) is recognisable as one. Headers are set through email.message, which
refuses line ends in them.
"""

from __future__ import annotations

import email.policy
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Any

from edgeguard.clock import SECOND
from edgeguard.letters import Mail, Notice, Queued
from edgeguard.notice import acknowledged, hypertext, words
from edgeguard.notice.enclosure import SLOT, Proofs, content
from edgeguard.notice.kinds import AUTOMATION, STANDS, Kind, may_reach
from edgeguard.notice.refusal import Refusal
from edgeguard.notice.render import SHIPPED, render
from edgeguard.notice.settings import MailSettings
from edgeguard.notice.wording import Texts

LOCAL = re.compile(r"[A-Za-z0-9._+-]{1,64}")  # a mailbox of the mail server's own host, like 'root'
NAME_LENGTH = 60  # of a file's name before its ending
THREAD_LENGTH = 10  # Message-IDs in References: the first and the youngest, as RFC 5322 3.6.4 allows


Evidence = Callable[[str, str], Proofs | None]  # of a case and a decision; None: there is none


def write(
    queued: Queued,
    settings: MailSettings,
    written_at: int,
    texts: Texts = SHIPPED,
    evidence: Evidence = lambda case, decision: None,
) -> tuple[EmailMessage, Mail]:
    """The message to hand over, and what of it is kept. Refusal where nobody can be addressed."""
    notice = queued.notice
    if not may_reach(notice.kind, notice.to):
        raise Refusal(f"a notice of kind {words.clean(notice.kind)!r} is for the desk, for nobody else", permanent=True)
    rendered = render(notice.kind, notice.values, queued.facts, written_at, texts)
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"] = sender_of(settings)
    message["To"] = address_of(notice.to, settings)
    if copy := _copy(queued, settings):
        message["Cc"] = copy
    message["Reply-To"] = reply_to(settings, notice.case)
    message["Subject"] = rendered.subject
    message["Date"] = format_datetime(datetime.fromtimestamp(written_at // SECOND, UTC))
    message["Message-ID"] = message_id(notice.id, settings)
    _thread(message, queued, settings)
    if notice.kind == Kind.ACKNOWLEDGED:
        _answer(message, notice.values)
    elif notice.values.get("by", AUTOMATION) == AUTOMATION:
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: automatic mails only, a person's act is none
    message["X-EdgeGuard-Case"] = words.clean(notice.case)
    message.set_content(rendered.text, charset="us-ascii", cte="7bit")
    page = hypertext.page(rendered.subject, rendered.text, rendered.language)
    message.add_alternative(page, subtype="html", charset="us-ascii", cte="7bit")
    if SLOT in notice.values and notice.kind != Kind.PROVED:  # the first mail had it: one report, one flood
        _enclose(message, notice, settings, evidence)
    proof = str(queued.facts.proof) if notice.kind in (*STANDS, Kind.APPEAL_DECIDED, Kind.PROVED) else ""
    return message, _kept(message, rendered.text, rendered.fallback, proof)


def _enclose(message: EmailMessage, notice: Notice, settings: MailSettings, evidence: Evidence) -> None:
    """One JSON, no more: mail gates drop the rest. Frames only where the operator wants them in his mails."""
    proofs = evidence(notice.case, notice.decision)
    named = re.sub(r"[^A-Za-z0-9-]", "_", notice.case)[:NAME_LENGTH]  # a header, too: nothing but plain words
    document = content(notice.values, proofs)
    message.add_attachment(document, maintype="application", subtype="json", filename=f"{named}.json")
    if settings.pcap and proofs is not None and proofs.frames is not None:
        kind = "vnd.tcpdump.pcap"
        message.add_attachment(proofs.frames, maintype="application", subtype=kind, filename=f"{named}.pcap")


def recipients(message: EmailMessage) -> list[str]:
    """The addresses in To, as RCPT TO gets them."""
    return _addresses(message, "To")


def copies(message: EmailMessage) -> list[str]:
    """The addresses in Cc that are not in To already."""
    return [address for address in _addresses(message, "Cc") if address not in recipients(message)]


def _addresses(message: EmailMessage, header: str) -> list[str]:
    return [address.addr_spec for address in message[header].addresses] if message[header] else []


def message_id(notice: str, settings: MailSettings) -> str:
    """'<notice-1a2b@example.net>': the same for the same notice, whenever it is written."""
    domain = parseaddr(settings.sender)[1].rpartition("@")[2]
    return f"<{notice}@{domain or 'edgeguard.invalid'}>"


def reply_to(settings: MailSettings, case: str) -> str:
    """Where answers go: with the case's token where the configuration has a place for it."""
    return (settings.reply_to or settings.desk or settings.sender).replace("{case}", case)


def _copy(queued: Queued, settings: MailSettings) -> str:
    """Of what a customer is told, the operator's desk gets a copy; an acknowledgement tells it nothing.

    Its token is that of all cases that go together: they are one ticket.
    """
    notice = queued.notice
    if notice.to is None or notice.kind == Kind.ACKNOWLEDGED:
        return ""
    return settings.desk_copy.replace("{case}", words.clean(queued.facts.leader or notice.case))


def sender_of(settings: MailSettings) -> str:
    """The From header. Refusal where none is configured."""
    if not settings.sender:
        raise Refusal("no sender is configured; set [mail] from", everyone=True)
    return settings.sender


def address_of(to: str | None, settings: MailSettings) -> str:
    """The To header. A wrong contact is refused for good; a wrong desk can be put right, so it is not."""
    address = to if to is not None else settings.desk
    if not address:
        raise Refusal("no desk is configured; set [mail] desk")
    if not LOCAL.fullmatch(address) and not is_address(address):
        correct = "correct the contact in the inventory" if to is not None else "correct [mail] desk"
        raise Refusal(f"{words.clean(address)!r} is no mail address; {correct}", permanent=to is not None)
    return address


def is_address(address: str) -> bool:
    """Whether a mail can be addressed so: one or several, with or without names."""
    probe = EmailMessage(policy=email.policy.SMTP)
    try:
        probe["To"] = address
        specs = recipients(probe)
    except (ValueError, IndexError):
        return False
    # An address beyond ASCII would need SMTPUTF8 all the way (RFC 6531).
    return bool(specs) and not probe["To"].defects and all(spec.isascii() and " " not in spec for spec in specs)


def _thread(message: EmailMessage, queued: Queued, settings: MailSettings) -> None:
    ids = [message_id(earlier, settings) for earlier in queued.earlier]
    if not ids:
        return
    if len(ids) > THREAD_LENGTH:
        ids = [ids[0], *ids[1 - THREAD_LENGTH :]]
    message["In-Reply-To"] = ids[-1]
    message["References"] = " ".join(ids)


def _answer(message: EmailMessage, values: Mapping[str, Any]) -> None:
    """It stands below the answer itself, not below our last mail."""
    for name, value in acknowledged.headers(values).items():
        if value:
            del message[name]
            message[name] = value


def _kept(message: EmailMessage, text: str, fallback: str | None, proof: str) -> Mail:
    headers = tuple((name, str(value)) for name, value in message.items())
    return Mail(str(message["Subject"]), text, headers, str(message["Message-ID"]), fallback, proof)
