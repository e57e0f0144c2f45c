"""Answers to what people ask of the running daemon: null routes by hand, releases, how it is.

A person's null route takes the same way as automation's: a decision, a ledger entry, an order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from edgeguard import clock, intake
from edgeguard.capture.fanout import FanoutCapture
from edgeguard.capture.mirror import MirrorCapture
from edgeguard.capture.tpacket import RingCapture
from edgeguard.counting.readings import RULES
from edgeguard.counting.shards import Shards
from edgeguard.daemon import byhand
from edgeguard.daemon.attachments import Attachments
from edgeguard.daemon.granting import grant
from edgeguard.daemon.live import Live
from edgeguard.daemon.mirrored import Mirrored
from edgeguard.daemon.overview import Overview
from edgeguard.daemon.releasing import NOT_RECORDED, release
from edgeguard.daemon.working import work
from edgeguard.decision.decide import by_person
from edgeguard.errors import StoreError, UsageError
from edgeguard.handing import host
from edgeguard.model import Act, Decision, Order, Subject, Tap, TapKind, Target, Vm
from edgeguard.outside import Outside
from edgeguard.request import (
    AddExemption,
    AddNullRoute,
    AppealCase,
    Ask,
    AskCase,
    ClaimCase,
    CloseCase,
    EndExemption,
    ExtendExemption,
    HoldCase,
    LookAt,
    NoteCase,
    ReleaseNullRoute,
    ReopenCase,
    Request,
    Status,
    TakeReply,
    TakeSignal,
    Top,
    UpholdCase,
)
from edgeguard.signals.report import again
from edgeguard.target import target

TOP = 5  # of the flow memory, shown
WORK = (ClaimCase, NoteCase, AskCase, CloseCase, HoldCase, UpholdCase, AppealCase, ReopenCase)
SPANS = (1, 5, 60)  # seconds of which a loud VM's packets are shown


class Answers:
    """Answers requests; an error is the answer to the person who asked."""

    def __init__(self, live: Live, capture: RingCapture, overview: Overview) -> None:
        self._live = live
        self._capture = capture
        self._overview = overview
        self._answers: dict[type[Ask], Callable[[Any, str], dict[str, Any]]] = {
            AddNullRoute: self._add,
            ReleaseNullRoute: partial(release, live),
            **dict.fromkeys((AddExemption, ExtendExemption, EndExemption), partial(grant, live)),
            **dict.fromkeys(WORK, partial(work, live)),
            TakeReply: lambda ask, by: intake.take_body(live.store, live.config.mail, live.config.roster, ask.body),
            TakeSignal: self._signal,
            Top: lambda ask, by: overview.top(),
            LookAt: lambda ask, by: overview.look(self._vm(ask.term)),
            Status: lambda ask, by: {**overview.status(), **self._status()},
        }

    def answer(self, request: Request) -> dict[str, Any]:
        return self._answers[type(request.ask)](request.ask, request.by)

    def _signal(self, ask: TakeSignal, by: str) -> dict[str, str]:
        live, now = self._live, clock.now()
        outside = Outside(live.store, live.inventory, host(live.config), live.config.mail)
        return {"text": outside.take(again(ask.body, now), now, by)}

    # ---- null routes by hand -------------------------------------------------------------------

    def _add(self, ask: AddNullRoute, by: str) -> dict[str, Any]:
        if killed := self._live.killed():
            raise UsageError(f"nothing is null-routed: {killed}; remove it first")
        now = clock.now()
        vm = self._vm(ask.term)
        if ask.own_only and not vm.addresses:
            raise UsageError(f"VM {vm.id}: its addresses are not in the inventory, so no packet is known to be forged")
        targets = tuple(target(text) for text in ask.targets)
        taps = byhand.missing(self._live, vm, ask.scope, targets, self._taps(vm))
        byhand.allow(self._live, vm, ask, targets, by, now)
        decisions = [self._bind(ask, by, now, vm, point, tap, targets) for point, tap in taps]
        done = [decision for decision in decisions if decision.act is Act.NULL_ROUTE]
        if not done:
            raise UsageError(f"nothing was null-routed: {decisions[0].safeties[0].reason}")
        text = f"{done[0].case}: {vm.id} null-routed ({done[0].scope}) until {clock.utc(done[0].until or 0)}"
        return {"case": done[0].case, "decisions": [decision.id for decision in done], "text": text}

    def _bind(
        self, ask: AddNullRoute, by: str, now: int, vm: Vm, point: int, tap: Tap, targets: tuple[Target, ...]
    ) -> Decision:
        engine = self._live.engine
        subject = Subject(vm.id, tap.name, None)
        case = engine.docket.by_person(subject, now, vm, tap)
        scope = ask.scope
        decision = by_person(
            case.id, subject, tap, scope, targets, now, now + ask.for_ns, why=ask.why, by=by, config=self._live.config
        )
        if decision.act is Act.NULL_ROUTE:
            order = Order(decision.id, decision.act, scope, tap, vm.id, vm.addresses, targets, now + ask.for_ns)
            if not engine.bind(case, None, decision, order, point):
                raise StoreError(f"VM {vm.id} was not null-routed: {NOT_RECORDED}")
        return decision

    def _vm(self, term: str) -> Vm:
        live = self._live
        cases = live.store.find(term)
        named = next((case.vm for case in cases if case.id == term and case.vm), term)
        vm = live.inventory.by_term(named)
        if vm is None:
            raise UsageError(f"{term!r}: no case, VM, address or tap of that name is in the inventory")
        return vm

    def _taps(self, vm: Vm) -> list[tuple[int, Tap]]:
        attachments = self._live.attachments
        taps = attachments.of_vm(vm.id)
        if not taps and isinstance(attachments, Attachments):
            for tap in attachments.waiting():
                if tap.name in vm.taps:
                    raise UsageError(f"VM {vm.id}: tap {tap.name} shares the overflow row; nothing can be done there")
        if not taps:
            raise UsageError(f"VM {vm.id}: none of its taps ({', '.join(vm.taps) or 'none known'}) is on this host")
        dead = [tap for _, tap in taps if tap.kind is TapKind.NONE]
        if dead:
            raise UsageError(f"VM {vm.id}: tap {dead[0].name} cannot be enforced: {dead[0].kind_detail}")
        return taps

    def _mirror(self) -> dict[str, Any]:
        """What there is to say of mirror ports; nothing where the taps themselves are captured."""
        live, settings = self._live, self._live.config.capture
        if not isinstance(self._capture, MirrorCapture) or not isinstance(live.attachments, Mirrored):
            return {}
        window = live.vitals.window(clock.now())
        return {
            "mirror": {
                "ports": list(settings.mirror),
                "macs_unknown": live.attachments.strangers(),
                "frames_of_further_macs": self._capture.overflowed(),
                "frames_out_of_vxlan": self._capture.opened(),
                "duplicates": round(window.duplicates, 4),
                "sampling": settings.sampling,
                "sampling_seen": round(settings.sampling / window.carried, 2) if window.carried else None,
            }
        }

    def _overflow(self) -> dict[str, Any]:
        """The taps without a row of their own, where there are any."""
        attachments = self._live.attachments
        if not isinstance(attachments, Attachments) or not attachments.refused:
            return {}
        out, into = attachments.overflowed()
        return {"overflow": {"taps": [tap.name for tap in attachments.waiting()], "out": out, "into": into}}

    def _rules(self) -> dict[str, Any]:
        """The rules file, and what is wrong with it as it stands; nothing where none is named."""
        rules = self._live.rules
        return {"rules": {"file": rules.config.rules.file, "trouble": rules.trouble}} if rules.config.rules.file else {}

    def _threads(self) -> dict[str, Any]:
        """The share of each capture thread, where there are several."""
        if not isinstance(self._capture, FanoutCapture) or not isinstance(self._live.counting, Shards):
            return {}
        memories = self._live.counting.remote.of if self._live.counting.remote else ()
        return {
            "threads": [
                {"received": health.received, "lost": health.lost, "lag_ns": health.lag_ns, "entries": memory.used}
                for health, memory in zip(self._capture.shares(), memories, strict=True)
            ],
            "untabled": self._live.counting.untabled,
        }

    def _remote(self) -> dict[str, Any]:
        """The flow memory: limits in force, how full it is, and who is largest."""
        memory = self._live.counting.remote
        if memory is None:
            return {}
        limits = memory.effective
        return {
            "effective": limits,
            "entries": memory.used,
            "capacity": memory.capacity,
            "admitted": memory.admitted,
            "refused": memory.refused,
            "top": [
                {
                    "network": str(heavy.network),
                    "direction": "out" if heavy.out else "in",
                    "at_least": heavy.at_least,
                    "at_most": heavy.at_most,
                    "tap": tap.name if (tap := self._live.attachments.tap(heavy.point)) else None,
                }
                for heavy in memory.heavy("packets", limits["packets"], TOP)[:TOP]
            ],
        }

    def _loud(self) -> list[dict[str, Any]]:
        """Who is above half of a warn limit now: packets of 1, 5 and 60 s, and about how many addresses."""
        live, counting = self._live, self._live.counting
        found = []
        for point in counting.customers.due(counting.hot(), counting.slot_end):
            tap, vm = live.attachments.tap(point), live.attachments.vm(point)
            spread = counting.reading(point, counting.slot_end).spread or {}
            packets = {rule: {str(s): counting.within(point, rule, s) for s in SPANS} for rule in RULES}
            targets = {rule: spread[rule].targets for rule in spread}
            found.append({"tap": tap and tap.name, "vm": vm and vm.id, "packets": packets, "about_targets": targets})
        return found

    def _customers(self) -> dict[str, Any]:
        """The sums over all VMs of a customer, now: how many there are, and the largest."""
        live, counting = self._live, self._live.counting
        names, at = counting.customers.names(), counting.slot_end
        sums = [counting.customers.sum(name, at) for name in names] if at else []
        packets = [(one, one.windows[:, : len(RULES)].sum(axis=0).tolist()) for one in sums]
        largest = [pair for pair in sorted(packets, key=lambda pair: max(pair[1]), reverse=True) if any(pair[1])]
        limits = live.config.limits.customer
        return {
            "number": len(names),
            "limits": {"syn": limits.syn.model_dump(), "udp": limits.udp.model_dump()},
            "top": [
                {
                    "customer": one.customer,
                    "points": len(one.points),
                    **dict(zip(RULES, sent, strict=True)),
                    "udp_one_way": sum(counting.one_way(point, at)[0] for point in one.points.tolist()),
                }
                for one, sent in largest[:TOP]
            ],
        }

    # ---- status --------------------------------------------------------------------------------

    def _status(self) -> dict[str, Any]:
        live, counting = self._live, self._live.counting
        health = live.vitals.health
        unknown = [tap.name for tap in live.attachments.unknown()]
        return {
            "received": health.received,
            "lost": health.lost,
            "taps": len(live.attachments.taps()),
            "taps_unknown": unknown,
            "taps_refused": live.attachments.refused,
            **self._overflow(),
            "lag_ns": health.lag_ns,
            "clock_steps": live.vitals.steps,
            **self._rules(),
            **self._mirror(),
            **self._threads(),
            "null_routes": len(live.engine.ledger),
            "loud": self._loud(),
            "customers": self._customers(),
            "remote": self._remote(),
            **(live.beside.told() if live.beside is not None else {}),
            "late": counting.late,
            "totals": self._capture.totals(),
            "mails_sent": live.outbox.sent,
            "mail_error": live.outbox.last_error,
            "hooks": live.outward.told(),
            "text": f"{health.received:,} frames, {health.lost:,} lost; {len(live.attachments.taps())} taps, "
            f"{len(unknown)} without an inventory entry; {len(live.engine.ledger)} null routes",
        }
