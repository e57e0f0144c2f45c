"""What a VM still reaches, and is reached by, under a full null route: named prefixes, and its link's own protocols.

Each shape is a few bytes at fixed places of the IP header and behind it. The chain lets it by and the
packet filter of a proof leaves it out, from the same rows. ARP is no IP: the chain lets it by as well.

Kept paths are narrow. To a prefix only the VM's own addresses go, and what floods a prefix is dropped
there by its protocol and port. Of the link's protocols there is only what finds and keeps an address,
nothing that a router would pass on but renewals of DHCP, and so much of it a second (LINK_RATE).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network

from edgeguard.model import Network

LINK_RATE = 100  # frames a second from one tap: a machine that asks for everything at once sends a tenth


@dataclass(frozen=True, slots=True)
class Bytes:
    """Some bytes at an offset from the IP header, under a mask."""

    at: int
    value: bytes
    mask: bytes = b""  # empty: all of them

    @property
    def bits(self) -> bytes:
        return self.mask or b"\xff" * len(self.value)


@dataclass(frozen=True, slots=True)
class Shape:
    """Packets of one IP version that have all of these."""

    version: int
    parts: tuple[Bytes, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """The configured `keep` and `keep_link`."""

    prefixes: tuple[Network, ...] = ()
    link: bool = False

    def touches(self, network: Network) -> bool:
        """Whether a target is, lies in, or holds something kept."""
        return any(prefix.version == network.version and prefix.overlaps(network) for prefix in self.prefixes)

    def leaving(self) -> tuple[Shape, ...]:
        """All that still leaves the VM."""
        return (*map(towards, self.prefixes), *(LINK_OUT if self.link else ()))

    def entering(self) -> tuple[Shape, ...]:
        """All that still reaches it."""
        return (*map(coming_from, self.prefixes), *(LINK_IN if self.link else ()))


NOTHING = Kept()


def _address(network: Network, at: int) -> Shape:
    return Shape(network.version, (Bytes(at, network.network_address.packed, network.netmask.packed),))


def towards(network: Network) -> Shape:
    """Packets to a prefix."""
    return _address(network, 16 if network.version == 4 else 24)


def coming_from(network: Network) -> Shape:
    """Packets from a prefix."""
    return _address(network, 12 if network.version == 4 else 8)


def _prefix(text: str, at: int) -> Bytes:
    return _address(ip_network(text), at).parts[0]


def _dhcp4(source: int, target: int) -> Shape:
    """UDP behind a header without options, in one piece (RFC 2131)."""
    ports = source.to_bytes(2, "big") + target.to_bytes(2, "big")
    return Shape(4, (Bytes(0, b"\x45"), Bytes(6, b"\0\0", b"\x1f\xff"), Bytes(9, b"\x11"), Bytes(20, ports)))


def _dhcp6(source: int, target: int, to: str) -> Shape:
    """UDP between link-local addresses, or to the servers' group (RFC 8415, 7.1)."""
    ports = source.to_bytes(2, "big") + target.to_bytes(2, "big")
    return Shape(6, (Bytes(6, b"\x11"), _prefix("fe80::/10", 8), _prefix(to, 24), Bytes(40, ports)))


def _discovery(*kinds: int) -> tuple[Shape, ...]:
    """ICMPv6 with the hop limit 255 that nobody else can have: no router passed it on (RFC 4861, 7.1)."""
    return tuple(Shape(6, (Bytes(6, b"\x3a\xff"), Bytes(40, bytes([kind])))) for kind in kinds)


def _multicast_listener(source: str) -> Shape:
    """Behind a hop-by-hop header, with hop limit 1 (RFC 3810): without it bridges that snoop lose solicitations."""
    return Shape(6, (Bytes(6, b"\x00\x01"), _prefix(source, 8), _prefix("ff02::/16", 24)))


_ROUTER_ASKS, _ROUTER_SAYS, _NEIGHBOUR_ASKS, _NEIGHBOUR_SAYS = 133, 134, 135, 136
LINK_OUT = (
    _dhcp4(68, 67),
    _dhcp6(546, 547, "ff02::1:2/128"),
    *_discovery(_ROUTER_ASKS, _NEIGHBOUR_ASKS, _NEIGHBOUR_SAYS),
    _multicast_listener("::/128"),
    _multicast_listener("fe80::/10"),
)
LINK_IN = (
    _dhcp4(67, 68),
    _dhcp6(547, 546, "fe80::/10"),
    *_discovery(_ROUTER_SAYS, _NEIGHBOUR_ASKS, _NEIGHBOUR_SAYS),
    _multicast_listener("fe80::/10"),
)


def of_version(shapes: Iterable[Shape], version: int) -> list[Shape]:
    """Those of one IP version."""
    return [shape for shape in shapes if shape.version == version]
