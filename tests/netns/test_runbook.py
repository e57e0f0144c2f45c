"""What docs/runbook.md promises about a daemon that stops, comes back, or cannot be used any more."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from namespaces import Namespace

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook.md"
START_S = 600  # the first start compiles the kernels, on a machine that may be slow and shared
SETTLE_S = 120  # what takes a moment elsewhere
CONFIG = """
uplinks = ["uplink0"]
[inventory]
file = "{0}/inventory.toml"
[paths]
database = "{0}/edgeguard.sqlite"
socket = "{0}/edgeguard.sock"
kill = "{0}/observe-only"
"""
INVENTORY = """
[[vm]]
id = "vm-101"
contact = "owner@example.net"
taps = ["tap101"]
addresses = ["192.0.2.10"]
[[vm]]
id = "vm-102"
contact = "owner@example.net"
taps = ["tap102"]
addresses = ["192.0.2.11"]
"""


class Host:
    """A hypervisor with a routed tap and a bridged one, and the operator's own rules beside ours."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.namespace, self._outside = Namespace(ipv6=True), Namespace(ipv6=True)
        for name in ("uplink0", "tap101", "tap102"):
            self.namespace.veth(name, self._outside, f"far-{name}")
        self.namespace.bridge("br0", "tap102")
        self.namespace.address("uplink0", "198.51.100.1/24")
        self.namespace.route("192.0.2.10/32", device="tap101")
        (folder / "edgeguard.toml").write_text(CONFIG.format(folder), encoding="utf-8")
        (folder / "inventory.toml").write_text(INVENTORY, encoding="utf-8")
        self.daemon: subprocess.Popen[Any] | None = None

    def start(self) -> None:
        """A daemon, ready to answer. Its log is shown where a test fails."""
        self.daemon = self.namespace.popen(*self._words("run"))
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert self.daemon.poll() is None, "the daemon ended; its log says why"
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.folder / "edgeguard.sock")) == 0

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.daemon
        self.daemon.send_signal(number)
        code = self.daemon.wait(SETTLE_S)
        self.daemon = None
        return code

    def _words(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "edgeguard", *words, "-c", str(self.folder / "edgeguard.toml")]

    def edgeguard(self, *words: str) -> str:
        return self.namespace.run(*self._words(*words)).stdout

    def null_route_both(self) -> None:
        """One narrow, one full, by hand; returned when the kernel has both."""
        self.edgeguard("nullroute", "add", "vm-101", "--full", "--for", "1h", "--why", "a test")
        self.edgeguard("nullroute", "add", "vm-102", "--target", "203.0.113.7:80/tcp", "--for", "1h", "--why", "a test")
        self.settles(2)

    def settles(self, acknowledged: int) -> None:
        """Wait until so many null routes stand, acknowledged and none of them on its way out."""
        deadline = time.monotonic() + SETTLE_S
        while True:
            lines = self.edgeguard("nullroute", "list", "--json").splitlines()
            standing = [one for one in map(json.loads, lines) if one["facts"]["acted"] and not one["releasing"]]
            if len(standing) == acknowledged == len(lines):
                return
            assert time.monotonic() < deadline, lines
            time.sleep(0.1)

    def of_ours(self) -> list[str]:
        """Rules and routes of protocol 78, by ip(8): an oracle of its own."""
        found = []
        for family in ("-4", "-6"):
            rules = self.namespace.run("ip", family, "rule", "show").stdout.splitlines()
            found += [rule for rule in rules if "proto 78" in rule]
            found += self.namespace.run(
                "ip", family, "route", "show", "table", "all", "proto", "78"
            ).stdout.splitlines()
        return found

    def close(self) -> None:
        if self.daemon:
            self.stop(signal.SIGKILL)
        self.namespace.close()
        self._outside.close()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    missing = [tool for tool in ("ip", "nft") if not shutil.which(tool)]
    if missing:
        pytest.skip(f"needs {' and '.join(missing)} as witnesses")
    host = Host(tmp_path)
    yield host
    host.close()


def by_hand(what: str = "remove") -> list[str]:
    """The lines that the runbook gives to remove everything, or to panic."""
    text = RUNBOOK.read_text(encoding="utf-8")
    block = re.search(rf"<!-- {what} by hand -->\n```sh\n(.*?)```", text, re.DOTALL)
    assert block
    return block[1].splitlines()


