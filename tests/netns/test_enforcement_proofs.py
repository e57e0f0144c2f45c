"""What is called verified: with neighbours at rate, super-frames, silence, and real leaks."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from enforcement_host import (
    FLOOD_PORT,
    FORGED4,
    OTHER4,
    TARGET4,
    TARGET6,
    Host,
    neighbour_at,
    target,
)
from redirect import redirect

from edgeguard.enforcement import uplinks
from edgeguard.enforcement.links import Link, listed
from edgeguard.model import Happened, Outcome, Scope

_UDP_SEGMENT = 103  # linux/udp.h


def proved(outcome: Outcome, *words: str) -> None:
    text = " | ".join(outcome.proofs)
    for word in words:
        assert word in text, text


def verified(host: Host, decision: str) -> Outcome:
    """Verified; before it only a proof that this machine was too slow to take: it lost what it should count."""
    while (outcome := host.wait(decision, Happened.VERIFIED, Happened.NOT_STOPPED)).happened != Happened.VERIFIED:
        proved(outcome, "could not be counted")
    return outcome


def test_verified_beside_a_busy_neighbour(host: Host) -> None:
    """A stopped flood is verified while the neighbour sends at rate, some to the same target."""
    theirs = [host.frame(address, who="neighbour") for address in (TARGET4, OTHER4, TARGET6, OTHER4, OTHER4)]
    with (
        neighbour_at(host, theirs, 100_000) as sent,
        host.sending([host.frame(TARGET4), host.frame(TARGET4, FORGED4), host.frame(TARGET6)]),
    ):
        order = host.order("d-proof")
        host.enforcer.order(order)
        host.wait("d-proof", Happened.ACKNOWLEDGED)
        outcome = verified(host, "d-proof")
    assert sum(sent) > 10_000
    proved(outcome, "wan0 sent", "EINVAL" if host.kind == "routed" else "the chain on tap0 dropped")
    assert (outcome.dropped is None) == (host.kind == "routed")


def test_full_is_verified(host: Host) -> None:
    """A full null route is proved by the VM's addresses and by the targets it flooded."""
    theirs = [host.frame(TARGET4, who="neighbour")]
    with (
        host.sending(theirs, "neighbour"),
        host.sending([host.frame(TARGET4), host.frame(OTHER4), host.frame(OTHER4, FORGED4)]),
    ):
        host.enforcer.order(host.order("d-full", scope=Scope.FULL))
        host.wait("d-full", Happened.ACKNOWLEDGED)
        proved(host.wait("d-full", Happened.VERIFIED), "wan0 sent")


def test_silence_is_no_proof_until_it_ends(host: Host) -> None:
    """Without attempts nothing is verified; it is when they come."""
    host.enforcer.order(host.order("d-quiet"))
    host.wait("d-quiet", Happened.ACKNOWLEDGED)
    with host.sending([host.frame(OTHER4)]):
        host.wait("d-quiet", Happened.NO_ATTEMPTS)
    with host.sending([host.frame(TARGET4)]):
        host.wait("d-quiet", Happened.VERIFIED)


@contextlib.contextmanager
def _redirected(host: Host, to: str = "wan0") -> Iterator[None]:
    """What another program of the host might do: frames of the tap go on before rules, routes and chains are asked."""
    with host.host.inside():
        try:
            link = redirect(host.host.index("tap0"), host.host.index(to))
        except OSError as error:
            pytest.skip(f"this kernel has no tcx programs, so nothing leaks past us: {error}")
    try:
        yield
    finally:
        os.close(link)


