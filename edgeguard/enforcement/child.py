"""The enforcing child: a process of its own, the only one with the right to change routes.

It reads orders from a socketpair, carries them out at once, and answers with outcomes; between
orders it proves what stands, ends what is overdue, puts back what others took away, and watches the
links. When the socketpair closes it goes and leaves everything standing: a null route outlives the
daemon until its end, and the next start reconciles. An order to null-route is asked about before it
is carried out: `refusal` says why not. What asks it is given from above, so this file is no program
by itself (edgeguard/enforcing.py is).
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import socket
import time
from collections import deque
from collections.abc import Callable

from pyroute2 import IPRoute

from edgeguard import native
from edgeguard.enforcement import wire
from edgeguard.enforcement.changes import Changes
from edgeguard.enforcement.links import LinkEvents
from edgeguard.enforcement.netfilter import Netfilter
from edgeguard.enforcement.place import Place
from edgeguard.enforcement.rtnetlink import Rtnetlink
from edgeguard.enforcement.standing import Standing
from edgeguard.errors import EdgeGuardError
from edgeguard.model import Act, Happened, Order, Outcome
from edgeguard.native import confinement

Refusal = Callable[[Order], str | None]  # why a null route may not be carried out; None: it may

_CAP_NET_ADMIN, _CAP_NET_RAW = 12, 13
_MAX_FILES = 8192
_NICE = -10
_UNSAID = 4096  # outcomes kept for a side that does not listen; the oldest go first
_BATCH = 64  # orders taken before the proofs get their turn


def main(fd: str, place: str, refusal: Callable[[], Refusal]) -> int:
    """The process's whole life; its exit code. `refusal` makes what orders are asked about."""
    channel = socket.socket(fileno=int(fd))
    try:
        child = Child(channel, Place.read(place), refusal())
        confinement.code_freeze()
        confinement.calls_deny()
    except (EdgeGuardError, OSError) as error:
        channel.send(wire.encode(wire.Ready(f"the enforcing child cannot start: {error}")))
        return 1
    channel.send(wire.encode(wire.Ready("")))
    with contextlib.closing(child), contextlib.suppress(KeyboardInterrupt):
        child.run()
    return 0


def _give_up_rights() -> None:
    """Keep the two capabilities that routes and packet sockets need."""
    native.rights_keep(_CAP_NET_ADMIN, _CAP_NET_RAW)


def _come_first() -> None:
    """An order must not wait behind the flood that it is to stop."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICE)


def _raise_file_limit() -> None:
    """A proof has a handful of sockets; many may be under way."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_FILES if hard == resource.RLIM_INFINITY else min(_MAX_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Child:
    """The loop: orders first, then links, ends and proofs."""

    def __init__(self, channel: socket.socket, place: Place, refusal: Refusal) -> None:
        _raise_file_limit()
        _come_first()
        _give_up_rights()
        self._channel = channel
        self._refusal = refusal
        self._events = LinkEvents()
        self._changes = Changes(place.protocol)
        self._ip = IPRoute()
        try:
            self._standing = Standing(place, self._ip, Rtnetlink(), Netfilter(), self._say)
        except BaseException:
            self._ip.close()  # as in `close`: one line says why it does not start, and nothing else
            raise
        self._unsaid: deque[bytes] = deque(maxlen=_UNSAID)
        self._open = True

    def run(self) -> None:
        """Until the other side closes, or says so."""
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        poll.register(self._events, select.POLLIN)
        hints = {sock.fileno() for sock in self._changes.sockets}
        for fd in hints:
            poll.register(fd, select.POLLIN)
        while self._open:
            self._send()
            poll.modify(self._channel, select.POLLIN | (select.POLLOUT if self._unsaid else 0))
            ready = {fd for fd, _ in poll.poll(self._wait_ms())}
            if self._channel.fileno() in ready:
                self._take()
            if self._events.fileno() in ready:
                self._standing.links_changed(self._events.read())
            if ready & hints and self._changes.read():
                self._standing.hint()
            self._standing.tick(time.monotonic_ns())

    def close(self) -> None:
        """Let go of pyroute2's event loop, which at the interpreter's end would complain in a traceback."""
        self._standing.leave()
        self._ip.close()

    def _wait_ms(self) -> int:
        rest = self._standing.next_tick() - time.monotonic_ns()
        return max(0, min(60_000, -(-rest // 1_000_000)))

    def _take(self) -> None:
        """Carry out what has come, up to a bound."""
        for _ in range(_BATCH):
            try:
                raw, _, flags, _ = self._channel.recvmsg(wire.MAX_MESSAGE + 1, 0, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                raw, flags = b"", 0
            if not raw and self._closed():  # an empty datagram looks the same, and is refused below
                self._open = False
                return
            self._heard(raw + b"!" * bool(flags & socket.MSG_TRUNC))

    def _closed(self) -> bool:
        poll = select.poll()
        poll.register(self._channel, 0)
        return any(events & select.POLLHUP for _, events in poll.poll(0))

    def _heard(self, raw: bytes) -> None:
        try:
            self._obey(wire.decode_request(raw))
        except wire.WireError as refused:
            self._say(Outcome(refused.decision, time.time_ns(), Happened.FAILED, str(refused)))

    def _obey(self, request: wire.Request) -> None:
        match request:
            case Order(act=Act.RELEASE):
                self._standing.release(request)
            case Order() if self._allowed(request):
                self._standing.put(request)
            case wire.Keep(order) if self._allowed(order):
                self._standing.keep(order)
            case wire.Reconcile():
                self._standing.reconcile()
            case wire.Close(remove):
                if remove:
                    self._standing.clear()
                self._open = False

    def _allowed(self, order: Order) -> bool:
        """Whether it may be carried out; if not, that is its outcome."""
        why = self._refusal(order)
        if why is not None:
            self._say(Outcome(order.decision, time.time_ns(), Happened.FAILED, f"refused: {why}"))
        return why is None

    def _say(self, outcome: Outcome) -> None:
        self._unsaid.append(wire.encode(outcome))
        self._send()

    def _send(self) -> None:
        """Say what is unsaid. A side that does not listen must not keep a null route from its end."""
        while self._unsaid:
            try:
                self._channel.send(self._unsaid[0], socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                self._unsaid.clear()  # it has gone, and so do we at the next read
                return
            self._unsaid.popleft()
