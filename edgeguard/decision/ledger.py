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
    resumed: int = 0  # when a restart took it up: quiet is counted from there

    @property
    def key(self) -> Key:
        return self.order.tap.ifindex, self.order.tap.mac, self.order.vm


class Ledger:
    """The standing null routes, by the id of their decision."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._past: list[Entry] = []  # ended lately: a flood that moves is judged by them too
        self._freed: dict[str, tuple[Target, ...]] = {}  # by case: what a person released
        self._freed_scopes: dict[str, frozenset[Scope]] = {}  # by case: how wide that was

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: Entry) -> None:
        self._entries[entry.decision.id] = entry

    def get(self, decision: str) -> Entry | None:
        return self._entries.get(decision)

    def end(self, decision: str) -> Entry | None:
        entry = self._entries.pop(decision, None)
        if entry:
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
            self._entries[outcome.decision] = replace(entry, proof=outcome.happened)

    def of_point(self, point: int) -> tuple[Entry, ...]:
        return tuple(entry for entry in self if entry.point == point)

    def of_case(self, case: str) -> tuple[Entry, ...]:
        return tuple(entry for entry in self if entry.decision.case == case)

    def due(self, now: int) -> tuple[Entry, ...]:
        """Null routes whose lifetime is over."""
        return tuple(entry for entry in self if entry.order.until <= now)

    def targets(self, case: str, since: int) -> tuple[Target, ...]:
        """Every target null-routed for a case since a time, standing or ended."""
        self._past = [entry for entry in self._past if entry.decision.at >= since]
        lately = (entry for entry in (*self, *self._past) if entry.decision.at >= since)
        return tuple(t for entry in lately if entry.decision.case == case for t in entry.decision.targets)

    def free(self, case: str, targets: tuple[Target, ...], scopes: Iterable[Scope] = ()) -> None:
        """A person released these: automation leaves them alone as long as the case lasts."""
        self._freed[case] = self.freed(case) + targets
        self._freed_scopes[case] = self.freed_scopes(case) | set(scopes)

    def freed(self, case: str) -> tuple[Target, ...]:
        return self._freed.get(case, ())

    def freed_scopes(self, case: str) -> frozenset[Scope]:
        return self._freed_scopes.get(case, frozenset())

    def forget(self, case: str) -> None:
        """A case is closed: its VM's next flood is judged anew."""
        self._freed.pop(case, None)
        self._freed_scopes.pop(case, None)

    def is_full(self, point: int) -> bool:
        return any(entry.decision.scope is Scope.FULL for entry in self.of_point(point))

    def is_own_only(self, point: int) -> bool:
        """Whether the forged packets of a point are dropped already."""
        return any(entry.decision.scope is Scope.OWN_ONLY for entry in self.of_point(point))
