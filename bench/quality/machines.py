"""The virtual machines of the scenarios' host, and where their packets go. Documentation addresses only
(RFC 5737, RFC 3849, RFC 2544)."""

from __future__ import annotations

from ipaddress import ip_network

from bench.quality.packets import Ends, Link, ends
from edgeguard.model import Vm

GATEWAY = "02:00:5e:00:00:01"
TARGET4, TARGET6 = "203.0.113.7", "2001:db8:beef::7"


def vm(n: int, customer: str | None = None) -> Vm:
    """Machine `n` (0 to 199): one IPv4 address and a routed /64."""
    return Vm(
        id=f"vm-{n}",
        name=f"machine{n}",
        customer=customer or f"customer-{n}",
        contact=f"owner{n}@example.net",
        taps=(f"tap{n}",),
        macs=(f"02:00:5e:10:{n >> 8:02x}:{n & 255:02x}",),
        addresses=(ip_network(f"192.0.2.{n + 10}/32"), ip_network(f"2001:db8:0:{n:x}::/64")),
    )


def link(of: Vm, *vlans: int) -> Link:
    """From a machine to the gateway."""
    return Link(of.macs[0], GATEWAY, vlans)


def own4(of: Vm) -> Ends:
    return ends(str(of.addresses[0].network_address))


def own6(of: Vm) -> Ends:
    """The first address of its /64."""
    return ends(str(of.addresses[1].network_address + 1))
