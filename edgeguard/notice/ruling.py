"""What the owner is told when people ruled: one holds a null route, two keep it, or a third person decided the appeal
against it.

notices = ruled(Ruling(at, ("alex", "kim"), "...", until, conditions, quiet), standing, verdict, vm, background)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgeguard.letters import Notice
from edgeguard.model import Act, Decision, Scope, Target, Verdict, Vm, identity
from edgeguard.notice.enclosure import SLOT, enclosure
from edgeguard.notice.kinds import Kind
from edgeguard.notice.values import PEOPLE_DECIDE, WITHOUT_ESTIMATES, Background, plain_target, values

WIDTH = tuple(Scope)  # each drops more than the one before


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
    hold: bool = False  # one person keeps it for a while: why it was put in place is told, too


def ruled(
    ruling: Ruling, decisions: Sequence[Decision], verdict: Verdict | None, vm: Vm | None, background: Background
) -> tuple[Notice, ...]:
    """The notice, to the VM's contact, else the desk. decisions: null routes that are kept, or the release of one.

    Of several null routes it tells the widest, with the targets of all.
    """
    first = widest(decisions)
    targets = _targets(decisions)
    as_now = replace(first, at=ruling.at, by=" and ".join(ruling.by), reason=ruling.why, until=ruling.until)
    as_now = replace(as_now, targets=targets, repeat=PEOPLE_DECIDE)  # quiet ends it by a clock of its own
    kept: dict[str, Any] = {
        "conditions": list(ruling.conditions),
        "upheld_quiet": ruling.quiet or None,
        "people": len(ruling.by),
    }
    if first.scope is Scope.OWN_ONLY:  # full drops all; what is narrow beside this is dropped, too
        kept["also"] = [plain_target(one) for one in _targets([d for d in decisions if d.scope is Scope.NARROW])]
    if ruling.hold:
        kept["origin"] = {"by": first.by, "reason": first.reason, "at": first.at}
    slots = {**values(as_now, verdict, vm, background), **WITHOUT_ESTIMATES, **kept}
    slots[SLOT] = enclosure(background.reporter, as_now, verdict, vm)
    kind = _kind(ruling, first)
    to = vm.contact if vm else None
    id = identity("notice", first.id, kind, ruling.at, to or "desk")
    return (Notice(id, first.case, first.id, kind, to, slots),)


def widest(decisions: Sequence[Decision]) -> Decision:
    """The one that drops most; of a VM's several taps the one that the others belong to."""
    return max(decisions, key=lambda one: (WIDTH.index(one.scope), one.beside is None))


def _targets(decisions: Sequence[Decision]) -> tuple[Target, ...]:
    return tuple({target.key(): target for one in decisions for target in one.targets}.values())


def _kind(ruling: Ruling, decision: Decision) -> Kind:
    if ruling.hold:
        return Kind.HELD
    return Kind.APPEAL_DECIDED if ruling.appeal or decision.act is Act.RELEASE else Kind.UPHELD
