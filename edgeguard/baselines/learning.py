"""Learning: every minute the largest whole second of each VM and rule goes into a histogram of the day.

    found = learning.second(now, seconds)       # once a second
    for stored in learning.changed(2): ...      # a few VMs at a time, for the disk

A minute in which any second was judged teaches nothing. Neither does one whose largest second reached half
of warn, where judging begins. What a VM is used to is its own: it follows the VM's id from tap to tap, and
ends where the VM has another customer.

Everything is an array over VMs and rules; what costs more (P95, the end of a day) is done for a sixtieth
of the VMs each second, so that no second is a long one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edgeguard.baselines.baseline import DAYS, ENOUGH, FLOOR, RULES, SHARE, TIMES, Baseline, Finding
from edgeguard.baselines.histogram import BUCKETS, Array, buckets, packed, quantile, unpacked
from edgeguard.clock import HOUR, MINUTE

DAY = 24 * HOUR
SUSTAIN, OF = 5, 60  # as warn and act: so many of the last whole seconds
ABSENT = HOUR  # a VM that was not here for so long makes room for another, where there is none


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a row of counts is."""

    vm: str
    customer: str | None


@dataclass(frozen=True, slots=True)
class Stored:
    """One VM's day as it lies on the disk; days are numbered from 1970."""

    vm: str
    customer: str | None
    rule: str
    day: int
    minutes: bytes


@dataclass(frozen=True, slots=True)
class Seconds:
    """The last second of some rows: [row, rule], rules as RULES."""

    owners: Sequence[Owner]
    packets: Array
    judged: Array  # bool: an episode of the rule runs, or something of the row is null-routed
    told: Array  # bool: and there was a verdict
    warn: Array  # packets; 0: the rule is not judged there

    def only(self, which: Array) -> Seconds:
        """Some of the rows."""
        owners = [owner for owner, wanted in zip(self.owners, which.tolist(), strict=True) if wanted]
        return Seconds(owners, self.packets[which], self.judged[which], self.told[which], self.warn[which])


