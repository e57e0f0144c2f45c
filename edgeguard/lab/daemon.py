"""The real daemon in the lab's hypervisor: `python -m edgeguard run -c FILE`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import edgeguard
from edgeguard.errors import DaemonError
from edgeguard.lab import settings
from edgeguard.lab.namespace import Namespace

READY_S = 600  # the first start compiles the counting kernels
END_S = 60
SHOWN_LINES = 12


def _environment(directory: Path) -> dict[str, str]:
    """Ours; and a place for compiled kernels where numba would find none (nobody's home, system files)."""
    places = (Path(edgeguard.__file__).parent / "counting", Path(os.environ.get("HOME", "/nonexistent")))
    if any(os.access(place, os.W_OK) for place in places):
        return dict(os.environ)
    return {"NUMBA_CACHE_DIR": str(directory / "kernels"), **os.environ}


class Daemon:
    """The daemon's process and its files, all in `directory`."""

    def __init__(self, directory: Path, namespace: Namespace, mirror: bool = False) -> None:
        self.database = directory / "edgeguard.sqlite"
        self._socket = directory / "edgeguard.sock"
        self._output = directory / "output"
        config = directory / "edgeguard.toml"
        config.write_text(settings.live(directory, mirror), encoding="utf-8")
        (directory / "inventory.toml").write_text(settings.inventory(), encoding="utf-8")
        command = [sys.executable, "-m", "edgeguard", "run", "-c", str(config)]
        with namespace.inside(), self._output.open("wb") as output:
            self._process = subprocess.Popen(
                command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=_environment(directory)
            )

    def await_ready(self, tick: Callable[[], None]) -> None:
        """Return when it answers at its control socket. DaemonError when it ends or does not."""
        deadline = time.monotonic() + READY_S
        while not self._answers():
            self.check()
            if time.monotonic() > deadline:
                raise DaemonError(f"lab: the daemon did not become ready within {READY_S} s{self._last_words()}")
            tick()
            time.sleep(0.05)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(os.fsencode(self._socket)) == 0

    def check(self) -> None:
        """DaemonError with its last words when it has ended."""
        code = self._process.poll()
        if code is not None:
            raise DaemonError(f"lab: the daemon ended with code {code}{self._last_words()}")

    def _last_words(self) -> str:
        lines = self._output.read_text(encoding="utf-8", errors="replace").splitlines()[-SHOWN_LINES:]
        return "; it said:\n  " + "\n  ".join(lines) if lines else " and said nothing"

    def said(self) -> str:
        return self._output.read_text(encoding="utf-8", errors="replace")

    def end(self) -> int:
        """Stop it as an operator would; its exit code. It is killed when it does not stop in time."""
        self._process.terminate()
        try:
            return self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
