"""Tells the right people of each deadline: before it breaks, when it does, and again while it is broken.

Whoever is on duty by the roster is mailed, else the desk; an exemption's end is the desk's. A clock that is about to
break while a customer is null-routed is a page. Each is written once, whoever looks: the daemon or `edgeguard reap`;
those of cases that go together, and come to the same stage at once, in one mail.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence

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
            for stage, group in _alike(deadlines(self._store, self._config(), at), at):
                self._remind(group, stage, at)
        except StoreError:
            return

    def _remind(self, group: Sequence[Deadline], stage: str, at: int) -> None:
        """Each is marked as told by a row of its own; the first one's is the mail."""
        first, made, told = group[0], [], []
        for to in self._whom(first, at):
            new = [one for one in group if not self._store.is_delivered(_id(one, stage, to))]
            if new and not (first.promised and stage == "before" and not to):  # that the desk hears of by itself
                made.append(self._mail(new, stage, to, at))
                told += [self._mail([one], stage, to, at) for one in new[1:]]
        if stage == "before":
            pages = [self._page(one, stage, len(group) > 1) for one in group if one.null_routed]
            made += [page for page in pages if not self._store.is_delivered(page.id)]
        if made:
            log.warning("%s: %s: %s", first.case, _when(stage), first.says, extra=about(first.case))
            self._store.deliver(made, told)
            self._wake()

    def _whom(self, one: Deadline, at: int) -> tuple[str, ...]:
        """Addresses; '' is the desk's."""
        return ("",) if one.kind == "exemption" else roster.addresses(self._config().roster, at)

    def _mail(self, group: Sequence[Deadline], stage: str, to: str, at: int) -> Delivery:
        """About the first of them, and the ids of the others."""
        first, others = group[0], ", ".join(str(one.case) for one in group[1:])
        more = f" and {len(group) - 1} more" if others else ""
        subject = f"[EdgeGuard] {self._host}: {first.kind} {_when(stage)}: {first.case or 'an exemption'}{more}"
        said = f"{_sentence(first.says)}\n\n" + (f"The same of what goes with it: {others}.\n\n" if others else "")
        commands = _commands(first, together=bool(others))
        text = f"{said}{''.join(f'  {line}' + chr(10) for line in commands)}"
        return to_desk(_id(first, stage, to), first.case, subject, text, at, to=to)

    def _page(self, one: Deadline, stage: str, together: bool) -> Delivery:
        lines = [f"A customer is null-routed, and a clock is about to break: {one.kind}", _sentence(one.says)]
        return page(
            PAGE, self._host, one.since(stage), one.case, lines, _commands(one, together), one.id.partition(" ")[0]
        )


def _when(stage: str) -> str:
    return {"new": "waits", "before": "is due", "at": "is due now"}.get(stage, "is overdue")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _commands(one: Deadline, together: bool = False) -> list[str]:
    if one.kind == "exemption":
        id = one.id.split(" ")[1]
        return [f'edgeguard exempt extend {id} --for 60d --why "..."', f'edgeguard exempt end {id} --why "..."']
    case = f"{one.matter} --together" if together else one.case
    shown = [
        f"edgeguard case show {one.matter if together else one.case}",
        f'edgeguard case release {case} --as DISPOSITION --why "..."',
    ]
    more = {
        "reply": f'edgeguard case note {one.case} --why "read: ..."',
        "decision": f'edgeguard case hold {case} --why "..."',
    }
    return [*shown, more.get(one.kind, f'edgeguard case uphold {case} --why "..." --ends-when "..."')]


def _id(one: Deadline, stage: str, to: str) -> str:
    return identity("desk", one.id, stage, to)


def _alike(every: Iterable[Deadline], at: int) -> Iterator[tuple[str, list[Deadline]]]:
    """What has to be told now: those of one kind and stage of cases that go together, side by side."""
    found: dict[tuple[str, str, str], list[Deadline]] = {}
    for one in every:
        if stage := one.stage(at):
            found.setdefault((stage, one.kind, one.matter or one.id), []).append(one)
    for (stage, _, _), group in found.items():
        yield stage, group
