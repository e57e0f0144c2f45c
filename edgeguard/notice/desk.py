"""A plain mail to the desk, about no notice: pages, and hooks that were given up."""

from __future__ import annotations

import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

from edgeguard.notice import words
from edgeguard.notice.message import message_id, recipients
from edgeguard.notice.refusal import Refusal
from edgeguard.notice.settings import MailSettings
from edgeguard.notice.smtp import Connection


def tell(settings: MailSettings, id: str, subject: str, text: str, to: str = "") -> None:
    """Returns after the server's 250; Refusal otherwise. The Message-ID derives from `id`. to: instead of the desk."""
    if not (to or settings.desk) or not settings.sender:
        raise Refusal("no desk can be written to; set [mail] desk and from")
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"] = settings.sender
    message["To"] = to or settings.desk
    message["Subject"] = words.clean(subject)
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = message_id(id, settings)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834
    lines = [words.clean(line) if not line.startswith(" ") else f"  {words.clean(line)}" for line in text.splitlines()]
    message.set_content("\n".join(lines) + "\n", charset="us-ascii", cte="7bit")
    with Connection(settings) as connection:
        connection.deliver(message, recipients(message))
