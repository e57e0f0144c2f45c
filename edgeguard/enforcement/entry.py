"""One decision that stands in the kernel, and what is asked of its order before it may."""

from __future__ import annotations

from dataclasses import dataclass

from edgeguard.enforcement import links
from edgeguard.enforcement.mechanism import Made
from edgeguard.enforcement.watch import Watch
from edgeguard.errors import EnforcementError
from edgeguard.model import Happened, Order, Tap


@dataclass(slots=True)
class Entry:
    """One decision that stands."""

    order: Order
    made: Made
    ends: int  # CLOCK_BOOTTIME ns
    watch: Watch | None = None
    refused: bool = False  # the kernel would not let it end
    doubly: bool = False  # it did not stop the flood by the usual means, so all are used


class GoneError(EnforcementError):
    """The tap of an order is no longer there."""


def check_tap(tap: Tap) -> None:
    """A rule binds by name; the name must still be this tap's."""
    now = links.name_of(tap.ifindex)
    if now != tap.name:
        is_now = f"is {now} now" if now else "is no longer there"
        raise GoneError(f"{tap.name} (ifindex {tap.ifindex}) {is_now}: nothing was null-routed")


def what(error: EnforcementError) -> Happened:
    return Happened.LINK_GONE if isinstance(error, GoneError) else Happened.FAILED


def described(made: Made) -> str:
    """'4 rules and blackholes and 1 element of the tap's chain'"""
    parts = []
    if made.items:
        parts.append(f"{len(made.items)} rules and blackholes")
    if made.elements:
        parts.append(f"{len(made.elements)} element{'s' * (len(made.elements) > 1)} of the tap's chain")
    return " and ".join(parts)
