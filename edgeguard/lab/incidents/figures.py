"""The numbers of an incident, to stand beside those of then. Lengths in ns; None: it has not come to that."""

from __future__ import annotations

from collections.abc import Callable

from edgeguard.lab.account import NullRoute
from edgeguard.lab.incidents.expect import mails_to, notice_after, null_routes
from edgeguard.lab.incidents.incident import Played

Found = Callable[[Played], int | None]


def until_mail(vm: str) -> Found:
    """From the VM's first null route to its mail."""
    return lambda played: next((notice_after(played, route) for route in _of(played, vm)), None)


def until_free(vm: str) -> Found:
    """From the VM's first null route to its last end."""

    def found(played: Played) -> int | None:
        routes = _of(played, vm)
        ends = [route.ended for route in routes]
        if not routes or None in ends:
            return None
        return max(end for end in ends if end is not None) - routes[0].decision.at

    return found


def at_latest(vm: str) -> Found:
    """From the VM's first null route to the end that it had from its first moment, whoever sleeps."""

    def found(played: Played) -> int | None:
        return next((r.decision.until - r.decision.at for r in _of(played, vm) if r.decision.until), None)

    return found


def until_acknowledged(contact: str) -> Found:
    """From the owner's answer to its acknowledgement."""

    def found(played: Played) -> int | None:
        mails = [m for m in mails_to(played, contact) if dict(m.headers).get("In-Reply-To", "").startswith("<answer-")]
        if not mails:
            return None
        answered = int(dict(mails[0].headers)["In-Reply-To"].split("-")[1])
        return mails[0].at - played.begin - answered

    return found


def number_cut(played: Played) -> int:
    """How many VMs are null-routed."""
    return len({route.decision.subject.vm for route in null_routes(played)})


def _of(played: Played, vm: str) -> list[NullRoute]:
    return [route for route in null_routes(played) if route.decision.subject.vm == vm]
