"""Whether a person wrote a mail, and whether answering it could start a loop (RFC 3834)."""

from __future__ import annotations

import re
from email.message import Message

from edgeguard.incoming import Sort
from edgeguard.replies import lines

SHORT = 300  # characters of a header that says yes or no
_PRECEDENCE = ("bulk", "junk", "list", "auto_reply", "auto-reply")
_ANSWERED_BY_PROGRAM = ("X-Autoreply", "X-Autorespond", "X-Auto-Reply-From", "X-AutoReply", "X-Mail-Autoreply")
_FROM_LIST = ("List-Id", "List-Unsubscribe", "List-Post", "Mailing-List", "Feedback-ID")
_NOBODY = re.compile(
    r"(?:mailer-daemon|postmaster|no-?reply|do-?not-?reply|bounces?|owner-[^@\s]{1,60}|[^@\s]{1,60}-request)@",
    re.IGNORECASE,
)
# What vacation programs write that send no Auto-Submitted.
_AWAY = re.compile(
    r"\s*(?:auto(?:matic|matische)?[ -]?(?:reply|response|antwort)|out of (?:the )?office|abwesen|vacation\b)",
    re.IGNORECASE,
)


def sort_of(message: Message) -> Sort:
    """AUTOMATIC or REPLY."""
    return Sort.AUTOMATIC if _is_automatic(message) else Sort.REPLY


def may_answer(message: Message) -> bool:
    """A program may answer: the sender did not ask programs to be silent."""
    asked = lines.header(message, "X-Auto-Response-Suppress", SHORT).lower()
    return not any(word in asked for word in ("all", "autoreply"))


def _is_automatic(message: Message) -> bool:
    submitted = lines.header(message, "Auto-Submitted", SHORT).partition(";")[0].strip().lower()
    precedence = lines.header(message, "Precedence", SHORT).strip().lower()
    return (
        submitted not in ("", "no")
        or precedence in _PRECEDENCE
        or any(name in message for name in (*_ANSWERED_BY_PROGRAM, *_FROM_LIST))
        or _has_no_return(message)
        or bool(_NOBODY.search(lines.header(message, "From", SHORT)))
        or bool(_AWAY.match(lines.header(message, "Subject", SHORT)))
        or _is_report(message)
    )


def _has_no_return(message: Message) -> bool:
    """An empty sender of the envelope: nobody wants an answer (RFC 5321 4.5.5)."""
    return any(path.strip() in ("<>", "") for path in lines.headers(message, "Return-Path", SHORT))


def _is_report(message: Message) -> bool:
    """A receipt that a mail was opened (RFC 8098), an abuse report (RFC 5965), a bounce that says nothing."""
    return message.get_content_type() == "multipart/report"
