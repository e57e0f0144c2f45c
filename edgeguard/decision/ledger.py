"""The ledger: what is null-routed now, why and until when. Keyed by ifindex, MAC and VM id.

The key is never a tap's name: a tap deleted and made again under its name is the next customer's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from edgeguard.model import Decision, Happened, Order, Outcome, Scope, Target

Key = tuple[int, str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One standing null route."""

    decision: Decision
    order: Order
    rule: str | None  # None: a person's
    point: int | None
    acknowledged: int | None = None
    proof: Happened | None = None
    resumed: int = 0  # when a restart took it up, or the clock was set: quiet is counted from there
    ends: int | None = None  # in packet time, where the clock was set since it was ordered; None: as ordered
    unstopped: int = 0  # proofs in a row that saw its flood go on

    @property
    def over(self) -> int:
        """When its lifetime is over, packet time."""
        return self.order.until if self.ends is None else self.ends

    @property
    def key(self) -> Key:
        return self.order.tap.ifindex, self.order.tap.mac, self.order.vm


class Ledger:
    """The standing null routes, by the id of their decision."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._past: list[Entry] = []  # ended lately: a flood that moves is judged by them too

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: Entry) -> None:
        self._entries[entry.decision.id] = entry

    def get(self, decision: str) -> Entry | None:
        return self._entries.get(decision)

    def end(self, decision: str, overturned: bool = False) -> Entry | None:
        """It stands no more. overturned: it should not have stood, so where the flood goes is not judged by it."""
        entry = self._entries.pop(decision, None)
        if entry and not overturned:
            self._past.append(entry)
        return entry

    def note(self, outcome: Outcome) -> None:
        """Remember an acknowledgement or a proof beside its null route."""
        entry = self._entries.get(outcome.decision)
        if entry is None:
            return
        if outcome.happened is Happened.ACKNOWLEDGED:
            self._entries[outcome.decision] = replace(entry, acknowledged=outcome.at)
        elif outcome.happened in (Happened.VERIFIED, Happened.NO_ATTEMPTS, Happened.NOT_STOPPED):
            unstopped = entry.unstopped + 1 if outcome.happened is Happened.NOT_STOPPED else 0
            self._entries[outcome.decision] = replace(entry, proof=outcome.happened, unstopped=unstopped)

    def of_point(self, point: int) -> tuple[Entry, ...]:
        return tuple(entry for entry in self if entry.point == point)

    @property
    def taps(self) -> int:
        """How many attachment points are null-routed."""
        return len({entry.key for entry in self})

    def of_case(self, case: str) -> tuple[Entry, ...]:
        return tuple(entry for entry in self if entry.decision.case == case)

    def beside(self, entries: Iterable[Entry]) -> tuple[Entry, ...]:
        """Those at other taps of their VMs that belong to the full ones among these; asked of each in every slot."""
        full = {entry.decision.id for entry in entries if entry.decision.scope is Scope.FULL}
        return tuple(entry for entry in self if entry.decision.beside in full) if full else ()

    def due(self, now: int) -> tuple[Entry, ...]:
        """Null routes whose lifetime is over."""
        return tuple(entry for entry in self if entry.over <= now)

    def stepped(self, by: int, now: int) -> None:
        """Packet time jumped to `now`: every lifetime keeps its length, and quiet is counted from there."""
        self._entries = {id: replace(e, ends=e.over + by, resumed=now) for id, e in self._entries.items()}

    def amend(self, entry: Entry, order: Order) -> None:
        """A null route is ordered otherwise from now on."""
        self._entries[entry.decision.id] = replace(entry, order=order)

    def lengthen(self, order: Order) -> None:
        """A null route lasts as long as its order says now."""
        if entry := self._entries.get(order.decision):
            self._entries[order.decision] = replace(entry, order=order, ends=None)

    def targets(self, case: str, since: int) -> tuple[Target, ...]:
        """Every target null-routed for a case since a time, standing or ended, but for what was overturned."""
        self._past = [entry for entry in self._past if entry.decision.at >= since]
        lately = (entry for entry in (*self, *self._past) if entry.decision.at >= since)
        return tuple(t for entry in lately if entry.decision.case == case for t in entry.decision.targets)

    def is_full(self, point: int) -> bool:
        return any(entry.decision.scope is Scope.FULL for entry in self.of_point(point))

    def is_unstopped(self, point: int) -> bool:
        """Whether a flood of a point goes on although it is null-routed, and was put again."""
        return any(entry.unstopped > 1 for entry in self.of_point(point))

    def is_own_only(self, point: int) -> bool:
        """Whether the forged packets of a point are dropped already."""
        return any(entry.decision.scope is Scope.OWN_ONLY for entry in self.of_point(point))
