"""The nf_tables requests that make, fill and remove our table: pure functions to bytes.

    table netdev edgeguard {
        set port4 { type iface_index . ipv4_addr . inet_proto . inet_service; flags timeout; counter }
        ... any4 (any port), frag4 (later fragments), host4 (any protocol), the same for IPv6, and full
        ... each again as portnet4 and so on, with flags interval: for targets that are prefixes
        set forged { type iface_index; ... }   set own4 { type iface_index . ipv4_addr; flags interval; ... }
        chain check { meta iif @full drop; by ether type to ip4, ip6, tagged4, tagged6 }
        chain ip4 { meta iif . ip daddr . ip protocol @any4 drop; ...
                    meta iif . ip saddr @own4 return; what stays on the link return; meta iif @forged drop }
        chain in12 { type filter hook ingress device "tap0" priority -150; jump check }
    }

Every key begins with the tap's ifindex. Chains bind to a device by name, and since Linux 6.16 they
bind again when the name comes back: a tap made again under the same name has another ifindex, so
no element can ever match it.

Addresses, protocol and (behind a 20-byte header) ports are read at fixed offsets of the network
header, because nft's own idea of the transport header needs a packet that passes its checks, and
a flood may not care to. What follows an IPv4 header with options or IPv6 extension headers needs it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from edgeguard.enforcement import expression as e
from edgeguard.enforcement.element import FORGED, FULL, OWN, Element
from edgeguard.enforcement.netfilter import Message
from edgeguard.enforcement.netlink import NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, attribute, be32, be64, nested, text
from edgeguard.enforcement.onlink import ON_LINK, OnLink
from edgeguard.model import Network

NEWTABLE, GETTABLE, DELTABLE, NEWCHAIN, DELCHAIN, NEWRULE = 0, 1, 2, 3, 5, 6
NEWSET, NEWSETELEM, GETSETELEM, DELSETELEM = 9, 12, 13, 14
_SET_INTERVAL, _SET_TIMEOUT, _SET_CONCAT = 0x04, 0x10, 0x80
_INGRESS, _EGRESS = 0, 1
_PRIORITY = -150  # before an operator's own filter at 0
_MILLISECOND = 1_000_000
_IP4, _IP6, _DOT1Q, _DOT1AD = b"\x08\x00", b"\x86\xdd", b"\x81\x00", b"\x88\xa8"
_FRAGMENT_HEADER = 44
_IFINDEX, _ADDRESS4, _ADDRESS6, _PROTOCOL, _PORT = 20, 7, 8, 12, 13  # nft datatypes, for its listings

_HOST_ORDER = struct.pack("=BBI", 0, 4, 1)  # libnftnl udata.h: key byte order, for nft's listing

_TARGETS: dict[str, tuple[int, ...]] = {
    "host4": (_ADDRESS4,),
    "any4": (_ADDRESS4, _PROTOCOL),
    "frag4": (_ADDRESS4, _PROTOCOL),
    "port4": (_ADDRESS4, _PROTOCOL, _PORT),
    "host6": (_ADDRESS6,),
    "any6": (_ADDRESS6, _PROTOCOL),
    "frag6": (_ADDRESS6, _PROTOCOL),
    "port6": (_ADDRESS6, _PROTOCOL, _PORT),
}
NET = "net"  # in the name of a set of ranges
_RANGES: dict[str, tuple[int, ...]] = {
    **{name[:-1] + NET + name[-1]: parts for name, parts in _TARGETS.items()},
    OWN + "4": (_ADDRESS4,),
    OWN + "6": (_ADDRESS6,),
}
# name: the parts of the key after the ifindex
SETS: dict[str, tuple[int, ...]] = {FULL: (), FORGED: (), **_TARGETS, **_RANGES}
_BYTES = {_IFINDEX: 4, _ADDRESS4: 4, _ADDRESS6: 16, _PROTOCOL: 1, _PORT: 2}
CHAINS = ("check", "tagged", "ip4", "ip6", "tagged4", "tagged6")

Rule = list[bytes]


# ---- the packet's key -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Header:
    """Where an IP header holds what the keys need; `shift` bytes of tag stand before it."""

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


def _header4(shift: int = 0, net: str = "") -> _Header:
    return _Header("4", 12, 16, 4, 9, 20, shift, net)


def _header6(shift: int = 0, net: str = "") -> _Header:
    return _Header("6", 8, 24, 16, 6, 40, shift, net)


def _plain(at: _Header) -> list[Rule]:
    """By address, and by address and protocol."""
    return [[*at.head(), *at.drop("host")], [*at.by_protocol(), *at.drop("any")]]


def _rules4(at: _Header) -> list[Rule]:
    later = [at.at(6, 2, 0), e.masked(b"\x1f\xff"), e.different(b"\x00\x00")]
    no_options = [at.at(0, 1, 0), e.masked(b"\x0f"), e.equal(b"\x05")]
    return [
        *_plain(at),
        [*later, *at.by_protocol(), *at.drop("frag")],
        [*no_options, *at.by_protocol(), at.fixed_port(), *at.drop("port")],
    ]


def _options4(at: _Header) -> list[Rule]:
    options = [at.at(0, 1, 0), e.masked(b"\x0f"), e.different(b"\x05")]
    return [[*options, *at.by_protocol(), at.found_port(), *at.drop("port")]]


def _rules6(at: _Header) -> list[Rule]:
    return [*_plain(at), [*at.by_protocol(), at.fixed_port(), *at.drop("port")]]


def _extensions6(at: _Header) -> list[Rule]:
    later = [e.extension(_FRAGMENT_HEADER, 2, 2, 0), e.masked(b"\xff\xf8"), e.different(b"\x00\x00")]
    return [
        [*at.by_upper_protocol(), *at.drop("any")],
        [*later, *at.by_upper_protocol(), *at.drop("frag")],
        [*at.by_upper_protocol(), at.found_port(), *at.drop("port")],
    ]


def _own_only(at: _Header) -> list[Rule]:
    """Last: the VM's own packets and what stays on the link go on, the rest of a forging tap is dropped."""
    own = [*at.by_source(), e.lookup(OWN + at.family), e.go_on()]
    here = [row for row in ON_LINK if str(row.source.version) == at.family]
    return [own, *(_on_link(at, row) for row in here), [e.meta(e.META_IIF, 0), e.lookup(FORGED), e.drop()]]


