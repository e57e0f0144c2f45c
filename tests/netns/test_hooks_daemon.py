"""Hooks of the real daemon: told of null routes that really stand, through a kill -9 and without a runner."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_runbook import SETTLE_S, Host, host  # noqa: F401 - a fixture


def until(holds: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + SETTLE_S
    while not (found := holds()):
        assert time.monotonic() < deadline, f"it never happened: {what}"
        time.sleep(0.1)
    return found


@pytest.fixture
def calls(host: Host) -> Path:  # noqa: F811
    """Where the hook writes its arguments, one call a line, once it may end: while `hold` exists it hangs."""
    calls = host.folder / "calls"
    hook = host.folder / "hook"
    hook.write_text(
        f'#!/bin/sh\nwhile [ -e {host.folder}/hold ]; do sleep 0.1; done\necho "$* $EDGEGUARD_SCOPE" >> {calls}\n'
    )
    hook.chmod(0o755)
    with (host.folder / "edgeguard.toml").open("a") as file:
        file.write(f'[hooks]\nprogram = ["{hook}"]\nretry = "100ms"\ntimeout = "2m"\n')
    calls.touch()
    return calls


def runner_of(daemon: int) -> int:
    """The runner's process id, by /proc."""
    for one in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((one / "stat").read_text().rpartition(")")[2].split()[1])
            words = (one / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == daemon and b"edgeguard.hooks.runner" in words:
            return int(one.name)
    raise AssertionError("no runner")


def test_a_null_route_and_its_end_are_told(host: Host, calls: Path) -> None:  # noqa: F811
    """By hand null-routed and released: the program is called with ban and unban of the VM's address, and once each."""
    host.start()
    host.edgeguard("nullroute", "add", "vm-101", "--full", "--for", "1h", "--why", "a test")
    until(lambda: calls.read_text() == "192.0.2.10 outgoing 0 ban full\n", "the ban is told")
    host.edgeguard("nullroute", "release", "vm-101", "--as", "fixed", "--why", "a test")
    until(lambda: calls.read_text().endswith("192.0.2.10 outgoing 0 unban full\n"), "the unban is told")
    until(lambda: json.loads(host.edgeguard("status", "--json"))["hooks"]["delivered"] == 2, "both are counted")
    assert len(calls.read_text().splitlines()) == 2


@pytest.mark.long  # a whole daemon of its own; the others are looked at by default
def test_a_daemon_killed_while_it_tells_loses_nothing(host: Host, calls: Path) -> None:  # noqa: F811
    """kill -9 of daemon and runner while the hook hangs: the next start tells the ban, and what ended meanwhile."""
    hold = host.folder / "hold"
    hold.touch()
    host.start()
    host.edgeguard("nullroute", "add", "vm-101", "--full", "--for", "1h", "--why", "a test")
    host.settles(1)
    assert host.daemon
    runner = runner_of(host.daemon.pid)
    host.stop(signal.SIGKILL)
    os.kill(runner, signal.SIGKILL)
    host.namespace.run("ip", "link", "delete", "tap101")  # with it the null route
    hold.unlink()
    until(lambda: "ban" in calls.read_text(), "the call that hung has ended by itself")
    host.start()
    until(lambda: "unban" in calls.read_text(), "the end is told")
    words = [line.split()[3] for line in calls.read_text().splitlines()]
    assert words == ["ban", "ban", "unban"]


@pytest.mark.long  # a whole daemon of its own; the others are looked at by default
def test_without_its_runner_the_daemon_goes_on(host: Host, calls: Path) -> None:  # noqa: F811
    """The runner killed: null routes work on, `status` says what waits and that a restart is needed, which tells it."""
    host.start()
    assert host.daemon
    host.edgeguard("status")  # answered once everything has started
    os.kill(runner_of(host.daemon.pid), signal.SIGKILL)
    host.edgeguard("nullroute", "add", "vm-101", "--full", "--for", "1h", "--why", "a test")
    host.settles(1)
    told = until(lambda: _waiting(host), "what waits is counted")
    assert "restarted" in told["trouble"] and told["waiting"] == {"program": 1}
    assert "the runner of hooks has ended (signal 9)" in host.edgeguard("status")
    assert calls.read_text() == ""
    host.stop()
    host.start()
    until(lambda: calls.read_text() == "192.0.2.10 outgoing 0 ban full\n", "the next start tells it")


def _waiting(host: Host) -> dict[str, Any] | None:  # noqa: F811
    told: dict[str, Any] = json.loads(host.edgeguard("status", "--json"))["hooks"]
    return told if told["waiting"] and told["trouble"] else None
