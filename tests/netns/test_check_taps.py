"""`edgeguard check` on a host with taps of every kind: whose they are and how they can be null-routed."""

from __future__ import annotations

import pytest
from namespaces import Namespace

from edgeguard.check.attachment import attachment
from edgeguard.check.finding import Finding, Grade
from edgeguard.inventory import Index
from edgeguard.model import Vm


def vm(number: int) -> Vm:
    return Vm(f"vm-{number}", f"web{number}", None, None, taps=(f"tap{number}",))


def told(host: Namespace, uplinks: tuple[str, ...], enforcing: bool) -> dict[str, Finding]:
    inventory = Index([vm(1), vm(2), vm(3)])
    with host.inside():
        return {finding.what: finding for finding in attachment((), uplinks, inventory, enforcing)}


def test_each_tap_is_told_with_its_kind_and_how_it_can_be_enforced() -> None:
    """A routed tap, a bridged one, one that cannot be enforced and one of nobody must each be told apart."""
    with Namespace() as host, Namespace() as guests:
        host.veth("tap1", guests, "one")
        host.veth("tap2", guests, "two")
        host.bridge("br0", "tap2")
        host.veth("tap9", guests, "nine")
        host.veth("wan0", guests, "wan")
        host.link("tap3", "macvtap", link=host.index("wan0"), macvtap_mode="bridge")
        found = told(host, ("wan0",), enforcing=False)
        assert found["wan0"] == Finding("uplinks", "wan0", Grade.OK, "up")
        assert found["tap1"].text == "vm-1 (web1): routed, null-routed by a rule and a private routing table"
        assert found["tap2"].text == "vm-2 (web2): bridge br0, null-routed by an nftables chain on the tap"
        assert found["tap3"].grade is Grade.WARNING
        assert "vm-3 (web3): cannot be null-routed: macvtap" in found["tap3"].text
        assert found["tap9"].grade is Grade.WARNING
        assert "in no VM of the inventory" in found["tap9"].text
        assert told(host, ("wan0",), enforcing=True)["tap3"].grade is Grade.WRONG


def test_uplinks_that_are_missing_down_or_unknown_are_wrong() -> None:
    """Without an uplink that is up nothing can be proved, so each must be told, and the taps all the same."""
    with Namespace() as host, Namespace() as guests:
        host.veth("tap1", guests, "one")
        host.veth("wan0", guests, "wan")
        host.down("wan0")
        found = told(host, ("wan0", "wan1"), enforcing=False)
        assert found["wan0"].grade is Grade.WRONG
        assert "is down" in found["wan0"].text
        assert "no such interface" in found["wan1"].text
        assert found["tap1"].grade is Grade.OK
        assert told(host, (), enforcing=False)["default route"].grade is Grade.WRONG


def test_a_host_without_taps_is_a_warning() -> None:
    """No VM yet is how every host begins."""
    with Namespace() as host, Namespace() as guests:
        host.veth("wan0", guests, "wan")
        assert told(host, ("wan0",), enforcing=False)["links"].grade is Grade.WARNING


def test_tc_filters_that_take_frames_first_are_told() -> None:
    """A filter that redirects what a tap sends must be told of that tap, one that only copies must not."""
    with Namespace() as host, Namespace() as guests:
        for name in ("tap1", "tap2", "wan0"):
            host.veth(name, guests, f"{name}-vm")
        for tap, action in (("tap1", "redirect"), ("tap2", "mirror")):
            host.run("tc", "qdisc", "add", "dev", tap, "clsact")
            match = (
                "protocol",
                "all",
                "u32",
                "match",
                "u32",
                "0",
                "0",
                "action",
                "mirred",
                "egress",
                action,
                "dev",
                "wan0",
            )
            if host.run("tc", "filter", "add", "dev", tap, "ingress", *match, check=False).returncode:
                pytest.skip("this kernel has no u32 filters or no mirred")
        found = told(host, ("wan0",), enforcing=False)
        assert found["tap1"].text.endswith(
            "; tc filters (u32) take frames before any null route: those are not stopped"
        )
        assert "tc filters" not in found["tap2"].text
