"""A VM, its neighbour, a hypervisor of one of three kinds, and the WAN, in namespaces of their own.

routed           taps without a master, a /32 and /128 route to each, forwarding on
bridged          taps and uplink in one bridge; the VMs' gateway is the WAN host
routed-bridge    taps in a bridge that holds the gateway address; the uplink is routed

Every neighbour entry is written by hand and addresses are used at once (no duplicate address
detection), so that nothing waits for ARP and every run sends the same frames.
rp_filter is off, as distributions ship it: the worst case for forged sources.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute

from edgeguard.lab import addresses as plan
from edgeguard.lab.addresses import NEIGHBOUR, STATIONS, VM, Station
from edgeguard.lab.namespace import Namespace

KINDS = ("routed", "bridged", "routed-bridge")
IFA_F_NODAD = 0x02  # linux/if_addr.h
NUD_PERMANENT = 0x80  # linux/neighbour.h

_QUIET = {  # nothing on the links that the lab did not send
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/conf/default/send_redirects": "0",
    "net/ipv6/conf/default/accept_dad": "0",
    "net/ipv6/conf/default/accept_ra": "0",
    "net/ipv6/conf/default/router_solicitations": "0",
}
_FORWARDING = {"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1"}


class Node:
    """One host: a namespace, and what is configured in it."""

    def __init__(self, forwards: bool = False) -> None:
        self.namespace = Namespace()
        with self.namespace.inside():
            self.ip: Any = IPRoute()
            for name, value in {**_QUIET, **(_FORWARDING if forwards else {})}.items():
                (Path("/proc/sys") / name).write_text(value, encoding="ascii")
        self.up("lo")

    def index(self, name: str) -> int:
        found: list[int] = self.ip.link_lookup(ifname=name)
        return found[0]

    def up(self, name: str, **settings: Any) -> None:
        self.ip.link("set", index=self.index(name), state="up", **settings)

    def address(self, name: str, address: str, length: int) -> None:
        flags = {"flags": IFA_F_NODAD} if ":" in address else {}
        self.ip.addr("add", index=self.index(name), address=address, prefixlen=length, **flags)

    def route(self, prefix: str, name: str, gateway: str | None = None) -> None:
        hop = {"gateway": gateway, "flags": ["onlink"]} if gateway else {"scope": "link"}
        self.ip.route("add", dst=prefix, oif=self.index(name), **hop)

    def neighbour(self, name: str, address: str, mac: str) -> None:
        family = ipaddress.ip_address(address).version
        self.ip.neigh(
            "add", index=self.index(name), dst=address, lladdr=mac, state=NUD_PERMANENT, family={4: 2, 6: 10}[family]
        )

    def close(self) -> None:
        self.ip.close()
        self.namespace.close()


class Topology:
    """The four hosts, wired. `kind` is one of KINDS."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.vm, self.neighbour, self.wan = Node(), Node(), Node()
        self.hypervisor = Node(forwards=kind != "bridged")
        self._wire()
        for station, node in ((VM, self.vm), (NEIGHBOUR, self.neighbour)):
            _configure_vm(node, station)
        {"routed": self._routed, "bridged": self._bridged, "routed-bridge": self._routed_bridge}[kind]()
        self._configure_wan()

    def _wire(self) -> None:
        """veth pairs: eth0 of each host is a tap or the uplink of the hypervisor."""
        ends = ((self.vm, VM.tap, VM.mac), (self.neighbour, NEIGHBOUR.tap, NEIGHBOUR.mac))
        for node, port, mac in (*ends, (self.wan, plan.UPLINK, plan.WAN_MAC)):
            peer = {"ifname": "eth0", "net_ns_fd": node.namespace.fd, "address": mac}
            self.hypervisor.ip.link("add", ifname=port, kind="veth", peer=peer)
            node.up("eth0")
        self.hypervisor.up(plan.UPLINK, address=plan.HOST_MAC)

    def _routed(self) -> None:
        host = self.hypervisor
        for station in STATIONS:
            host.up(station.tap, address=plan.GATEWAY_MAC)
            host.address(station.tap, plan.GATEWAY, 32)
            host.address(station.tap, plan.GATEWAY6, 128)
            for address in station.addresses:
                host.route(address, station.tap)
                host.neighbour(station.tap, address, station.mac)
        self._uplink()

    def _bridge(self, *ports: str) -> None:
        host = self.hypervisor
        settings = {"br_forward_delay": 0, "br_mcast_snooping": 0}
        host.ip.link("add", ifname=plan.BRIDGE, kind="bridge", address=plan.GATEWAY_MAC, **settings)
        for port in ports:
            host.up(port, master=host.index(plan.BRIDGE))

    def _bridged(self) -> None:
        host = self.hypervisor
        self._bridge(VM.tap, NEIGHBOUR.tap, plan.UPLINK)
        host.up(plan.BRIDGE, address=plan.HOST_MAC)
        host.address(plan.BRIDGE, plan.HOST_IN_BRIDGE, 24)
        host.neighbour(plan.BRIDGE, plan.GATEWAY, plan.GATEWAY_MAC)
        host.route("0.0.0.0/0", plan.BRIDGE, plan.GATEWAY)

    def _routed_bridge(self) -> None:
        host = self.hypervisor
        self._bridge(VM.tap, NEIGHBOUR.tap)
        host.up(plan.BRIDGE)
        host.address(plan.BRIDGE, plan.GATEWAY, 24)
        host.address(plan.BRIDGE, plan.GATEWAY6, 64)
        for station in STATIONS:
            for address in station.addresses:
                host.neighbour(plan.BRIDGE, address, station.mac)
        self._uplink()

    def _uplink(self) -> None:
        host = self.hypervisor
        for own, peer, length, everything in (
            (plan.HOST_ON_UPLINK, plan.WAN_ON_UPLINK, 24, "0.0.0.0/0"),
            (plan.HOST_ON_UPLINK6, plan.WAN_ON_UPLINK6, 64, "::/0"),
        ):
            host.address(plan.UPLINK, own, length)
            host.neighbour(plan.UPLINK, peer, plan.WAN_MAC)
            host.route(everything, plan.UPLINK, peer)

    def _configure_wan(self) -> None:
        wan = self.wan
        for address in (plan.SERVICE, plan.MAIL, plan.CARPET_HOST, *plan.TARGETS):
            wan.address("lo", address, 32)
        for address in (plan.SERVICE6, plan.TARGET6):
            wan.address("lo", address, 128)
        if self.kind == "bridged":
            self._wan_in_bridge()
        else:
            self._wan_behind_uplink()

    def _wan_in_bridge(self) -> None:
        wan = self.wan
        wan.up("eth0", address=plan.GATEWAY_MAC)
        wan.address("eth0", plan.GATEWAY, 24)
        wan.address("eth0", plan.GATEWAY6, 64)
        wan.neighbour("eth0", plan.HOST_IN_BRIDGE, plan.HOST_MAC)
        for station in STATIONS:
            for address in station.addresses:
                wan.neighbour("eth0", address, station.mac)

    def _wan_behind_uplink(self) -> None:
        wan = self.wan
        wan.address("eth0", plan.WAN_ON_UPLINK, 24)
        wan.address("eth0", plan.WAN_ON_UPLINK6, 64)
        wan.neighbour("eth0", plan.HOST_ON_UPLINK, plan.HOST_MAC)
        wan.neighbour("eth0", plan.HOST_ON_UPLINK6, plan.HOST_MAC)
        wan.route("198.51.100.0/24", "eth0", plan.HOST_ON_UPLINK)
        wan.route("2001:db8:100::/64", "eth0", plan.HOST_ON_UPLINK6)

    @property
    def nodes(self) -> tuple[Node, ...]:
        return self.vm, self.neighbour, self.hypervisor, self.wan

    def next_hop_from_wan_vm(self) -> str:
        """The MAC that a frame from the WAN to the VM carries on the uplink."""
        return VM.mac if self.kind == "bridged" else plan.HOST_MAC

    def close(self) -> None:
        for node in self.nodes:
            node.close()


def _configure_vm(node: Node, station: Station) -> None:
    """As a cloud image would: one address, everything else by the gateway."""
    node.address("eth0", station.address, 32)
    node.address("eth0", station.address6, 128)
    node.neighbour("eth0", plan.GATEWAY, plan.GATEWAY_MAC)
    node.neighbour("eth0", plan.GATEWAY6, plan.GATEWAY_MAC)
    node.route("0.0.0.0/0", "eth0", plan.GATEWAY)
    node.route("::/0", "eth0", plan.GATEWAY6)
