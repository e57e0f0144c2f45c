"""What stays alive under a full null route, on hosts of every kind, and that it is no way for a flood."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from enforcement_host import (
    EVERY_KIND,
    FORGED4,
    FORGED6,
    OTHER4,
    OTHER6,
    TARGET4,
    TARGET6,
    UDP_PORT,
    VERIFY,
    Host,
    answered,
    echo,
    target,
    to,
    unanswered,
    until,
)
from link_traffic import answers, is_advertisement, is_reply, solicitation, who_has
from namespaces import Namespace
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from edgeguard import config
from edgeguard.enforcement.kept import LINK_RATE
from edgeguard.enforcement.place import Place
from edgeguard.enforcement.reaper import reaper
from edgeguard.model import Happened, Order, Scope

META4, META6 = "198.51.100.80", "2001:db8:f::80"  # a metadata service behind the uplink
KEEP = [META4, META6]


@pytest.fixture(params=EVERY_KIND)
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    with Host(request.param) as host:
        for address in (f"{META4}/32", f"{META6}/128"):
            host.wan.address("lo", address)
        yield host


def full(host: Host, **changes: object) -> Order:
    """Ordered and acknowledged."""
    order = host.order("d-full", scope=Scope.FULL, **changes)
    host.enforcer.order(order)
    host.until("d-full", Happened.ACKNOWLEDGED)
    return order


@contextlib.contextmanager
def serving(namespace: Namespace, address: str, port: int) -> Iterator[None]:
    """A TCP server that says 'hello' to whoever comes."""
    with namespace.inside():
        server = socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
    server.settimeout(0.05)
    stop = threading.Event()

    def body() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError):
                peer, _ = server.accept()
                with peer:
                    peer.sendall(b"hello")

    job = namespace.start(body)
    try:
        yield
    finally:
        stop.set()
        job.result(60)
        server.close()


def reaches(who: Namespace, address: str, port: int, source: str = "", seconds: float = 20) -> bool:
    """Whether a TCP connection gets its 'hello'; tried again until a bound."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with who.inside(), contextlib.suppress(OSError):
            own = (source, 0) if source else None
            with socket.create_connection((address, port), 2, source_address=own) as sock:
                return sock.recv(10) == b"hello"
    return False


def never_reaches(who: Namespace, address: str, port: int, source: str = "") -> bool:
    """For two seconds, which is two SYNs."""
    return not reaches(who, address, port, source, 2)


def test_kept_prefixes_are_reached_both_ways_and_nothing_else(host: Host) -> None:
    """Under full TCP to and from what is kept works, of both families; nothing else does, a forged sender there
    neither; the flood does not leave, the null route is verified beside it, and ends whole."""
    host.start(keep=KEEP)
    flood = [host.frame(where) for where in (TARGET4, TARGET6, OTHER4, OTHER6)]
    forged = [host.frame(META4, FORGED4), host.frame(META6, FORGED6), host.frame(TARGET4, FORGED4)]
    with contextlib.ExitStack() as stack:
        for where in (META4, META6, OTHER4):
            stack.enter_context(serving(host.wan, where, 80))
        for where in (host.vm4, host.vm6):
            stack.enter_context(serving(host.vm, where, 5900))
        assert reaches(host.vm, OTHER4, 80) and reaches(host.wan, host.vm4, 5900, OTHER4)
        order = full(host)
        assert all(reaches(host.vm, where, 80) for where in KEEP)
        assert reaches(host.wan, host.vm4, 5900, META4) and reaches(host.wan, host.vm6, 5900, META6)
        assert never_reaches(host.vm, OTHER4, 80) and never_reaches(host.wan, host.vm4, 5900, OTHER4)
        assert not host.arrived([*flood, *forged], 20)

        with host.sending(flood), host.sending([host.frame(META4)]):
            outcome = host.until("d-full", Happened.VERIFIED)
            assert reaches(host.vm, META4, 80)
        assert "wan0 sent" in " ".join(outcome.proofs)
        host.released(order)
        assert reaches(host.vm, OTHER4, 80) and reaches(host.wan, host.vm4, 5900, OTHER4)
    with host.host.routes() as ip:
        rules = [rule for family in (2, 10) for rule in ip.get_rules(family=family)]
    assert not [rule for rule in rules if rule.get_attr("FRA_PROTOCOL") == 78]


