"""Posting one document: signed, within its time, no redirect followed, nothing believed but the status.

    target = Target.of("https://hooks.example.net/edgeguard", secret=b"...")
    taken, detail = post(target, id, body, timeout_s=10.0)

Any 2xx is taken. The receiver checks `X-EdgeGuard-Signature` (docs/hooks.md) and may know a document that comes
twice by `Idempotency-Key`.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from edgeguard import __version__
from edgeguard.errors import DeliveryError
from edgeguard.hooks.line import line

KEPT_ANSWER = 1024  # bytes
SHORTEST_HIDDEN = 6  # characters of a part of the path: a shorter one is a word, and no token


@dataclass(frozen=True, slots=True)
class Target:
    """Where to post. Neither path nor secret is ever shown: either may be what lets somebody in."""

    secure: bool
    host: str
    port: int
    path: str = field(repr=False)
    secret: bytes = field(default=b"", repr=False)

    @classmethod
    def of(cls, url: str, secret: bytes = b"") -> Target:
        """The parts of a configured URL."""
        parts = urlsplit(url)
        assert parts.hostname, "the configuration was checked"
        secure = parts.scheme == "https"
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(secure, parts.hostname, parts.port or (443 if secure else 80), path, secret)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}"


def secret(file: str) -> bytes:
    """The first line of the file; empty where none is configured. DeliveryError: nothing goes out unsigned then."""
    if not file:
        return b""
    try:
        first = Path(file).read_bytes().split(b"\n", 1)[0].rstrip(b"\r")
    except OSError as error:
        raise DeliveryError(f"{file}: the secret of [hooks] cannot be read: {error.strerror}") from None
    if not first:
        raise DeliveryError(f"{file}: its first line, the secret of [hooks], is empty")
    return first


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """What the receiver computes again: HMAC-SHA256 over 'TIMESTAMP.BODY', in hex."""
    return "sha256=" + hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def post(target: Target, id: str, body: str, timeout_s: float) -> tuple[bool, str]:
    """Whether the server took it, and a sentence for people. `timeout_s` bounds everything together."""
    began = time.monotonic()
    try:
        with _within(target, timeout_s) as connection:
            connection.request("POST", target.path, body.encode(), _headers(target, id, body.encode()))
            answer = connection.getresponse()
            taken, detail = _read(answer, target)
    except (OSError, http.client.HTTPException, ValueError) as error:
        late = time.monotonic() - began >= timeout_s or isinstance(error, TimeoutError)
        return False, f"{target}: {f'no answer within {timeout_s:g} s' if late else _why(error)}"
    return taken, f"{target}: {detail} after {1000 * (time.monotonic() - began):.0f} ms"


def _headers(target: Target, id: str, body: bytes) -> dict[str, str]:
    timestamp = str(int(time.time()))
    signed = {"X-EdgeGuard-Signature": signature(target.secret, timestamp, body)} if target.secret else {}
    return {
        "Content-Type": "application/json",
        "User-Agent": f"edgeguard/{__version__}",
        "Idempotency-Key": id,
        "X-EdgeGuard-Timestamp": timestamp,
        "Connection": "close",
        **signed,
    }


@contextlib.contextmanager
def _within(target: Target, timeout_s: float) -> Iterator[http.client.HTTPConnection]:
    """A connection that is cut at its time's end: a server that sends a byte now and then outlives every timeout."""
    end = time.monotonic() + timeout_s
    plain = socket.create_connection((target.host, target.port), timeout_s)
    cut = plain.dup()  # TLS takes the socket over; this one stays ours
    watch = threading.Timer(max(0.0, end - time.monotonic()), lambda: _cut(cut))
    watch.daemon = True
    watch.start()
    try:
        connection = (http.client.HTTPSConnection if target.secure else http.client.HTTPConnection)(
            target.host, target.port, timeout=timeout_s
        )
        connection.sock = plain
        if target.secure:
            connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=target.host)
        with contextlib.closing(connection):
            yield connection
    finally:
        watch.cancel()
        plain.close()
        cut.close()


def _cut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _read(answer: http.client.HTTPResponse, target: Target) -> tuple[bool, str]:
    """The status decides; what else is said is for the log, and may be broken."""
    said = b""
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        said = answer.read(KEPT_ANSWER)
    words = line(_hidden(said, target))
    more = f": {words}" if words else ""
    if 200 <= answer.status < 300:
        return True, f"taken with {answer.status}{more}"
    if 300 <= answer.status < 400:
        return False, f"answers {answer.status}: redirects are not followed; write the last address into [hooks] url"
    return False, f"answers {answer.status}{more}"


def _hidden(said: bytes, target: Target) -> bytes:
    """What a server said, without the path that it was asked for: 'Cannot POST /...' is a usual answer."""
    for part in (target.path, *target.path.replace("?", "/").split("/")):
        if len(part) >= SHORTEST_HIDDEN:
            said = said.replace(part.encode(), b"***")
    return said


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, http.client.HTTPException):
        return f"does not answer as a web server does ({type(error).__name__})"
    return f"cannot be used: {line((getattr(error, 'strerror', None) or str(error)).encode())}"
