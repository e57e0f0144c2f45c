"""The nf_tables requests that make, fill and remove our table: pure functions to bytes.

    table netdev edgeguard {
        set port4 { type iface_index . ipv4_addr . inet_proto . inet_service; flags timeout; counter }
        ... any4 (any port), frag4 (later fragments), host4 (any protocol), the same for IPv6, and full
        ... each again as portnet4 and so on, with flags interval: for targets that are prefixes
        set forged { type iface_index; ... }   set own4 { type iface_index . ipv4_addr; flags interval; ... }
        set whole, into, link { type iface_index; ... }
        chain check { meta iif @whole goto full; by ether type to ip4, ip6, tagged4, tagged6 }
        chain full { what is kept (kept.py) accept; meta iif @full drop }
        chain into { what is kept accept; meta oif @into drop }
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
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from edgeguard.enforcement import expression as e
from edgeguard.enforcement.element import FORGED, FULL, INTO, LINK, OWN, WHOLE, Element
from edgeguard.enforcement.header import NET, Header, Rule, header4, header6
from edgeguard.enforcement.kept import LINK_OUT, LINK_RATE, Kept, coming_from, of_version, towards
from edgeguard.enforcement.netfilter import Message
from edgeguard.enforcement.netlink import NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, attribute, be32, be64, nested, text
from edgeguard.enforcement.onlink import ON_LINK, OnLink
from edgeguard.model import Network

NEWTABLE, GETTABLE, DELTABLE, NEWCHAIN, DELCHAIN, NEWRULE = 0, 1, 2, 3, 5, 6
NEWSET, NEWSETELEM, GETSETELEM, DELSETELEM = 9, 12, 13, 14
_SET_INTERVAL, _SET_TIMEOUT, _SET_CONCAT = 0x04, 0x10, 0x80
_INGRESS, _EGRESS = 0, 1
PRIORITY = -150  # before an operator's own filter at 0
_MILLISECOND = 1_000_000
_IP4, _ARP, _IP6, _DOT1Q, _DOT1AD = b"\x08\x00", b"\x08\x06", b"\x86\xdd", b"\x81\x00", b"\x88\xa8"
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
_RANGES: dict[str, tuple[int, ...]] = {
    **{name[:-1] + NET + name[-1]: parts for name, parts in _TARGETS.items()},
    OWN + "4": (_ADDRESS4,),
    OWN + "6": (_ADDRESS6,),
}
# name: the parts of the key after the ifindex
_TAPS: dict[str, tuple[int, ...]] = dict.fromkeys((WHOLE, FULL, LINK, INTO, FORGED), ())
SETS: dict[str, tuple[int, ...]] = {**_TAPS, **_TARGETS, **_RANGES}
_BYTES = {_IFINDEX: 4, _ADDRESS4: 4, _ADDRESS6: 16, _PROTOCOL: 1, _PORT: 2}
CHAINS = ("check", "full", "full4", "full6", "kept4", "kept6", "into", "tagged", "ip4", "ip6", "tagged4", "tagged6")

_LINK_LIMITED = [e.meta(e.META_IIF, 0), e.lookup(LINK)]

# ---- rules ---------------------------------------------------------------------------------------


def _plain(at: Header) -> list[Rule]:
    """By address, and by address and protocol."""
    return [[*at.head(), *at.drop("host")], [*at.by_protocol(), *at.drop("any")]]


def _rules4(at: Header) -> list[Rule]:
    later = [at.at(6, 2, 0), e.masked(b"\x1f\xff"), e.different(b"\x00\x00")]
    no_options = [at.at(0, 1, 0), e.masked(b"\x0f"), e.equal(b"\x05")]
    return [
        *_plain(at),
        [*later, *at.by_protocol(), *at.drop("frag")],
        [*no_options, *at.by_protocol(), at.fixed_port(), *at.drop("port")],
    ]


def _options4(at: Header) -> list[Rule]:
    options = [at.at(0, 1, 0), e.masked(b"\x0f"), e.different(b"\x05")]
    return [[*options, *at.by_protocol(), at.found_port(), *at.drop("port")]]


def _rules6(at: Header) -> list[Rule]:
    return [*_plain(at), [*at.by_protocol(), at.fixed_port(), *at.drop("port")]]


def _extensions6(at: Header) -> list[Rule]:
    later = [e.extension(_FRAGMENT_HEADER, 2, 2, 0), e.masked(b"\xff\xf8"), e.different(b"\x00\x00")]
    return [
        [*at.by_upper_protocol(), *at.drop("any")],
        [*later, *at.by_upper_protocol(), *at.drop("frag")],
        [*at.by_upper_protocol(), at.found_port(), *at.drop("port")],
    ]


def _own_only(at: Header) -> list[Rule]:
    """Last: the VM's own packets and what stays on the link go on, the rest of a forging tap is dropped."""
    own = [*at.by_source(), e.lookup(OWN + at.family), e.go_on()]
    here = [row for row in ON_LINK if str(row.source.version) == at.family]
    return [own, *(_on_link(at, row) for row in here), [e.meta(e.META_IIF, 0), e.lookup(FORGED), e.drop()]]


