"""Many routed taps: a host's rules stay few, and every null route stands all the same."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_network

import pytest
from enforcement_host import FORGED4, OTHER4, TARGET4, TARGET6, Host, target, to
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from edgeguard.enforcement.routes import MAX_RULES
from edgeguard.model import Happened, Order, Scope, Tap, TapKind

MANY = 70


class Many:
    """A routed host with further VMs, each at a routed tap of its own; all in one namespace behind."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.taps = [f"vt{number}" for number in range(MANY)]
        for number, name in enumerate(self.taps):
            host.host.veth(name, host.vm, f"v{number}")
            host.host.address(name, f"198.18.{number}.1/24")
            host.host.address(name, f"2001:db8:a:{number:x}::1/64")
        with host.host.inside():
            self.index = {name: socket.if_nametoindex(name) for name in self.taps}
        self.macs = {name: host.host.mac(name) for name in self.taps}
        self.vm_mac = host.vm.mac("v0")

    def order(self, number: int, **changes: object) -> Order:
        """A narrow null route of both targets on one of the taps."""
        name = self.taps[number]
        tap = Tap(self.index[name], name, self.macs[name], TapKind.ROUTED)
        prefixes = (ip_network(f"198.18.{number}.2"), ip_network(f"2001:db8:a:{number:x}::2"))
        values = {"tap": tap, "vm": f"vm-{number}", "prefixes": prefixes, **changes}
        return self.host.order(f"d-{number}", **values)

    def put(self, order: Order) -> None:
        self.host.enforcer.order(order)
        self.host.until(order.decision, Happened.ACKNOWLEDGED)

    def arrived(self, *targets: str) -> Counter[str]:
        """How many of one frame from each VM to each target arrive, by the target."""
        host = self.host
        with host.vm.inside():
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        with host.counting() as counts, sock:
            for number, name in enumerate(self.taps):
                for where in targets:
                    sock.sendto(self._frame(number, name, where), (f"v{number}", 0))
        return Counter({where: to(counts, where) for where in targets})

    def _frame(self, number: int, name: str, where: str) -> bytes:
        six = ":" in where
        source = f"2001:db8:a:{number:x}::2" if six else f"198.18.{number}.2"
        packet = (IPv6 if six else IP)(src=source, dst=where) / UDP(sport=4000, dport=9999) / (b"x" * 20)
        return bytes(Ether(src=self.vm_mac, dst=self.macs[name]) / packet)

    def rules(self) -> Counter[int]:
        """Our rules, by family."""
        with self.host.host.routes() as ip:
            listed = {family: ip.get_rules(family=family) for family in (2, 10)}
        return Counter(
            {family: sum(rule.get_attr("FRA_PROTOCOL") == 78 for rule in rules) for family, rules in listed.items()}
        )


@pytest.fixture(scope="module")
def many() -> Iterator[Many]:
    with Host("routed") as host:
        host.start()
        yield Many(host)


def test_seventy_taps_have_few_rules_and_all_stop(many: Many) -> None:
    """Of 70 routed taps null-routed at once at most 64 have rules, the rest a chain; nothing leaves from any of them,
    also after a restart; when they end the kernel holds nothing."""
    assert many.arrived(TARGET4, TARGET6, OTHER4) == {TARGET4: MANY, TARGET6: MANY, OTHER4: MANY}
    orders = [many.order(number) for number in range(MANY)]
    for order in orders:
        many.put(order)
    assert many.rules() == {2: MAX_RULES, 10: MAX_RULES}
    assert many.arrived(TARGET4, TARGET6, OTHER4) == {TARGET4: 0, TARGET6: 0, OTHER4: MANY}

    many.host.enforcer.close()
    many.host.start()
    many.host.enforcer.reconcile(orders)
    for order in orders:
        many.host.until(order.decision, Happened.RECONCILED)
    assert max(many.rules().values()) <= MAX_RULES
    assert many.arrived(TARGET4, TARGET6, OTHER4) == {TARGET4: 0, TARGET6: 0, OTHER4: MANY}

    for order in orders:
        many.host.released(order)
    assert many.rules() == {2: 0, 10: 0}
    assert many.arrived(TARGET4, TARGET6) == {TARGET4: MANY, TARGET6: MANY}


@pytest.fixture(scope="module")
def taken(many: Many) -> list[Order]:
    """Null routes that have all the rules that there shall be."""
    orders = [many.order(number) for number in range(MAX_RULES)]
    for order in orders:
        many.put(order)
    return orders


@pytest.mark.parametrize("scope", [Scope.NARROW, Scope.OWN_ONLY, Scope.FULL])
def test_a_chain_on_a_routed_tap_is_proved(many: Many, taken: list[Order], scope: Scope) -> None:
    """Beyond the last rule narrow, own-only and full are put as chains, and each is verified."""
    host = many.host
    last = host.order(f"d-{scope}", scope=scope, targets=() if scope == Scope.OWN_ONLY else (target(TARGET4),))
    with host.sending([host.frame(TARGET4), host.frame(TARGET4, FORGED4), host.frame(OTHER4)]):
        host.enforcer.order(last)
        assert "of the tap's chain" in host.wait(last.decision, Happened.ACKNOWLEDGED).detail
        outcome = host.wait(last.decision, Happened.VERIFIED)
    assert "the chain on tap0 dropped" in " ".join(outcome.proofs)
    assert to(host.arrived([host.frame(OTHER4)], 20), OTHER4) == (0 if scope == Scope.FULL else 20)
    host.released(last)
    assert to(host.arrived([host.frame(TARGET4)], 20), TARGET4) == 20


def test_a_tap_that_has_its_rule_needs_no_further_one(many: Many, taken: list[Order]) -> None:
    """With all rules taken, further targets of a tap that has one are routes in its table still."""
    targets = tuple(target(f"198.51.100.{n}") for n in range(100, 160))
    further = many.host.order("d-further", tap=taken[0].tap, targets=targets, vm="vm-0")
    many.host.enforcer.order(further)
    detail = many.host.wait("d-further", Happened.ACKNOWLEDGED).detail
    assert "rules and blackholes" in detail and "chain" not in detail
    many.host.released(further)
    assert many.rules() == {2: MAX_RULES, 10: MAX_RULES}
