"""The mail server: greeted, not used. No mail is sent."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from pathlib import Path

from edgeguard.check.finding import Finding, ok, warning, wrong
from edgeguard.check.password import password
from edgeguard.clock import SECOND
from edgeguard.config import Mail

LONGEST_S = 10.0  # a check does not wait as long as a delivery may


def mail(settings: Mail) -> Iterator[Finding]:
    if not settings.server:
        yield warning("mail", "server", "none configured: notices stay in the outbox; name one in [mail] server")
        return
    yield _reached(settings)
    if not settings.sender:
        yield wrong("mail", "from", "empty: a notice needs a sender; set [mail] from")
    if not settings.desk:
        yield warning("mail", "desk", "empty: what has no customer stays in the outbox; set [mail] desk")
    if settings.reply_to and "{case}" not in settings.reply_to:
        yield warning(
            "mail", "reply_to", "holds no {case}: replies find their case by subject and thread alone; write one"
        )
    if settings.password_file:
        yield password("mail", Path(settings.password_file))


def _reached(settings: Mail) -> Finding:
    host, _, port = settings.server.rpartition(":")
    try:
        text = _greeted(host.strip("[]"), int(port), settings.tls, min(LONGEST_S, settings.timeout / SECOND))
    except (OSError, smtplib.SMTPException) as error:
        return wrong("mail", "server", f"{settings.server}: {_why(error)}; check [mail] server, tls and the network")
    return ok("mail", "server", f"{settings.server}: {text}")


def _greeted(host: str, port: int, tls: str, patience_s: float) -> str:
    """What the server offers. OSError or SMTPException when it does not answer as configured."""
    if tls == "tls":
        with smtplib.SMTP_SSL(host, port, timeout=patience_s, context=ssl.create_default_context()) as server:
            server.ehlo_or_helo_if_needed()
            return "answers over TLS"
    with smtplib.SMTP(host, port, timeout=patience_s) as server:
        server.ehlo_or_helo_if_needed()
        if tls == "none":
            return "answers, without TLS as configured"
        server.starttls(context=ssl.create_default_context())
        return "answers, STARTTLS works"


def _why(error: OSError | smtplib.SMTPException) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error.decode("ascii", "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        return f"refuses with {error.smtp_code} {said}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, (TimeoutError, smtplib.SMTPServerDisconnected)):
        return "does not answer as a mail server does"
    return f"cannot be used: {getattr(error, 'strerror', None) or error}"
