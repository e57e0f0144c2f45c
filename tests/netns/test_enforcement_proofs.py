"""What is called verified: with neighbours at rate, super-frames, silence, and real leaks."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import threading
from collections.abc import Iterator

import pytest
from enforcement_host import (
    FLOOD_PORT,
    FORGED4,
    KINDS,
    OTHER4,
    TARGET4,
    TARGET6,
    Host,
    neighbour_at,
    target,
)

from edgeguard.model import Happened, Outcome, Scope

_UDP_SEGMENT = 103  # linux/udp.h


@pytest.fixture(params=KINDS)
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    with Host(request.param) as host:
        host.start()
        yield host


@pytest.fixture
def routed() -> Iterator[Host]:
    with Host("routed") as host:
        host.start()
        yield host


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
def stopped(pid: int) -> Iterator[None]:
    """The process stands still while the block runs."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _undo_behind_its_back(host: Host) -> None:
    """What a careless operator might do."""
    if host.kind == "routed":
        with host.host.routes() as ip:
            ip.flush_rules(family=socket.AF_INET, protocol=78)
    elif not shutil.which("nft"):
        pytest.skip("the program nft is needed to take the table away")
    else:
        host.host.run("nft", "delete", "table", "netdev", "edgeguard")


def test_a_leak_is_not_called_verified(host: Host) -> None:
    """When the flood goes on, the outcome says so with the numbers seen, although a neighbour sends there too."""
    with (
        host.sending([host.frame(TARGET4)]),
        host.sending([host.frame(TARGET4, who="neighbour")], "neighbour", every_s=0.01),
    ):
        host.enforcer.order(host.order("d-leak", targets=(target(TARGET4),)))
        host.wait("d-leak", Happened.ACKNOWLEDGED)
        with stopped(host.enforcer.pid):  # or it could be verified before, where this takes long
            _undo_behind_its_back(host)
        outcome = host.wait("d-leak", Happened.NOT_STOPPED)
    assert "the uplinks" in outcome.detail
    proved(outcome, "wan0 sent")


def test_a_leak_of_forged_sources_is_seen(routed: Host) -> None:
    """A rule of the operator that lets a forged source by is seen at the uplink, though look-ups are stopped."""
    with routed.host.routes() as ip:
        ip.rule("add", family=socket.AF_INET, src=FORGED4, src_len=32, table=254, priority=100)
    with routed.sending([routed.frame(TARGET4), routed.frame(TARGET4, FORGED4)]):
        routed.enforcer.order(routed.order("d-forged", targets=(target(TARGET4),)))
        routed.wait("d-forged", Happened.ACKNOWLEDGED)
        outcome = routed.wait("d-forged", Happened.NOT_STOPPED)
    assert outcome.detail == "not proved by the uplinks"
    proved(outcome, "EINVAL")


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
    if host.kind == "bridged":  # its uplink is a veth here, which cannot be told from a tap
        proved(outcome, "no uplink is known")
    else:
        proved(outcome, "wan0 sent 0 packets")
