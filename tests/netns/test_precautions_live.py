"""The real daemon held back from outside: by a kill file, by the fleet's no, and by what it did before a restart."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from capturing import VM6, send
from scapy.layers.inet import TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from test_rules_file import until
from test_runbook import CONFIG, INVENTORY, SETTLE_S, Host, host  # noqa: F401 - a fixture

from edgeguard.cases.reader import Reader
from edgeguard.model import Act, Decision

RATE = 500  # a second: above hard
LIMITS = "[limits.syn]\nwarn = 50\nact = 100\nhard = 200\n[capture]\nblocks = 64\n"
FRAME = bytes(Ether(dst="02:00:00:00:00:09") / IPv6(src=VM6, dst="2001:db8:7::7") / TCP(dport=80, flags="S"))


def configure(host: Host, more: str) -> None:  # noqa: F811
    text = 'enforce = ["syn.hard"]\n' + CONFIG.format(host.folder) + LIMITS + more
    (host.folder / "edgeguard.toml").write_text(text, encoding="utf-8")
    other = INVENTORY.replace('"192.0.2.11"', '"192.0.2.11", "2001:db8:2::/64"')
    own = other.replace('"192.0.2.10"', f'"192.0.2.10", "{VM6}"')
    (host.folder / "inventory.toml").write_text(own, encoding="utf-8")


@contextlib.contextmanager
def flooding(host: Host, tap: str) -> Iterator[None]:  # noqa: F811
    """A hard flood out of a VM, for as long as it takes, however slow the machine is."""
    stopped = threading.Event()

    def flood() -> None:
        end = time.monotonic() + 4 * SETTLE_S
        while not stopped.is_set() and time.monotonic() < end:
            send(host._outside, f"far-{tap}", [FRAME], RATE, RATE)

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(flood)
        try:
            yield
        finally:
            stopped.set()
        sending.result()


def decisions(host: Host, vm: str) -> list[Decision]:  # noqa: F811
    with Reader(host.folder / "edgeguard.sqlite") as reader:
        return [decision for case in reader.find(vm) for decision in reader.decisions(case.id)]


def is_null_routed(host: Host, vm: str) -> bool:  # noqa: F811
    return any(decision.act is Act.NULL_ROUTE for decision in decisions(host, vm))


def refused(host: Host, vm: str, safety: str) -> str:  # noqa: F811
    """What the safety said of a flood that was only observed; '': it refused nothing yet."""
    found = [
        answer.reason
        for one in decisions(host, vm)
        for answer in one.safeties
        if answer.answer == "refuse" and answer.name == safety
    ]
    return found[-1] if found else ""


def test_a_kill_file_and_then_the_fleet(host: Host) -> None:  # noqa: F811
    """While there is a kill file nothing is null-routed, by hand neither; nor while the fleet says no; at its yes the
    flood that goes on is null-routed, and the desk was told once."""
    answer, kill = host.folder / "answer", host.folder / "observe-only"
    configure(host, f'[fleet]\ncommand = ["/bin/cat", "{answer}"]\ntimeout = "1s"\nkeep = "2s"\n')
    kill.write_text("switch upgrade, Alex\n")
    answer.write_text("no\n")
    host.start()
    with flooding(host, "tap101"):
        until(lambda: refused(host, "vm-101", "kill file"))
        assert "switch upgrade, Alex" in refused(host, "vm-101", "kill file")
        assert "switch upgrade, Alex" in host.edgeguard("status")
        words = host._words("nullroute", "add", "vm-102", "--full", "--for", "1h", "--why", "a test")
        with pytest.raises(subprocess.CalledProcessError) as by_hand:
            host.namespace.run(*words)
        assert by_hand.value.stderr.count("\n") == 1
        assert "nothing is null-routed: the kill file" in by_hand.value.stderr
        kill.unlink()
        until(lambda: "kill file" not in json.loads(host.edgeguard("status", "--json"))["trouble"])
        until(lambda: any(decision.page for decision in decisions(host, "vm-101")))
        assert refused(host, "vm-101", "fleet permit") == "the fleet says no"
        assert not is_null_routed(host, "vm-101")
        assert host.of_ours() == []
        answer.write_text("yes\n")
        until(lambda: is_null_routed(host, "vm-101"))
        host.settles(1)
    pages = [(decision.act, decision.page) for decision in decisions(host, "vm-101") if decision.act is not Act.RELEASE]
    assert pages == [(Act.NONE, None), (Act.NONE, "not stopped"), (Act.NULL_ROUTE, None)]
    assert host.stop() == 0


@pytest.mark.long  # a whole daemon of its own; the others are looked at by default
def test_a_killed_daemon_remembers_for_the_breaker(host: Host) -> None:  # noqa: F811
    """With one customer null-routed before `kill -9`, a second one's flood opens the breaker of the next daemon."""
    configure(host, '[breaker]\ncustomers = 1\nwithin = "1h"\nevery = "1h"\n')
    host.start()
    with flooding(host, "tap101"):
        until(lambda: is_null_routed(host, "vm-101"))
        host.settles(1)
    host.stop(signal.SIGKILL)
    host.start()
    with flooding(host, "tap102"):
        until(lambda: refused(host, "vm-102", "breaker"))
    assert refused(host, "vm-102", "breaker").startswith("open: 2 customers with this one, allowed are 1")
    assert not is_null_routed(host, "vm-102")
    assert "breaker" in [decision.page for decision in decisions(host, "vm-102")]
    assert host.stop() == 0