def _on_link(at: Header, row: OnLink) -> Rule:
    protocol = [at.at(at.protocol, 1, 0), e.equal(bytes([row.protocol]))] if row.protocol else []
    return [*at.within(at.source, row.source), *at.within(at.address, row.target), *protocol, e.go_on()]


def _check() -> list[Rule]:
    """The kernel has taken off the first tag; a second one is still the frame's ether type."""
    full = [e.meta(e.META_IIF, 0), e.lookup(WHOLE), e.goto("full")]
    where = ((_IP4, "ip4"), (_IP6, "ip6"), (_DOT1Q, "tagged"), (_DOT1AD, "tagged"))
    return [full, *([_is(kind), e.jump(chain)] for kind, chain in where)]


def _full(kept: Kept) -> list[Rule]:
    """Everything out of a tap but what is kept."""
    arp = [[_is(_ARP), *_LINK_LIMITED, e.accept()]] if kept.link else []
    kinds = [(_IP4, 4), (_IP6, 6)]
    looks = [[_is(kind), e.jump(f"full{version}")] for kind, version in kinds if of_version(kept.leaving(), version)]
    return [*arp, *looks, [e.meta(e.META_IIF, 0), e.lookup(FULL), e.drop()]]


def _still_leaves(at: Header, kept: Kept) -> list[Rule]:
    """To what is kept, from the VM's own addresses, unless a null route of that target drops it; and the link's."""
    version = int(at.family)
    paths = [prefix for prefix in kept.prefixes if prefix.version == version]
    link = of_version(LINK_OUT, version) if kept.link else []
    return [
        *([*at.shaped(towards(prefix)), *_own_source(at, prefix), e.goto(f"kept{at.family}")] for prefix in paths),
        *([*at.shaped(shape), *_LINK_LIMITED, e.accept()] for shape in link),
    ]


def _own_source(at: Header, prefix: Network) -> Rule:
    """An address of the VM's; to a link-local prefix a link-local one, which the inventory does not know."""
    if prefix.version == 6 and prefix.is_link_local:
        return at.shaped(coming_from(prefix.supernet(new_prefix=10)))
    return [*at.by_source(), e.lookup(OWN + at.family)]


def _into(kept: Kept) -> list[Rule]:
    """Everything into a tap but what is kept."""
    headers = {4: (_IP4, header4()), 6: (_IP6, header6())}
    shapes = [(headers[shape.version], shape) for shape in kept.entering()]
    passed = [[_is(kind), *at.shaped(shape), e.accept()] for (kind, at), shape in shapes]
    arp = [[_is(_ARP), e.accept()]] if kept.link else []
    return [*arp, *passed, [e.meta(e.META_OIF, 0), e.lookup(INTO), e.drop()]]


def _is(kind: bytes) -> bytes:
    """Goes on when the frame has an ether type."""
    return e.meta(e.META_PROTOCOL, 0) + e.equal(kind)


def _tagged() -> list[Rule]:
    """By the ether type behind the tag. A chain of its own: nft 1.0.6 dies listing both in one rule."""
    where = ((_IP4, "tagged4"), (_IP6, "tagged6"))
    return [[e.payload(e.NETWORK, 2, 2, 0), e.equal(kind), e.jump(chain)] for kind, chain in where]


