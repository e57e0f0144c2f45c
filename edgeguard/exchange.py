"""One exchange with another program's service, within a time in all: no redirect followed, no more read than wanted."""

from __future__ import annotations

import contextlib
import http.client
import signal
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit


class NoAnswerError(Exception):
    """Why there is no answer, in words."""


def origin(url: str) -> str:
    """A URL without its path, which may hold a secret."""
    return urlsplit(url)._replace(path="", query="", fragment="").geturl()


def exchange(
    method: str, url: str, body: bytes | None, headers: Mapping[str, str], seconds: float, most: int
) -> tuple[int, bytes]:
    """Status and at most `most` bytes of what was said. NoAnswerError, in which nothing of the path stands."""
    who = origin(url)
    try:
        with within(seconds):
            return _spoken(method, url, body, headers, seconds, most)
    except TimeoutError:
        raise NoAnswerError(f"{who} did not answer within {seconds * 1000:.0f} ms") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoAnswerError(f"{who}: {getattr(error, 'strerror', None) or type(error).__name__}") from None


def _spoken(
    method: str, url: str, body: bytes | None, headers: Mapping[str, str], seconds: float, most: int
) -> tuple[int, bytes]:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=seconds)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, path, body, {**headers, "Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read(most)
    finally:
        connection.close()


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """TimeoutError after so long in all, however slowly the other side goes on: a socket's timeout is for one read.

    In the main thread only, as it is a signal that ends it.
    """

    def late(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
