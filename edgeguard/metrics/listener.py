"""The HTTP side: one thread, which reads the youngest figures and touches nothing else of the daemon.

listener = Listener("127.0.0.1:9469")     # opens the socket: before rights are given up
listener.start()                          # the thread: after that, so that it has none
listener.show(figures)                    # from the daemon's loop, once a second
listener.close()
"""

from __future__ import annotations

import contextlib
import logging
import socket
import socketserver
import threading
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, ProcessCollector, make_wsgi_app

from edgeguard.errors import DaemonError
from edgeguard.metrics.collector import Collected
from edgeguard.metrics.figures import Figures

PATIENCE_S = 5.0  # a client that takes longer to ask and to read is cut off; the others wait so long at most
END_S = 2.0

log = logging.getLogger("edgeguard.metrics")


class _Requests(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """A scrape every few seconds is no news."""


class _Server(WSGIServer):
    """One request at a time."""

    def server_bind(self) -> None:
        """Without the look-up of our own name, which the standard one makes."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def finish_request(self, request: Any, client_address: Any) -> None:
        end = threading.Timer(PATIENCE_S, _cut, (request,))
        end.daemon = True
        end.start()
        try:
            super().finish_request(request, client_address)
        finally:
            end.cancel()

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.info("a client of the metrics went away in the middle: %s", client_address[0])


class _Server6(_Server):
    address_family = socket.AF_INET6


class Listener:
    """DaemonError where the address is taken or not ours."""

    def __init__(self, where: str) -> None:
        host, _, port = where.rpartition(":")
        host = host.strip("[]")
        self._figures: Figures | None = None
        kind = _Server6 if ":" in host else _Server
        try:
            self._server = kind((host, int(port)), _Requests)
        except OSError as error:
            why = error.strerror or str(error)
            raise DaemonError(f"[metrics] listen {where}: cannot listen there: {why}") from None
        self._server.set_app(make_wsgi_app(_registry(self)))
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)

    @property
    def port(self) -> int:
        return self._server.server_port

    def start(self) -> None:
        self._thread.start()

    def show(self, figures: Figures) -> None:
        """These from now on. A reference is replaced: nobody can see a half of it."""
        self._figures = figures

    def now(self) -> Figures | None:
        return self._figures

    def close(self) -> None:
        if self._thread.ident is not None:
            self._server.shutdown()
            self._thread.join(END_S)
        self._server.server_close()


def _registry(listener: Listener) -> CollectorRegistry:
    """Ours, and what /proc says of the process."""
    registry = CollectorRegistry()
    registry.register(Collected(listener.now))
    ProcessCollector(registry=registry)
    return registry


def _cut(request: Any) -> None:
    with contextlib.suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)
