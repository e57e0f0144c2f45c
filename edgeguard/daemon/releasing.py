"""Answers to releases: what a person found, the exemption that follows from it, and the decision."""

from __future__ import annotations

from typing import Any

from edgeguard import clock, signature
from edgeguard.daemon.keeping import bound_by
from edgeguard.daemon.together import Desk, answer, each, elsewhere, with_others
from edgeguard.decision.ledger import Entry
from edgeguard.errors import StoreError, UsageError
from edgeguard.grace import Disposition, Exemption, Grace
from edgeguard.model import Decision, Network, Target, Verdict, Vm
from edgeguard.request import ReleaseNullRoute
from edgeguard.signature import Signature, Wish

NOT_RECORDED = "the decision could not be recorded; the daemon's log says why"


def release(live: Desk, ask: ReleaseNullRoute, by: str, now: int | None = None) -> dict[str, Any]:
    """End what TERM means: case by case, each with its disposition; what is refused of one keeps none from the others.

    `now`: a moment of virtual time.
    """
    entries = _with_others(live, ask.term) if ask.together else standing(live, ask.term)
    if not entries:
        told = elsewhere(live, live.store.find(ask.term)[:1]) or "; see 'edgeguard nullroute list'"
        raise UsageError(f"{ask.term!r}: nothing of that name is null-routed{told}")
    at = clock.now() if now is None else now
    of = {case: _of(entries, case) for case in sorted({entry.decision.case for entry in entries})}
    done, failed = each(of, lambda case: _released(live, case, of[case], ask, by, at))
    cases, exempted = [one.case for one in done], [id for one in done if one.grace for id in _ids(one.grace)]
    ended = sum(len(of[case]) for case in cases)
    text = f"{', '.join(cases)}: released {ended} null route{'s' if ended > 1 else ''} as {ask.disposition}"
    return {
        "cases": cases,
        "decisions": [one.id for one in done],
        "exemptions": exempted,
        "text": f"{text}; exempted: {', '.join(exempted)}" if exempted else text,
        **answer(live, cases, failed, alone=not ask.together),
    }


def _with_others(live: Desk, term: str) -> list[Entry]:
    """What is null-routed of all cases that go with those of TERM: of what stands of it, else of the one it means."""
    ids = {entry.decision.case for entry in standing(live, term)}
    named = [case for case in map(live.store.case, sorted(ids)) if case is not None] or live.store.find(term)[:1]
    ids |= {case.id for case in with_others(live.store, named)}
    return [entry for entry in live.engine.ledger if entry.decision.case in ids]


def _ids(grace: Grace) -> list[str]:
    return [one.id for one in grace.exempts]


def _of(entries: list[Entry], case: str) -> tuple[Entry, ...]:
    return tuple(entry for entry in entries if entry.decision.case == case)


def _released(live: Desk, case: str, entries: tuple[Entry, ...], ask: ReleaseNullRoute, by: str, now: int) -> Decision:
    try:
        grace = _grace(live, case, entries, ask, by, now)
    except UsageError as refused:  # an exemption that is wider than asked for, say: it stands in the story
        live.store.note(case, now, by, f"refused: release as {ask.disposition}: {refused}")
        raise
    decision = live.engine.release(entries, now, ask.why, by, grace)
    if decision is None:
        raise StoreError(f"{case}: nothing was released: {NOT_RECORDED}")
    return decision


def _grace(live: Desk, case: str, entries: tuple[Entry, ...], ask: ReleaseNullRoute, by: str, now: int) -> Grace:
    rules = tuple(dict.fromkeys(entry.rule for entry in entries if entry.rule))
    judged = [v for v in live.store.verdicts(case) if not rules or v.rule in rules]
    disposition, rate = Disposition(ask.disposition), signature.rate(judged, _peak(live, entries))
    if disposition is not Disposition.EXEMPT:
        return Grace(disposition, rate, rules, appeal=_decides_an_appeal(live, entries, by))
    targets = tuple({t.key(): t for entry in entries for t in entry.decision.targets}.values())
    made = Signature(entries[0].order.vm, case, targets, rate)
    wish = Wish(by, ask.why, now, ask.for_ns, ask.ceiling, ask.consent)
    return Grace(disposition, rate, rules, signature.exemptions(made, wish, own(live, made.vm)))


def _decides_an_appeal(live: Desk, entries: tuple[Entry, ...], by: str) -> bool:
    """Whether the owner has appealed, and the one who releases had no part in what that is against."""
    case = entries[0].decision.case
    appealed = live.engine.ends.binding(case).appealed([entry.decision.id for entry in entries])
    return appealed is not None and by not in bound_by(live, case, entries)


def _peak(live: Desk, entries: tuple[Entry, ...]) -> int:
    """Packets of the loudest second of what is released, behind its null route, too."""
    points = ((entry.point, entry.rule) for entry in entries if entry.point is not None and entry.rule is not None)
    episodes = (live.engine.docket.episode(point, rule) for point, rule in points)
    return max((episode.peak for episode in episodes if episode), default=0)


def exempt(live: Desk, case: str, verdicts: list[Verdict], vm: str, wish: Wish) -> tuple[Exemption, ...]:
    """Exemptions of what a case measured, without a release."""
    targets: dict[object, Target] = {t.key(): t for verdict in verdicts for t in verdict.targets}
    made = Signature(vm, case, tuple(targets.values()), signature.rate(verdicts))
    return signature.exemptions(made, wish, own(live, vm))


def own(live: Desk, vm: str) -> list[Network]:
    """Addresses of the VM's customer on this host's inventory: nobody else has to agree to what goes there."""
    vms = live.inventory.vms()
    customer = next((one.customer for one in vms if one.id == vm), None)
    return [network for one in vms if _theirs(one, vm, customer) for network in one.addresses]


def _theirs(one: Vm, vm: str, customer: str | None) -> bool:
    return one.id == vm or (customer is not None and one.customer == customer)


def standing(live: Desk, term: str) -> list[Entry]:
    """The null routes that TERM means: one by its decision, or all of a case, tap, VM or address."""
    ledger = live.engine.ledger
    one = ledger.get(term)
    if one:
        return [one]
    vm = live.inventory.by_term(term)
    return [
        entry
        for entry in ledger
        if term in (entry.decision.case, entry.order.tap.name) or (vm and entry.order.vm == vm.id)
    ]
