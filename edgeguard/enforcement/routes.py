"""Rules and routes of ours in the kernel: put, taken away and read back, tap by tap. items.py says what they are.

The operator's own tables are never written. T is the configured base plus the tap's ifindex.
Everything carries our protocol number, and the rules lie in our range of priorities, so that both
can be told apart.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable

from edgeguard.enforcement import links, listing
from edgeguard.enforcement.items import EVERYTHING, MAIN, MARK, NOWHERE, Blackhole, Item, Rule, text, version_of
from edgeguard.enforcement.listing import ListedRule
from edgeguard.enforcement.place import Place
from edgeguard.enforcement.rtnetlink import (
    BLACKHOLE,
    FR_ACT_BLACKHOLE,
    FR_ACT_TO_TBL,
    THROW,
    RouteRefusedError,
    Rtnetlink,
    request,
)
from edgeguard.errors import EnforcementError
from edgeguard.model import Tap, TapKind

MAX_RULES = 64  # of a family; beyond them a chain is taken (means.py)
_AF = {4: 2, 6: 10}
_TRIES = 4
_PRIORITIES = 99
_ROUTED = TapKind.ROUTED
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EOPNOTSUPP)  # a kernel without IPv6 forwards none
_GONE = (errno.ENOENT, errno.ESRCH, errno.ENODEV)


class Routes:
    """Our rules and blackholes as we last left them, by tap."""

    def __init__(self, kernel: Rtnetlink, place: Place) -> None:
        self._kernel = kernel
        self._place = place
        self._taps: dict[int, set[Item]] = {}

    def standing(self, tap: Tap) -> frozenset[Item]:
        """What we put for a tap."""
        return frozenset(self._taps.get(tap.ifindex, ()))

    def room(self, tap: Tap, items: Iterable[Item]) -> bool:
        """Whether no family has too many rules when these of a tap stand as well."""
        new = {item for item in items if isinstance(item, Rule)} - self._taps.get(tap.ifindex, set())
        standing = [item for items in self._taps.values() for item in items if isinstance(item, Rule)]
        return all(
            sum(rule.version == version for rule in (*standing, *new)) <= MAX_RULES
            for version in {rule.version for rule in new}
        )

    def apply(self, tap: Tap, wanted: set[Item]) -> None:
        """Let the kernel hold exactly `wanted` for a tap.

        Blackholes come before the rule that leads to them and go after it. EnforcementError at the
        first refusal; what was done until then is remembered, so that a later call can undo it.
        """
        present = self._taps.setdefault(tap.ifindex, set())
        for item in sorted(wanted - present, key=_coming):
            self._add(item)
            present.add(item)
        for item in sorted(present - wanted, key=_coming, reverse=True):
            self._remove(item)
            present.discard(item)
        if not present:
            del self._taps[tap.ifindex]

    def adopt(self) -> int:
        """Learn what of ours stands in the kernel; the number of rules and blackholes found."""
        found: list[Item] = [*self._rules(), *self._blackholes()]
        self._taps = {}
        for item in found:
            self._taps.setdefault(self._index(item), set()).add(item)
        return len(found)

    def foreign(self) -> str | None:
        """Who else uses our range of priorities, in words; None: nobody."""
        for version in _AF:
            for listed in listing.rules(version):
                if self._in_range(listed) and listed.protocol != self._place.protocol:
                    return (
                        f"the IPv{version} rule of priority {listed.priority} is not ours (protocol {listed.protocol})"
                    )
        return None

    def _index(self, item: Item) -> int:
        """The ifindex that an item found belongs to: by its table, because a name may have moved on to
        another tap. A rule without a table of ours is whoever's has its name now; 0 where nobody has it."""
        if isinstance(item, Rule) and item.mark:
            return item.mark
        if isinstance(item, Rule) and not self._ours(item.table):
            return links.index_of(item.iif or "")
        return item.table - self._place.table

    def keep_only(self, wanted: Callable[[Item], bool]) -> int:
        """Take away what is not wanted, and what means nothing without it; how many rules and blackholes that was."""
        gone = 0
        for ifindex, present in list(self._taps.items()):
            kept = _meaningful({item for item in present if wanted(item)})
            gone += len(present) - len(kept)
            self.apply(Tap(ifindex, "", "", _ROUTED), kept)
        return gone

    def indexes(self) -> set[int]:
        """The ifindexes that have anything of ours."""
        return set(self._taps)

    def forget(self, ifindex: int) -> None:
        """Remove everything of an ifindex, whatever became of its link."""
        self.apply(Tap(ifindex, "", "", _ROUTED), set())

    # ---- the kernel -------------------------------------------------------------------------------

    def _ask(self, verb: str, item: Item) -> None:
        self._kernel.ask(*request(item, self._place, verb == "add"))

    def _add(self, item: Item) -> None:
        for attempt in range(_TRIES):
            try:
                self._ask("add", item)
                return
            except RouteRefusedError as error:
                if error.number == errno.EEXIST:
                    return
                if version_of(item) == 6 and error.number in _NO_IPV6:
                    return
                if error.number != errno.ENOBUFS or attempt == _TRIES - 1:
                    raise EnforcementError(_line("add", item, error.number)) from None
            except OSError as error:
                raise EnforcementError(_line("add", item, error.errno or errno.EIO)) from None

    def _remove(self, item: Item) -> None:
        """Delete until the kernel says that there is none: that answer is the read back."""
        for _ in range(_TRIES):
            try:
                self._ask("del", item)
            except RouteRefusedError as error:
                if error.number in _GONE or (version_of(item) == 6 and error.number in _NO_IPV6):
                    return
                if error.number != errno.ENOBUFS:
                    raise EnforcementError(_line("remove", item, error.number)) from None
            except OSError as error:
                raise EnforcementError(_line("remove", item, error.errno or errno.EIO)) from None
        raise EnforcementError(f"cannot remove {text(item)}: the kernel acknowledges, but it is still there")

    def _ours(self, table: int) -> bool:
        return table > self._place.table

    def _in_range(self, listed: ListedRule) -> bool:
        return 0 <= listed.priority - self._place.priority <= _PRIORITIES

    def _rules(self) -> list[Rule]:
        """Our rules: of our protocol, and exactly as we make them."""
        found = []
        for version in _AF:
            for listed in listing.rules(version):
                rule = Rule(version, listed.table, listed.iif, listed.to, listed.source, listed.udp, listed.mark)
                ours = listed.protocol == self._place.protocol and self._in_range(listed)
                own = (
                    _is_own_only(listed, rule) or _lets_in(listed, rule)
                ) and listed.priority - self._place.priority == rule.place
                if ours and (self._ours(rule.table) or own):
                    found.append(rule)
        return found

    def _blackholes(self) -> list[Blackhole]:
        found = (route for version in _AF for route in listing.routes(version, self._place.protocol))
        return [
            Blackhole(route.table, route.prefix, route.metric, route.kind == THROW)
            for route in found
            if self._ours(route.table) and route.kind in (BLACKHOLE, THROW)
        ]


