"""The daemon's end: starts the runner, gives it documents, hears what became of them."""

from __future__ import annotations

import contextlib
import socket
import subprocess

from edgeguard import companion
from edgeguard.errors import DeliveryError
from edgeguard.hooks import wire

_START_S = 60.0  # a cold start imports numpy
_END_S = 2.0  # left to what runs when the daemon stops; it is handed over again at the next start
_BUFFER = 4 * wire.MAX_MESSAGE


class Runner:
    """A running runner.

    runner = Runner.start(settings)    before rights are given up: it may be refused afterwards
    runner.hand(hand)                  never blocks; False: it cannot be given now
    runner.poll()                      answers, oldest first; never blocks
    """

    def __init__(self, process: subprocess.Popen[bytes], channel: socket.socket) -> None:
        self._process = process
        self._channel = channel
        self.ended = ""  # why it runs no more

    @classmethod
    def start(cls, settings: wire.Settings) -> Runner:
        """Start it. DeliveryError when it cannot work."""
        process, ours = companion.start(["-m", "edgeguard.hooks.runner"])
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        runner = cls(process, ours)
        runner._await_ready(settings)
        return runner

    def _await_ready(self, settings: wire.Settings) -> None:
        self._channel.settimeout(_START_S)
        ready: wire.Message = wire.Ready("it ended at once; see its message above")
        try:
            self._channel.send(wire.encode(settings))
            if raw := self._channel.recv(wire.MAX_MESSAGE):
                ready = wire.decode(raw)
        except OSError as error:
            ready = wire.Ready(f"it does not answer ({error})")
        self._channel.setblocking(False)
        if isinstance(ready, wire.Ready) and not ready.error:
            return
        self.close()
        raise DeliveryError(f"hooks: {getattr(ready, 'error', ready)}")

    @property
    def pid(self) -> int:
        """The runner's process id."""
        return self._process.pid

    def fileno(self) -> int:
        """Readable when `poll` has something."""
        return self._channel.fileno()

    def hand(self, hand: wire.Hand) -> bool:
        """Give it a document. WireError when it does not fit."""
        raw = wire.encode(hand)
        try:
            self._channel.send(raw)
        except OSError:
            return False  # its buffer is full, or it has gone, which the next poll finds
        return True

    def poll(self) -> list[wire.Answer]:
        """What it has answered since the last call; sets `ended` when it has gone."""
        answers: list[wire.Answer] = []
        while not self.ended:
            try:
                raw = self._channel.recv(wire.MAX_MESSAGE)
            except BlockingIOError:
                break
            except OSError:
                raw = b""
            if not raw:
                self.ended = f"the runner of hooks has ended ({self._how()})"
                break
            message = wire.decode(raw)
            if isinstance(message, wire.Answer):
                answers.append(message)
        return answers

    def close(self) -> None:
        """End it; what runs has a moment to end by itself."""
        self._channel.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
            return
        self._process.kill()
        self._process.wait()

    def _how(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        code = self._process.returncode
        if code is None:
            return "it still runs"
        return f"signal {-code}" if code < 0 else f"exit code {code}"
