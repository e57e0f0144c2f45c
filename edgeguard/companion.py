"""A process of our own beside the daemon, with one channel between them: a socketpair of whole messages."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgeguard.errors import EdgeGuardError

_START_S = 60.0
_END_S = 5.0
_PACKAGE = Path(__file__).resolve().parents[1]


def start(program: Sequence[str], *more: str) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """The process and our end of its channel. `program`: what Python runs; behind it stand the descriptor of its
    own end, and `more`.

    A new program rather than a fork: it inherits one descriptor and no thread, lock or ring. It has a session of its
    own, so that Ctrl-C reaches the daemon first.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, *program, str(theirs.fileno()), *more],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": _search_path()},
        )
    return process, ours


class Companion:
    """A process that is asked for something, seen from the daemon: nothing here waits but `begin`, `wait` and `close`.

    asked = Companion.begin("edgeguard.fleet.child", first, "the process that asks the fleet", 4096)
    asked.send(message)
    for message in asked.heard(): ...
    """

    def __init__(self, process: subprocess.Popen[bytes], channel: socket.socket, longest: int) -> None:
        self.process = process
        self.greeting = b""  # what it said first
        self.ended = False
        self._channel = channel
        self._longest = longest

    @classmethod
    def begin(cls, module: str, first: bytes, name: str, longest: int) -> Companion:
        """Started, given its first message, and ready: it has said something. EdgeGuardError when it does not start.

        `longest`: bytes of a message of its.
        """
        process, channel = start(["-m", module])
        made = cls(process, channel, longest)
        channel.settimeout(_START_S)
        with contextlib.suppress(OSError):
            channel.send(first)
            made.greeting = channel.recv(longest)
            if made.greeting:
                channel.setblocking(False)
                return made
        made.close()
        raise EdgeGuardError(f"cannot start {name}; see its message above")

    def send(self, message: bytes) -> bool:
        """False: not sent, as it has ended or does not read."""
        try:
            self._channel.send(message)
        except OSError:
            return False
        return True

    def heard(self) -> Iterator[bytes]:
        """What it has said; `ended` is true once it has."""
        while not self.ended:
            try:
                message = self._channel.recv(self._longest)
            except BlockingIOError:
                return
            except OSError:
                message = b""
            if message:
                yield message
            else:
                self.ended = True

    def wait(self, seconds: float) -> None:
        """Until it says something, and no longer than this."""
        select.select([self._channel], [], [], seconds)

    def close(self) -> None:
        """It ends with its channel; what does not is killed."""
        self._channel.close()
        try:
            self.process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _search_path() -> str:
    """Let the process find this very package, installed or not."""
    above = os.environ.get("PYTHONPATH")
    return os.pathsep.join([str(_PACKAGE), *([above] if above else [])])