@pytest.mark.long  # two whole daemons; restarts are in test_daemon and the faults, too
def test_a_restart_takes_up_what_stands(host: Host) -> None:
    """Null routes stay when the daemon stops; after a start they stand in kernel and list, and can be released."""
    host.start()
    host.null_route_both()
    before = host.of_ours()
    assert host.stop() == 0
    assert host.of_ours() == before != []
    host.start()
    time.sleep(1)  # it is alive after it has read back what stands
    host.settles(2)
    assert host.of_ours() == before
    for vm in ("vm-101", "vm-102"):
        host.edgeguard("nullroute", "release", vm, "--as", "fixed", "--why", "a test")
    host.settles(0)
    assert host.of_ours() == []
    assert "hook" not in host.namespace.run("nft", "list", "ruleset").stdout
    assert host.stop() == 0
    assert host.namespace.run("nft", "list", "tables").stdout == ""


def test_everything_can_be_removed_by_hand(host: Host) -> None:
    """With the daemon gone, the runbook's lines must leave nothing of ours, and all of the operator's own."""
    host.start()
    host.null_route_both()
    host.stop(signal.SIGKILL)
    host.namespace.run("ip", "rule", "add", "iif", "tap101", "lookup", "99", "priority", "600")
    host.namespace.run("ip", "route", "add", "blackhole", "203.0.113.9", "table", "99")
    host.namespace.run("nft", "add", "table", "netdev", "operators")
    for line in by_hand():
        host.namespace.run(*line.split())
    assert host.of_ours() == []
    assert host.namespace.run("nft", "list", "tables").stdout.split() == ["table", "netdev", "operators"]
    assert "iif tap101 lookup 99" in host.namespace.run("ip", "rule", "show").stdout
    assert host.namespace.run("ip", "route", "show", "table", "99").stdout.strip() == "blackhole 203.0.113.9"
    assert "192.0.2.10 dev tap101" in host.namespace.run("ip", "route", "show").stdout


@pytest.mark.parametrize("hand", [False, True])
def test_panic_beside_the_daemon(host: Host, hand: bool) -> None:
    """By the command or by the runbook's lines: everything ends at once and stays ended, the cases say why, nothing
    can be null-routed until the kill file is gone."""
    host.start()
    host.null_route_both()
    if hand:
        for line in by_hand("panic"):
            done = host.namespace.run(*line.replace("/var/lib/edgeguard/", f"{host.folder}/").split(), check=False)
            faster = line.startswith("nft") and "No such file" in done.stderr  # the daemon sees the kill file, too
            assert done.returncode == 0 or faster, (line, done.stderr)
    else:
        assert "only observes" in host.edgeguard("panic", "--why", "wrong servers are cut")
    assert host.of_ours() == []
    assert "hook" not in host.namespace.run("nft", "list", "ruleset").stdout
    host.settles(0)
    deadline = time.monotonic() + SETTLE_S
    while host.namespace.run("nft", "list", "tables").stdout:  # the child's own, empty
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert host.of_ours() == []
    told = host.edgeguard("explain", "vm-101")
    assert "the kill file" in told and ("wrong servers are cut" in told) != hand
    with pytest.raises(subprocess.CalledProcessError):
        host.edgeguard("nullroute", "add", "vm-101", "--full", "--for", "1h", "--why", "a test")
    assert host.of_ours() == []
    (host.folder / "observe-only").unlink()
    host.edgeguard("nullroute", "add", "vm-101", "--full", "--for", "1h", "--why", "a test")
    assert host.of_ours() != []
    assert host.stop() == 0


def test_what_panic_ended_without_a_daemon_stays_ended(host: Host) -> None:
    """The daemon is dead, panic empties the kernel, the kill file is removed: the next start puts nothing back, and the
    cases say who ended them and why."""
    host.start()
    host.null_route_both()
    host.stop(signal.SIGKILL)
    told = host.edgeguard("panic", "--why", "wrong servers are cut")
    assert "only observes" in told and told.count("ended all null routes: wrong servers are cut") == 2
    (host.folder / "observe-only").unlink()
    host.start()
    host.settles(0)
    assert host.of_ours() == []
    assert "wrong servers are cut" in host.edgeguard("explain", "vm-102")
    assert "nothing is null-routed" in host.edgeguard("nullroute", "list")
    host.edgeguard("status")  # it answers: until then a signal ends it as any program
    assert host.stop() == 0


@pytest.mark.long  # a whole daemon of its own; the others are looked at by default
def test_a_start_beside_a_kill_file_frees(host: Host) -> None:
    """What stood when the daemon died is ended by a start that finds the kill file, and is never put back."""
    host.start()
    host.null_route_both()
    host.stop(signal.SIGKILL)
    (host.folder / "observe-only").write_text("alice: on the phone\n")
    host.start()
    host.settles(0)
    assert host.of_ours() == []
    assert "alice: on the phone" in host.edgeguard("explain", "vm-102")
    assert host.stop() == 0
