"""Where an IP header holds what the keys of our sets and the rules of our chains need."""

from __future__ import annotations

from dataclasses import dataclass

from edgeguard.enforcement import expression as e
from edgeguard.enforcement.kept import Shape
from edgeguard.model import Network

NET = "net"  # in the name of a set of ranges
Rule = list[bytes]


@dataclass(frozen=True, slots=True)
class Header:
    """One IP version's; `shift` bytes of tag stand before it."""

    family: str
    source: int
    address: int  # the destination
    address_length: int
    protocol: int
    length: int  # of the header without options
    shift: int
    net: str = ""  # NET: keys of ranges, which begin with the ifindex in network order

    @property
    def after_address(self) -> int:
        return 1 + self.address_length // 4

    def at(self, offset: int, length: int, register: int) -> bytes:
        return e.payload(e.NETWORK, self.shift + offset, length, register)

    def tap(self) -> Rule:
        return [e.meta(e.META_IIF, 0), *([e.network_order(0)] if self.net else [])]

    def head(self) -> Rule:
        """ifindex . destination"""
        return [*self.tap(), self.at(self.address, self.address_length, 1)]

    def by_source(self) -> Rule:
        """ifindex . source"""
        return [*self.tap(), self.at(self.source, self.address_length, 1)]

    def within(self, offset: int, network: Network) -> Rule:
        """Goes on when the address at `offset` lies in a network."""
        if network.prefixlen == 0:
            return []
        steps = [self.at(offset, self.address_length, 0)]
        if network.prefixlen < network.max_prefixlen:
            steps.append(e.masked(network.netmask.packed))
        return [*steps, e.equal(network.network_address.packed)]

    def shaped(self, shape: Shape) -> Rule:
        """Goes on when the packet has a shape."""
        steps: Rule = []
        for part in shape.parts:
            steps.append(self.at(part.at, len(part.value), 0))
            if part.mask:
                steps.append(e.masked(part.mask))
            steps.append(e.equal(bytes(a & b for a, b in zip(part.value, part.bits, strict=True))))
        return steps

    def by_protocol(self) -> Rule:
        return [*self.head(), self.at(self.protocol, 1, self.after_address)]

    def by_upper_protocol(self) -> Rule:
        """The protocol behind extension headers, as nft finds it."""
        return [*self.head(), e.meta(e.META_L4PROTO, self.after_address)]

    def fixed_port(self) -> bytes:
        return self.at(self.length + 2, 2, self.after_address + 1)

    def found_port(self) -> bytes:
        return e.payload(e.TRANSPORT, 2, 2, self.after_address + 1)

    def drop(self, name: str) -> Rule:
        return [e.lookup(name + self.net + self.family), e.drop()]


def header4(shift: int = 0, net: str = "") -> Header:
    """IPv4."""
    return Header("4", 12, 16, 4, 9, 20, shift, net)


def header6(shift: int = 0, net: str = "") -> Header:
    """IPv6."""
    return Header("6", 8, 24, 16, 6, 40, shift, net)
