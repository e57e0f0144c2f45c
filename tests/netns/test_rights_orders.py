"""What a capturing process that was taken over can make the enforcing child do: nothing beyond the operator's files."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from enforcement_host import SETTINGS, TARGET4, VERIFY, Host, target, until

from edgeguard import enforcing
from edgeguard.config import load
from edgeguard.enforcement import wire
from edgeguard.enforcement.client import Enforcer
from edgeguard.enforcement.place import Place
from edgeguard.errors import EnforcementError
from edgeguard.model import Act, Happened, Order, Outcome, Scope, Tap, TapKind

CONFIG = """
uplinks = ["wan0"]
[capture]
exclude = ["tap9"]
mirror = ["mirror0"]
[protected]
targets = ["198.51.100.53", "2001:db8:53::/48"]
[inventory]
file = "{0}/inventory.toml"
"""
ORDINARY = ("tap0", "vm-1", ("192.0.2.2", "2001:db8:1::2"))
OTHERS = [  # an inventory that names what is no tap all the same: the child must not believe that either
    ("tap1", "vm-2", ("192.0.2.6", "2001:db8:2::/64")),
    ("wan0", "vm-uplink", ("203.0.113.1",)),
    ("br9", "vm-bridge", ("203.0.113.9",)),
    ("lo", "vm-lo", ("203.0.113.10",)),
    ("tap9", "vm-excluded", ("203.0.113.11",)),
    ("mirror0", "vm-mirror", ("203.0.113.12",)),
    ("pair0", "vm-pair", ("203.0.113.13",)),
]


def inventory(*vms: tuple[str, str, tuple[str, ...]]) -> str:
    return "".join(
        f"[[vm]]\nid = {json.dumps(id)}\ntaps = [{json.dumps(tap)}]\naddresses = {json.dumps(addresses)}\n"
        for tap, id, addresses in vms
    )


class Checked:
    """A routed host whose child reads configuration and inventory."""

    def __init__(self, host: Host, folder: Path) -> None:
        self.host, self.file = host, folder / "inventory.toml"
        self.config = folder / "edgeguard.toml"
        self.config.write_text(CONFIG.format(folder))
        self.file.write_text(inventory(ORDINARY, *OTHERS))
        host.host.link("br9", "bridge")
        host.host.veth("pair0", host.host, "pair1")
        for name in ("tap9", "mirror0"):
            host.host.veth(name, host.neighbour, f"far-{name}")
        host.start(program=("-m", "edgeguard.enforcing", str(self.config)))

    def tap(self, name: str) -> Tap:
        return Tap(self.host.host.index(name), name, "02:00:00:00:00:09", TapKind.ROUTED)

    def told(self, **changes: Any) -> Outcome:
        """The first outcome of an order."""
        order = self.host.order(f"d-{time.monotonic_ns()}", **changes)
        assert self.host.enforcer
        self.host.enforcer.order(order)
        outcome = self.host.next(order.decision)
        if outcome.happened is Happened.ACKNOWLEDGED:
            self.host.released(order)
        return outcome

    def of_ours(self) -> list[Any]:
        with self.host.host.routes() as ip:
            rules = [rule for family in (2, 10) for rule in ip.get_rules(family=family)]
            routes = [route for family in (2, 10) for route in ip.get_routes(family=family) if route["proto"] == 78]
        return routes + [rule for rule in rules if rule.get_attr("FRA_PROTOCOL") == 78]


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checked]:
    with Host("routed") as host:
        yield Checked(host, tmp_path_factory.mktemp("files"))


def refused(outcome: Outcome, reason: str, checked: Checked) -> None:
    """One clear line, and nothing of it in the kernel."""
    assert outcome.happened is Happened.FAILED
    assert outcome.detail.startswith("refused: ") and reason in outcome.detail and "\n" not in outcome.detail
    assert not checked.of_ours()


@pytest.mark.parametrize("scope", [Scope.NARROW, Scope.OWN_ONLY, Scope.FULL])
def test_what_the_files_allow_is_done(checked: Checked, scope: Scope) -> None:
    """A null route of a VM at its own tap with its own addresses is carried out, whatever its scope."""
    assert checked.told(scope=scope).happened is Happened.ACKNOWLEDGED


PREFIXES = ("0.0.0.0/1", "128.0.0.0/1", "::/1", "192.0.2.0/24", "192.0.2.6/32", "203.0.113.2/32", "2001:db8:1::/64")


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("scope", [Scope.OWN_ONLY, Scope.FULL])
def test_no_prefix_that_is_not_the_vms(checked: Checked, prefix: str, scope: Scope) -> None:
    """Half the internet, the VM's network, its neighbour's address, the gateway's: none can be null-routed."""
    prefixes = (ip_network("192.0.2.2"), ip_network(prefix))
    refused(checked.told(scope=scope, prefixes=prefixes), f"{ip_network(prefix)} is no address of 'vm-1'", checked)


@pytest.mark.parametrize("name, vm", [(tap, vm) for tap, vm, _ in OTHERS[1:]])
def test_no_link_that_is_no_attachment_point(checked: Checked, name: str, vm: str) -> None:
    """Neither uplink, bridge, loopback, excluded link, mirror port nor inner pair, whatever the inventory says."""
    outcome = checked.told(tap=checked.tap(name), vm=vm, prefixes=(), scope=Scope.FULL)
    refused(outcome, f"{name} is no attachment point", checked)


@pytest.mark.parametrize("vm", ["vm-2", "vm-9", ""])
def test_no_tap_of_another_vm(checked: Checked, vm: str) -> None:
    """A tap can be ordered for its own VM alone."""
    refused(checked.told(vm=vm), f"the tap tap0 is not {vm!r}'s by the inventory", checked)


