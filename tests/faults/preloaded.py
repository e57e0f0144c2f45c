"""Daemons without a cold start: a process that has imported everything, and forks one for each trial.

    with Preloaded() as preloaded:
        pid = preloaded.run(words, namespace_fd, log, plan)
        code = preloaded.code(pid)            # waits for its end

As a program (`preloaded.py FD`) it is that process: one thread, so that it may fork. It has a mount
namespace of its own, where tests mount small and broken disks; `within(body)` sees them.
A daemon's enforcing child is a program of its own as always.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]
PR_SET_PDEATHSIG = 1
CLONE_FS, CLONE_NEWNS, CLONE_NEWNET = 0x200, 0x20000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
READY_S = 600  # the first import compiles the counting kernels

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(code: int, tried: str) -> None:
    if code:
        raise OSError(ctypes.get_errno(), tried)


class Preloaded:
    """The test's end."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel, self._lock = ours, threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
            )
        self._channel.settimeout(READY_S)
        self._told()

    def run(self, words: list[str], namespace: int, log: Path, plan: dict[str, Any]) -> int:
        """Start `edgeguard WORDS` in a network namespace, with faults; its process id."""
        with log.open("ab") as file:
            asked = json.dumps({"words": words, "plan": plan}).encode()
            return int(self._asked(asked, [namespace, file.fileno()])["pid"])

    def code(self, pid: int) -> int:
        """The exit code of a process that was run here, minus the signal where one ended it. Waits."""
        pidfd = os.pidfd_open(pid)
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        poll.poll()
        os.close(pidfd)
        return int(self._asked(json.dumps({"reap": pid}).encode())["code"])

    def shell(self, *command: str) -> None:
        """Run a program in the mount namespace of the daemons."""
        told = self._asked(json.dumps({"shell": command}).encode())
        if told["code"]:
            raise OSError(f"{' '.join(command)}: {told['said']}")

    def within(self, body: Callable[[], None]) -> None:
        """Run a function in a thread that sees the daemons' mounts, whatever it starts too."""
        failed: list[BaseException] = []

        def entered() -> None:
            try:
                fd = os.open(f"/proc/{self._process.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
                _checked(_libc.unshare(CLONE_FS), "unshare")  # a thread has a root of its own only then
                _checked(_libc.setns(fd, CLONE_NEWNS), "setns")
                os.close(fd)
                body()
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=entered)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]

    def _asked(self, message: bytes, fds: list[int] | None = None) -> dict[str, Any]:
        with self._lock:
            socket.send_fds(self._channel, [message], fds or [])
            return self._told()

    def _told(self) -> dict[str, Any]:
        raw = self._channel.recv(1 << 16)
        if not raw:
            raise RuntimeError("the preloaded process has ended")
        told: dict[str, Any] = json.loads(raw)
        return told

    def close(self) -> None:
        self._channel.close()
        self._process.wait(60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# ---- the process ----------------------------------------------------------------------------------


def serve(channel: socket.socket) -> None:
    """Until the other end closes."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _libc.unshare(CLONE_NEWNS)
    _libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    sys.path.insert(0, str(Path(__file__).parent / "inside"))
    for module in ("edgeguard.assembly", "edgeguard.cli.run", "edgeguard.config"):
        importlib.import_module(module)
    channel.send(b"{}")
    while True:
        raw, fds, _, _ = socket.recv_fds(channel, 1 << 20, 4)
        if not raw:
            return
        channel.send(json.dumps(_obeyed(json.loads(raw), fds, channel)).encode())
        for fd in fds:
            os.close(fd)


def _obeyed(asked: dict[str, Any], fds: list[int], channel: socket.socket) -> dict[str, Any]:
    if "reap" in asked:
        _, status = os.waitpid(asked["reap"], 0)
        return {"code": os.waitstatus_to_exitcode(status)}
    if "shell" in asked:
        done = subprocess.run(asked["shell"], capture_output=True, text=True, check=False)
        return {"code": done.returncode, "said": done.stderr.strip()}
    pid = os.fork()
    if pid == 0:
        channel.close()
        _become(asked, *fds)
    return {"pid": pid}


def _become(asked: dict[str, Any], namespace: int, log: int) -> None:
    """The daemon, in place of this process."""
    code = 1
    try:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        _checked(_libc.setns(namespace, CLONE_NEWNET), "setns")
        for fd in (1, 2):
            os.dup2(log, fd)
        os.close(namespace)
        os.close(log)
        code = _lived(asked["words"], asked["plan"])
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _lived(words: list[str], plan: dict[str, Any]) -> int:
    import faults  # noqa: PLC0415 - of the folder `inside`

    from edgeguard.cli import main  # noqa: PLC0415

    if plan.get("child"):
        faults.told_child(plan["child"])
    faults.obey(plan)
    try:
        main(words, prog_name="edgeguard")
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    return 0


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