def test_a_leak_is_not_called_verified(host: Host) -> None:
    """When the flood goes on, the outcome says so with the numbers seen, although a neighbour sends there too."""
    with (
        host.sending([host.frame(TARGET4)]),
        host.sending([host.frame(TARGET4, who="neighbour")], "neighbour", every_s=0.01),
        _redirected(host),
    ):
        host.enforcer.order(host.order("d-leak", targets=(target(TARGET4),)))
        host.wait("d-leak", Happened.ACKNOWLEDGED)
        outcome = host.wait("d-leak", Happened.NOT_STOPPED)
        again = host.wait("d-leak", Happened.NOT_STOPPED)
    assert "the uplinks" in outcome.detail and "the uplinks" in again.detail
    assert outcome.leaving or again.leaving
    proved(outcome, "wan0 sent")
    proved(again, "wan0 sent", "the chain on tap0 dropped")


def test_what_routes_cannot_stop_the_chain_does(routed: Host) -> None:
    """A rule of the operator before ours lets the flood out: not stopped; it is put by the chain too, and verified."""
    with routed.host.routes() as ip:
        ip.rule("add", family=socket.AF_INET, iifname="tap0", table=254, priority=100)
    for order in (
        routed.order("d-retry", targets=(target(TARGET4),)),
        routed.order("d-retry-full", scope=Scope.FULL, targets=(target(TARGET4),)),
        routed.order("d-retry-own", scope=Scope.OWN_ONLY, targets=()),
    ):
        with routed.sending([routed.frame(TARGET4), routed.frame(TARGET4, FORGED4)]):
            routed.enforcer.order(order)
            routed.wait(order.decision, Happened.ACKNOWLEDGED)
            routed.wait(order.decision, Happened.NOT_STOPPED)
            proved(routed.wait(order.decision, Happened.VERIFIED), "the chain on tap0 dropped")
        routed.released(order)
        assert routed.arrived([routed.frame(TARGET4)], 20)[routed.vm4, TARGET4] == 20


def test_a_leak_of_forged_sources_is_seen(routed: Host) -> None:
    """A rule of the operator that lets a forged source by is seen at the uplink, though look-ups are stopped."""
    with routed.host.routes() as ip:
        ip.rule("add", family=socket.AF_INET, src=FORGED4, src_len=32, table=254, priority=100)
    with routed.sending([routed.frame(TARGET4), routed.frame(TARGET4, FORGED4)]):
        routed.enforcer.order(routed.order("d-forged", targets=(target(TARGET4),)))
        routed.wait("d-forged", Happened.ACKNOWLEDGED)
        outcome = routed.wait("d-forged", Happened.NOT_STOPPED)
    assert outcome.detail == "not proved by the uplinks" and outcome.leaving
    proved(outcome, "EINVAL")


def test_a_host_that_does_not_forward(routed: Host) -> None:
    """The look-up then asks no route and tells nothing; that nothing left is counted at the uplink."""
    with routed.host.inside():
        Path("/proc/sys/net/ipv4/ip_forward").write_text("0")
    with routed.sending([routed.frame(TARGET4)]):
        routed.enforcer.order(routed.order("d-still", targets=(target(TARGET4),)))
        routed.wait("d-still", Happened.ACKNOWLEDGED)
        outcome = verified(routed, "d-still")
    assert outcome.leaving == 0
    proved(outcome, "EHOSTUNREACH", "wan0 sent 0 packets there")


def test_super_frames_of_a_neighbour(host: Host) -> None:
    """The neighbour's super-frames, cut into packets at the uplink, are no leak."""
    host.host.offload("wan0", tx=False, sg=False, tso=False, gso=False)
    stop = threading.Event()

    def body() -> int:
        sent = 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.SOL_UDP, _UDP_SEGMENT, 100)
            while not stop.wait(0.01) or sent <= 1000:
                sent += sock.sendto(b"z" * 2000, (TARGET4, FLOOD_PORT)) // 100
        return sent

    job = host.neighbour.start(body)
    with host.counting() as arrived, host.sending([host.frame(TARGET4)]):
        host.enforcer.order(host.order("d-super", targets=(target(TARGET4),)))
        host.wait("d-super", Happened.ACKNOWLEDGED)
        proved(host.wait("d-super", Happened.VERIFIED), "wan0 sent")
        stop.set()
        assert job.result(60) > 1000
    assert arrived[host.neighbour4, TARGET4] > 1000