def _on_link(at: _Header, row: OnLink) -> Rule:
    protocol = [at.at(at.protocol, 1, 0), e.equal(bytes([row.protocol]))] if row.protocol else []
    return [*at.within(at.source, row.source), *at.within(at.address, row.target), *protocol, e.go_on()]


def _check() -> list[Rule]:
    """The kernel has taken off the first tag; a second one is still the frame's ether type."""
    full = [e.meta(e.META_IIF, 0), e.lookup(FULL), e.drop()]
    where = ((_IP4, "ip4"), (_IP6, "ip6"), (_DOT1Q, "tagged"), (_DOT1AD, "tagged"))
    return [full, *([e.meta(e.META_PROTOCOL, 0), e.equal(kind), e.jump(chain)] for kind, chain in where)]


def _tagged() -> list[Rule]:
    """By the ether type behind the tag. A chain of its own: nft 1.0.6 dies listing both in one rule."""
    where = ((_IP4, "tagged4"), (_IP6, "tagged6"))
    return [[e.payload(e.NETWORK, 2, 2, 0), e.equal(kind), e.jump(chain)] for kind, chain in where]


def _of_family(header: Callable[..., _Header], rules: Callable[[_Header], list[Rule]]) -> list[Rule]:
    """Single addresses first, because most null routes are of them; then prefixes, then forged sources."""
    return [*rules(header()), *rules(header(net=NET)), *_own_only(header(net=NET))]


def _rules() -> list[tuple[str, Rule]]:
    """(chain, rule) of every shared chain."""
    shared = {
        "check": _check(),
        "tagged": _tagged(),
        "ip4": _of_family(_header4, lambda at: _rules4(at) + _options4(at)),
        "ip6": _of_family(_header6, lambda at: _rules6(at) + _extensions6(at)),
        "tagged4": _of_family(partial(_header4, 4), _rules4),
        "tagged6": _of_family(partial(_header6, 4), _rules6),
    }
    return [(chain, rule) for chain, rules in shared.items() for rule in rules]


# ---- requests -------------------------------------------------------------------------------------


