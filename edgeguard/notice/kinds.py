"""The kinds of notice, and who gets which: bound to decision and recipient."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from edgeguard import letters
from edgeguard.grace import Disposition
from edgeguard.model import Act, Decision, Scope


class Kind(StrEnum):
    """Each is the name of a template in texts/, except that a null route which never stood is FAILED."""

    WARNING = "warning"
    NARROW = "narrow"
    OWN_ONLY = "own-only"
    FULL = "full"
    MOVED = "moved"  # further null routes of a case: to other targets, or wider
    GOES_ON = "goes-on"  # one of what was null-routed in this case before, and ended
    REPEAT = "repeat"  # the first of a case, but not of its VM lately
    FAILED = "failed"  # chosen when it is rendered: the null route could not be put in place
    PROVED = letters.PROVED  # the second mail: what was not proved yet is now; see cases/proved.py
    RELEASED = "released"
    RELEASED_BY_PERSON = "released-by-person"
    OUR_FAULT = "our-fault"  # released by a person as that: an apology, with the cause
    EXEMPTED = "exempted"  # released by a person: what is left alone, up to what, until when
    HELD = "held"  # one person keeps it for a while: no new null route; see ruling.py
    UPHELD = "upheld"  # two people keep it; see ruling.py
    APPEAL_DECIDED = "appeal-decided"  # a third person kept it or ended it; see ruling.py
    ACKNOWLEDGED = "acknowledged"  # an answer came in; bound to no decision of its own, see acknowledged.py
    DESK_OBSERVE = "desk-observe"
    DESK_INBOUND = "desk-inbound"  # what reaches a VM: told to nobody else
    DESK_CUSTOMER = "desk-customer"  # the sum over all VMs of one customer
    DESK_NULL_ROUTE = "desk-null-route"
    DESK_RELEASED = "desk-released"
    DESK_UNDELIVERED = "desk-undelivered"  # a mail was refused for good


AUTOMATION = "automation"
DESK = "desk-"  # kinds that begin so are bound to the desk
# Parts of texts that nobody else is shown: owners, what safeties answered and why, estimates.
DESK_PARTS = frozenset({"_owner.txt", "_safeties.txt", "_readings.txt", "_spread.txt"})


# What is told of a flood, or of a null route that a person ordered.
NULL_ROUTES = (Kind.NARROW, Kind.OWN_ONLY, Kind.FULL, Kind.MOVED, Kind.GOES_ON, Kind.REPEAT)
STANDS = (*NULL_ROUTES, Kind.HELD, Kind.UPHELD, Kind.DESK_NULL_ROUTE)  # what is null-routed, and how far it is proved
MEASURED = (Kind.WARNING, *NULL_ROUTES, Kind.FAILED)
NULL_ROUTED = {Scope.NARROW: Kind.NARROW, Scope.OWN_ONLY: Kind.OWN_ONLY, Scope.FULL: Kind.FULL}


_RELEASED = {Disposition.OUR_FAULT: Kind.OUR_FAULT, Disposition.EXEMPT: Kind.EXEMPTED}


def recipients(
    decision: Decision, contact: str | None, inbound: bool = False, before: Sequence[Decision] = ()
) -> tuple[tuple[Kind, str | None], ...]:
    """(kind, recipient) of each notice a decision needs; recipient None: the desk.

    The desk gets what has no contact, and beside the customer what a person null-routed by hand and what is narrow
    only because full is queued.
    `inbound`: it is about what reaches the VM. before: earlier null routes of the same case.
    """
    if decision.silent:
        return ()
    if inbound or decision.subject.customer is not None:  # a sum's VMs may each have another contact
        return ((Kind.DESK_INBOUND if inbound else Kind.DESK_CUSTOMER, None),)
    if decision.act is Act.NULL_ROUTE:
        return _null_routed(decision, contact, before)
    if decision.act is Act.RELEASE:
        return ((_released(decision), contact),) if contact else ((Kind.DESK_RELEASED, None),)
    if decision.scope is Scope.WARN and contact:
        return ((Kind.WARNING, contact),)
    return ((Kind.DESK_OBSERVE, None),)


def may_reach(kind: str, to: str | None) -> bool:
    """Whether a kind may go there: what is written for the desk never reaches anybody else."""
    return to is None or not kind.startswith(DESK)


def _released(decision: Decision) -> Kind:
    """By what a person found, where one released it."""
    if decision.by == AUTOMATION:
        return Kind.RELEASED
    usual = Kind.APPEAL_DECIDED if decision.grace and decision.grace.appeal else Kind.RELEASED_BY_PERSON
    return _RELEASED.get(decision.grace.disposition, usual) if decision.grace else usual


def _null_routed(
    decision: Decision, contact: str | None, before: Sequence[Decision]
) -> tuple[tuple[Kind, str | None], ...]:
    desk = (Kind.DESK_NULL_ROUTE, None)
    if not contact:
        return (desk,)
    customer = (_told(decision, before), contact)
    return (customer, desk) if decision.by != AUTOMATION or _is_queued(decision) else (customer,)


def _told(decision: Decision, before: Sequence[Decision]) -> Kind:
    """A person's null route is told by its scope: whoever ordered it says in the reason what it follows."""
    if decision.by == AUTOMATION and before:
        return Kind.GOES_ON if any(_is_same(decision, one) for one in before) else Kind.MOVED
    if decision.by == AUTOMATION and decision.repeat > 1:
        return Kind.REPEAT
    return NULL_ROUTED.get(decision.scope, Kind.NARROW)


def _is_same(decision: Decision, other: Decision) -> bool:
    """The same is dropped: a target of both, or all of the same width."""
    targets = {target.key() for target in other.targets}
    shared = any(target.key() in targets for target in decision.targets)
    return decision.scope == other.scope and (shared or decision.scope is not Scope.NARROW)


def _is_queued(decision: Decision) -> bool:
    """It would have been full, had that not been too many at a time: the desk may want to do it by hand."""
    return any(answer.name == "pace" and answer.answer == "unknown" for answer in decision.safeties)
