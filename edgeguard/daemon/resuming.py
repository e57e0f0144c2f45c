"""After a restart: take up what the database says is null-routed, and let the kernel agree."""

from __future__ import annotations

from dataclasses import replace

from edgeguard import clock
from edgeguard.cases.case import Standing
from edgeguard.daemon.live import Live
from edgeguard.decision import paging, repeats
from edgeguard.decision.ledger import Entry
from edgeguard.decision.recent import recall
from edgeguard.enforcement.boottime import boottime, end_of, stepped
from edgeguard.errors import EdgeGuardError, StoreError
from edgeguard.model import Decision, Happened, Outcome, Scope, Vm
from edgeguard.word import Said


def resume(live: Live) -> None:
    """Ledger, docket and kernel as the database has them. What can stand no more is ended there."""
    for case in live.store.open_cases():
        live.engine.docket.resume(case)
    entries = []
    for standing in live.store.standing():
        point = live.attachments.point_of(standing.order.tap)
        vm = live.attachments.vm(point) if point is not None else None
        if standing.releasing or point is None or vm is None or vm.id != standing.order.vm:
            whose = "its tap is gone" if point is None else "its tap is not this VM's any more"
            why = "its release was decided" if standing.releasing else whose
            _ended(live, standing.decision, f"ended at start: {why}")
            continue
        if live.engine.docket.of(standing.case.id) is None:  # closed, and null-routed all the same: it has an end, too
            live.engine.docket.resume(standing.case)
        entries.append(_entry(standing, point, vm))
        live.remember(standing.decision)
    live.engine.resume(entries)
    _said(live, {entry.decision.case for entry in entries})
    now, clocks = clock.now(), live.config.clocks
    holding = [one.exemption for one in live.store.exemptions() if one.holds(now)]
    live.engine.allowances.load(live.store.releases(now - max(clocks.probation, clocks.repeat)), holding)
    live.engine.allowances.judged(live.store.priors(now - repeats.KEPT))
    live.engine.recent = recall(live.store.lately(clock.now(), _memory(live)))
    live.enforcer.reconcile([entry.order for entry in entries])


def _entry(standing: Standing, point: int, vm: Vm) -> Entry:
    """With the addresses that the VM has now, and the end that no clock was set for."""
    rule = standing.verdict.rule if standing.verdict else None
    order = standing.order
    if standing.decision.scope is not Scope.OWN_ONLY or vm.addresses:
        order = replace(order, prefixes=vm.addresses)  # the child refuses those of anybody else
    now = clock.now()
    return Entry(standing.decision, order, rule, point, resumed=now, ends=now + end_of(order) - boottime())


def _said(live: Live, null_routed: set[str]) -> None:
    """What people said of what stands, on today's wall clock; and which cases a person reopened."""
    for case in live.store.open_cases():
        words = live.store.words(case.id)
        if any(word.said is Said.REOPEN for word in words):
            live.engine.docket.reopen(case)
        for word in words if case.id in null_routed else ():
            live.engine.ends.said(word.moved(stepped(word.at, word.since, word.boot)))


def _memory(live: Live) -> int:
    """How far back a decision may have to look; a day at least, as a reload may ask for more than the file does now."""
    config = live.config
    return max(24 * clock.HOUR, config.breaker.within, config.pace.within, config.fleet.within, paging.AGAIN)


def _ended(live: Live, decision: Decision, detail: str) -> None:
    try:
        outcome = Outcome(decision.id, clock.now(), Happened.RELEASED, detail)
        live.store.outcome(outcome, live.outward.of_outcome(outcome))
    except StoreError as error:
        raise EdgeGuardError(f"{error}; what is null-routed cannot be taken up") from None
