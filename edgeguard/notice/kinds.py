"""The kinds of notice, and who gets which: bound to decision and recipient."""

from __future__ import annotations

from enum import StrEnum

from edgeguard.model import Act, Decision, Scope


class Kind(StrEnum):
    """Each is the name of a template in texts/, except that a null route which never stood is FAILED."""

    WARNING = "warning"
    NARROW = "narrow"
    OWN_ONLY = "own-only"
    FULL = "full"
    FAILED = "failed"  # chosen when it is rendered: the null route could not be put in place
    RELEASED = "released"
    RELEASED_BY_PERSON = "released-by-person"
    ACKNOWLEDGED = "acknowledged"  # an answer came in; bound to no decision of its own, see acknowledged.py
    DESK_OBSERVE = "desk-observe"
    DESK_INBOUND = "desk-inbound"  # what reaches a VM: told to nobody else
    DESK_CUSTOMER = "desk-customer"  # the sum over all VMs of one customer
    DESK_NULL_ROUTE = "desk-null-route"
    DESK_RELEASED = "desk-released"
    DESK_UNDELIVERED = "desk-undelivered"  # a mail was refused for good


AUTOMATION = "automation"


# What is told of a flood, or of a null route that a person ordered.
MEASURED = (Kind.WARNING, Kind.NARROW, Kind.OWN_ONLY, Kind.FULL, Kind.FAILED)
NULL_ROUTED = {Scope.NARROW: Kind.NARROW, Scope.OWN_ONLY: Kind.OWN_ONLY, Scope.FULL: Kind.FULL}


def recipients(decision: Decision, contact: str | None, inbound: bool = False) -> tuple[tuple[Kind, str | None], ...]:
    """(kind, recipient) of each notice a decision needs; recipient None: the desk.

    The desk gets what has no contact, and beside the customer what a person null-routed by hand and what is narrow
    only because full is queued.
    `inbound`: it is about what reaches the VM.
    """
    if decision.silent:
        return ()
    if inbound or decision.subject.customer is not None:  # a sum's VMs may each have another contact
        return ((Kind.DESK_INBOUND if inbound else Kind.DESK_CUSTOMER, None),)
    if decision.act is Act.NULL_ROUTE:
        return _null_routed(decision, contact)
    if decision.act is Act.RELEASE:
        by_person = decision.by != AUTOMATION
        kind = Kind.RELEASED_BY_PERSON if by_person else Kind.RELEASED
        return ((kind, contact),) if contact else ((Kind.DESK_RELEASED, None),)
    if decision.scope is Scope.WARN and contact:
        return ((Kind.WARNING, contact),)
    return ((Kind.DESK_OBSERVE, None),)


def _null_routed(decision: Decision, contact: str | None) -> tuple[tuple[Kind, str | None], ...]:
    desk = (Kind.DESK_NULL_ROUTE, None)
    if not contact:
        return (desk,)
    customer = (NULL_ROUTED.get(decision.scope, Kind.NARROW), contact)
    return (customer, desk) if decision.by != AUTOMATION or _is_queued(decision) else (customer,)


def _is_queued(decision: Decision) -> bool:
    """It would have been full, had that not been too many at a time: the desk may want to do it by hand."""
    return any(answer.name == "pace" and answer.answer == "unknown" for answer in decision.safeties)
