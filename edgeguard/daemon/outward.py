"""What programs, webhooks and whoever is on duty are told of a decision and of what became of it.

Nothing here may stand in the way of a null route: what cannot be composed is told in the log, and the decision
goes on without it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

from edgeguard import clock
from edgeguard.cases.case import Case, Recorded
from edgeguard.cases.protocol import CaseStore
from edgeguard.config import HooksSettings
from edgeguard.daemon.pages import Pages
from edgeguard.daemon.unread import Unread
from edgeguard.errors import StoreError
from edgeguard.hooks import document, paging
from edgeguard.hooks.courier import Courier
from edgeguard.hooks.document import BAN, RELEASE, UNBAN
from edgeguard.letters import Channel, Delivery
from edgeguard.model import Act, Decision, Happened, Outcome, Verdict, Vm

_ENDS = (Happened.RELEASED, Happened.LINK_GONE)

log = logging.getLogger("edgeguard")


class Outward:
    """Composes deliveries; the caller records them with what they tell."""

    def __init__(
        self,
        store: CaseStore,
        hooks: HooksSettings,
        host: str,
        courier: Courier,
        vm: Callable[[str], Vm | None],
    ) -> None:
        """`vm` finds one by its id. hooks: as they were at the start, as the runner knows them."""
        self._store = store
        self._hooks = hooks
        self._host = host
        self._vm = vm
        self.recorded = courier.wake
        self.told = courier.told
        self.pages = Pages(store, host, courier)
        self.unread = Unread(store, host, courier.wake)

    def of_decision(self, case: Case, verdict: Verdict | None, decision: Decision) -> tuple[Delivery, ...]:
        """Hooks, and the page where it wakes somebody."""
        try:
            vm = self._vm(case.vm) if case.vm else None
            page = paging.of_decision(case, decision, verdict, vm, self._host)
            hooks = self._of_decision(case, verdict, decision, vm) if self._any() else ()
        except Exception:
            log.exception("%s: nobody is told of decision %s", case.id, decision.id)
            return ()
        if page is None:
            return hooks
        log.error("page (%s): %s: %s", page.cause, case.id, decision.reason)
        return (*hooks, page)

    def of_outcome(self, outcome: Outcome) -> tuple[Delivery, ...]:
        """What became of a null route or a release, and the 'unban' of one that ended by itself."""
        if not self._any() or (outcome.happened not in document.PROOFS):
            return ()
        try:
            known = self._store.recorded(outcome.decision)
            return self._of_outcome(outcome, known) if known and known.decision.enforced else ()
        except StoreError:
            return ()  # the caller cannot record the outcome either, and tries again
        except Exception:
            log.exception("nobody is told what became of decision %s", outcome.decision)
            return ()

    # ---- which, and to whom ------------------------------------------------------------------

    def _any(self) -> bool:
        return bool(self._hooks.program or self._hooks.url)

    def _of_decision(
        self, case: Case, verdict: Verdict | None, decision: Decision, vm: Vm | None
    ) -> tuple[Delivery, ...]:
        said = document.action(decision)
        standing = self._store.standing_beside(case, decision.releases)
        if decision.act is Act.RELEASE:
            ended = [one for one in map(self._store.recorded, decision.releases) if one]
            verdict = verdict or next((one.verdict for one in ended if one.verdict), None)
            # Told once, with the VM's last null route; one that ended by itself has told it already.
            if said == UNBAN and (standing or (ended and all(one.ended for one in ended))):
                said = RELEASE
        made = document.of_decision(case, decision, verdict, vm, self._host, said, standing)
        return document.deliveries(made, self._channels(made), decision.at)

    def _of_outcome(self, outcome: Outcome, known: Recorded) -> tuple[Delivery, ...]:
        case, decision = known.case, known.decision
        standing = self._store.standing_beside(case, (decision.id, *decision.releases))
        vm = self._vm(case.vm) if case.vm else None
        said = UNBAN if self._ends(outcome, known) and not standing else None
        made = document.of_outcome(case, decision, known.verdict, vm, self._host, outcome, said, standing)
        return document.deliveries(made, self._channels(made), clock.now())

    @staticmethod
    def _ends(outcome: Outcome, known: Recorded) -> bool:
        """A null route ended, or never stood, and no release will tell it."""
        if known.decision.act is not Act.NULL_ROUTE or known.ended or known.releasing:
            return False
        return outcome.happened in _ENDS or (outcome.happened is Happened.FAILED and not known.stood)

    def _channels(self, made: dict[str, Any]) -> Iterator[Channel]:
        """Scripts made for FastNetMon know two words and may take any other for a ban; a webhook reads `kind`."""
        known = made["action"] in (BAN, UNBAN)
        if self._hooks.program and (known or self._hooks.all):
            yield Channel.PROGRAM
        if self._hooks.url and (known or self._hooks.all or made["kind"] == "outcome"):
            yield Channel.WEBHOOK