class Learning:
    """At most `most` VMs: of further ones nothing is learned."""

    def __init__(self, stored: Iterable[Stored] = (), now: int = 0, most: int = 1_024) -> None:
        self._most = most
        self._day, self._minute, self._tick = now // DAY, now // MINUTE, 0
        self._slots: dict[str, int] = {}
        self._owners: dict[int, Owner] = {}
        self._free = list(range(most - 1, -1, -1))
        self._days: dict[int, dict[int, dict[int, bytes]]] = {}  # by slot, day, number of the rule: past ones, packed
        self._found: dict[tuple[str, str], Finding] = {}
        self._replaced: list[str] = []
        self._ended: list[Stored] = []  # days that were over before they were written
        self._turn_of = self._write_of = 0
        shape = most, len(RULES)
        self._past = np.zeros((*shape, BUCKETS), np.uint16)  # of the days before, together
        self._today = np.zeros((*shape, BUCKETS), np.uint16)
        self._peak, self._p95, self._minutes = (np.zeros(shape, np.int64) for _ in range(3))
        self._spoilt, self._over = np.zeros(shape, bool), np.zeros((OF, *shape), bool)
        self._seen, self._at = np.zeros(most, bool), np.zeros(most, np.int64)  # this minute; last
        self._day_of, self._dirty = np.full(most, self._day), np.zeros(most, bool)
        for one in stored:
            self._take_up(one, now)
        self._refresh(np.arange(most))

    # ---- every second ------------------------------------------------------------------------

    def second(self, now: int, rows: Seconds) -> list[Finding]:
        """The last second of every row in use. The findings that are new."""
        self._turn(now)
        self._tick += 1
        slots = np.array([self._slot(owner, now) for owner in rows.owners], np.int64)
        if (slots < 0).any():
            rows, slots = rows.only(slots >= 0), slots[slots >= 0]
        np.maximum.at(self._peak, slots, rows.packets)
        np.logical_or.at(self._spoilt, slots, rows.judged | ((rows.warn > 0) & (2 * rows.packets >= rows.warn)))
        self._seen[slots], self._at[slots] = True, now
        part = np.arange(self._turn_of, min(self._turn_of + -(-self._most // OF), self._most))
        self._turn_of = int(part[-1] + 1) % self._most
        self._begin_days(part)
        self._refresh(part)
        return self._care(now, slots, rows)

    def _turn(self, now: int) -> None:
        """A minute, and perhaps a day, is over. Where the clock stepped back, the minute is left out."""
        if now // MINUTE == self._minute:
            return
        if now // MINUTE > self._minute:
            slots, rules = np.nonzero(self._seen[:, None] & ~self._spoilt)
            self._today[slots, rules, buckets(self._peak[slots, rules])] += 1
            self._dirty[slots] = True
        self._peak[:], self._spoilt[:], self._seen[:] = 0, False, False
        self._minute, self._day = now // MINUTE, now // DAY

    def _slot(self, owner: Owner, now: int) -> int:
        """Where a VM is remembered; -1: nowhere, as there is no room."""
        slot = self._slots.get(owner.vm)
        if slot is not None and self._owners[slot] == owner:
            return slot
        if slot is not None:
            self._replaced.append(owner.vm)
            self._forget(slot)
        if not self._free:
            longest = int(np.argmin(self._at))
            if now - self._at[longest] < ABSENT:
                return -1
            self._forget(longest)
        made = self._free.pop()
        self._slots[owner.vm], self._owners[made] = made, owner
        self._day_of[made], self._at[made] = self._day, now
        return made

    def _forget(self, slot: int) -> None:
        owner = self._owners.pop(slot)
        del self._slots[owner.vm]
        self._days.pop(slot, None)
        self._found = {key: finding for key, finding in self._found.items() if key[0] != owner.vm}
        for array in (self._past, self._today, self._peak, self._p95, self._minutes, self._spoilt, self._seen):
            array[slot] = 0
        self._over[:, slot], self._at[slot], self._dirty[slot] = False, 0, False
        self._free.append(slot)

    # ---- a sixtieth of the VMs -----------------------------------------------------------------

    def _refresh(self, slots: Array) -> None:
        together = self._past[slots] + self._today[slots]
        self._p95[slots] = quantile(together, SHARE)
        self._minutes[slots] = together.sum(axis=2, dtype=np.int64)

    def _begin_days(self, slots: Array) -> None:
        """Where the day is another now: today becomes past, and what is too old leaves it."""
        for slot in slots[self._day_of[slots] != self._day].tolist():
            day, days = int(self._day_of[slot]), self._days.setdefault(slot, {})
            if learned := np.flatnonzero(self._today[slot].any(axis=1)).tolist():
                self._ended += self._stored(slot) if self._dirty[slot] else []
                days[day] = {rule: packed(self._today[slot, rule]) for rule in learned}
                self._past[slot] += self._today[slot]
                self._today[slot] = 0
            for old in [day for day in days if not self._counts(day) or day == self._day]:
                for rule, minutes in days.pop(old).items():
                    self._past[slot, rule] -= unpacked(minutes)
                    if old == self._day:  # the clock stepped back over midnight: that day goes on
                        self._today[slot, rule] = unpacked(minutes)
            self._day_of[slot] = self._day
            if not days and slot in self._owners and not self._seen[slot]:
                self._forget(slot)

    # ---- care --------------------------------------------------------------------------------

    def _care(self, now: int, slots: Array, rows: Seconds) -> list[Finding]:
        """Above max(a quarter of warn, five times P95) in 5 of the last 60 seconds, and below warn."""
        levels = np.maximum(rows.warn // FLOOR, TIMES * self._p95[slots])
        knows = (rows.warn > 0) & (self._minutes[slots] >= ENOUGH)
        above = knows & (rows.packets > levels) & (rows.packets < rows.warn) & ~rows.told
        over = self._over[self._tick % OF]
        over[:] = False
        np.logical_or.at(over, slots, above)
        often = self._over.sum(axis=0)
        self._calm(often, slots, rows.told)
        new = []
        for row, rule in np.argwhere(above & (often[slots] >= SUSTAIN)).tolist():
            slot = int(slots[row])
            key = self._owners[slot].vm, RULES[rule]
            before = self._found.get(key)
            most = max(int(rows.packets[row, rule]), before.packets if before else 0)
            why = self._baseline(slot, rule).compared(most) or ""
            since = before.since if before else now
            self._found[key] = Finding(*key, since, most, int(often[slot, rule]), int(levels[row, rule]), why)
            new += [] if before else [self._found[key]]
        return new

    def _calm(self, often: Array, slots: Array, told: Array) -> None:
        """A finding ends when no second of the last 60 was above, and where a verdict says more."""
        row, rule = np.nonzero(told)
        self._over[:, slots[row], rule] = False
        often[slots[row], rule] = 0
        for vm, name in list(self._found):
            if not often[self._slots[vm], RULES.index(name)]:
                del self._found[vm, name]

    def findings(self) -> list[Finding]:
        """What deserves care now, the oldest first."""
        return sorted(self._found.values(), key=lambda finding: (finding.since, finding.vm, finding.rule))

    # ---- what is known -----------------------------------------------------------------------

    def baseline(self, vm: str, rule: str) -> Baseline | None:
        """As it was at most a minute ago; None for a VM or a rule that is not known."""
        slot = self._slots.get(vm)
        return None if slot is None or rule not in RULES else self._baseline(slot, RULES.index(rule))

    def baselines(self, vm: str | None = None) -> list[tuple[Owner, Baseline]]:
        """Of every VM, or of one, in every rule of which anything was learned; by VM, rules as RULES."""
        slots = sorted(slot for slot, owner in self._owners.items() if vm in (None, owner.vm))
        known = [(self._owners[slot], self._baseline(slot, rule)) for slot in slots for rule in range(len(RULES))]
        return sorted((pair for pair in known if pair[1].minutes), key=lambda pair: pair[0].vm)

    def compared(self, vm: str, rule: str, packets: int) -> str | None:
        """In words, how so many packets in a second compare with what the VM is used to."""
        found = self.baseline(vm, rule)
        return found.compared(packets) if found else None

    def _baseline(self, slot: int, rule: int) -> Baseline:
        days = sum(rule in learned for learned in self._days.get(slot, {}).values())
        days += bool(self._today[slot, rule].any())
        return Baseline(
            self._owners[slot].vm, RULES[rule], int(self._p95[slot, rule]), int(self._minutes[slot, rule]), days
        )

    # ---- the disk ----------------------------------------------------------------------------

    def changed(self, most: int) -> list[Stored]:
        """The days in progress of so many VMs that have learned something since they were last asked for, in turns."""
        order = np.roll(np.arange(self._most), -self._write_of)
        slots = order[self._dirty[order]][:most].tolist()
        self._write_of = (slots[-1] + 1) % self._most if slots else 0
        self._dirty[slots] = False
        ended, self._ended = self._ended, []
        return [*ended, *(stored for slot in slots for stored in self._stored(slot))]

    def replaced(self) -> list[str]:
        """VMs that have another customer: nothing that lies on the disk of them holds any more. Told once."""
        found, self._replaced = self._replaced, []
        return found

    def oldest(self) -> int:
        """The first day that still counts."""
        return self._day - DAYS + 1

    def _counts(self, day: int) -> bool:
        """A day still to come is one of a wrong clock; tomorrow may be one that a clock left by a small step."""
        return self.oldest() <= day <= self._day + 1

    def _stored(self, slot: int) -> list[Stored]:
        owner, day = self._owners[slot], int(self._day_of[slot])
        learned = np.flatnonzero(self._today[slot].any(axis=1)).tolist()
        return [Stored(owner.vm, owner.customer, RULES[n], day, packed(self._today[slot, n])) for n in learned]

    def _take_up(self, one: Stored, now: int) -> None:
        """What lay on the disk, as far as it counts."""
        if not self._counts(one.day) or one.rule not in RULES:
            return
        try:
            counts = unpacked(one.minutes)
        except ValueError:
            return
        slot = self._slot(Owner(one.vm, one.customer), now)
        if slot < 0:
            return
        rule = RULES.index(one.rule)
        if one.day == self._day:
            self._today[slot, rule] = counts
        else:
            self._days.setdefault(slot, {}).setdefault(one.day, {})[rule] = one.minutes
            self._past[slot, rule] += counts