@pytest.mark.parametrize("scope", [Scope.NARROW, Scope.FULL])
def test_a_flood_at_something_kept_is_dropped_by_its_protocol(host: Host, scope: Scope) -> None:
    """A kept path is no way for the flood: UDP to the kept address stops and is verified, TCP there goes on."""
    host.start(keep=KEEP)
    frames = [host.frame(META4), host.frame(META6)]
    with serving(host.wan, META4, 80), serving(host.wan, META6, 80):
        order = host.order("d-kept", scope=scope, targets=(target(META4), target(META6)))
        host.enforcer.order(order)
        host.wait("d-kept", Happened.ACKNOWLEDGED)
        assert not host.arrived(frames, 20)
        assert reaches(host.vm, META4, 80) and reaches(host.vm, META6, 80)
        assert to(host.arrived([host.frame(OTHER4)], 20), OTHER4) == (20 if scope == Scope.NARROW else 0)
        with host.sending(frames):
            host.until("d-kept", Happened.VERIFIED)
        host.released(order)
    assert to(host.arrived(frames, 20), META4) == 20


def test_what_is_kept_survives_a_restart(host: Host) -> None:
    """A new child takes over what is kept with the null route; without `keep` it closes the path."""
    host.start(keep=KEEP)
    order = full(host)
    with serving(host.wan, META4, 80):
        for keep, open_ in ((KEEP, True), ([], False)):
            host.enforcer.close()
            host.start(keep=keep)
            host.enforcer.reconcile([order])
            host.until("d-full", Happened.RECONCILED)
            assert (reaches if open_ else never_reaches)(host.vm, META4, 80)
            assert not host.arrived([host.frame(OTHER4)], 10)


def test_a_vm_of_unknown_addresses_has_no_kept_path(host: Host) -> None:
    """Where it is not known what the VM's own addresses are, any could be forged."""
    host.start(keep=KEEP)
    full(host, prefixes=())
    with serving(host.wan, META4, 80):
        assert never_reaches(host.vm, META4, 80)


# ---- the link -------------------------------------------------------------------------------------


def test_addresses_are_still_found(host: Host) -> None:
    """ARP and neighbour discovery are answered under full; where `keep_link` is off they are not."""
    host.start()
    full(host)
    asked = [(solicitation(host, source), is_advertisement(host)) for source in ("::", "fe80::99", host.vm6)]
    asked.append((who_has(host), is_reply))
    for question, is_answer in asked:
        assert answers(host, question, is_answer)
    host.enforcer.close(remove=True)
    host.start(keep_link=False)
    full(host)
    for question, is_answer in asked:
        assert not answers(host, question, is_answer, 1)


def test_an_address_is_still_had(host: Host) -> None:
    """DHCP works under full: the server hears DISCOVER, and the VM its OFFER, sent to the address that it is to have
    and to everybody; DHCPv6 from and to link-local addresses too."""
    host.start()
    full(host)
    server, name = {"routed": (host.host, "tap0"), "routed-bridge": (host.host, "br0")}.get(
        host.kind, (host.wan, "eth0")
    )
    mac = host.vm.mac("eth0")
    discover = (
        Ether(src=mac, dst="ff:ff:ff:ff:ff:ff")
        / IP(src="0.0.0.0", dst="255.255.255.255")
        / UDP(sport=68, dport=67)
        / BOOTP(chaddr=bytes.fromhex(mac.replace(":", "")))
        / DHCP(options=[("message-type", "discover"), "end"])
    )
    solicit = Ether(src=mac, dst="33:33:00:01:00:02") / IPv6(src="fe80::99", dst="ff02::1:2")
    solicit = solicit / UDP(sport=546, dport=547) / Raw(b"solicit")
    with server.inside(), contextlib.ExitStack() as stack:
        four = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        four.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        four.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name.encode())
        four.bind(("0.0.0.0", 67))
        six = stack.enter_context(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
        six.bind(("::", 547))
        group = socket.inet_pton(socket.AF_INET6, "ff02::1:2") + struct.pack("=I", socket.if_nametoindex(name))
        six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
        for sock, question in ((four, discover), (six, solicit)):
            sock.settimeout(20)
            host.send([bytes(question)], 1)
            assert sock.recv(600)
        for where in (host.vm4, "255.255.255.255"):
            assert _heard(host, 68, lambda where=where: four.sendto(b"offer", (where, 68))), where
        assert not _heard(host, 68, lambda: _from_another_port(server, host.vm4), 1)


def _from_another_port(server: Namespace, where: str) -> None:
    """Not what a DHCP server sends: it may be refused here, by the rule for what enters the VM."""
    with contextlib.suppress(OSError), server.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"offer", (where, 68))


def _heard(host: Host, port: int, say: Callable[[], object], seconds: float = 20) -> bool:
    """Whether the VM hears a UDP packet to a port that is said again and again."""
    with host.vm.inside():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        sock.bind(("eth0", 3))
    sock.settimeout(0.1)
    end = time.monotonic() + seconds
    with sock:
        while time.monotonic() < end:
            say()
            with contextlib.suppress(TimeoutError):
                while True:
                    raw, address = sock.recvfrom(2048)
                    to_port = raw[12:14] == b"\x08\x00" and raw[23] == 17 and raw[36:38] == struct.pack(">H", port)
                    if to_port and address[2] != socket.PACKET_OUTGOING:
                        return True
    return False