def test_the_hosts_own_packets_are_no_leak(routed: Host) -> None:
    """A few packets that the hypervisor itself sends to the target are told apart."""
    stop = threading.Event()

    def body() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            while not stop.wait(0.3):
                sock.sendto(b"own", (TARGET4, FLOOD_PORT))

    job = routed.host.start(body)
    with routed.sending([routed.frame(TARGET4)] * 16):
        routed.enforcer.order(routed.order("d-own", targets=(target(TARGET4),)))
        routed.wait("d-own", Happened.ACKNOWLEDGED)
        proved(routed.wait("d-own", Happened.VERIFIED), "were the host's own")
    stop.set()
    job.result(60)


def test_uplinks_are_found(host: Host) -> None:
    """Without configured uplinks the device of the default route is taken, and never the tap's own bridge."""
    host.enforcer.close()
    host.start(uplinks=())
    with host.sending([host.frame(TARGET4)]):
        host.enforcer.order(host.order("d-auto"))
        host.wait("d-auto", Happened.ACKNOWLEDGED)
        outcome = host.wait("d-auto", Happened.VERIFIED)
    if host.switched:  # its uplink is a veth here, which cannot be told from a tap
        proved(outcome, "no uplink is known")
    else:
        proved(outcome, "wan0 sent 0 packets")


def _with_a_wire(host: Host, name: str) -> list[Link]:
    """The host's links as they are, but that one is a device of its own: here it can only be a veth."""
    with host.host.inside():
        found = listed()
    return [replace(link, kind="") if link.name == name else link for link in found]


def test_the_uplink_behind_a_firewall_bridge_is_found() -> None:
    """From a tap in a bridge of its own the way goes through the veth pair to the port that leads to the network,
    and of the others only their taps may bring what leaves there."""
    with Host("firewall") as host, host.host.routes() as ip:
        links = _with_a_wire(host, "wan0")
        found = uplinks.uplinks((), host.tap(), links, ip)
        assert [link.name for link in found] == ["wan0"]
        names = {link.index: link.name for link in links}
        (way,) = uplinks.ways(found, host.tap(), links)
        assert [(names[index], leaving) for index, leaving in way.senders] == [("tap1", False)]


def test_a_leak_through_a_veth_pair_is_seen() -> None:
    """What the tap itself sends is counted at the veth pair between its bridge and the uplink's too, and must not
    pass for a neighbour's: where the chain is gone round nothing is verified."""
    with Host("firewall") as host:
        host.start()
        with host.sending([host.frame(TARGET4)]), _redirected(host, "fwln0"):
            host.enforcer.order(host.order("d-pair", targets=(target(TARGET4),)))
            host.wait("d-pair", Happened.ACKNOWLEDGED)
            outcome = host.until("d-pair", Happened.NOT_STOPPED)
    assert "the uplinks" in outcome.detail
    proved(outcome, "other attachment points brought 0")


def test_a_leak_that_the_host_routes_into_its_bridge_is_seen(routed: Host) -> None:
    """The bridge of the uplink sends what the host routes, the tap's own leak too: that is nobody else's."""
    with routed.host.routes() as ip:
        ip.rule("add", family=socket.AF_INET, src=FORGED4, src_len=32, table=254, priority=100)
    routed.host.bridge("br9", "wan0")
    for address in ("203.0.113.1/24", "2001:db8:e::1/64"):
        routed.host.address("br9", address)
    with routed.host.routes() as ip:
        ip.flush_addr(index=routed.host.index("wan0"))
    routed.host.route("0.0.0.0/0", "203.0.113.2")
    with routed.sending([routed.frame(TARGET4), routed.frame(TARGET4, FORGED4)]):
        routed.enforcer.order(routed.order("d-in", targets=(target(TARGET4),)))
        routed.wait("d-in", Happened.ACKNOWLEDGED)
        outcome = routed.until("d-in", Happened.NOT_STOPPED)
    assert outcome.detail == "not proved by the uplinks"
