"""Telling systemd how the daemon is (sd_notify(3)); nothing where no unit of Type=notify started it."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import MutableMapping

log = logging.getLogger("edgeguard")


class Readiness:
    """One datagram for each word. What systemd does not take is told in the log, once, and changes nothing else."""

    def __init__(self, address: str) -> None:
        """`address`: a path, or the name of an abstract socket behind '@'; empty: nobody is told."""
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) if address else None
        self._failed = False

    @classmethod
    def of(cls, environment: MutableMapping[str, str] = os.environ) -> Readiness:
        """As the unit asks for it. Taken out of the environment: no program that is started speaks for the daemon."""
        environment.pop("WATCHDOG_USEC", None)
        environment.pop("WATCHDOG_PID", None)
        return cls(environment.pop("NOTIFY_SOCKET", ""))

    def ready(self, status: str) -> None:
        """It captures and judges; or, after `reloading`, does so by what was read."""
        self._tell("READY=1", f"STATUS={_line(status)}")

    def turned(self, status: str) -> None:
        """The loop has come round once more. Nobody else says so: a loop that hangs is silent, and systemd acts."""
        self._tell("WATCHDOG=1", f"STATUS={_line(status)}")

    def reloading(self) -> None:
        """The files are read again; `ready` follows."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """It ends."""
        self._tell("STOPPING=1", "STATUS=stopping; null routes stay, each has its end")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def _tell(self, *words: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto("\n".join(words).encode(), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL, self._address)
            self._failed = False
        except OSError as error:
            if not self._failed:
                log.warning("systemd cannot be told how the daemon is: %s", error.strerror)
            self._failed = True


def _line(status: str) -> str:
    """A status is one line: what stands behind a line break would be a word of its own."""
    return " ".join(status.split())
