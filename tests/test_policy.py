"""The policy of a VM: the most specific setting wins, whatever the order in the file."""

from __future__ import annotations

import random
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeguard import config
from edgeguard.config import Config
from edgeguard.config.fields import MOST_PACKETS
from edgeguard.model import Vm
from edgeguard.policy import WHOLE, claims, lowest, policy
from edgeguard.reading import INTO, OUT

ADDRESSES = ("192.0.2.10/32", "2001:db8:101::/64")


def vm(id: str = "vm-1", customer: str | None = "C-1", addresses: tuple[str, ...] = ADDRESSES) -> Vm:
    return Vm(id, id, customer, None, addresses=tuple(map(ip_network, addresses)))


def syn(warn: int) -> dict[str, Any]:
    return {"syn": {"warn": warn, "act": 50_000}}


def built(*groups: dict[str, Any], **rest: Any) -> Config:
    return config.build({"group": list(groups), **rest})


def test_without_groups_everybody_has_the_configuration() -> None:
    """A VM that nothing is said about, and none at all, must have the limits and the list of the file itself."""
    settings = built(enforce=["all.hard", "syn.act"])
    for who in (None, vm()):
        found = policy(settings, who)
        assert found.limits == settings.limits.by_rule()
        assert set(found.limits) == {*OUT, *INTO}
        assert found.enforce == {"syn.act", *(f"{rule}.hard" for rule in OUT)}
        assert found.from_ == WHOLE and set(found.sources.values()) == {WHOLE}


def test_the_most_specific_wins() -> None:
    """The VM's own setting, then a group by VM id, by customer, by the longest prefix, then the file itself."""
    layers: list[dict[str, Any]] = [
        {"name": "wide", "prefixes": ["192.0.2.0/24"], "limits": syn(2001)},
        {"name": "narrow", "prefixes": ["192.0.0.0/8", "192.0.2.0/28"], "limits": syn(2002)},
        {"name": "customer", "customers": ["C-1"], "limits": syn(2003)},
        {"name": "named", "vms": ["vm-1"], "limits": syn(2004)},
    ]
    for n, layer in enumerate(layers):
        found = policy(built(*layers[: n + 1]), vm())
        assert found.limits["syn"].warn == 2001 + n
        assert found.sources["syn"] == f"group {layer['name']}"
    own = policy(built(*layers, vm={"vm-1": {"limits": syn(2005)}}), vm())
    assert own.limits["syn"].warn == 2005
    assert own.sources["syn"] == "VM vm-1"
    assert own.from_ == (
        "VM vm-1, group named (names VM vm-1), group customer (names customer C-1), "
        "group narrow (covers it with 192.0.2.0/28), group wide (covers it with 192.0.2.0/24)"
    )
    assert policy(built(*layers), vm("vm-2", None, ("198.51.100.1/32",))).limits["syn"].warn == 2000


def test_each_rule_is_decided_by_itself() -> None:
    """A specific setting that is silent about a rule or a band must leave it to the less specific."""
    settings = built(
        {"name": "customer", "customers": ["C-1"], "limits": {"udp": {"warn": 30_000}}, "enforce": {"udp": "enforce"}},
        vm={"vm-1": {"limits": syn(9000), "enforce": {"syn.hard": "enforce", "udp.act": "observe"}}},
    )
    found = policy(settings, vm())
    assert (found.limits["syn"].warn, found.limits["syn"].act, found.limits["syn"].hard) == (9000, 50_000, 50_000)
    assert found.limits["udp"].warn == 30_000
    assert found.limits["udp"].hard == settings.limits.udp.hard
    assert found.enforce == {"syn.hard", "udp.hard"}


def test_a_list_is_whole_and_a_table_is_not() -> None:
    """An `enforce` list must replace the outer one; a table must change only what it names."""
    outer = ["syn.hard", "udp.hard", "scan.hard"]
    assert policy(built({"name": "g", "vms": ["vm-1"], "enforce": ["udp.act"]}, enforce=outer), vm()).enforce == {
        "udp.act"
    }
    assert not policy(built({"name": "g", "vms": ["vm-1"], "enforce": []}, enforce=outer), vm()).enforce
    table = {"name": "g", "vms": ["vm-1"], "enforce": {"udp": {"act": "enforce"}, "syn": "observe"}}
    assert policy(built(table, enforce=outer), vm()).enforce == {"udp.hard", "udp.act", "scan.hard"}