def _of_family(header: Callable[..., Header], rules: Callable[[Header], list[Rule]]) -> list[Rule]:
    """Single addresses first, because most null routes are of them; then prefixes, then forged sources."""
    return [*rules(header()), *rules(header(net=NET)), *_own_only(header(net=NET))]


def _rules(kept: Kept) -> list[tuple[str, Rule]]:
    """(chain, rule) of every shared chain."""
    shared = {
        "check": _check(),
        "full": _full(kept),
        "full4": _still_leaves(header4(net=NET), kept),
        "full6": _still_leaves(header6(net=NET), kept),
        "kept4": [[e.jump("ip4")], [e.accept()]],
        "kept6": [[e.jump("ip6")], [e.accept()]],
        "into": _into(kept),
        "tagged": _tagged(),
        "ip4": _of_family(header4, lambda at: _rules4(at) + _options4(at)),
        "ip6": _of_family(header6, lambda at: _rules6(at) + _extensions6(at)),
        "tagged4": _of_family(partial(header4, 4), _rules4),
        "tagged6": _of_family(partial(header6, 4), _rules6),
    }
    return [(chain, rule) for chain, rules in shared.items() for rule in rules]


def rules_by_chain(taps: Mapping[int, bool], kept: Kept) -> Counter[str]:
    """How many rules each chain has when the table is whole. `taps`: whether each has its egress chain too."""
    counts = Counter(chain for chain, _ in _rules(kept))
    counts.update({f"in{index}": 1 for index in taps})
    counts.update({f"out{index}": 1 for index, full in taps.items() if full})
    return counts


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
        + _counted(name),
    )


def _counted(name: str) -> bytes:
    """NFTA_SET_EXPR, what each element does when it is found: those that drop count."""
    if name == LINK:
        return e.limit(17, LINK_RATE)
    return b"" if name == WHOLE or name.startswith(OWN) else e.counter(17)


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


def new_table(table: str, kept: Kept) -> list[Message]:
    """The table with its sets and shared chains; what stood under its name goes."""
    return [
        *delete_table(table),
        Message(NEWTABLE, NLM_F_CREATE, text(1, table)),
        *(_new_set(table, name, identity) for identity, name in enumerate(SETS, 1)),
        *(Message(NEWCHAIN, NLM_F_CREATE, text(1, table) + text(3, chain)) for chain in CHAINS),
        *(_new_rule(table, chain, rule) for chain, rule in _rules(kept)),
    ]


def _new_chain(table: str, chain: str, hook: int, device: str) -> Message:
    where = nested(4, be32(1, hook), be32(2, PRIORITY), text(3, device))
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
    return [_new_chain(table, chain, _EGRESS, device), _new_rule(table, chain, [e.jump("into")])]


def delete_chain(table: str, chain: str) -> list[Message]:
    return [Message(DELCHAIN, 0, text(1, table) + text(3, chain))]


def _list(table: str, set_name: str, elements: Iterable[bytes]) -> bytes:
    return text(1, table) + text(2, set_name) + nested(3, *elements)


def _key(element: Element) -> bytes:
    """The key; of a range its first and its last."""
    last = nested(10, attribute(1, element.end)) if element.end else b""
    return nested(1, attribute(1, element.key)) + last


def new_element(table: str, element: Element, lifetime_ns: int, counted: int = 0) -> Message:
    """An element that the kernel itself ends after `lifetime_ns`; its counter begins at `counted` packets."""
    lifetime = be64(4, max(1, lifetime_ns // _MILLISECOND))
    one = nested(1, _key(element), lifetime, e.counter(7, counted) if counted else b"")  # NFTA_SET_ELEM_EXPR
    return Message(NEWSETELEM, NLM_F_CREATE, _list(table, element.set_name, [one]))


def delete_element(table: str, element: Element) -> Message:
    return Message(DELSETELEM, 0, _list(table, element.set_name, [nested(1, _key(element))]))


def list_elements(table: str, set_name: str) -> Message:
    return Message(GETSETELEM, 0, text(1, table) + text(2, set_name))
