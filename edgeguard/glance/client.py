"""The asking end of the control socket: one line of JSON there, one line back (control.py)."""

from __future__ import annotations

import errno
import json
import socket
from typing import Any

from edgeguard.errors import DaemonError

MAX_REPLY = 4 * 1024 * 1024
STATUS, TOP = b'{"verb": "status"}\n', b'{"verb": "top"}\n'  # as request.written has them
_READ = 65_536


def exchange(path: str, request: bytes, timeout_s: float = 10.0) -> dict[str, Any]:
    """The daemon's answer. DaemonError says that none runs, or why it refused."""
    try:
        told: dict[str, Any] = json.loads(_answer(path, request, timeout_s))
    except ValueError:
        raise DaemonError(f"{path}: the daemon went away in the middle of its answer; look at its log") from None
    if not told.pop("ok", False):
        raise DaemonError(str(told.get("error", "the daemon refused without a reason")))
    return told


def _answer(path: str, request: bytes, timeout_s: float) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        try:
            connection.connect(path)
            connection.sendall(request)
            return _line(connection)
        except TimeoutError:
            raise DaemonError(f"{path}: the daemon did not answer within {timeout_s:g} s; look at its log") from None
        except OSError as error:
            raise DaemonError(_unreachable(path, error)) from None


def _unreachable(path: str, error: OSError) -> str:
    if error.errno in (errno.ENOENT, errno.ECONNREFUSED):
        return f"{path}: no daemon answers here; start it with 'edgeguard run', or name its configuration with -c"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{path}: you may not talk to the daemon: {error.strerror}; run this as root"
    return f"{path}: the daemon cannot be reached: {error.strerror or error}"


def _line(connection: socket.socket) -> bytes:
    answer = bytearray()
    while not answer.endswith(b"\n") and len(answer) <= MAX_REPLY:
        part = connection.recv(_READ)
        if not part:
            break
        answer += part
    return bytes(answer)