def _meaningful(items: set[Item]) -> set[Item]:
    """Without rules that lead to no blackhole any more: own-only ends with its mark, the way in with full."""
    holes = {item.prefix for item in items if isinstance(item, Blackhole) and not item.throws}
    dead = {prefix.version for prefix in holes if prefix != MARK}
    full = {prefix.version for prefix in holes if prefix in EVERYTHING}

    def leads(rule: Rule) -> bool:
        if rule.table in (MAIN, NOWHERE) and not rule.mark:
            return MARK in holes
        return rule.version in (dead if rule.iif else full)

    return {item for item in items if isinstance(item, Blackhole) or leads(item)}


def _is_own_only(listed: ListedRule, rule: Rule) -> bool:
    """Whether it is one of the two kinds that own-only is made of."""
    if not rule.iif or rule.to:
        return False
    if rule.table == NOWHERE:
        return listed.action == FR_ACT_BLACKHOLE and rule.source is None
    return rule.table == MAIN and listed.action == FR_ACT_TO_TBL and rule.source is not None


def _lets_in(listed: ListedRule, rule: Rule) -> bool:
    """Whether it is one of those that let something kept in."""
    kept = rule.table == MAIN and listed.action == FR_ACT_TO_TBL and rule.to is not None and rule.iif is None
    return kept and bool(rule.mark) and bool(rule.source or rule.udp)


def _coming(item: Item) -> int:
    """What must stand before what: routes, the rules that let something by, those that lead to blackholes."""
    if isinstance(item, Blackhole):
        return 0 if item.throws else 1
    if item.table == MAIN:
        return 2
    return 4 if item.table == NOWHERE else 3


def _line(verb: str, item: Item, number: int) -> str:
    why = {
        errno.EPERM: "the right CAP_NET_ADMIN is missing; start the daemon as root",
        errno.EAFNOSUPPORT: f"this kernel has no IPv{version_of(item)} rules",
        errno.ENOBUFS: "the kernel has no memory for it",
    }.get(number, os.strerror(number))
    return f"cannot {verb} {text(item)}: {why} ({errno.errorcode.get(number, number)})"
