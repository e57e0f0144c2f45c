"""Whatever ends the lab, nothing of it stays: no process, no namespace, no mount, no file."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

# A lab with everything that could stay behind: hosts, workers, a file in the private directory, a
# sleeping program. "up" says that all of it stands.
STANDING = """
import subprocess, sys, time
from edgeguard.lab.namespace import isolated, private_directory
from edgeguard.lab.topology import Topology
from edgeguard.lab.worker import Worker
from edgeguard.lab import wan

def body():
    directory = private_directory()
    (directory / "left.behind").write_text("x")
    topology = Topology("bridged")
    services = Worker(topology.wan.namespace, wan.serve)
    services.wait(60)
    with topology.hypervisor.namespace.inside():
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print("up", flush=True)
    time.sleep(600)
    return 0

sys.exit(isolated(body))
"""


def _processes() -> dict[int, tuple[int, str]]:
    """Every process: its parent and the moment it started (proc(5): stat fields 4 and 22)."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z":
                found[int(entry.name)] = (int(fields[1]), fields[19])
    return found


def _below(root: int) -> dict[int, str]:
    """The processes that descend from `root`, and it: with the moment each started."""
    everything = _processes()
    found = {root: everything[root][1]}
    grown = True
    while grown:
        more = {pid: at for pid, (parent, at) in everything.items() if parent in found and pid not in found}
        found |= more
        grown = bool(more)
    return found


def _network_namespaces(of: Iterable[int] | None = None) -> set[str]:
    """Those of some processes, or of all."""
    found = set()
    for pid in _processes() if of is None else of:
        with contextlib.suppress(OSError):
            found.add(str(Path(f"/proc/{pid}/ns/net").readlink()))
    return found


def _alive(processes: dict[int, str]) -> set[int]:
    now = _processes()
    return {pid for pid, started in processes.items() if pid in now and now[pid][1] == started}


def _gone(processes: dict[int, str], within_s: float = 60) -> bool:
    deadline = time.monotonic() + within_s
    while _alive(processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_ends_everything(number: signal.Signals) -> None:
    """After Ctrl-C, kill or kill -9 of the command alone, all its processes, namespaces, mounts and
    files are gone."""
    mounts = Path("/proc/mounts").read_text()
    command = subprocess.Popen([sys.executable, "-c", STANDING], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert command.stdout
    assert command.stdout.readline() == b"up\n"
    processes = _below(command.pid)
    assert len(processes) >= 5  # command, keeper, process 1, WAN, sleeper
    made = _network_namespaces(processes) - _network_namespaces([os.getpid()])
    assert len(made) >= 2
    os.kill(command.pid, number)
    code = command.wait(120)
    assert code == (-signal.SIGKILL if number is signal.SIGKILL else 130)
    assert _gone(processes)
    assert not _network_namespaces() & made
    assert Path("/proc/mounts").read_text() == mounts
    assert not list(Path("/mnt").glob("left.behind"))


def test_the_keepers_death_ends_everything() -> None:
    """Even when the process between command and lab is killed, the rest goes with it."""
    command = subprocess.Popen([sys.executable, "-c", STANDING], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert command.stdout
    assert command.stdout.readline() == b"up\n"
    processes = _below(command.pid)
    (keeper,) = [pid for pid, (parent, _) in _processes().items() if parent == command.pid]
    os.kill(keeper, signal.SIGKILL)
    assert command.wait(120) == 128 + signal.SIGKILL
    assert _gone(processes)
