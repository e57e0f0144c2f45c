"""The capturing side's end: starts the enforcing child, sends it orders, reads its outcomes."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections import deque
from collections.abc import Iterable, Sequence

from edgeguard import companion
from edgeguard.enforcement import wire
from edgeguard.enforcement.place import Place
from edgeguard.errors import EnforcementError
from edgeguard.model import Happened, Order, Outcome

_START_S = 60.0  # a cold start imports numpy and pyroute2
_END_S = 10.0
_BUFFER = 4 * wire.MAX_MESSAGE


class Enforcer:
    """A running child.

    enforcer = Enforcer.start(place, program)
    enforcer.reconcile(orders that the ledger says stand)
    enforcer.order(order)          never blocks
    enforcer.poll()                outcomes, oldest first; never blocks
    """

    def __init__(self, process: subprocess.Popen[bytes], channel: socket.socket) -> None:
        self._process = process
        self._channel = channel
        self._unsent: deque[bytes] = deque()
        self._outcomes: list[Outcome] = []
        self._ended = False

    @classmethod
    def start(cls, place: Place, program: Sequence[str]) -> Enforcer:
        """Start the child, before rights are given up. EnforcementError when it cannot work.

        `program`: what Python runs, that calls child.main with the descriptor and the place behind these words.
        """
        process, ours = companion.start(program, place.written())
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        enforcer = cls(process, ours)
        enforcer._await_ready()
        return enforcer

    def _await_ready(self) -> None:
        self._channel.settimeout(_START_S)
        try:
            raw = self._channel.recv(wire.MAX_MESSAGE)
        except OSError as error:
            raw = b""
            why = f"it does not answer ({error})"
        else:
            why = "it ended at once; see its message above"
        self._channel.setblocking(False)
        ready = wire.decode_reply(raw) if raw else wire.Ready(why)
        if isinstance(ready, wire.Ready) and not ready.error:
            return
        self.close()
        raise EnforcementError(f"cannot start the enforcing child: {getattr(ready, 'error', ready)}")

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def fileno(self) -> int:
        """Readable when `poll` has something."""
        return self._channel.fileno()

    def order(self, order: Order) -> None:
        """Null-route or release. What the child could not take comes back as a failed outcome."""
        self._post(order, order.decision)

    def reconcile(self, orders: Iterable[Order]) -> None:
        """Let the kernel hold exactly these null routes of ours; everything not ours is left alone."""
        for order in orders:
            self._post(wire.Keep(order), order.decision)
        self._post(wire.Reconcile(), "")

    def poll(self) -> list[Outcome]:
        """What has happened since the last call."""
        self._flush()
        while not self._ended:
            try:
                raw = self._channel.recv(wire.MAX_MESSAGE)
            except BlockingIOError:
                break
            except OSError:
                raw = b""
            if not raw:
                self._end()
                break
            self._hear(raw)
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def close(self, remove: bool = False) -> None:
        """End the child. The null routes stay, for the next start to reconcile, unless `remove`."""
        with contextlib.suppress(OSError, wire.WireError):
            self._channel.setblocking(True)
            self._channel.settimeout(_END_S)
            for raw in (*self._unsent, wire.encode(wire.Close(remove))):
                self._channel.send(raw)
            while self._channel.recv(wire.MAX_MESSAGE):  # until it has gone; its last words are not needed
                pass
        self._unsent.clear()
        self._channel.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    # ---- messages -----------------------------------------------------------------------------------

    def _post(self, message: wire.Request, decision: str) -> None:
        try:
            self._unsent.append(wire.encode(message))
        except wire.WireError as error:
            self._failed(decision, str(error))
            return
        if self._ended:
            self._unsent.clear()
            self._failed(decision, "the enforcing child has ended; restart the daemon")
        self._flush()

    def _flush(self) -> None:
        while self._unsent:
            try:
                self._channel.send(self._unsent[0])
            except BlockingIOError:
                return
            except OSError:
                return  # the next poll finds that it has ended
            self._unsent.popleft()

    def _hear(self, raw: bytes) -> None:
        try:
            reply = wire.decode_reply(raw)
        except wire.WireError as error:
            self._failed("", f"the enforcing child said what cannot be understood: {error}")
            return
        if isinstance(reply, Outcome):
            self._outcomes.append(reply)

    def _end(self) -> None:
        """The child has gone: said once, and the descriptor is made quiet for who polls it."""
        self._ended = True
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        self._failed("", f"the enforcing child has ended ({_how(self._process.returncode)}); restart the daemon")
        self._unsent.clear()
        self._quiet = os.eventfd(0, os.EFD_CLOEXEC)
        os.dup2(self._quiet, self._channel.fileno(), inheritable=False)
        os.close(self._quiet)

    def _failed(self, decision: str, detail: str) -> None:
        self._outcomes.append(Outcome(decision, time.time_ns(), Happened.FAILED, detail))


def _how(code: int | None) -> str:
    if code is None:
        return "it still runs"
    return f"signal {-code}" if code < 0 else f"exit code {code}"
