"""One real mail through the configured server, so that nobody finds out at three in the morning.

It is made as a customer's mail is: text, HTML and one JSON, which some gates drop.
"""

from __future__ import annotations

import email.policy
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

from edgeguard import clock
from edgeguard.clock import SECOND
from edgeguard.model import identity
from edgeguard.notice import hypertext, layout, words
from edgeguard.notice.message import address_of, is_address, message_id, recipients, reply_to, sender_of
from edgeguard.notice.refusal import Refusal
from edgeguard.notice.settings import MailSettings
from edgeguard.notice.smtp import Connection, spoken

CASE = "TEST"


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of it: the server's own answer. `refused`: addresses among several that it did not take."""

    to: str
    server: str
    message_id: str
    answer: str
    refused: str


def tried(settings: MailSettings, host: str, to: str | None, at: int) -> Trial:
    """Returns after the server's 250; Refusal otherwise. to None: the desk."""
    if to is not None and not is_address(to):
        raise Refusal(f"{words.clean(to)!r} is no mail address; name another with --to", permanent=True)
    message = _message(settings, host, to, at)
    with Connection(settings) as connection:
        taken = connection.hand_over(message, recipients(message))
    return Trial(
        str(message["To"]),
        settings.server,
        str(message["Message-ID"]),
        words.clean(taken.answer),
        words.clean(spoken(taken.refused)) if taken.refused else "",
    )


def _message(settings: MailSettings, host: str, to: str | None, at: int) -> EmailMessage:
    subject, text = words.clean(f"[{CASE}] EdgeGuard on {host}: a test mail"), _text(words.clean(host), at)
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"] = sender_of(settings)
    message["To"] = address_of(to, settings)
    message["Reply-To"] = reply_to(settings, CASE)
    message["Subject"] = subject
    message["Date"] = format_datetime(datetime.fromtimestamp(at // SECOND, UTC))
    message["Message-ID"] = message_id(identity("test", host, at), settings)
    message["X-EdgeGuard-Case"] = CASE
    message.set_content(text, charset="us-ascii", cte="7bit")
    message.add_alternative(hypertext.page(subject, text), subtype="html", charset="us-ascii", cte="7bit")
    document = json.dumps({"edgeguard": {"format": 1, "case": CASE, "host": words.clean(host)}}, indent=1)
    message.add_attachment(document.encode(), maintype="application", subtype="json", filename=f"{CASE}.json")
    return message


def _text(host: str, at: int) -> str:
    return layout.fill(
        f"Server:         none; host {host}\nTime:           {clock.utc(at)}\n"
        "What happened:  somebody ran 'edgeguard notice test' there.\n"
        "Not affected:   everything; this is a test.\n"
        "Ends:           nothing is in force, so nothing has to end.\n\n"
        "A mail to a customer has the same parts: this text, the same as HTML, and one JSON. If one of them is missing"
        " here, something on the way took it.\n"
    )
