"""A child process that works in one namespace, sends what it finds, and ends with the lab."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from edgeguard.lab.namespace import Namespace

_fork = multiprocessing.get_context("fork")
Stop = Any  # multiprocessing.Event


class Worker:
    """Runs `body(sends, stop, *arguments)` in `namespace`, until `stop` is set or it is done.

    `received()` gives what it has sent so far; `finish()` sets stop, waits and gives the rest.
    """

    def __init__(self, namespace: Namespace, body: Callable[..., None], *arguments: Any) -> None:
        self._receives, sends = _fork.Pipe(duplex=False)
        self.stop: Stop = _fork.Event()
        self._process = _fork.Process(target=_run, args=(body, sends, self.stop, arguments), daemon=True)
        with namespace.inside():
            self._process.start()
        sends.close()

    def received(self) -> list[Any]:
        """Everything sent since the last call."""
        found = []
        try:
            while self._receives.poll():
                found.append(self._receives.recv())
        except EOFError:
            pass
        return found

    def wait(self, timeout_s: float) -> bool:
        """Whether something was sent (or the worker ended) within the time."""
        return self._receives.poll(timeout_s)

    def alive(self) -> bool:
        return self._process.is_alive()

    def finish(self) -> list[Any]:
        """Ask the worker to end; everything it still had to send."""
        self.stop.set()
        found = []
        try:
            while True:
                found.append(self._receives.recv())
        except EOFError:
            self._process.join()
        return found


def _run(body: Callable[..., None], sends: Connection, stop: Stop, arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the lab ends its workers itself
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    body(sends, stop, *arguments)
