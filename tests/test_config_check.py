"""What `check` says of groups: who is in them, which overlap and who wins, and names that nobody knows."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from edgeguard import config
from edgeguard.check.groups import enforcing, groups
from edgeguard.model import Vm
from edgeguard.policy import policy

LIMITS = {"syn": {"warn": 2500}}
VMS = (
    Vm("vm-1", "a", "C-1", None, addresses=(ip_network("192.0.2.1/32"), ip_network("2001:db8::/64"))),
    Vm("vm-2", "b", "C-1", None, addresses=(ip_network("192.0.2.2/32"),)),
    Vm("vm-3", "c", "C-2", None, addresses=(ip_network("198.51.100.3/32"),)),
)
WINS = "wins, as it stands first in the file; name the VM in one of them, or in [vm], to say otherwise"


def told(*of: dict[str, Any], vms: tuple[Vm, ...] = VMS, **rest: Any) -> list[tuple[str, str, str]]:
    written = [{"limits": LIMITS, **group} for group in of]
    settings = config.build({"group": written, **rest})
    return [(finding.grade, finding.what, finding.text) for finding in groups(settings, vms)]


def test_without_groups_nothing_is_said() -> None:
    """A configuration without groups must have no findings about them."""
    assert told() == []


def test_a_group_says_who_is_in_it() -> None:
    """A group in order must be told with its VMs."""
    assert told({"name": "g", "customers": ["C-1"]}) == [("ok", "group g", "2 VMs (vm-1, vm-2)")]


def test_overlapping_groups_say_which_one_wins() -> None:
    """Two groups that claim VMs with the same specificity must be named with the VMs, the reason and the winner."""
    by_customer = told({"name": "a", "customers": ["C-1"]}, {"name": "b", "customers": ["C-1", "C-2"]})
    overlap = "equally specific for 2 VMs (vm-1, vm-2): both name customer C-1"
    assert by_customer[2:] == [("warning", "groups a and b", f"{overlap}; a {WINS}")]
    by_prefix = told({"name": "a", "prefixes": ["192.0.0.0/16"]}, {"name": "b", "prefixes": ["2001::/16"]})
    overlap = (
        "equally specific for 1 VM (vm-1): the first covers it with 192.0.0.0/16, the second covers it with 2001::/16"
    )
    assert by_prefix[2:] == [("warning", "groups a and b", f"{overlap}; a {WINS}")]
    settings = config.build(
        {"group": [{"name": n, "vms": ["vm-1"], "limits": {"syn": {"warn": w}}} for n, w in (("b", 3), ("a", 4))]}
    )
    assert policy(settings, VMS[0]).limits["syn"].warn == 3


def test_of_different_specificity_the_more_specific_wins_and_that_is_said() -> None:
    """Groups of which one is more specific for every VM they share are in order, and each pair is told."""
    found = told(
        {"name": "a", "prefixes": ["192.0.2.0/24"]},
        {"name": "b", "prefixes": ["192.0.2.0/30"]},
        {"name": "c", "customers": ["C-1"]},
        {"name": "d", "vms": ["vm-1"]},
    )
    assert {grade for grade, _, _ in found} == {"ok"}
    wins = "wins where both speak, being the more specific: it"
    assert ("ok", "groups b and a", f"both claim 2 VMs (vm-1, vm-2); b {wins} covers it with 192.0.2.0/30") in found
    assert ("ok", "groups d and c", f"both claim 1 VM (vm-1); d {wins} names VM vm-1") in found


def test_overlap_without_a_vm_is_told_too() -> None:
    """Two groups that name the same prefix overlap before the first VM is in it."""
    found = told({"name": "a", "prefixes": ["203.0.113.0/24"]}, {"name": "b", "prefixes": ["203.0.113.0/24"]})
    assert found[2:] == [("warning", "groups a and b", f"both name 1 prefix (203.0.113.0/24); a {WINS}")]


def test_empty_groups_and_names_that_nobody_knows() -> None:
    """A group without members, one without VMs, and ids and customers that the inventory lacks are warnings."""
    found = told(
        {"name": "a"},
        {"name": "b", "prefixes": ["203.0.113.0/24"]},
        {"name": "c", "vms": ["vm-1", "vm-9", "vm-8", "vm-7", "vm-6"], "customers": ["C-9"]},
        {"name": "d", "vms": ["vm-2"], "limits": {}},
        vm={"vm-404": {"limits": LIMITS}, "vm-1": {"limits": LIMITS}},
    )
    assert found == [
        ("warning", "group a", "empty: it names no vms, no customers and no prefixes"),
        ("warning", "group b", "empty: no VM of the inventory is in it"),
        ("ok", "group c", "1 VM (vm-1)"),
        ("warning", "group d", "says nothing: it has neither limits nor enforce"),
        ("warning", "group c", "names 4 VMs (vm-9, vm-8, vm-7, ...) that the inventory does not hold"),
        ("warning", "group c", "names 1 customer (C-9) that the inventory does not hold"),
        ("warning", "vm vm-404", "has settings of its own, and the inventory does not hold it"),
    ]


def test_a_group_may_be_what_enforces() -> None:
    """Whether anything is enforced must be asked of every VM's policy, not only of the list at the top."""
    group = {"name": "g", "vms": ["vm-3"], "enforce": ["syn.hard"]}
    assert enforcing(config.build({"group": [group]}), VMS)
    assert not enforcing(config.build({"group": [group]}), VMS[:2])
    off = {"name": "g", "prefixes": ["0.0.0.0/0"], "enforce": []}
    assert not enforcing(config.build({"group": [off]}), VMS)
