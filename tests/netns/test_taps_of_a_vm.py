"""A VM with two taps of different kinds and several prefixes, live: null-routed whole at both, and freed at both."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from capturing import VM6, send
from scapy.layers.inet import TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from test_precautions_live import LIMITS, RATE, decisions
from test_rules_file import until
from test_runbook import CONFIG, SETTLE_S, Host, host  # noqa: F401 - a fixture

from edgeguard.model import Act, Decision, Scope

INVENTORY = f"""
[[vm]]
id = "vm-101"
contact = "owner@example.net"
taps = ["tap101", "tap102"]
addresses = ["192.0.2.10", "192.0.2.64/28", "{VM6}", "2001:db8:2::/64"]
"""


def frame(n: int) -> bytes:
    to = Ether(dst="02:00:00:00:00:09") / IPv6(src=VM6, dst=f"2001:db8:7::{n}")
    return bytes(to / TCP(dport=80, flags="S"))


@contextlib.contextmanager
def moving(host: Host) -> Iterator[None]:  # noqa: F811
    """A hard flood out of the first tap, at another target each second."""
    stopped = threading.Event()

    def flood() -> None:
        n, end = 0, time.monotonic() + 4 * SETTLE_S
        while not stopped.is_set() and time.monotonic() < end:
            n += 1
            send(host._outside, "far-tap101", [frame(n)], RATE, RATE)

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(flood)
        try:
            yield
        finally:
            stopped.set()
        sending.result()


def fulls(host: Host) -> list[Decision]:  # noqa: F811
    return [d for d in decisions(host, "vm-101") if d.act is Act.NULL_ROUTE and d.scope is Scope.FULL]


def test_a_flood_that_moves_is_stopped_at_every_tap_of_its_vm(host: Host) -> None:  # noqa: F811
    """Full at the tap that floods is full at the VM's other tap, in the kernel; one release frees both."""
    text = 'enforce = ["syn.hard"]\n' + CONFIG.format(host.folder) + LIMITS
    (host.folder / "edgeguard.toml").write_text(text, encoding="utf-8")
    (host.folder / "inventory.toml").write_text(INVENTORY, encoding="utf-8")
    host.start()
    with moving(host):
        until(lambda: len(fulls(host)) == 2)
    assert {d.tap.name for d in fulls(host) if d.tap} == {"tap101", "tap102"}
    until(lambda: any("iif tap101" in line for line in host.of_ours()))
    until(lambda: "tap102" in host.namespace.run("nft", "list", "ruleset").stdout)
    host.edgeguard("nullroute", "release", "vm-101", "--as", "fixed", "--why", "a test")
    host.settles(0)
    assert host.of_ours() == []
    assert "tap102" not in host.namespace.run("nft", "list", "ruleset").stdout


def test_a_person_null_routes_every_tap_and_every_prefix(host: Host) -> None:  # noqa: F811
    """`--full` of a VM holds at both taps, for the way in to each of its prefixes, over a restart as well."""
    (host.folder / "inventory.toml").write_text(INVENTORY, encoding="utf-8")
    host.start()
    host.edgeguard("nullroute", "add", "vm-101", "--full", "--for", "1h", "--why", "a test")
    host.settles(2)

    def standing() -> list[bool]:
        routes, chains = "\n".join(host.of_ours()), host.namespace.run("nft", "list", "ruleset").stdout
        return [
            *(prefix in routes for prefix in ("192.0.2.10", "192.0.2.64/28", "2001:db8:2::/64")),
            "tap102" in chains,
        ]

    assert standing() == [True] * 4
    assert host.stop() == 0
    host.start()
    host.settles(2)
    assert standing() == [True] * 4
    host.edgeguard("nullroute", "release", "vm-101", "--as", "fixed", "--why", "a test")
    host.settles(0)
    assert not any(standing())
