"""People beside the real daemon: what they keep, the kernel keeps; what they ask is answered from what it sees."""

from __future__ import annotations

import json
import subprocess
import time

import pytest
from test_runbook import Host, host  # noqa: F401 - a fixture

HOUR = 3_600_000_000_000


def refused(host: Host, *words: str) -> str:  # noqa: F811
    """What a command says that must fail."""
    with pytest.raises(subprocess.CalledProcessError) as error:
        host.edgeguard(*words)
    return str(error.value.stderr)


def until(host: Host) -> int:  # noqa: F811
    (one,) = [json.loads(line) for line in host.edgeguard("nullroute", "list", "--json").splitlines()]
    return int(one["until"])


@pytest.mark.long  # two whole daemons
def test_a_hold_is_kept_by_the_kernel_over_a_restart_and_freed_by_one(host: Host) -> None:  # noqa: F811
    """Held, the blackhole's own end is hours away, before a restart and after; why and next say it; a release names
    both directions honestly, and a second hold is refused."""
    host.start()
    host.edgeguard("nullroute", "add", "vm-101", "--target", "203.0.113.7", "--for", "20m", "--why", "a test")
    assert "Null-routed since" in host.edgeguard("why", "192.0.2.10")
    assert "Not us: nothing is null-routed here; it sends 0 packets a second now" in host.edgeguard("why", "192.0.2.11")
    before = metric(host)
    host.edgeguard("case", "hold", "vm-101", "--for", "6h", "--why", "the owner restores a snapshot")
    assert until(host) > time.time_ns() + 5 * HOUR
    assert settled(host, before + 5 * 3600) >= before + 5 * 3600
    assert "takes two" in refused(host, "case", "hold", "vm-101", "--why", "longer")
    assert "one of two voices" in host.edgeguard("case", "uphold", "vm-101", "--why", "x", "--ends-when", "clean")
    assert "nothing is upheld by one person" in refused(host, "case", "uphold", "vm-101", "--why", "x")
    assert host.stop() == 0
    host.start()
    time.sleep(1)
    host.settles(1)
    assert settled(host, before + 5 * 3600) >= before + 5 * 3600
    assert "when the hold is over at" in host.edgeguard("why", "vm-101").replace("\n", " ")
    assert "3  ask the desk" in host.edgeguard("next")
    assert "the desk is asked" in host.edgeguard("case", "ask", "vm-101", "--why", "may he run tests?")
    told = host.edgeguard("case", "release", "vm-101", "--as", "fixed", "--why", "clean now")
    assert "the kernel holds nothing of it any more" in told
    assert "idle, or not reached: 0 packets a second out of it" in told
    assert host.of_ours() == []
    assert "refused: case.hold" in host.edgeguard("case", "show", "vm-101")


@pytest.mark.long  # a whole daemon of its own; the other is looked at by default
def test_a_release_that_nobody_is_told_of_fails(host: Host) -> None:  # noqa: F811
    """The mail server is down: the VM is free, and the command fails with one line that says where its notice is."""
    with (host.folder / "edgeguard.toml").open("a") as file:
        file.write(
            '[mail]\nserver = "127.0.0.1:9"\ntls = "none"\nfrom = "abuse@example.org"\ndesk = "desk@example.org"\n'
        )
    host.start()
    host.edgeguard("nullroute", "add", "vm-101", "--full", "--for", "20m", "--why", "a test")
    host.settles(1)
    told = refused(host, "case", "release", "vm-101", "--as", "fixed", "--why", "clean now")
    assert "the kernel holds nothing of it, but its notice to " in told and told.count("\n") == 1
    assert "waits, and is tried until it leaves: mail server 127.0.0.1:9 cannot be reached" in told
    assert host.of_ours() == [] and "nothing is null-routed" in host.edgeguard("nullroute", "list")
    assert host.stop() == 0


def metric(host: Host) -> int:  # noqa: F811
    """The end that the kernel itself holds, seconds since the boot, by ip(8)."""
    routes = host.namespace.run("ip", "-4", "route", "show", "table", "all", "proto", "78").stdout.split()
    return int(routes[routes.index("metric") + 1]) if "metric" in routes else 0


def settled(host: Host, least: int) -> int:  # noqa: F811
    """The end once the enforcing child has put it: within some seconds."""
    deadline = time.monotonic() + 20
    while (found := metric(host)) < least and time.monotonic() < deadline:
        time.sleep(0.1)
    return found
