"""What the owner is told when people ruled: two keep a null route, or a third person decided the appeal against it.

notices = ruled(Ruling(at, ("alex", "kim"), "...", until, conditions, quiet), standing, verdict, vm, background)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgeguard.letters import Notice
from edgeguard.model import Act, Decision, Verdict, Vm, identity
from edgeguard.notice.enclosure import SLOT, enclosure
from edgeguard.notice.kinds import Kind
from edgeguard.notice.values import PEOPLE_DECIDE, WITHOUT_ESTIMATES, Background, values


@dataclass(frozen=True, slots=True)
class Ruling:
    """By people. Times are ns."""

    at: int
    by: tuple[str, ...]  # by their aliases, in the order in which they spoke
    why: str
    until: int | None = None  # when what is kept ends at the latest; None: nothing is kept
    conditions: tuple[str, ...] = ()  # each is enough to end it
    quiet: int = 0  # time without attempts that ends it; 0: none does
    appeal: bool = False  # it decides an appeal


def ruled(
    ruling: Ruling, decisions: Sequence[Decision], verdict: Verdict | None, vm: Vm | None, background: Background
) -> tuple[Notice, ...]:
    """The notice, to the VM's contact, else the desk. decisions: null routes that are kept, or the release of one.

    Of several null routes it tells the widest, with the targets of all.
    """
    first = max(decisions, key=lambda one: one.beside is None)
    targets = tuple({target.key(): target for one in decisions for target in one.targets}.values())
    as_now = replace(first, at=ruling.at, by=" and ".join(ruling.by), reason=ruling.why, until=ruling.until)
    as_now = replace(as_now, targets=targets, repeat=PEOPLE_DECIDE)  # quiet ends it by a clock of its own
    kept = {"conditions": list(ruling.conditions), "upheld_quiet": ruling.quiet or None, "people": len(ruling.by)}
    slots = {**values(as_now, verdict, vm, background), **WITHOUT_ESTIMATES, **kept}
    slots[SLOT] = enclosure(background.reporter, as_now, verdict, vm)
    kind = Kind.APPEAL_DECIDED if ruling.appeal or first.act is Act.RELEASE else Kind.UPHELD
    to = vm.contact if vm else None
    id = identity("notice", first.id, kind, ruling.at, to or "desk")
    return (Notice(id, first.case, first.id, kind, to, slots),)
