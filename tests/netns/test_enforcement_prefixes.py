"""Targets that are prefixes, on hosts of every kind: a carpet under flood is stopped whole, and nothing beside it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from enforcement_host import (
    FLOOD_PORT,
    FORGED4,
    KINDS,
    TARGET4,
    TARGET6,
    Host,
    neighbour_at,
    target,
    to,
)

from edgeguard.model import Happened, Order, Outcome

CARPET4, CARPET6 = "198.51.100.0/24", "2001:db8:f::/48"
INSIDE = ("198.51.100.0", TARGET4, "198.51.100.255", "2001:db8:f::", TARGET6, "2001:db8:f:ffff:ffff:ffff:ffff:ffff")
OUTSIDE = ("198.51.99.255", "198.51.101.0", "2001:db8:e:ffff::1", "2001:db8:10::")


@pytest.fixture(params=KINDS)
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    with Host(request.param) as host:
        host.start()
        yield host


def null_routed(host: Host, decision: str, *targets: str, port: int | None = None) -> Order:
    order = host.order(decision, targets=tuple(target(where, 17, port) for where in targets))
    host.enforcer.order(order)
    host.until(decision, Happened.ACKNOWLEDGED)
    return order


def verified(host: Host, decision: str) -> Outcome:
    """Verified; before it only a proof that lost on a slow machine what it should count."""
    while (outcome := host.wait(decision, Happened.VERIFIED, Happened.NOT_STOPPED)).happened != Happened.VERIFIED:
        assert "could not be counted" in " ".join(outcome.proofs), outcome
    return outcome


def test_a_prefix_stops_whole_and_alone(host: Host) -> None:
    """From its first to its last address nothing arrives, forged or not; the addresses beside it all work."""
    inside, outside = [host.frame(where) for where in INSIDE], [host.frame(where) for where in OUTSIDE]
    everything = [*inside, *outside, host.frame(TARGET4, FORGED4)]
    assert sum(host.arrived(inside, 10).values()) == 60
    order = null_routed(host, "d-carpet", CARPET4, CARPET6)
    counts = host.arrived(everything, 20)
    assert sorted(where for _, where in counts) == sorted(OUTSIDE) and set(counts.values()) == {20}
    theirs = host.arrived([host.frame(TARGET4, who="neighbour")], 20, "neighbour")
    assert to(theirs, TARGET4) == 20
    host.released(order)
    assert sum(host.arrived(inside, 10).values()) == 60


def test_it_is_proved_by_what_was_tried(host: Host) -> None:
    """Beside a neighbour that sends there at rate it is verified, on a routed tap by an address that was tried."""
    theirs = [host.frame(where, who="neighbour") for where in (*INSIDE[:3], *OUTSIDE)]
    tried = "198.51.100.77"
    with neighbour_at(host, theirs, 20_000), host.sending([host.frame(tried)]):
        null_routed(host, "d-proof", CARPET4)
        outcome = verified(host, "d-proof")
    text = " | ".join(outcome.proofs)
    assert (f"to {tried}: EINVAL" if host.kind == "routed" else "the chain on tap0 dropped") in text


def test_a_port_of_a_prefix(bridged: Host) -> None:
    """In a bridge a prefix with a port loses that port alone."""
    frames = [bridged.frame(TARGET4), bridged.frame(TARGET6)]
    others = [bridged.frame(TARGET4, port=53), bridged.frame(TARGET6, port=53)]
    order = null_routed(bridged, "d-port", CARPET4, CARPET6, port=FLOOD_PORT)
    assert not bridged.arrived(frames, 20)
    assert sum(bridged.arrived(others, 20).values()) == 40
    assert bridged.released(order).dropped == 40


def test_prefixes_within_each_other(host: Host) -> None:
    """A host in a prefix in a wider one, by three decisions: each stops its part while it stands, all are proved."""
    other = "198.51.100.200"
    frames = [host.frame(TARGET4), host.frame("198.51.100.2"), host.frame(other)]
    one = null_routed(host, "d-one", TARGET4)
    half = null_routed(host, "d-half", "198.51.100.0/25")
    all_ = null_routed(host, "d-all", CARPET4)
    with host.sending(frames):
        for decision in ("d-one", "d-half", "d-all"):
            verified(host, decision)
    assert not host.arrived(frames, 20)
    host.released(all_)
    assert host.arrived(frames, 20) == {(host.vm4, other): 20}
    host.released(half)
    assert to(host.arrived(frames, 20), TARGET4) == 0 and to(host.arrived(frames, 20), "198.51.100.2") == 20
    host.released(one)
    assert to(host.arrived(frames, 20), TARGET4) == 20
