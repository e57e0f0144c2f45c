"""The real daemon: which rights it and its child hold, what it tells systemd, what it leaves on the disk."""

from __future__ import annotations

import os
import signal
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from test_runbook import SETTLE_S, Host, host  # noqa: F401 - a fixture

CAP_NET_ADMIN, CAP_NET_RAW = 12, 13
LASTING = {"edgeguard.sqlite", "edgeguard.baselines.sqlite", "edgeguard.sock.lock", "record.json", "manifest.json"}
RUNNING = {"edgeguard.sock", "edgeguard.sqlite-wal", "edgeguard.sqlite-shm", "edgeguard.baselines.sqlite-wal"}


def until(holds: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + SETTLE_S
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def status(of: Path) -> dict[str, str]:
    return dict(line.split(":\t") for line in (of / "status").read_text().splitlines() if ":\t" in line)


def threads(pid: int) -> list[dict[str, str]]:
    return [status(task) for task in Path(f"/proc/{pid}/task").iterdir()]


def children(pid: int) -> dict[str, int]:
    """The module that each child of a process runs, and its id."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            words = Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0")
            found[words[words.index("-m") + 1]] = int(child)
    return found


@pytest.fixture
def running(host: Host) -> Iterator[Host]:  # noqa: F811
    host.start()
    host.edgeguard("status")  # answered by its loop, so after rights are given up
    yield host


def test_the_rights_that_are_left(running: Host) -> None:
    """Every thread of the daemon holds no right, its child exactly two; nothing can be gained."""
    assert running.daemon
    enforcing = children(running.daemon.pid)["edgeguard.enforcing"]
    for pid, held in ((running.daemon.pid, 0), (enforcing, 1 << CAP_NET_ADMIN | 1 << CAP_NET_RAW)):
        for thread in threads(pid):
            assert {int(thread[name], 16) for name in ("CapPrm", "CapEff")} == {held}, thread["Name"]
            assert int(thread["CapInh"], 16) == int(thread["CapAmb"], 16) == 0
            assert (thread["NoNewPrivs"], thread["Seccomp"]) == ("1", "2"), thread["Name"]


def test_no_other_process_has_rights(running: Host) -> None:
    """Whatever else the daemon started holds no capability."""
    assert running.daemon
    others = {name: pid for name, pid in children(running.daemon.pid).items() if name != "edgeguard.enforcing"}
    for name, pid in others.items():
        assert int(status(Path(f"/proc/{pid}"))["CapEff"], 16) == 0, name


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(SETTLE_S)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "30000000")
        yield listening


def heard(systemd: socket.socket, word: str) -> list[str]:
    """The next datagram that holds a word."""
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline:
        words = systemd.recv(4096).decode().split("\n")
        if word in words:
            return words
    raise AssertionError(f"{word} was never said")


@pytest.mark.long  # a whole daemon of its own; the others are looked at by default
def test_systemd_is_told_the_truth(systemd: socket.socket, host: Host) -> None:  # noqa: F811
    """Ready when it answers, alive while its loop turns, silent while it hangs, reloading, ready again, stopping."""
    host.start()
    assert host.daemon
    assert heard(systemd, "READY=1")[1] == "STATUS=taps: 2, VMs in the inventory: 2, null routes: 0"
    assert (
        b"NOTIFY_SOCKET" not in Path(f"/proc/{children(host.daemon.pid)['edgeguard.enforcing']}/environ").read_bytes()
    )
    host.edgeguard("nullroute", "add", "vm-101", "--full", "--for", "1h", "--why", "a test")
    until(lambda: heard(systemd, "WATCHDOG=1")[1].endswith("null routes: 1"))
    host.daemon.send_signal(signal.SIGSTOP)
    until(lambda: status(Path(f"/proc/{host.daemon.pid}"))["State"].startswith("T"))
    systemd.setblocking(False)
    _drain(systemd)
    systemd.settimeout(3)  # three times the pause between two words
    with pytest.raises(TimeoutError):
        systemd.recv(4096)
    systemd.settimeout(SETTLE_S)
    host.daemon.send_signal(signal.SIGCONT)
    heard(systemd, "WATCHDOG=1")
    host.daemon.send_signal(signal.SIGHUP)
    stamp = heard(systemd, "RELOADING=1")[1]
    assert 0 < int(stamp.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
    heard(systemd, "READY=1")
    host.stop()
    heard(systemd, "STOPPING=1")


def _drain(systemd: socket.socket) -> None:
    try:
        while systemd.recv(4096):
            pass
    except BlockingIOError:
        return


def test_nobody_else_reads_what_it_leaves(running: Host) -> None:
    """Whatever a run makes is its user's alone: files 0600, folders 0750 or less, while it runs and afterwards."""
    before = os.umask(0)  # as careless as an environment can be
    try:
        running.stop()
        running.start()
    finally:
        os.umask(before)
    running.edgeguard("nullroute", "add", "vm-101", "--full", "--for", "1h", "--why", "a test")
    _private(until(lambda: _made(running.folder, {*LASTING, *RUNNING})))
    running.stop()
    _private(_made(running.folder, LASTING))


def _made(folder: Path, needed: set[str]) -> list[Path]:
    """Everything the daemon made below a folder, once these are among it."""
    found = [path for path in folder.rglob("*") if path.name not in ("edgeguard.toml", "inventory.toml")]
    return found if needed <= {path.name for path in found} else []


def _private(paths: list[Path]) -> None:
    assert paths
    for path in paths:
        mode = path.lstat().st_mode
        assert not mode & (0o027 if stat.S_ISDIR(mode) else 0o177), f"{path}: {stat.filemode(mode)}"
