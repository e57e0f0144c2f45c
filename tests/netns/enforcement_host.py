"""A hypervisor of each kind with a VM, its neighbour and a WAN, for the tests of enforcement.

routed          tap0, tap1 without master; the host routes to wan0
bridged         tap0, tap1, wan0 in br0; the host forwards nothing
routed-bridge   tap0, tap1 in br0, which holds the gateway; the host routes to wan0
firewall        as Proxmox with its firewall: each tap alone in a bridge of its own, which a veth pair joins
                to br0 with wan0: tap0 - fwbr0 - fwln0 = fwpr0 - br0 - wan0; the host forwards nothing
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from namespaces import Namespace
from pyroute2 import IPRoute
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from edgeguard import config
from edgeguard.enforcement.client import Enforcer
from edgeguard.enforcement.place import Place
from edgeguard.model import Act, Happened, Network, Order, Outcome, Scope, Tap, TapKind, Target
from edgeguard.native import Sender

KINDS = ("routed", "bridged", "routed-bridge")
EVERY_KIND = (*KINDS, "firewall")
SETTINGS = config.build({}).enforcement
VERIFY = 2_000_000_000
UNCHECKED = (str(Path(__file__).with_name("unchecked_child.py")),)
TARGET4, OTHER4 = "198.51.100.1", "198.51.100.2"
TARGET6, OTHER6 = "2001:db8:f::101", "2001:db8:f::102"
FORGED4, FORGED6 = "192.0.2.99", "2001:db8:99::1"
UDP_PORT = 7777  # of the echo servers
FLOOD_PORT = 9999
_SO_RCVBUFFORCE = 33
_ADDRESSES = {
    # kind: (VM, neighbour, gateway) of IPv4, then of IPv6; routed taps are /30 and /64 of their own
    "routed": ("192.0.2.2", "192.0.2.6", "192.0.2.1", "2001:db8:1::2", "2001:db8:2::2", "2001:db8:1::1"),
    "bridged": ("203.0.113.10", "203.0.113.11", "203.0.113.2", "2001:db8:e::10", "2001:db8:e::11", "2001:db8:e::2"),
    "routed-bridge": ("192.0.2.10", "192.0.2.11", "192.0.2.1", "2001:db8:1::10", "2001:db8:1::11", "2001:db8:1::1"),
}
_ADDRESSES["firewall"] = _ADDRESSES["bridged"]
_SWITCHED = ("bridged", "firewall")  # the host routes nothing: the WAN is the gateway


class Host:
    """The whole stage; a context manager."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.bridge = {"routed": None, "firewall": "fwbr0"}.get(kind, "br0")  # that tap0 is in
        self.switched = kind in _SWITCHED
        self.host, self.vm, self.neighbour, self.wan = (Namespace(ipv6=True) for _ in range(4))
        self.vm4, self.neighbour4, self.gateway4, self.vm6, self.neighbour6, self.gateway6 = _ADDRESSES[kind]
        for name in ("all", "default"):
            self.host.sysctl(f"net/ipv4/conf/{name}/rp_filter", "0")
        self._wire()
        build = {"routed": self._routed, "bridged": self._bridged, "routed-bridge": self._routed_bridge}
        {**build, "firewall": self._firewall}[kind]()
        self._neighbours()
        self.enforcer: Enforcer | None = None

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        if self.enforcer:
            self.enforcer.close()
        for namespace in (self.host, self.vm, self.neighbour, self.wan):
            namespace.close()

    def _wire(self) -> None:
        self.host.veth("tap0", self.vm, "eth0")
        self.host.veth("tap1", self.neighbour, "eth0")
        self.host.veth("wan0", self.wan, "eth0")
        for address in (f"{TARGET4}/32", f"{OTHER4}/32", f"{TARGET6}/128", f"{OTHER6}/128"):
            self.wan.address("lo", address)

    def _transit(self) -> None:
        """The host routes between its VMs and the WAN."""
        for address in ("203.0.113.1/24", "2001:db8:e::1/64"):
            self.host.address("wan0", address)
        for address in ("203.0.113.2/24", "2001:db8:e::2/64"):
            self.wan.address("eth0", address)
        self.host.route("0.0.0.0/0", "203.0.113.2")
        self.host.route("::/0", "2001:db8:e::2")
        self.wan.route("0.0.0.0/0", "203.0.113.1")
        self.wan.route("::/0", "2001:db8:e::1")
        self.host.forward()

    def _routed(self) -> None:
        for address in ("192.0.2.1/30", "2001:db8:1::1/64"):
            self.host.address("tap0", address)
        for address in ("192.0.2.5/30", "2001:db8:2::1/64"):
            self.host.address("tap1", address)
        self._guests("30")
        self.neighbour.route("0.0.0.0/0", "192.0.2.5")
        self._transit()

    def _bridged(self) -> None:
        self.host.bridge("br0", "tap0", "tap1", "wan0")
        self._switched()

    def _firewall(self) -> None:
        self.host.bridge("br0", "wan0")
        for number in (0, 1):
            self.host.veth(f"fwln{number}", self.host, f"fwpr{number}")
            self.host.bridge(f"fwbr{number}", f"tap{number}", f"fwln{number}")
            self.host.master(f"fwpr{number}", "br0")
        self._switched()

    def _switched(self) -> None:
        for address in ("203.0.113.2/24", "2001:db8:e::2/64"):
            self.wan.address("eth0", address)
        self._guests("24")
        self.neighbour.route("0.0.0.0/0", self.gateway4)

    def _routed_bridge(self) -> None:
        index = self.host.bridge("br0", "tap0", "tap1")
        with self.host.routes() as ip:  # its own, or it changes with the ports
            ip.link("set", index=index, address="02:00:00:00:00:01")
        for address in (f"{self.gateway4}/24", f"{self.gateway6}/64"):
            self.host.address("br0", address)
        self._guests("24")
        self.neighbour.route("0.0.0.0/0", self.gateway4)
        self._transit()

    def _guests(self, length: str) -> None:
        self.vm.address("eth0", f"{self.vm4}/{length}")
        self.vm.address("eth0", f"{self.vm6}/64")
        self.neighbour.address("eth0", f"{self.neighbour4}/{length}")
        self.neighbour.address("eth0", f"{self.neighbour6}/64")
        self.vm.route("0.0.0.0/0", self.gateway4)
        self.vm.route("::/0", self.gateway6)

    def _neighbours(self) -> None:
        """Resolved once, so that no frame waits for it."""
        via = "wan0" if self.switched else {"routed": "tap0", "routed-bridge": "br0"}[self.kind]
        self.gateway_mac = self.wan.mac("eth0") if self.switched else self.host.mac(via)
        neighbour_mac = self.host.mac("tap1") if self.kind == "routed" else self.gateway_mac
        self.neighbour_gateway_mac = neighbour_mac
        where, name = (self.wan, "eth0") if self.switched else (self.host, via)
        for address in (self.vm4, self.vm6):
            _permanent(where, name, address, self.vm.mac("eth0"))
        for address in (self.neighbour4, self.neighbour6):
            _permanent(where, "tap1" if name == "tap0" else name, address, self.neighbour.mac("eth0"))
        if not self.switched:
            for address in ("203.0.113.2", "2001:db8:e::2"):
                _permanent(self.host, "wan0", address, self.wan.mac("eth0"))

    # ---- orders -----------------------------------------------------------------------------------

    def start(
        self,
        uplinks: tuple[str, ...] = ("wan0",),
        program: Sequence[str] = UNCHECKED,
        kill: str = "",
        **settings: Any,
    ) -> Enforcer:
        """An enforcing child in the hypervisor; it carries out every order unless `program` is another.

        `settings` of [enforcement], where they are not the shipped ones.
        """
        wanted = config.build({"enforcement": settings}).enforcement
        with self.host.inside():
            self.enforcer = Enforcer.start(Place.of(wanted, uplinks, VERIFY, kill), program)
        return self.enforcer

    def tap(self, name: str = "tap0") -> Tap:
        kind = TapKind.ROUTED if self.kind == "routed" else TapKind.BRIDGED
        return Tap(self.host.index(name), name, self.host.mac(name), kind)

    def order(self, decision: str, **changes: Any) -> Order:
        """A narrow null route of TARGET4 and TARGET6 on tap0 for an hour."""
        values: dict[str, Any] = {
            "decision": decision,
            "act": Act.NULL_ROUTE,
            "scope": Scope.NARROW,
            "tap": changes.get("tap") or self.tap(),
            "vm": "vm-1",
            "prefixes": (ip_network(self.vm4), ip_network(self.vm6)),
            "targets": (target(TARGET4), target(TARGET6)),
            "until": time.time_ns() + 3600 * 10**9,
        }
        return Order(**{**values, **changes})

    @staticmethod
    def prefixes(*addresses: str) -> tuple[Network, ...]:
        return tuple(map(ip_network, addresses))

    def release(self, order: Order) -> None:
        assert self.enforcer
        self.enforcer.order(Order(order.decision, Act.RELEASE, order.scope, order.tap, order.vm, (), (), order.until))

    def released(self, order: Order) -> Outcome:
        """Release, and what the child says of it; what it says of proofs before is passed over."""
        self.release(order)
        return self.until(order.decision, Happened.RELEASED)

    def until(self, decision: str, happened: Happened) -> Outcome:
        """The next such outcome of a decision."""
        while (outcome := self.next(decision)).happened != happened:
            pass
        return outcome

    def wait(self, decision: str, *happened: Happened, seconds: float = 60.0) -> Outcome:
        """The next outcome of a decision, which must be one of these."""
        outcome = self.next(decision, seconds)
        assert outcome.happened in happened, outcome
        return outcome

    def next(self, decision: str, seconds: float = 60.0) -> Outcome:
        assert self.enforcer
        self._pending = getattr(self, "_pending", [])
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._pending += self.enforcer.poll()
            for outcome in self._pending:
                if outcome.decision == decision:
                    self._pending.remove(outcome)
                    return outcome
            time.sleep(0.005)
        raise AssertionError(f"nothing of {decision} in {seconds} s, but {self._pending}")

    # ---- traffic ----------------------------------------------------------------------------------

    def frame(self, destination: str, source: str | None = None, port: int = FLOOD_PORT, who: str = "vm") -> bytes:
        """A UDP frame as the VM (or its neighbour) sends it out, source forged where one is given."""
        six = ":" in destination
        own = {"vm": (self.vm4, self.vm6), "neighbour": (self.neighbour4, self.neighbour6)}[who][six]
        layer = IPv6 if six else IP
        packet = layer(src=source or own, dst=destination) / UDP(sport=4000, dport=port) / (b"x" * 20)
        return self.framed(packet, who)

    def framed(self, packet: Any, who: str = "vm") -> bytes:
        namespace = self.vm if who == "vm" else self.neighbour
        mac = self.gateway_mac if who == "vm" else self.neighbour_gateway_mac
        return bytes(Ether(src=namespace.mac("eth0"), dst=mac) / packet)

    def send(self, frames: list[bytes], times: int, who: str = "vm") -> None:
        """Send each frame so often."""
        namespace = self.vm if who == "vm" else self.neighbour
        with namespace.inside(), _raw("eth0") as sock:
            for _ in range(times):
                for frame in frames:
                    sock.send(frame)

    @contextlib.contextmanager
    def sending(self, frames: list[bytes], who: str = "vm", every_s: float = 0.002) -> Iterator[None]:
        """Send all frames again and again while the block runs."""
        namespace = self.vm if who == "vm" else self.neighbour
        stop = threading.Event()

        def body() -> None:
            with _raw("eth0") as sock:
                while not stop.wait(every_s):
                    for frame in frames:
                        sock.send(frame)

        job = namespace.start(body)
        try:
            yield
        finally:
            stop.set()
            job.result(60)

    @contextlib.contextmanager
    def counting(self, namespace: Namespace | None = None) -> Iterator[Counter[tuple[str, str]]]:
        """Count (source, destination) of the UDP frames that arrive at eth0, the WAN's by default."""
        counts: Counter[tuple[str, str]] = Counter()
        with (namespace or self.wan).inside(), _raw("eth0", 3) as sock:
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 1 << 25)
            yield counts
            sock.settimeout(0.1)
            with contextlib.suppress(TimeoutError):  # until nothing follows
                while True:
                    raw, address = sock.recvfrom(2048)
                    if address[2] != socket.PACKET_OUTGOING:
                        counts.update(_pair(raw))

    def arrived(self, frames: list[bytes], times: int = 1, who: str = "vm") -> Counter[tuple[str, str]]:
        """Send, and count at the WAN."""
        with self.counting() as counts:
            self.send(frames, times, who)
        return counts


