"""Tells the right people of each deadline: before it breaks, when it does, and again while it is broken.

Whoever is on duty by the roster is mailed, else the desk; an exemption's end is the desk's. A clock that is about to
break while a customer is null-routed is a page. Each is written once, whoever looks: the daemon or `edgeguard reap`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from edgeguard import roster
from edgeguard.cases.protocol import CaseStore
from edgeguard.clock import MINUTE
from edgeguard.config import Config
from edgeguard.deadlines import Deadline, deadlines
from edgeguard.errors import StoreError
from edgeguard.hooks.message import to_desk
from edgeguard.hooks.page import page
from edgeguard.letters import Delivery
from edgeguard.logs import about
from edgeguard.model import identity

LOOK = MINUTE // 2
PAGE = "a clock"  # of model.PAGES

log = logging.getLogger("edgeguard")


class Reminding:
    """Looks about twice a minute."""

    def __init__(self, store: CaseStore, config: Callable[[], Config], host: str, wake: Callable[[], None]) -> None:
        """`config` as it is now; `wake`: deliveries may be due."""
        self._store, self._config, self._host, self._wake = store, config, host, wake
        self._next = 0

    def look(self, at: int) -> None:
        """A database that cannot be read is told elsewhere; the clocks go on."""
        if 0 <= self._next - at <= LOOK:
            return
        self._next = at + LOOK
        try:
            for one in deadlines(self._store, self._config(), at):
                self._remind(one, at)
        except StoreError:
            return

    def _remind(self, one: Deadline, at: int) -> None:
        stage = one.stage(at)
        if stage is None:
            return
        told = {""} if one.promised and stage == "before" else set()
        made = [self._mail(one, stage, to, at) for to in self._whom(one, at) if to not in told]
        if one.null_routed and stage == "before":
            made.append(self._page(one, stage))
        new = [delivery for delivery in made if not self._store.is_delivered(delivery.id)]
        if new:
            log.warning("%s: %s: %s", one.case, _when(stage), one.says, extra=about(one.case))
            self._store.deliver(new)
            self._wake()

    def _whom(self, one: Deadline, at: int) -> tuple[str, ...]:
        """Addresses; '' is the desk's."""
        shifts = () if one.kind == "exemption" else roster.on_duty(self._config().roster, at)
        return tuple(dict.fromkeys(shift.mail for shift in shifts if shift.mail)) or ("",)

    def _mail(self, one: Deadline, stage: str, to: str, at: int) -> Delivery:
        id = identity("desk", one.id, stage, to)
        subject = f"[EdgeGuard] {self._host}: {one.kind} {_when(stage)}: {one.case or 'an exemption'}"
        text = f"{_sentence(one.says)}\n\n{''.join(f'  {line}' + chr(10) for line in _commands(one))}"
        return to_desk(id, one.case, subject, text, at, to=to)

    def _page(self, one: Deadline, stage: str) -> Delivery:
        lines = [f"A customer is null-routed, and a clock is about to break: {one.kind}", _sentence(one.says)]
        return page(PAGE, self._host, one.since(stage), one.case, lines, _commands(one), one.id.partition(" ")[0])


def _when(stage: str) -> str:
    return {"new": "waits", "before": "is due", "at": "is due now"}.get(stage, "is overdue")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _commands(one: Deadline) -> list[str]:
    if one.kind == "exemption":
        id = one.id.split(" ")[1]
        return [f'edgeguard exempt extend {id} --for 60d --why "..."', f'edgeguard exempt end {id} --why "..."']
    shown = [f"edgeguard case show {one.case}", f'edgeguard case release {one.case} --as fixed --why "..."']
    more = {
        "reply": f'edgeguard case note {one.case} --why "read: ..."',
        "decision": f'edgeguard case hold {one.case} --why "..."',
    }
    return [*shown, more.get(one.kind, f'edgeguard case uphold {one.case} --why "..." --ends-when "..."')]