@pytest.mark.parametrize("host", ["bridged", "firewall"], indirect=True)
def test_the_link_is_no_way_for_a_flood(host: Host) -> None:
    """Of ARP and DHCP from a tap under full only so many frames a second pass, of both together."""
    host.start()
    full(host)
    mac = host.vm.mac("eth0")
    dhcp = Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67)
    frames = [who_has(host), bytes(dhcp / Raw(b"x" * 20))]
    with host.wan.inside():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        sock.bind(("eth0", 3))
    began = time.monotonic()
    with sock:
        host.send(frames, 2000)
        seconds = time.monotonic() - began
        sock.settimeout(0.2)
        arrived = 0
        with contextlib.suppress(TimeoutError):
            while True:
                raw, address = sock.recvfrom(2048)
                arrived += address[2] != socket.PACKET_OUTGOING and raw[6:12] == bytes.fromhex(mac.replace(":", ""))
    assert 0 < arrived <= LINK_RATE * (seconds + 2)
    assert arrived < 2000


# ---- the host's own addresses ---------------------------------------------------------------------


def _own_address(host: Host) -> str:
    """An address of the host itself that the VM can send to."""
    if host.switched:
        host.host.address("br0", "203.0.113.9/24")
        host.gateway_mac = host.host.mac("br0")
        host.vm.neighbour("eth0", "203.0.113.9", host.gateway_mac)
        return "203.0.113.9"
    return "203.0.113.1"


@pytest.mark.parametrize("scope", [Scope.NARROW, Scope.FULL])
def test_a_flood_at_the_host_itself_is_stopped(host: Host, scope: Scope) -> None:
    """On every kind of host nothing gets to the flooded address of the host, under full to no address of it."""
    host.start()
    mine = _own_address(host)
    stop, _ = echo(host.host, mine, UDP_PORT)
    with host.vm.inside():
        flow = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    flow.connect((mine, UDP_PORT))
    assert answered(flow)
    targets = (target(mine),) if scope == Scope.NARROW else (target(TARGET4),)
    order = host.order("d-own", scope=scope, targets=targets)
    host.enforcer.order(order)
    host.wait("d-own", Happened.ACKNOWLEDGED)
    assert unanswered(flow)
    with host.sending([host.frame(mine, port=UDP_PORT), host.frame(mine, FORGED4, UDP_PORT)]):
        outcome = host.until("d-own", Happened.VERIFIED)
    assert "the chain on tap0 dropped" in " ".join(outcome.proofs)
    host.released(order)
    assert answered(flow)
    stop()


@pytest.mark.parametrize("host", ["routed"], indirect=True)
def test_an_address_of_the_host_can_be_kept(host: Host) -> None:
    """A metadata service of the hypervisor itself is reached under full, and no other address of it."""
    host.start(keep=["203.0.113.1"])
    full(host)
    with serving(host.host, "203.0.113.1", 80), serving(host.host, "192.0.2.5", 80):
        assert reaches(host.vm, "203.0.113.1", 80)
        assert never_reaches(host.vm, "192.0.2.5", 80)


def test_the_reaper_ends_what_was_kept_too() -> None:
    """Of a full null route that a dead daemon left, the reaper takes away every rule and route, and the narrow one
    beside it stays as it is."""
    with Host("routed") as host:
        host.start(keep=KEEP)
        end = time.time_ns() + 2 * 10**9
        narrow = host.order("d-narrow", targets=(target(OTHER4),))
        wide = host.order("d-full", scope=Scope.FULL, until=end)
        for order in (narrow, wide):
            host.enforcer.order(order)
            host.until(order.decision, Happened.ACKNOWLEDGED)
        host.enforcer._process.kill()
        host.enforcer._process.wait()
        place = Place.of(config.build({"enforcement": {"keep": KEEP}}).enforcement, ("wan0",), VERIFY)
        with host.host.inside(), reaper(place) as reaping:
            assert reaping.keep_only([narrow, wide]) == 0
            until(lambda: reaping.end_overdue() > 0, "it is past its end")
            with host.host.routes() as ip:
                listed = [one for family in (2, 10) for one in ip.get_rules(family=family)]
                left = [rule for rule in listed if rule.get_attr("FRA_PROTOCOL") == 78]
                routes = [one for family in (2, 10) for one in ip.get_routes(family=family) if one["proto"] == 78]
            assert [rule.get_attr("FRA_IIFNAME") for rule in left] == ["tap0"]
            assert [route.get_attr("RTA_DST") for route in routes] == [OTHER4]
