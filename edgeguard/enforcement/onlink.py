"""What a VM rightly sends from a source that is no address of its own: packets that stay on the link.

Getting and keeping an address needs them, and no router passes them on (RFC 4291, 2.5.6; RFC 2131,
4.1). A routed host takes them before any rule of ours is asked: limited broadcast and multicast
never reach a routing table, and the local table holds ff00::/8 and the host's own fe80:: addresses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from edgeguard.model import Network

_ICMP6 = 58


@dataclass(frozen=True, slots=True)
class OnLink:
    """Packets from a source to a target; protocol None: any."""

    source: Network
    target: Network
    protocol: int | None = None


def _row(source: str, target: str, protocol: int | None = None) -> OnLink:
    return OnLink(ip_network(source), ip_network(target), protocol)


ON_LINK = (
    _row("0.0.0.0/32", "255.255.255.255/32"),  # DHCP
    _row("0.0.0.0/32", "224.0.0.0/24"),  # IGMP of a host that has no address yet (RFC 4541, 2.1.1)
    _row("::/128", "ff00::/8"),  # duplicate address detection (RFC 4862), the first MLD reports (RFC 3810)
    _row("fe80::/10", "ff00::/8"),  # router and neighbour solicitations, MLD, DHCPv6, mDNS
    _row("fe80::/10", "fe80::/10"),
    _row("fe80::/10", "::/0", _ICMP6),  # neighbour discovery of a global address (RFC 4861)
)


def merged(prefixes: Iterable[Network]) -> tuple[Network, ...]:
    """The same addresses in as few prefixes as can be: each is a rule, and every packet passes all rules."""
    networks = list(prefixes)
    four = collapse_addresses([network for network in networks if isinstance(network, IPv4Network)])
    six = collapse_addresses([network for network in networks if isinstance(network, IPv6Network)])
    return (*four, *six)
