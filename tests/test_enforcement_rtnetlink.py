"""Requests for rules and blackholes, read by pyroute2's decoder: an oracle of its own."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from edgeguard.enforcement.items import MAIN, NOWHERE, Blackhole, Item, Rule
from edgeguard.enforcement.netlink import frame
from edgeguard.enforcement.place import Place
from edgeguard.enforcement.rtnetlink import request

PLACE = Place(78, 500, 20_000, "edgeguard", (), 1)
V4, V6 = IPv4Network("192.0.2.64/28"), IPv6Network("2001:db8:2::/64")


def read(item: Item, add: bool = True) -> tuple[Any, int]:
    """The message as pyroute2 decodes it, and its flags."""
    kind, flags, body = request(item, PLACE, add)
    message = (fibmsg if isinstance(item, Rule) else rtmsg)(frame(kind, flags, 7, body))
    message.decode()
    return message, flags


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule(4, 20_012, iif="tap0"), {"FRA_TABLE": 20_012, "FRA_IIFNAME": "tap0", "FRA_PRIORITY": 520}),
        (Rule(6, 20_012, to=V6), {"FRA_TABLE": 20_012, "FRA_DST": "2001:db8:2::", "FRA_PRIORITY": 510}),
        (Rule(4, MAIN, iif="tap0", source=V4), {"FRA_TABLE": 254, "FRA_SRC": "192.0.2.64", "FRA_PRIORITY": 530}),
        (Rule(4, NOWHERE, iif="tap0"), {"FRA_TABLE": None, "FRA_PRIORITY": 540}),
        (
            Rule(4, MAIN, to=V4, udp=(67, 68), mark=12),
            {"FRA_FWMARK": 12, "FRA_FWMASK": 0, "FRA_IP_PROTO": 17, "FRA_DST": "192.0.2.64", "FRA_PRIORITY": 505},
        ),
    ],
)
def test_a_rule_says_what_it_is(rule: Rule, expected: dict[str, Any]) -> None:
    """Table, name, prefixes, priority and protocol number are those of the rule, in a request to add it once."""
    message, flags = read(rule)
    assert {name: message.get_attr(name) for name in expected} == expected
    assert message.get_attr("FRA_PROTOCOL") == 78
    assert message["family"] == {4: 2, 6: 10}[rule.version]
    assert (message["dst_len"], message["src_len"]) == tuple(p.prefixlen if p else 0 for p in (rule.to, rule.source))
    assert message["action"] == (6 if rule.table == NOWHERE else 1)
    assert flags == 0x605  # request, acknowledge, create, exclusively
    if rule.udp:
        assert message.get_attr("FRA_SPORT_RANGE") == "67:67"
        assert message.get_attr("FRA_DPORT_RANGE") == "68:68"


prefixes = st.one_of(
    st.builds(lambda n, length: IPv4Network((n, length), strict=False), st.integers(0, 2**32 - 1), st.integers(0, 32)),
    st.builds(
        lambda n, length: IPv6Network((n, length), strict=False), st.integers(0, 2**128 - 1), st.integers(0, 128)
    ),
)


@given(st.integers(256, 2**31), prefixes, st.integers(0, 2**32 - 1), st.booleans(), st.booleans())
def test_a_route_says_what_it_is(table: int, prefix: Any, metric: int, throws: bool, add: bool) -> None:
    """Any prefix of any length, any end as its metric; a deletion asks for no scope and creates nothing."""
    message, flags = read(Blackhole(table, prefix, metric, throws), add)
    assert (ip_address(message.get_attr("RTA_DST")), message["dst_len"]) == (prefix.network_address, prefix.prefixlen)
    assert (message.get_attr("RTA_TABLE"), message.get_attr("RTA_PRIORITY")) == (table, metric or None)
    assert (message["type"], message["proto"]) == (9 if throws else 6, 78)
    assert (message["scope"], flags) == ((0, 0x605) if add else (255, 0x005))
