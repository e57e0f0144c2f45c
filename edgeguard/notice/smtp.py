"""One connection to the operator's mail server (RFC 5321), every failure put into a Refusal.

with Connection(settings) as connection:
    connection.deliver(message, ["ops@example.net"])    # returns after the server's 250
"""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Self

from edgeguard.clock import SECOND
from edgeguard.notice import words
from edgeguard.notice.refusal import Refusal
from edgeguard.notice.settings import MailSettings
from edgeguard.notice.transaction import SERVICE_CLOSING, Taken, hand_over


class Connection:
    """Open between `with` and its end. `abort` may be called from another thread."""

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings
        self._smtp: smtplib.SMTP | None = None

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        smtp, self._smtp = self._smtp, None
        if smtp is None:
            return
        # The mails are taken; how the server answers the good-bye changes nothing.
        with contextlib.suppress(smtplib.SMTPException, OSError):
            smtp.quit()
        smtp.close()

    def deliver(self, message: EmailMessage, recipients: Sequence[str], copies: Sequence[str] = ()) -> str | None:
        """Hands a mail over. Returns what was said to some refused addresses, if some were.

        Refusal if all recipients were; whether a copy is taken decides nothing.
        """
        taken = self.hand_over(message, recipients, copies)
        return spoken(taken.refused) if taken.refused else None

    def hand_over(self, message: EmailMessage, recipients: Sequence[str], copies: Sequence[str] = ()) -> Taken:
        """As `deliver`; returns what the server answered, too."""
        assert self._smtp is not None, "the connection is open"
        try:
            return hand_over(self._smtp, message, recipients, copies)
        except smtplib.SMTPRecipientsRefused as error:
            raise self._recipients_refused(error.recipients) from error
        except smtplib.SMTPSenderRefused as error:
            raise self._refusal(
                "refuses the sender", _answer(error.smtp_code, error.smtp_error), everyone=True
            ) from error
        except smtplib.SMTPDataError as error:
            answer = _answer(error.smtp_code, error.smtp_error)
            raise self._refusal("refuses the mail", answer, permanent=error.smtp_code >= 500) from error
        except smtplib.SMTPNotSupportedError as error:
            raise self._refusal("cannot take this address", str(error), permanent=True) from error
        except (smtplib.SMTPException, OSError) as error:
            raise self._refusal("broke off", _reason(error), everyone=True) from error

    def abort(self) -> None:
        """Wakes a thread that waits for the server; its call ends with a Refusal."""
        smtp = self._smtp
        sock = smtp.sock if smtp is not None else None
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _open(self) -> None:
        try:
            self._log_in(self._connect())
        except Refusal:
            self._drop()
            raise
        except smtplib.SMTPAuthenticationError as error:
            self._drop()
            # Not its words: a server may say again what it was given, and this goes to log and database.
            told = f"{error.smtp_code}: correct [mail] user and password_file"
            raise self._refusal("refuses the log-in", told, everyone=True) from None
        except (smtplib.SMTPException, OSError) as error:
            self._drop()
            raise self._refusal("cannot be reached", _reason(error), everyone=True) from error

    def _drop(self) -> None:
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            smtp.close()

    def _connect(self) -> smtplib.SMTP:
        host, _, port = self._settings.server.rpartition(":")
        host = host.strip("[]")
        timeout = self._settings.timeout / SECOND
        if self._settings.tls == "tls":
            self._smtp = secure = smtplib.SMTP_SSL.__new__(smtplib.SMTP_SSL)
            context = ssl.create_default_context()
            smtplib.SMTP_SSL.__init__(secure, host, int(port), _own_name(), timeout=timeout, context=context)
            return secure
        # Known to `abort` before it connects: the greeting is where a server likes to hang.
        self._smtp = smtp = smtplib.SMTP.__new__(smtplib.SMTP)
        smtplib.SMTP.__init__(smtp, host, int(port), _own_name(), timeout=timeout)
        if self._settings.tls == "starttls":
            # Without the extension this raises: a mail never goes out in clear by silence.
            smtp.starttls(context=ssl.create_default_context())
        return smtp

    def _log_in(self, smtp: smtplib.SMTP) -> None:
        if not self._settings.user:
            return
        path = self._settings.password_file
        try:
            password = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise Refusal(f"{path}: the mail password cannot be read: {_reason(error)}", everyone=True) from error
        try:
            smtp.login(self._settings.user, password)
        except UnicodeError:
            raise Refusal(f"{path}: holds what smtplib cannot send: letters beyond ASCII", everyone=True) from None

    def _recipients_refused(self, answers: Mapping[str, tuple[int, bytes]]) -> Refusal:
        codes = [code for code, _ in answers.values()]
        return self._refusal(
            "refuses the recipient",
            spoken(answers),
            permanent=all(code >= 500 for code in codes),
            everyone=SERVICE_CLOSING in codes,
        )

    def _refusal(self, did: str, why: str, permanent: bool = False, everyone: bool = False) -> Refusal:
        return Refusal(f"mail server {self._settings.server} {did}: {words.clean(why)}", permanent, everyone)


def _own_name() -> str:
    """For EHLO; smtplib's own way asks the resolver, which may hang when the network is bad."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"


def _answer(code: int, text: bytes | str) -> str:
    return f"{code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"


def spoken(answers: Mapping[str, tuple[int, bytes]]) -> str:
    """What was answered to each of some addresses."""
    return "; ".join(f"{address}: {_answer(code, text)}" for address, (code, text) in answers.items())


def _reason(error: BaseException) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return _answer(error.smtp_code, error.smtp_error)
    # smtplib tells a silent server as a closed one; what it met itself is the context.
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return "no answer within the configured time ([mail] timeout)"
    return str(getattr(error, "strerror", None) or error) or type(error).__name__
