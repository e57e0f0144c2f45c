"""The control socket: how commands reach the running daemon.

A Unix stream socket of mode 0600. A client sends one request (request.py) and gets one line back:

    {"ok": true, ...}    or    {"ok": false, "error": "one sentence"}

Who asks is what the kernel says of the other end, never what the request says.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import pwd
import select
import socket
import stat
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeguard.errors import DaemonError, EdgeGuardError
from edgeguard.glance.client import MAX_REPLY, exchange
from edgeguard.request import LOOKS, TEXTS, Ask, Request, read_request, written

MAX_REQUEST = 65_536  # bytes of one line
MAX_CLIENTS = 16  # more wait in the listen queue
PATIENCE_S = 5.0  # a client that takes longer to ask or to read is dropped

_READ = 16_384
_UCRED = struct.Struct("3i")  # struct ucred: pid, uid, gid (unix(7), SO_PEERCRED)
_NO_LOGIN = 2**32 - 1  # /proc/PID/loginuid of a process nobody logged in for


log = logging.getLogger("edgeguard")

Answer = Callable[[Request], Mapping[str, Any]]


def principal(connection: socket.socket, proc: Path = Path("/proc")) -> str:
    """The name of the person at the other end.

    The user the process runs as; for root the one who logged in, which sudo and su do not change
    (proc(5), loginuid), so that two people who are both root here are still two.
    """
    pid, uid, _ = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return _user_name(_login(proc / str(pid)) or uid if uid == 0 else uid)


def own_name(proc: Path = Path("/proc")) -> str:
    """The name of the person who runs this very process."""
    uid = os.getuid()
    return _user_name(_login(proc / "self") or uid if uid == 0 else uid)


def _login(process: Path) -> int:
    """The uid that logged in for a process; 0 where nobody did or the kernel does not tell."""
    try:
        uid = int((process / "loginuid").read_text())
    except (OSError, ValueError):
        return 0
    return 0 if uid == _NO_LOGIN else uid


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


@dataclass(slots=True)
class _Client:
    connection: socket.socket
    deadline: float
    asked: bytearray = field(default_factory=bytearray)
    reply: memoryview | None = None  # what is left of it


class ControlServer:
    """The daemon's end. `fileno()` is readable when `poll` has something to do.

    Raises DaemonError when another daemon listens, RightsError when the socket cannot be made.
    """

    def __init__(
        self, path: str | Path, patience_s: float = PATIENCE_S, now: Callable[[], float] = time.monotonic
    ) -> None:
        """`now`: a clock in seconds that never goes back."""
        self._path = Path(path)
        self._patience_s = patience_s
        self._now = now
        self._clients: dict[int, _Client] = {}
        self._lock = _lock(self._path)
        try:
            self._listener = _listener(self._path)
        except EdgeGuardError:
            os.close(self._lock)
            raise
        self._epoll = select.epoll()  # an epoll is itself pollable: one descriptor for the engine
        self._epoll.register(self._listener, select.EPOLLIN)

    def fileno(self) -> int:
        return self._epoll.fileno()

    def poll(self, answer: Answer) -> None:
        """Serve what is ready and return at once. Call it about once a second even when nothing is."""
        for fd, events in self._epoll.poll(0):
            if fd == self._listener.fileno():
                self._accept()
            elif fd in self._clients:
                self._serve(self._clients[fd], events, answer)
        self._drop_overdue()

    def close(self) -> None:
        for client in tuple(self._clients.values()):
            self._drop(client)
        self._epoll.close()
        self._listener.close()
        self._path.unlink(missing_ok=True)
        os.close(self._lock)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:  # the client has gone again, or we are out of descriptors for the moment
            return
        if len(self._clients) >= MAX_CLIENTS:
            connection.close()
            return
        connection.setblocking(False)
        self._clients[connection.fileno()] = _Client(connection, self._now() + self._patience_s)
        self._epoll.register(connection, select.EPOLLIN)

    def _serve(self, client: _Client, events: int, answer: Answer) -> None:
        try:
            if client.reply is None and events & (select.EPOLLIN | select.EPOLLHUP):
                self._read(client, answer)
            if client.reply is not None:
                self._write(client)
        except BlockingIOError:
            return
        except OSError:  # the client's end is gone: its affair
            self._drop(client)

    def _read(self, client: _Client, answer: Answer) -> None:
        part = client.connection.recv(_READ)
        client.asked += part
        line, newline, _ = client.asked.partition(b"\n")
        if len(line) > MAX_REQUEST:
            client.reply = memoryview(_refusal(f"the request is longer than {MAX_REQUEST} bytes"))
        elif newline:
            client.reply = memoryview(_reply(bytes(line), principal(client.connection), answer))
        elif not part:
            self._drop(client)

    def _write(self, client: _Client) -> None:
        assert client.reply is not None
        with contextlib.suppress(BlockingIOError):
            client.reply = client.reply[client.connection.send(client.reply, socket.MSG_NOSIGNAL) :]
        if client.reply:
            self._epoll.modify(client.connection, select.EPOLLOUT)
        else:
            self._drop(client)

    def _drop(self, client: _Client) -> None:
        if self._clients.pop(client.connection.fileno(), None):
            self._epoll.unregister(client.connection)
            client.connection.close()

    def _drop_overdue(self) -> None:
        now = self._now()
        for client in tuple(self._clients.values()):
            if client.deadline < now:
                self._drop(client)


def _reply(line: bytes, by: str, answer: Answer) -> bytes:
    try:
        request = read_request(line, by)
        told = answer(request)
    except EdgeGuardError as error:
        return _refusal(str(error))
    except Exception as error:
        if not isinstance(request.ask, (*LOOKS, *TEXTS)):
            raise
        log.exception("%s could not be answered", request.verb)  # who only looks or writes must not end the daemon
        return _refusal(f"the daemon met an error of its own ({type(error).__name__}); its log has all of it")
    text = _encoded({"ok": True, **told})
    return text if len(text) <= MAX_REPLY else _refusal("the answer is too long for the socket")


def _refusal(why: str) -> bytes:
    return _encoded({"ok": False, "error": why})


def _encoded(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document).encode() + b"\n"


def _lock(path: Path) -> int:
    """Held for the daemon's life, so two that start together cannot both find a stale socket."""
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise _no_socket(path, error) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise DaemonError(f"{path}: another daemon runs here; stop it, or give this one its own [paths]") from None
    return lock


def is_held(path: str | Path) -> bool:
    """Whether a daemon lives whose socket this is, answering or not; where nobody may look it is taken to live."""
    if not Path(f"{path}.lock").exists():
        return False
    try:
        os.close(_lock(Path(path)))
    except DaemonError:
        return True
    return False


def _listener(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if path.exists() and not stat.S_ISSOCK(path.lstat().st_mode):
            raise OSError(errno.EEXIST, "a file that is no socket stands there")
        path.unlink(missing_ok=True)  # a dead daemon's: the lock is ours
        os.fchmod(listener.fileno(), 0o600)  # bind gives the file the socket's mode, whatever the umask allows
        listener.bind(str(path))
        listener.listen(MAX_CLIENTS)
    except OSError as error:
        listener.close()
        raise _no_socket(path, error) from None
    return listener


def _no_socket(path: Path, error: OSError) -> DaemonError:
    why = error.strerror or str(error)
    return DaemonError(f"{path}: cannot make the control socket: {why}; check [paths] socket and run as root")


def ask(path: str | Path, what: Ask, timeout_s: float = 10.0) -> dict[str, Any]:
    """The daemon's answer. DaemonError says that none runs, or why it refused."""
    return exchange(str(path), written(what), timeout_s)
