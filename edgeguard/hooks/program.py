"""Running one program: a document on its standard input, a bound on its time, its output and its surroundings.

    programs = Programs()
    ended = programs.run(["/usr/local/bin/notify", "192.0.2.10", "outgoing", "50012", "ban"], body, 10.0, {})
    programs.kill()                     # from another thread or a signal's handler: all that run, at once

Never a shell. The program leads a session of its own, so that at its time's end it goes with all it started.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgeguard.hooks.line import line

KEPT_OUTPUT = 2048  # bytes; the rest is read and dropped, so that nobody waits for a full pipe
CHUNK = 65_536
SURROUNDINGS = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/",
}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended, in a sentence for people."""

    well: bool
    detail: str


class Programs:
    """Programs that run now. `run` may be called by several threads."""

    def __init__(self) -> None:
        self._running: set[int] = set()
        self._lock = threading.RLock()  # a signal's handler may come while its own thread holds it

    def run(self, command: Sequence[str], text: str, timeout_s: float, environment: Mapping[str, str]) -> Ended:
        """Start it, hand `text` over, wait until it ends. 0 is well; everything else, and no end in time, is not."""
        began = time.monotonic()
        try:
            process = self._start(command, environment)
        except (OSError, ValueError) as error:
            return Ended(False, f"cannot be started: {getattr(error, 'strerror', None) or error}")
        with process:
            run = _Run(process, text.encode())
            over = run.until(began + timeout_s)
            self._end(process, kill=not over)
        took = f"{1000 * (time.monotonic() - began):.0f} ms"
        said = f": {line(bytes(run.output))}" if line(bytes(run.output)) else ""
        if not over:
            return Ended(False, f"did not end within {timeout_s:g} s and was killed{said}")
        return Ended(process.returncode == 0, f"{_how(process.returncode)} after {took}{said}")

    def kill(self) -> None:
        """End all that run, with what they started."""
        with self._lock:
            for pid in self._running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)

    def _start(self, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with self._lock:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
                env={**SURROUNDINGS, **environment},
                bufsize=0,
            )
            self._running.add(process.pid)
        return process

    def _end(self, process: subprocess.Popen[bytes], kill: bool) -> None:
        """Reaped under the lock: a number that was given away again is never killed."""
        with self._lock:
            self._running.discard(process.pid)
            if kill:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class _Run:
    """One run: feeds the standard input, reads what is said, and sees the end of the process itself.

    The end of its output is no sign: whatever it left running in the background may hold the pipe.
    """

    def __init__(self, process: subprocess.Popen[bytes], text: bytes) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._input, self._said = process.stdin, process.stdout
        self._left = memoryview(text)
        self.output = bytearray()
        self._ended = os.pidfd_open(process.pid)
        for file in (self._input, self._said):
            os.set_blocking(file.fileno(), False)

    def until(self, end: float) -> bool:
        """True: it ended by itself before `end`."""
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._ended, selectors.EVENT_READ)
                selector.register(self._said, selectors.EVENT_READ)
                selector.register(self._input, selectors.EVENT_WRITE)
                return self._serve(selector, end)
        finally:
            os.close(self._ended)
            self._close_input()

    def _serve(self, selector: selectors.BaseSelector, end: float) -> bool:
        while (left := end - time.monotonic()) > 0:
            ready = {key.fileobj for key, _ in selector.select(left)}
            if self._input in ready and not self._feed():
                selector.unregister(self._input)
                self._close_input()
            if self._said in ready and not self._listen():
                selector.unregister(self._said)
            if self._ended in ready:
                self._listen()  # its last words
                return True
        return False

    def _feed(self) -> bool:
        """False: all is handed over, or it does not want more, which is its own affair."""
        try:
            self._left = self._left[os.write(self._input.fileno(), self._left[:CHUNK]) :]
        except BlockingIOError:
            return True
        except OSError:
            return False
        return bool(self._left)

    def _listen(self) -> bool:
        """False: nobody can say anything any more."""
        try:
            said = os.read(self._said.fileno(), CHUNK)
        except BlockingIOError:
            return True
        self.output += said[: KEPT_OUTPUT - len(self.output)]
        return bool(said)

    def _close_input(self) -> None:
        with contextlib.suppress(OSError):
            self._input.close()


def _how(code: int) -> str:
    if code < 0:
        return f"ended by signal {-code}"
    return "taken" if code == 0 else f"exit status {code}"
