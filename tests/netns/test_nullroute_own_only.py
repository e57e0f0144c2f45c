"""Own-only by hand, beside a target: the command, the running daemon, the kernel, and the way back."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_runbook import Host, by_hand


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    missing = [tool for tool in ("ip", "nft") if not shutil.which(tool)]
    if missing:
        pytest.skip(f"needs {' and '.join(missing)} as witnesses")
    host = Host(tmp_path)
    yield host
    host.close()


def _null_routed(host: Host) -> None:
    """Both kinds of tap, each with own-only and a target."""
    for vm in ("vm-101", "vm-102"):
        for what in (("--scope", "own-only"), ("--target", "203.0.113.7")):
            host.edgeguard("nullroute", "add", vm, *what, "--for", "1h", "--why", "a test")
    host.settles(4)


def _chain(host: Host) -> str:
    """What is bound to a device, and the elements: an empty table of ours does nothing."""
    ruleset = host.namespace.run("nft", "list", "ruleset").stdout
    return ruleset if "hook" in ruleset or "elements" in ruleset else ""


@pytest.mark.long  # two whole daemons
def test_it_stands_survives_a_restart_and_is_released(host: Host) -> None:
    """The kernel holds the rules, the blackhole and the elements; a restart keeps them; a release leaves nothing."""
    host.start()
    _null_routed(host)
    before = sorted(host.of_ours())
    told = "\n".join(before)
    for words in ("from 192.0.2.10 iif tap101 lookup main", "iif tap101 blackhole", "blackhole 203.0.113.7"):
        assert words in told, told
    assert "192.0.2.11" in _chain(host) and "203.0.113.7" in _chain(host)
    assert host.stop() == 0
    host.start()
    host.settles(4)
    assert sorted(host.of_ours()) == before
    for vm in ("vm-101", "vm-102"):
        host.edgeguard("nullroute", "release", vm, "--as", "fixed", "--why", "a test")
    host.settles(0)
    assert host.of_ours() == [] and not _chain(host)
    assert host.stop() == 0


@pytest.mark.long  # a whole daemon of its own; the others are looked at by default
def test_it_can_be_removed_by_hand(host: Host) -> None:
    """With the daemon gone, the runbook's lines leave nothing of it."""
    host.start()
    _null_routed(host)
    host.stop(signal.SIGKILL)
    for line in by_hand():
        host.namespace.run(*line.split())
    assert host.of_ours() == [] and not _chain(host)
