"""A process of our own beside the daemon, with one channel between them: a socketpair of whole messages."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

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


def _search_path() -> str:
    """Let the process find this very package, installed or not."""
    above = os.environ.get("PYTHONPATH")
    return os.pathsep.join([str(_PACKAGE), *([above] if above else [])])
