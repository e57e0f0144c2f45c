"""The user time of the live bench: found where it is spent, whoever else wants the processor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # the benches are no part of the package

from bench.parts import usertime

SPINS = "while True: pass"
ASKS = "import os\nwhile True: os.urandom(1 << 20)"  # the kernel's own work, a system call at a time
STARTS = "import threading\nthreading.Thread(target=lambda: [None for _ in iter(int, 1)]).start()"
ENOUGH_NS = 200_000_000


def share(program: str) -> float:
    """Part of a program's running time that is found in user mode."""
    core = min(os.sched_getaffinity(0))
    process = subprocess.Popen([sys.executable, "-c", f"import os\nos.sched_setaffinity(0, {{{core}}})\n{program}"])
    try:
        _until(process.pid, ENOUGH_NS)  # it has started
        try:
            sampled = usertime.UserTime(process.pid, core)
        except usertime.NoSamplesError as error:
            pytest.skip(f"no samples here: {error}")
        user, ran = _read(process.pid, sampled)
        _until(process.pid, ran + ENOUGH_NS)
        more_user, more_ran = _read(process.pid, sampled)
        sampled.close()
        return (more_user - user) / (more_ran - ran)
    finally:
        process.kill()
        process.wait()


def _read(pid: int, sampled: usertime.UserTime) -> tuple[int, int]:
    """User and running time while the process stands still: this one may be kept waiting between the two."""
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED)
    try:
        return sampled.read(), usertime.running(pid)
    finally:
        os.kill(pid, signal.SIGCONT)


def _until(pid: int, wanted: int) -> int:
    deadline = time.monotonic() + 600
    while (now := usertime.running(pid)) < wanted:
        assert time.monotonic() < deadline, f"{now} ns of {wanted} in ten minutes"
        time.sleep(0.02)
    return now


@pytest.mark.parametrize(("program", "least", "most"), [(SPINS, 0.6, 1.1), (ASKS, 0.0, 0.3), (STARTS, 0.6, 1.1)])
def test_user_time_is_told_from_the_kernel_s(program: str, least: float, most: float) -> None:
    """What a process computes is user time, what the kernel does for it is not, in each of its threads."""
    assert least <= share(program) <= most
