"""One mail in one SMTP transaction (RFC 5321 3.3), copies in it: whether it leaves is up to its recipients alone.

`smtplib.SMTP.sendmail` would take a mail as sent that only a copy's address was taken for.
"""

from __future__ import annotations

import contextlib
import smtplib
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage

OK = (250, 251)
SERVICE_CLOSING = 421  # RFC 5321 4.2.3: the server gives up the whole connection

Refused = dict[str, tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Taken:
    """A mail that the server took. `refused`: addresses that it did not take it for."""

    answer: str
    refused: Refused


def hand_over(smtp: smtplib.SMTP, message: EmailMessage, to: Sequence[str], copies: Sequence[str] = ()) -> Taken:
    """smtplib's exceptions where it is taken for none of `to`; then no copy left either."""
    sender = message["From"].addresses[0].addr_spec
    if not all(address.isascii() for address in (sender, *to, *copies)):
        raise smtplib.SMTPNotSupportedError("an address beyond ASCII needs SMTPUTF8 (RFC 6531) all the way")
    content = message.as_bytes()
    smtp.ehlo_or_helo_if_needed()
    _begin(smtp, sender, len(content))
    refused = _named(smtp, to)
    if len(refused) == len(to):
        _give_up(smtp)
        raise smtplib.SMTPRecipientsRefused(refused)
    refused |= _named(smtp, copies)
    code, answer = smtp.data(content)
    if code != OK[0]:
        _give_up(smtp, code)
        raise smtplib.SMTPDataError(code, answer)
    return Taken(f"{code} {answer.decode(errors='replace')}", refused)


def _begin(smtp: smtplib.SMTP, sender: str, size: int) -> None:
    code, answer = smtp.mail(sender, [f"size={size}"] if smtp.has_extn("size") else [])
    if code != OK[0]:
        _give_up(smtp, code)
        raise smtplib.SMTPSenderRefused(code, answer, sender)


def _named(smtp: smtplib.SMTP, addresses: Sequence[str]) -> Refused:
    refused: Refused = {}
    for address in addresses:
        code, answer = smtp.rcpt(address)
        if code not in OK:
            refused[address] = (code, answer)
        if code == SERVICE_CLOSING:
            smtp.close()
            raise smtplib.SMTPRecipientsRefused(refused)
    return refused


def _give_up(smtp: smtplib.SMTP, code: int = 0) -> None:
    """So that the next mail on this connection begins anew."""
    if code == SERVICE_CLOSING:
        smtp.close()
        return
    with contextlib.suppress(smtplib.SMTPServerDisconnected):
        smtp.rset()
