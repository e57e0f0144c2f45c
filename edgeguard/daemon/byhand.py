"""How far a null route by hand reaches: one person binds for `[clocks] hold`, 12 hours, however often.

at = missing(live, vm, ask.scope, targets, taps)       # where it does not stand already
allow(live, vm, ask, targets, by, now)                 # UsageError: it would be too long for one person
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from edgeguard import clock, units
from edgeguard.daemon.live import Live
from edgeguard.decision import reach
from edgeguard.decision.ledger import Entry
from edgeguard.errors import UsageError
from edgeguard.model import Act, Decision, Happened, Scope, Tap, Target, Vm
from edgeguard.request import AddNullRoute

WITHIN = 2  # times `hold`: so far back a person's own null routes of the same count
Targets = tuple[Target, ...]


def missing(live: Live, vm: Vm, scope: Scope, targets: Targets, taps: list[tuple[int, Tap]]) -> list[tuple[int, Tap]]:
    """The taps at which it does not stand already. UsageError: at none; a second one would only hide when it ends."""
    of = [(point, tap, _covering(live.engine.ledger.of_point(point), scope, targets)) for point, tap in taps]
    left = [(point, tap) for point, tap, standing in of if not standing]
    if not left:
        one = max((entry for _, _, standing in of for entry in standing), key=lambda entry: entry.over)
        raise UsageError(
            f"VM {vm.id}: that is null-routed already, until {clock.utc(one.over)} by {one.decision.by}; to keep it:"
            f" edgeguard case hold {one.decision.case}, or for longer two people: edgeguard case uphold"
        )
    return left


def allow(live: Live, vm: Vm, ask: AddNullRoute, targets: Targets, by: str, now: int) -> None:
    """UsageError where this person would bind for longer than one may, with what he bound of it lately."""
    most = live.config.clocks.hold
    spent = _spent(_own(live, vm, ask.scope, targets, by, now - WITHIN * most), now - WITHIN * most, now)
    if spent + ask.for_ns <= most:
        return
    told = f"VM {vm.id}: one person null-routes for {units.duration_text(most)} at most"
    if spent:
        told += f" within {units.duration_text(WITHIN * most)}, and {by} did it for {units.duration_text(spent)}"
    raise UsageError(f"{told}; what is to stand for longer two people keep: edgeguard case uphold")


def most_of(entries: Iterable[Entry], by: str, most: int) -> int | None:
    """Until when a person may hold what stands, as some of it is his own null route; None: none is."""
    return min((entry.decision.at + most for entry in entries if entry.decision.by == by), default=None)


def _covering(standing: tuple[Entry, ...], scope: Scope, targets: Targets) -> list[Entry]:
    """What stands at a tap and drops all of it together; nothing where some of it is not dropped."""
    full = [entry for entry in standing if entry.decision.scope is Scope.FULL]
    if full or scope is Scope.FULL:
        return full
    same = [entry for entry in standing if entry.decision.scope is scope]
    dropped = [target for entry in same for target in entry.decision.targets]
    return same if all(reach.is_covered(target, dropped) for target in targets) else []


def _own(live: Live, vm: Vm, scope: Scope, targets: Targets, by: str, since: int) -> Iterator[tuple[int, int | None]]:
    """From when to when (None: it stands) this person's null routes stood that dropped any of it."""
    for case in live.store.find(vm.id):
        if case.vm != vm.id or (case.closed or since) < since:
            continue
        for one in live.store.decisions(case.id):
            if one.by == by and one.act is Act.NULL_ROUTE and _touches(one, scope, targets):
                yield from _stood(live, one)


def _stood(live: Live, decision: Decision) -> Iterator[tuple[int, int | None]]:
    """Once, or never: what the kernel refused bound nobody."""
    outcomes = live.store.outcomes(decision.id)
    if any(one.happened is Happened.ACKNOWLEDGED for one in outcomes):
        ends = [one.at for one in outcomes if one.happened is Happened.RELEASED]
        yield decision.at, min(ends, default=None)


def _touches(one: Decision, scope: Scope, targets: Targets) -> bool:
    if Scope.FULL in (one.scope, scope):
        return True
    shared = any(reach.covers(a, b) or reach.covers(b, a) for a in one.targets for b in targets)
    return one.scope is scope and (shared or scope is Scope.OWN_ONLY)


def _spent(spans: Iterable[tuple[int, int | None]], since: int, now: int) -> int:
    """ns of these times between the two; what overlaps counts once."""
    spent, reached = 0, since
    for begin, end in sorted(spans, key=lambda span: span[0]):
        until = now if end is None else min(end, now)
        spent += max(0, until - max(begin, reached))
        reached = max(reached, until)
    return spent