def test_all_does_not_mean_scans() -> None:
    """A scan must be acted upon only where it is named itself."""
    assert "scan.hard" not in policy(built(enforce=["all.act", "all.hard"]), vm()).enforce
    group = {"name": "g", "vms": ["vm-1"], "enforce": {"all": "enforce"}}
    assert not {"scan.act", "scan.hard"} & policy(built(group), vm()).enforce
    assert "scan.act" in policy(built({**group, "enforce": ["scan.act"]}), vm()).enforce


def test_off_is_not_judged() -> None:
    """A rule that is off has no limits and is never enforced; a band that is off begins where the next one does."""
    settings = built(
        {"name": "g", "vms": ["vm-1"], "enforce": {"udp": "off", "syn.act": "off", "icmp.hard": "off"}},
        {"name": "t", "customers": ["C-1"], "limits": {"tcp": {"judged": False}, "in": {"syn": {"judged": False}}}},
        enforce=["all.act", "all.hard"],
    )
    found, usual = policy(settings, vm()), settings.limits
    assert not {"udp", "tcp", "syn-in"} & set(found.limits)
    assert {"fragments", "total", "udp-in"} <= set(found.limits)
    assert (found.limits["syn"].warn, found.limits["syn"].act) == (usual.syn.warn, usual.syn.hard)
    assert (found.limits["icmp"].act, found.limits["icmp"].hard) == (usual.icmp.act, MOST_PACKETS)
    assert not [name for name in found.enforce if name.split(".")[0] in ("udp", "tcp")]
    assert "syn.act" not in found.enforce and "syn.hard" in found.enforce
    off = {"name": "g", "vms": ["vm-1"], "enforce": {"all": "off"}}
    assert not policy(built(off), vm()).limits
    again = policy(built(off, vm={"vm-1": {"enforce": {"syn.hard": "enforce"}}}), vm())
    assert set(again.limits) == {"syn"} and again.enforce == {"syn.hard"}
    assert again.limits["syn"].warn == usual.syn.hard


def test_udp_in_bits_is_a_share_of_the_uplink() -> None:
    """With the uplink's speed known, UDP has limits in bits; the one from half of it holds only while others suffer."""
    assert policy(built(), vm()).limits["udp"].bits is None
    bits = policy(built(uplink_bits=10**10), vm()).limits["udp"].bits
    assert bits and (bits.warn, bits.act, bits.hard, bits.only_in_harm) == (10**9, None, 5 * 10**9, True)
    own = built(uplink_bits=10**10, limits={"udp": {"bits": {"act": 5 * 10**8, "hard": 6 * 10**8}}})
    bits = policy(own, vm()).limits["udp"].bits
    assert bits and (bits.warn, bits.act, bits.hard, bits.only_in_harm) == (5 * 10**8, 5 * 10**8, 6 * 10**8, False)
    assert policy(built(uplink_bits=10**10), vm()).limits["syn"].bits is None


def test_bits_of_a_rule() -> None:
    """Limits in bits must reach the policy; all zero is none."""
    found = policy(built(limits={"total": {"bits": {"warn": 10**9, "hard": 10**10}}}), vm())
    bits = found.limits["total"].bits
    assert bits and (bits.warn, bits.act, bits.hard, bits.only_in_harm) == (10**9, None, 10**10, False)


def test_a_band_that_is_off_is_off_in_bits_too() -> None:
    """Without its only band, a rule has no limits in bits any more."""
    limits = {"udp": {"bits": {"act": 10**9}}}
    off = policy(built(limits=limits, vm={"vm-1": {"enforce": {"udp.act": "off"}}}), vm())
    assert off.limits["udp"].bits is None
    both = {"udp": {"bits": {"act": 10**9, "hard": 10**10}}}
    bits = policy(built(limits=both, vm={"vm-1": {"enforce": {"udp.act": "off"}}}), vm()).limits["udp"].bits
    assert bits and (bits.act, bits.hard) == (None, 10**10)


MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "vms": st.lists(st.sampled_from(["vm-1", "vm-2", "vm-3"]), max_size=2),
        "customers": st.lists(st.sampled_from(["C-1", "C-2"]), max_size=2),
        "prefixes": st.lists(
            st.sampled_from(["192.0.2.0/24", "192.0.2.0/28", "192.0.2.10", "2001:db8::/32", "198.51.100.0/24"]),
            max_size=3,
        ),
    },
)
MODES = st.dictionaries(
    st.sampled_from(["syn", "syn.act", "udp.hard", "all", "all.hard", "scan.hard"]),
    st.sampled_from(["enforce", "observe"]),
    max_size=3,
)
GROUPS = st.lists(st.tuples(MEMBERS, st.none() | st.integers(2000, 5000), MODES), max_size=6)
VMS = st.sampled_from([vm(), vm("vm-2", "C-2", ("192.0.2.20/32",)), vm("vm-3", None, ("198.51.100.7/32",)), vm("vm-4")])


def groups_of(drawn: list[tuple[dict[str, Any], int | None, dict[str, str]]]) -> list[dict[str, Any]]:
    return [
        {"name": f"g{n}", **members, "enforce": modes, **({"limits": {"syn": {"warn": warn}}} if warn else {})}
        for n, (members, warn, modes) in enumerate(drawn)
    ]


def specificity(group: dict[str, Any], who: Vm) -> int:
    """An independent ranking: higher is more specific, 0 no claim at all."""
    if who.id in group.get("vms", ()):
        return 1000
    if who.customer in group.get("customers", ()):
        return 900
    lengths = [
        ip_network(prefix).prefixlen
        for prefix in group.get("prefixes", ())
        for address in who.addresses
        if ip_network(prefix).version == address.version
        and ip_network(prefix)[0] <= address[0]
        and address[-1] <= ip_network(prefix)[-1]
    ]
    return max(lengths, default=-1) + 1


@given(GROUPS, VMS, st.none() | st.integers(2000, 5000))
def test_the_most_specific_that_speaks_decides(drawn: Any, who: Vm, own: int | None) -> None:
    """For any groups, a rule's limits must be those of the first of the most specific that names them."""
    groups = groups_of(drawn)
    settings = built(*groups, vm={who.id: {"limits": {"syn": {"warn": own}}}} if own else {})
    claiming = [group for group in groups if specificity(group, who) and "limits" in group]
    best = max(claiming, key=lambda group: specificity(group, who), default=None)
    expected = own or (best["limits"]["syn"]["warn"] if best else settings.limits.syn.warn)
    assert policy(settings, who).limits["syn"].warn == expected
    assert lowest(settings)["syn"].warn <= expected


@given(GROUPS, VMS, st.randoms(use_true_random=False))
def test_the_order_of_groups_matters_only_where_they_overlap(drawn: Any, who: Vm, chance: random.Random) -> None:
    """However the groups are ordered, a VM that no two of them claim equally must have the same policy."""
    groups = groups_of(drawn)
    shuffled = chance.sample(groups, len(groups))
    ranks = [claim.rank for claim in claims(built(*groups), who)]
    if len(set(ranks)) == len(ranks):
        assert policy(built(*groups), who) == policy(built(*shuffled), who)


@given(GROUPS, VMS)
def test_nothing_is_above_its_next_limit(drawn: Any, who: Vm) -> None:
    """No combination of groups may put a limit above the next one, or enforce a rule that is not judged."""
    found = policy(built(*groups_of(drawn), uplink_bits=10**10), who)
    for limits in found.limits.values():
        assert limits.warn <= limits.act <= limits.hard
    assert {name.split(".")[0] for name in found.enforce} <= {*found.limits, "scan"}


@pytest.mark.parametrize("who", [vm(addresses=("192.0.2.0/23",)), vm(addresses=())])
def test_a_prefix_must_cover_the_whole_address(who: Vm) -> None:
    """A prefix that only cuts through what is routed to a VM does not claim it."""
    assert policy(built({"name": "g", "prefixes": ["192.0.2.0/24"], "limits": syn(9000)}), who).from_ == WHOLE
