"""What the kernel holds under the name of our nf_tables table, read back: nobody else's is taken for ours."""

from __future__ import annotations

import errno
from collections import Counter
from dataclasses import dataclass

from edgeguard.enforcement import chain_messages as messages
from edgeguard.enforcement.chain_messages import SETS
from edgeguard.enforcement.element import FULL, Element
from edgeguard.enforcement.netfilter import Message, Netfilter, RefusedError
from edgeguard.enforcement.netlink import attributes, text

_GETTABLE, _GETCHAIN, _GETRULE, _GETSET = 1, 4, 7, 10
_NAME, _FLAGS = 1, 2  # NFTA_TABLE_; NFTA_CHAIN_TABLE, NFTA_RULE_TABLE and NFTA_SET_TABLE are 1 as well
_NO_TABLES = (errno.EPROTONOSUPPORT, errno.EINVAL)  # a kernel without nfnetlink, or without nf_tables in it


@dataclass(frozen=True, slots=True)
class Held:
    """A table as it stands: `rules` by chain (a chain without any is there with 0), elements with their counts."""

    dormant: bool
    rules: Counter[str]
    elements: dict[Element, int]  # packets that each has matched


def listed(netfilter: Netfilter, table: str, set_name: str) -> dict[Element, int]:
    """The elements of one set, and the packets that each has matched. RefusedError, as ENOENT."""
    found: dict[Element, int] = {}
    for part in netfilter.dump(messages.list_elements(table, set_name)):
        found.update(_elements(set_name, part))
    return found


def present(netfilter: Netfilter, table: str) -> bool:
    """Whether there is a table of this name."""
    return _table(netfilter, table) is not None


def is_ours(netfilter: Netfilter, table: str) -> bool:
    """Whether the table has a set that no other program would make there."""
    sets = (dict(attributes(part)) for part in netfilter.dump(Message(_GETSET, 0, text(1, table))))
    return any(_text(one.get(1)) == table and _text(one.get(2)) == FULL for one in sets)


def held(netfilter: Netfilter, table: str) -> Held | None:
    """All that stands in the table; None: there is none."""
    flags = _table(netfilter, table)
    if flags is None:
        return None
    try:
        elements = {one: count for name in SETS for one, count in listed(netfilter, table, name).items()}
        return Held(bool(flags & 1), _rules(netfilter, table), elements)
    except RefusedError as refused:
        if refused.number != errno.ENOENT:
            raise
        return Held(True, Counter(), {})  # a set is missing: it does not do what ours does


def _table(netfilter: Netfilter, table: str) -> int | None:
    """The flags of a table; None: there is none."""
    try:
        for part in netfilter.dump(Message(_GETTABLE, 0, b"")):
            values = dict(attributes(part))
            if _text(values.get(_NAME)) == table:
                return int.from_bytes(values.get(_FLAGS, b""), "big")
    except RefusedError as refused:
        if refused.number not in (errno.ENOENT, *_NO_TABLES):
            raise
    return None


def _rules(netfilter: Netfilter, table: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for part in netfilter.dump(Message(_GETCHAIN, 0, b"")):
        values = dict(attributes(part))
        if _text(values.get(1)) == table:
            found[_text(values.get(3))] += 0  # NFTA_CHAIN_NAME
    for part in netfilter.dump(Message(_GETRULE, 0, text(1, table))):
        values = dict(attributes(part))
        if _text(values.get(1)) == table:
            found[_text(values.get(2))] += 1  # NFTA_RULE_CHAIN
    return found


def _text(raw: bytes | None) -> str:
    return raw.rstrip(b"\0").decode(errors="replace") if raw else ""


def _elements(set_name: str, part: bytes) -> dict[Element, int]:
    """Element: packets, from one answer to GETSETELEM."""
    found: dict[Element, int] = {}
    for kind, body in attributes(part):
        if kind == 3:  # NFTA_SET_ELEM_LIST_ELEMENTS
            for _, element in attributes(body):
                key, end, packets = _element(element)
                found[Element(set_name, key, end)] = packets
    return found


def _element(element: bytes) -> tuple[bytes, bytes, int]:
    """(key, its end in a set of ranges, packets). NFTA_SET_ELEM_KEY and KEY_END hold NFTA_DATA_VALUE."""
    values = dict(attributes(element))
    key, end = (dict(attributes(values.get(kind, b""))).get(1, b"") for kind in (1, 10))
    counter = dict(attributes(dict(attributes(values.get(7, b""))).get(2, b"")))
    return key, end, int.from_bytes(counter.get(2, b""), "big")  # NFTA_COUNTER_PACKETS