def _set_types(name: str) -> tuple[int, int]:
    """(nft's number for the type of the key, bytes of the key)."""
    number, length = _IFINDEX, 4
    for part in SETS[name]:
        number = number << 6 | part  # nft: datatype.h TYPE_BITS
        length += 16 if part == _ADDRESS6 else 4
    return number, length


def _new_set(table: str, name: str, identity: int) -> Message:
    number, length = _set_types(name)
    ranges = name in _RANGES
    return Message(
        NEWSET,
        NLM_F_CREATE | NLM_F_EXCL,
        text(1, table)
        + text(2, name)
        + be32(3, _SET_TIMEOUT | (_SET_INTERVAL | _SET_CONCAT if ranges else 0))
        + be32(4, number)
        + be32(5, length)
        + (_fields(name) if ranges else b"")
        + be32(10, identity)
        + attribute(13, b"" if SETS[name] else _HOST_ORDER)
        + (b"" if name.startswith(OWN) else e.counter(17)),
    )


def _fields(name: str) -> bytes:
    """NFTA_SET_DESC: the lengths of the parts of a key, so that each can be a range. Linux 5.6."""
    lengths = [_BYTES[part] for part in (_IFINDEX, *SETS[name])]
    return nested(9, nested(2, *(nested(1, be32(1, length)) for length in lengths)))


def _new_rule(table: str, chain: str, rule: Rule) -> Message:
    return Message(NEWRULE, NLM_F_CREATE | NLM_F_APPEND, text(1, table) + text(2, chain) + nested(4, *rule))


def delete_table(table: str) -> list[Message]:
    """Remove the table and all in it, whether it is there or not."""
    name = text(1, table)
    return [Message(NEWTABLE, NLM_F_CREATE, name), Message(DELTABLE, 0, name)]


def new_table(table: str) -> list[Message]:
    """The table with its sets and shared chains; what stood under its name goes."""
    return [
        *delete_table(table),
        Message(NEWTABLE, NLM_F_CREATE, text(1, table)),
        *(_new_set(table, name, identity) for identity, name in enumerate(SETS, 1)),
        *(Message(NEWCHAIN, NLM_F_CREATE, text(1, table) + text(3, chain)) for chain in CHAINS),
        *(_new_rule(table, chain, rule) for chain, rule in _rules()),
    ]


def _new_chain(table: str, chain: str, hook: int, device: str) -> Message:
    where = nested(4, be32(1, hook), be32(2, _PRIORITY), text(3, device))
    return Message(
        NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL, text(1, table) + text(3, chain) + where + text(7, "filter") + be32(5, 1)
    )


def new_ingress(table: str, ifindex: int, device: str) -> list[Message]:
    """The chain that checks what comes out of a tap."""
    chain = f"in{ifindex}"
    return [_new_chain(table, chain, _INGRESS, device), _new_rule(table, chain, [e.jump("check")])]


def new_egress(table: str, ifindex: int, device: str) -> list[Message]:
    """The chain that drops what goes into a tap under a full null route. Needs Linux 5.16."""
    chain = f"out{ifindex}"
    rule = [e.meta(e.META_OIF, 0), e.lookup(FULL), e.drop()]
    return [_new_chain(table, chain, _EGRESS, device), _new_rule(table, chain, rule)]


def delete_chain(table: str, chain: str) -> list[Message]:
    return [Message(DELCHAIN, 0, text(1, table) + text(3, chain))]


def _list(table: str, set_name: str, elements: Iterable[bytes]) -> bytes:
    return text(1, table) + text(2, set_name) + nested(3, *elements)


def _key(element: Element) -> bytes:
    """The key; of a range its first and its last."""
    last = nested(10, attribute(1, element.end)) if element.end else b""
    return nested(1, attribute(1, element.key)) + last


def new_element(table: str, element: Element, lifetime_ns: int) -> Message:
    """An element that the kernel itself ends after `lifetime_ns`."""
    lifetime = be64(4, max(1, lifetime_ns // _MILLISECOND))
    one = nested(1, _key(element), lifetime)
    return Message(NEWSETELEM, NLM_F_CREATE, _list(table, element.set_name, [one]))


def delete_element(table: str, element: Element) -> Message:
    return Message(DELSETELEM, 0, _list(table, element.set_name, [nested(1, _key(element))]))


def list_elements(table: str, set_name: str) -> Message:
    return Message(GETSETELEM, 0, text(1, table) + text(2, set_name))
