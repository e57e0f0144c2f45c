"""One key of one set of our nf_tables table: what a null route on a chain is made of.

A key is ifindex, address and, by its set, protocol and port, each padded to four bytes. In the
sets of prefixes it is the first of a range, `end` the last (linux/netfilter/nf_tables.h,
NFTA_SET_ELEM_KEY_END); ranges of one set must not overlap, so `widest` leaves the widest of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass

_INTERFACE = 4  # bytes
FULL, FORGED, OWN = "full", "forged", "own"
WHOLE, LINK, INTO = "whole", "link", "into"  # beside FULL: what leads there; what stays; what enters


@dataclass(frozen=True, slots=True)
class Element:
    """A key, or a range of them."""

    set_name: str
    key: bytes
    end: bytes = b""

    @property
    def drops(self) -> bool:
        """Whether it drops frames that leave the VM."""
        return not self.lets_by and self.set_name not in (WHOLE, LINK, INTO)

    @property
    def lets_by(self) -> bool:
        """Whether it lets the VM's own by, which something else would drop: it must never end before that."""
        return self.set_name.startswith(OWN)

    @property
    def whole_tap(self) -> bool:
        """Of no address: everything, or everything forged."""
        return self.set_name in (FULL, FORGED)

    @property
    def _address_end(self) -> int:
        return _INTERFACE + (4 if self.set_name.endswith("4") else 16)

    @property
    def ifindex(self) -> int:
        """Of its tap. Ranges hold it in network order, single keys in the machine's own."""
        return int.from_bytes(self.key[:_INTERFACE], "big" if self.end else sys.byteorder)

    @property
    def first(self) -> bytes:
        """The first address."""
        return self.key[_INTERFACE : self._address_end]

    @property
    def last(self) -> bytes:
        """The last address."""
        return (self.end or self.key)[_INTERFACE : self._address_end]

    @property
    def apart(self) -> tuple[str, int, bytes]:
        """What two ranges must share to be comparable: set, tap, and what follows the address."""
        return self.set_name, self.ifindex, self.key[self._address_end :]

    def covers(self, other: Element) -> bool:
        """Whether whatever the other matches is matched by this one."""
        return self.apart == other.apart and self.first <= other.first and other.last <= self.last

    def meets(self, other: Element) -> bool:
        """Whether one frame may be dropped by either of two: by tap and address, whatever the port."""
        if self.ifindex != other.ifindex or not (self.drops and other.drops):
            return False
        if self.whole_tap or other.whole_tap:
            return True
        same_family = len(self.first) == len(other.first)
        return same_family and self.first <= other.last and other.first <= self.last


def widest(elements: Iterable[Element]) -> list[Element]:
    """Without the ranges that lie in another one. Prefixes either nest or have nothing in common."""
    kept: list[Element] = []
    for element in sorted(elements, key=lambda one: (one.apart, one.first, [255 - byte for byte in one.last])):
        if not (element.end and kept and kept[-1].covers(element)):
            kept.append(element)
    return kept
