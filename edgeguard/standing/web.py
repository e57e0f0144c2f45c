"""Customers known to a web service: a GET with the customer in its path or query, or a POST of a document."""

from __future__ import annotations

import http
import json
from pathlib import Path
from urllib.parse import quote

from edgeguard.config.standing import CUSTOMER
from edgeguard.exchange import NoAnswerError, exchange, origin

MOST = 16_384  # bytes of an answer


class Web:
    """A provider (provider.py). Path and token may let somebody in: they stand in no reason."""

    def __init__(self, url: str, method: str, token_file: str, seconds: float) -> None:
        self._url = url
        self._method = method
        self._token_file = token_file
        self._seconds = seconds
        self._who = origin(url)

    def ask(self, customer: str) -> object:
        headers = {"Accept": "application/json", **self._token()}
        body = None
        if self._method == "POST":
            body = json.dumps({"customer": customer}).encode()
            headers["Content-Type"] = "application/json"
        name = quote(customer, safe="", errors="surrogatepass")
        status, text = exchange(self._method, self._url.replace(CUSTOMER, name), body, headers, self._seconds, MOST + 1)
        if status == http.HTTPStatus.NOT_FOUND:
            return None
        if status != http.HTTPStatus.OK:
            raise NoAnswerError(f"{self._who} answered with status {status}")
        return self._document(text)

    def _token(self) -> dict[str, str]:
        """Read each time: it may be renewed."""
        if not self._token_file:
            return {}
        try:
            token = Path(self._token_file).read_bytes().split(b"\n", 1)[0].strip().decode("ascii")
        except TimeoutError:
            raise
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "is no ASCII text"
            raise NoAnswerError(f"{self._token_file}: the token cannot be read: {why}") from None
        if not token.isprintable() or not token:
            raise NoAnswerError(f"{self._token_file}: its first line is no token")
        return {"Authorization": f"Bearer {token}"}

    def _document(self, text: bytes) -> object:
        if len(text) > MOST:
            raise NoAnswerError(f"{self._who}: its answer is longer than {MOST:,} bytes")
        try:
            found: object = json.loads(text)
        except (ValueError, RecursionError):
            raise NoAnswerError(f"{self._who}: its answer is no JSON") from None
        return {} if found is None else found  # null is an answer that says nothing, and no unknown customer
