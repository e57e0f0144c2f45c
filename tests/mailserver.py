"""Real SMTP servers on the loopback, well and badly behaved, for the tests of the outbox."""

# ruff: noqa: N802 - aiosmtpd finds its hooks by their names

from __future__ import annotations

import contextlib
import email
import email.policy
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

OK = "250 OK"
PATIENCE_S = 120  # a bound for machines that are slow; what is waited for comes at once elsewhere


class Sink:
    """Takes mails, or answers what it was told to. answers: command -> answers given in turn, then OK."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.answers: dict[str, list[str]] = {}
        self.always: dict[str, str] = {}  # recipient -> answer
        self.logins: list[tuple[bytes, bytes]] = []
        self.tls: list[bool] = []
        self.after: Callable[[], None] = lambda: None  # called with the mail taken, before 250 is said

    def _answer(self, command: str) -> str:
        queue = self.answers.get(command)
        return queue.pop(0) if queue else OK

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        answer = self._answer("MAIL")
        if answer == OK:
            envelope.mail_from = address
        return answer

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        answer = self.always.get(address) or self._answer("RCPT")
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        answer = self._answer("DATA")
        if answer.startswith("2"):
            message = email.message_from_bytes(envelope.content, policy=email.policy.default)
            assert isinstance(message, EmailMessage)
            self.tls.append(server.transport.get_extra_info("ssl_object") is not None)
            self.envelopes.append((envelope.mail_from, list(envelope.rcpt_tos)))
            self.mails.append(message)
            self.after()
        return answer

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        self.logins.append((data.login, data.password))
        right = data.password == b"right"
        return AuthResult(success=right, handled=right)


class _Ephemeral(Controller):
    """With port 0 it must be asked which port that is; aiosmtpd gives itself a second for a sign of life, we more."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        with socket.create_connection((self.hostname, self.port), PATIENCE_S) as probe:
            if self.ssl_context is None:  # under TLS the connection itself wakes it
                probe.recv(1024)


@contextlib.contextmanager
def serving(sink: Sink, port: int = 0, **options: Any) -> Iterator[int]:
    """The sink behind a port of the loopback. options: aiosmtpd's."""
    controller = _Ephemeral(sink, hostname="127.0.0.1", port=port, ready_timeout=PATIENCE_S, **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


@contextlib.contextmanager
def raw(script: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that runs `script` for each connection and then closes it."""
    listener = socket.create_server(("127.0.0.1", 0))
    stopping = threading.Event()

    def serve() -> None:
        while not stopping.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    script(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stopping.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(PATIENCE_S)


def hanging(connection: socket.socket) -> None:
    """Accepts, says nothing, waits for the client to give up."""
    with contextlib.suppress(OSError):
        connection.settimeout(10 * PATIENCE_S)
        connection.recv(1)


def closing_at_data(connection: socket.socket) -> None:
    """Speaks SMTP up to DATA and hangs up in the middle of the mail."""
    connection.sendall(b"220 hello\r\n")
    with connection.makefile("rb") as lines, contextlib.suppress(OSError):
        for line in lines:
            if line.upper().startswith(b"DATA"):
                connection.sendall(b"354 go on\r\n")
                lines.readline()
                return
            connection.sendall(b"250 ok\r\n")


def text_of(mail: EmailMessage) -> str:
    """The plain text of a mail, whatever stands beside it."""
    body = mail.get_body(("plain",))
    assert isinstance(body, EmailMessage)
    return str(body.get_content())


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A port of the loopback that nobody listens on and the kernel gives nobody else; `serving` may take it."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # asyncio's servers set it too
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def certificate(folder: Path) -> ssl.SSLContext:
    """A server's context with a certificate for 127.0.0.1 of its own, in folder/cert.pem. OSError without openssl."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    names = ("-addext", "subjectAltName=IP:127.0.0.1")
    subprocess.run([*command, *names, "-keyout", key, "-out", cert], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


def until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE_S) -> None:
    """Waits for what another thread does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.01)
