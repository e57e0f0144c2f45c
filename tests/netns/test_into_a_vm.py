"""A flood into a VM that the inventory knows, live: observed, told to the desk, and the daemon lives on."""

from __future__ import annotations

from capturing import send
from scapy.layers.inet import TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from test_precautions_live import decisions
from test_rules_file import until
from test_runbook import CONFIG, INVENTORY, Host, host  # noqa: F401 - a fixture

LIMITS = "[limits.in.syn]\nwarn = 50\nact = 100\nhard = 200\n"
FRAME = bytes(Ether(dst="02:00:00:00:00:01") / IPv6(src="2001:db8:7::7", dst="2001:db8:2::1") / TCP(flags="S"))


def test_a_victim_is_observed_and_the_daemon_lives(host: Host) -> None:  # noqa: F811
    """Every decision about what reaches the VM observes, nothing is null-routed, and the daemon still answers."""
    (host.folder / "edgeguard.toml").write_text(
        'enforce = ["all.act", "all.hard"]\n' + CONFIG.format(host.folder) + LIMITS, encoding="utf-8"
    )
    own = INVENTORY.replace('"192.0.2.11"', '"192.0.2.11", "2001:db8:2::1"')
    (host.folder / "inventory.toml").write_text(own, encoding="utf-8")
    host.namespace.veth("port0", host._outside, "far-port0")
    host.namespace.master("port0", "br0")  # which sends on to every port what it does not know
    host.start()

    def observed() -> bool:
        send(host._outside, "far-port0", [FRAME], 1_000, 1_000)
        return any(decision.verdict for decision in decisions(host, "vm-102"))

    until(observed)
    assert {decision.scope for decision in decisions(host, "vm-102")} == {"observe"}
    assert "nothing is null-routed" in host.edgeguard("nullroute", "list")
    assert "0 null routes" in host.edgeguard("status")
    assert host.stop() == 0
