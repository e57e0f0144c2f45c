"""Answers about exemptions: made from what a case measured, extended by a second person, ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgeguard import clock
from edgeguard.cases.case import Case, Granted
from edgeguard.daemon.live import Live
from edgeguard.daemon.releasing import exempt
from edgeguard.errors import UsageError
from edgeguard.grace import LONGEST, Exemption
from edgeguard.request import AddExemption, EndExemption, ExtendExemption
from edgeguard.signature import Wish
from edgeguard.target import exempted_text

Ask = AddExemption | ExtendExemption | EndExemption
UTMOST = 365 * 24 * clock.HOUR


def grant(live: Live, ask: Ask, by: str) -> dict[str, Any]:
    """Do it, and let the engine go by it from now on."""
    now = clock.now()
    if isinstance(ask, AddExemption):
        told = _add(live, ask, by, now)
    elif isinstance(ask, ExtendExemption):
        told = _extend(live, ask, by, now)
    else:
        told = _end(live, ask, by, now)
    live.engine.allowances.exempted(one.exemption for one in live.store.exemptions() if one.holds(now))
    return told


def _add(live: Live, ask: AddExemption, by: str, now: int) -> dict[str, Any]:
    case = _case(live, ask.term)
    verdicts = live.store.verdicts(case.id)
    wish = Wish(by, ask.why, now, ask.for_ns, ask.ceiling, ask.consent)
    made = _new(live, exempt(live, case.id, verdicts, case.vm or "", wish), now)
    for one in made:
        live.store.exempt(one)
        live.store.note(case.id, now, by, f"exempted {one.target} until {clock.utc(one.until)} ({one.id}): {ask.why}")
    ids = [one.id for one in made]
    text = f"{case.id}: {case.vm} exempted until {clock.utc(made[0].until)}: {', '.join(ids)}"
    return {"case": case.id, "exemptions": ids, "text": text}


def _new(live: Live, wished: Sequence[Exemption], now: int) -> list[Exemption]:
    """Those that nothing covers yet: of twins the one that is forgotten would hold when the other is ended."""
    held = _held(live, wished[0].vm, now)
    new = [one for one in wished if not any(other.covers(one) for other in held)]
    if not new:
        same = next(other for other in held if other.covers(wished[0]))
        raise UsageError(
            f"{same.vm}: {exempted_text(same)} is exempted already until {clock.utc(same.until)} ({same.id}); "
            f"'edgeguard exempt extend {same.id}' lets it last longer"
        )
    return new


def _held(live: Live, vm: str, now: int) -> list[Exemption]:
    return [one.exemption for one in live.store.exemptions(vm) if one.holds(now)]


def _case(live: Live, term: str) -> Case:
    """The youngest case of TERM that has a VM and something measured."""
    for case in live.store.find(term):
        if case.vm is not None and live.store.verdicts(case.id):
            return case
    raise UsageError(
        f"{term!r}: no case of that name has measured anything of a VM; only what was seen can be exempted"
    )


def _holding(live: Live, id: str, now: int) -> Granted:
    found = next((one for one in live.store.exemptions() if one.exemption.id == id and one.holds(now)), None)
    if found is None:
        raise UsageError(f"{id!r}: no exemption of that id holds; see 'edgeguard exempt list'")
    return found


def _extend(live: Live, ask: ExtendExemption, by: str, now: int) -> dict[str, Any]:
    one = _holding(live, ask.term, now).exemption
    until = one.since + ask.for_ns
    if why_not := _why_not(one, ask, by, until):
        _note(live, one.case, now, by, f"refused: exempt.extend: {why_not}")
        raise UsageError(why_not)
    live.store.lengthen(one, until, by)
    _note(live, one.case, now, by, f"exemption {one.id} lasts until {clock.utc(until)}: {ask.why}")
    return {"exemptions": [one.id], "text": f"{one.id}: lasts until {clock.utc(until)}, by {one.by} and {by}"}


def _why_not(one: Exemption, ask: ExtendExemption, by: str, until: int) -> str | None:
    """Why an exemption is not extended; None: it is."""
    if ask.for_ns > UTMOST:
        return "an exemption lasts 365 days at most; it can be made anew"
    if by == one.by and ask.for_ns > LONGEST:
        return f"{one.id}: {by} made it; more than 30 days takes a second person"
    if until <= one.until:
        return f"{one.id}: it lasts until {clock.utc(one.until)} already; `exempt end` ends it sooner"
    return None


def _end(live: Live, ask: EndExemption, by: str, now: int) -> dict[str, Any]:
    one = _holding(live, ask.term, now).exemption
    live.store.end_exemption(one.id, now, by, ask.why)
    _note(live, one.case, now, by, f"exemption {one.id} ended: {ask.why}")
    left = [f"{exempted_text(other)} until {clock.utc(other.until)} ({other.id})" for other in _held(live, one.vm, now)]
    rest = f"still exempted of {one.vm}: {', '.join(left)}" if left else f"{one.vm} is judged as any other from now on"
    return {"exemptions": [one.id], "text": f"{one.id}: ended; {rest}"}


def _note(live: Live, case: str | None, now: int, by: str, text: str) -> None:
    if case is not None:
        live.store.note(case, now, by, text)