@contextlib.contextmanager
def neighbour_at(host: Host, frames: list[bytes], rate: int) -> Iterator[list[int]]:
    """The neighbour sends from C while the block runs; how many it sent is known at the end."""
    sent: list[int] = []
    stop = threading.Event()

    def body() -> None:
        sender = Sender(socket.if_nametoindex("eth0"))
        while not stop.is_set():
            sent.append(sender.run(frames, rate // 20, rate, 5))
        sender.close()

    job = host.neighbour.start(body)
    try:
        yield sent
    finally:
        stop.set()
        job.result(60)


def target(where: str, protocol: int = 17, port: int | None = None) -> Target:
    """An address, or with a slash a prefix."""
    if "/" not in where:
        return Target(ip_address(where), protocol, port)
    network = ip_network(where)
    return Target(network.network_address, protocol, port, length=network.prefixlen)


def until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Waits for what another process or thread does; the bound is for machines that are slow."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def _raw(name: str, protocol: int = 0) -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((name, protocol))
    return sock


def _pair(raw: bytes) -> list[tuple[str, str]]:
    """(source, destination) of an untagged UDP frame; nothing for others, as neighbour discovery."""
    (kind,) = struct.unpack_from(">H", raw, 12)
    if kind == 0x0800 and raw[23] == 17:
        return [(str(ip_address(raw[26:30])), str(ip_address(raw[30:34])))]
    if kind == 0x86DD and raw[20] == 17:
        return [(str(ip_address(raw[22:38])), str(ip_address(raw[38:54])))]
    return []


def to(counts: Counter[tuple[str, str]], destination: str) -> int:
    """Frames that arrived for an address, whoever sent them."""
    return sum(number for (_, where), number in counts.items() if where == destination)


def _permanent(namespace: Namespace, name: str, address: str, mac: str) -> None:
    with namespace.inside(), IPRoute() as ip:
        ip.neigh("replace", dst=address, lladdr=mac, ifindex=socket.if_nametoindex(name), state="permanent")


def echo(namespace: Namespace, address: str, port: int) -> tuple[Callable[[], None], Any]:
    """A UDP echo server; call the first to stop it."""
    stop = threading.Event()
    ready = threading.Event()

    def body() -> None:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((address, port))
            sock.settimeout(0.05)
            ready.set()
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    data, peer = sock.recvfrom(100)
                    sock.sendto(data, peer)

    job = namespace.start(body)
    assert ready.wait(60)
    return stop.set, job


def answered(sock: socket.socket, seconds: float = 60) -> bool:
    """Whether a connected UDP socket gets an echo of what it asks now; asked again and again for so long."""
    sock.settimeout(0.25)
    end = time.monotonic() + seconds
    while True:
        question = os.urandom(8)
        with contextlib.suppress(OSError):
            sock.send(question)
            while (answer := sock.recv(100)) != question:  # late, to an earlier question
                assert len(answer) == len(question)
            return True
        if time.monotonic() > end:
            return False


def unanswered(sock: socket.socket) -> bool:
    """Whether three questions stay without an echo."""
    return not answered(sock, 0.5)