def test_no_tap_that_nobody_owns(checked: Checked) -> None:
    """A tap without an inventory entry is never null-routed."""
    checked.host.host.veth("tap7", checked.host.neighbour, "far-tap7")
    refused(checked.told(tap=checked.tap("tap7")), "no VM of the inventory has the tap tap7", checked)


def test_no_name_of_a_tap_for_another_link(checked: Checked) -> None:
    """The uplink's ifindex under a tap's name is not touched."""
    forged = replace(checked.tap("tap0"), ifindex=checked.host.host.index("wan0"))
    outcome = checked.told(tap=forged)
    assert outcome.happened is Happened.LINK_GONE and not checked.of_ours()


@pytest.mark.parametrize("place", ["198.51.100.53", "198.51.100.0/24", "2001:db8:53::1"])
def test_no_protected_target(checked: Checked, place: str) -> None:
    """What the configuration protects is no target, neither by itself nor inside a prefix."""
    refused(checked.told(targets=(target(TARGET4), target(place))), f"{place} is protected", checked)


def test_a_kept_order_is_asked_about_too(checked: Checked) -> None:
    """What is to be put back at a reconcile is refused like any other order."""
    assert checked.host.enforcer
    good = checked.host.order("d-kept-good")
    bad = checked.host.order("d-kept-bad", scope=Scope.FULL, prefixes=(ip_network("0.0.0.0/1"),))
    checked.host.enforcer.reconcile([bad, good])
    assert "0.0.0.0/1 is no address" in checked.host.wait("d-kept-bad", Happened.FAILED).detail
    checked.host.wait("d-kept-good", Happened.RECONCILED)
    checked.host.released(good)
    assert not checked.of_ours()


def test_a_release_is_never_refused(checked: Checked) -> None:
    """Whatever else it says, a release is carried out: nobody stays bound because a file changed."""
    order = checked.host.order("d-release")
    assert checked.host.enforcer
    checked.host.enforcer.order(order)
    checked.host.wait("d-release", Happened.ACKNOWLEDGED)
    checked.file.write_text(inventory(*OTHERS))
    checked.host.enforcer.order(replace(order, act=Act.RELEASE, vm="nobody's", prefixes=(ip_network("0.0.0.0/1"),)))
    checked.host.until("d-release", Happened.RELEASED)
    assert not checked.of_ours()


def test_the_inventory_is_followed(checked: Checked) -> None:
    """An order that a new inventory allows is carried out at once; one that it no longer allows is refused in time."""
    checked.file.write_text(inventory(("tap0", "vm-1", ("192.0.2.2", "2001:db8:1::2", "192.0.2.77")), *OTHERS))
    assert checked.told(prefixes=(ip_network("192.0.2.77"),)).happened is Happened.ACKNOWLEDGED
    checked.file.write_text(inventory(ORDINARY, *OTHERS))
    until(lambda: checked.told(prefixes=(ip_network("192.0.2.77"),)).happened is Happened.FAILED, "the change is seen")


def test_a_broken_file_changes_nothing(checked: Checked) -> None:
    """A wrong inventory or configuration leaves the last good one in force, and nothing more is allowed by it."""
    good, config = checked.file.read_text(), checked.config.read_text()
    try:
        checked.file.write_text("[[vm]\n")
        checked.config.write_text("uplinks = 7\n")
        assert checked.told().happened is Happened.ACKNOWLEDGED
        assert checked.told(prefixes=(ip_network("0.0.0.0/1"),)).happened is Happened.FAILED
    finally:
        checked.file.write_text(good)
        checked.config.write_text(config)


def test_the_configuration_is_followed(checked: Checked) -> None:
    """A tap that the configuration excludes is no attachment point from then on."""
    before = checked.config.read_text()
    try:
        checked.config.write_text(before.replace('"tap9"', '"tap9", "tap0"'))
        until(lambda: "is no attachment point" in checked.told().detail, "the change is seen")
    finally:
        checked.config.write_text(before)
    until(lambda: checked.told().happened is Happened.ACKNOWLEDGED, "it is allowed again")


def test_without_files_nothing_is_allowed(tmp_path: Path) -> None:
    """A child that is started without a configuration allows no null route at all: the shipped defaults know no VM."""
    with Host("routed") as host:
        host.start(program=("-m", "edgeguard.enforcing", ""))
        order: Order = host.order("d-unknown")
        assert host.enforcer
        host.enforcer.order(order)
        assert "no VM of the inventory" in host.wait("d-unknown", Happened.FAILED).detail


def test_a_wrong_file_at_start_is_said(tmp_path: Path) -> None:
    """The child does not start on an inventory that it cannot read, and says which."""
    (tmp_path / "edgeguard.toml").write_text(CONFIG.format(tmp_path))
    with (
        Host("routed") as host,
        host.host.inside(),
        pytest.raises(EnforcementError, match=r"inventory\.toml: cannot be"),
    ):
        enforcing.start(load(tmp_path / "edgeguard.toml"), tmp_path / "edgeguard.toml")


def test_there_is_no_child_without_a_check() -> None:
    """The product's only entry is the checked one: the room of enforcement is no program by itself."""
    source = Path(enforcing.__file__).with_name("enforcement") / "child.py"
    assert "__main__" not in source.read_text()
    with pytest.raises(TypeError):
        Enforcer.start(Place.of(SETTINGS, (), VERIFY))  # type: ignore[call-arg]
    assert wire.MAX_TARGETS == 64
