"""A kill file appeared while the daemon runs: what stands is released, case by case, and its owners are told."""

from __future__ import annotations

from collections.abc import Callable

from edgeguard.daemon.live import Live
from edgeguard.enforcement.place import Place

PERSON = "operator"  # whoever made the file; its first line says more


def follow(live: Live, place: Place) -> Callable[[int], None]:
    """To be called about once a second with the time."""

    def look(now: int) -> None:
        ledger = live.engine.ledger
        if not len(ledger) or not (killed := place.killed()):
            return
        for case in {entry.decision.case for entry in ledger}:
            live.engine.release(ledger.of_case(case), now, killed, by=PERSON)

    return look
