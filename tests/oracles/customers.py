"""What a customer's sum must come to: every packet, and who owned its attachment point when the window ended.

Independent of the product: no levels, no rings, no cheap first look. Every slot is added up anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from oracles.counting import SLOT, Packet, placed


@dataclass(frozen=True, slots=True)
class Change:
    """From `ts` on an attachment point is this customer's; `anew`: another VM hangs there, with counts of its own."""

    ts: int
    point: int
    customer: str | None
    anew: bool = False


Event = Packet | Change


def sums(events: Sequence[Event], rule: str, until: int) -> Iterator[tuple[int, str, int]]:
    """(end of a slot, customer, packets of the ten slots up to it), for every slot up to `until`."""
    slots = iter(placed([event for event in events if isinstance(event, Packet)]))
    stream = [(next(slots)[0] if isinstance(event, Packet) else event.ts // SLOT, event) for event in events]
    if not stream:
        return
    for slot in range(stream[0][0], until // SLOT):
        owners: dict[int, str | None] = {}
        windows: dict[int, int] = {}
        for at, event in stream:
            if at > slot:
                break
            if isinstance(event, Change):
                owners[event.point] = event.customer
                windows = {p: n for p, n in windows.items() if p != event.point} if event.anew else windows
            elif at > slot - 10 and event.rule == rule:
                windows[event.out_of] = windows.get(event.out_of, 0) + event.packets
        for customer in sorted({owner for owner in owners.values() if owner is not None}):
            yield (slot + 1) * SLOT, customer, sum(n for p, n in windows.items() if owners.get(p) == customer)


def first(events: Sequence[Event], rule: str, limit: int, until: int) -> dict[str, tuple[int, int]]:
    """For each customer the end of the first slot whose sum reaches the limit, and that sum."""
    found: dict[str, tuple[int, int]] = {}
    for at, customer, total in sums(events, rule, until):
        if total >= limit:
            found.setdefault(customer, (at, total))
    return found
