"""What a key is: which records count for which address and prefix, in which direction, class and place."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from oracles.counting import Packet
from oracles.feeding import LIMITS, POINTS, T, feed, found, memory, packet

from edgeguard.counting.flow_memory import CLASSES
from edgeguard.record import NOBODY


def test_rotation_inside_a_64_is_found_by_its_64() -> None:
    """A source that never uses an IPv6 address twice is above the limit as its /64."""
    made = memory()
    feed(made, [packet(T + k * 10**7, f"2001:db8:5::{k:x}", "syn", POINTS[2]) for k in range(40)])
    assert (ip_network("2001:db8:5::/64"), False) in found(made, "syn", 33)


@pytest.mark.parametrize(("first", "prefix"), [("203.0.113.", "203.0.113.0/24"), ("2001:db8:7:", "2001:db8:7::/48")])
def test_a_carpet_is_found_by_its_prefix(first: str, prefix: str) -> None:
    """A VM that sends one packet to each of many targets is above the limit at their /24 or /48."""
    made = memory()
    ends = [f"{first}{k}" if "." in first else f"{first}{k:x}::1" for k in range(50)]
    feed(made, [packet(T + k * 10**7, end, "udp", POINTS[1]) for k, end in enumerate(ends)])
    assert (ip_network(prefix), True) in found(made, "udp", 45)


def test_between_two_vms_both_directions_count() -> None:
    """From one VM to another, the target counts as sent to and the source as sending."""
    made = memory()
    feed(made, [Packet(T + k, "syn", "192.0.2.1", "192.0.2.2", out_of=3, into=4) for k in range(40)])
    keys = {("192.0.2.2/32", True): 3, ("192.0.2.0/24", True): 3, ("192.0.2.1/32", False): 4}
    assert {(str(one.network), one.out): one.point for one in made.heavy("syn", 33)} == keys


def test_classes_have_limits_of_their_own() -> None:
    """A key is found in the class that reached its limit, and what others say of it is below theirs."""
    made = memory()
    feed(made, [packet(T + k, "192.0.2.7", "udp", POINTS[2]) for k in range(50)])
    key = (ip_network("192.0.2.7"), False)
    assert [key in found(made, name, LIMITS[name]) for name in CLASSES] == [False, True, False]


def test_the_point_with_more_than_half_leads() -> None:
    """The attachment point of an entry is the one that most of its packets came in at."""
    made = memory()
    feed(made, [packet(T + k, "192.0.2.7", "udp", (NOBODY, 4 if k % 5 < 2 else 9)) for k in range(100)])
    assert made.heavy("udp", 45)[0].point == 9
