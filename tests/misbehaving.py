"""A web server that does what the path of a request says: answers, or any of the ways in which servers do not."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar


@dataclass(frozen=True)
class Heard:
    """One request."""

    verb: str
    path: str
    body: bytes
    token: str | None  # its Authorization


class Service(BaseHTTPRequestHandler):
    """A test's own adds what its paths do: `_name` for /name."""

    heard: ClassVar[list[Heard]]
    over: ClassVar[threading.Event]

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.heard.append(Heard(self.command, self.path, body, self.headers["Authorization"]))
        getattr(self, f"_{self.path.partition('?')[0].split('/')[1]}")()

    def do_POST(self) -> None:
        self.do_GET()

    def say(self, text: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text)

    def _elsewhere(self) -> None:
        self.send_response(302)
        self.send_header("Location", "/other/x")
        self.end_headers()

    def _hangs(self) -> None:
        self.over.wait()

    def _drips(self) -> None:
        self.send_response(200)
        self.end_headers()
        while not self.over.wait(0.05):
            self.wfile.write(b" ")

    def _breaks(self) -> None:
        self.connection.close()

    def log_message(self, *_: Any) -> None:
        """The test says enough."""


@contextlib.contextmanager
def serving(service: type[Service]) -> Iterator[str]:
    """The URL of a server on this host."""
    service.heard, service.over = [], threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), service)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        service.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
