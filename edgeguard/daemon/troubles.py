"""What is wrong with the daemon now, by cause, in words: for `status`, `top` and the metrics."""

from __future__ import annotations

from collections.abc import Iterator

from edgeguard import clock
from edgeguard.clock import MILLISECOND
from edgeguard.daemon.live import Live
from edgeguard.daemon.reload import Reload
from edgeguard.metrics.figures import CAUSES
from edgeguard.model import Happened
from edgeguard.units import percent


def troubles(live: Live, reload: Reload, metrics: str | None = None) -> dict[str, str]:
    """By cause, what matters most first; what is well is left out. `metrics`: why the last figures are old."""
    found = {
        "kill file": live.killed(),
        "capture": _capture(live),
        "not stopped": _not_stopped(live),
        "fleet": live.precautions.trouble,
        "standing": live.engine.allowances.known.trouble if live.engine.allowances.known else None,
        "configuration": reload.trouble,
        "rules": live.rules.trouble,
        "inventory": live.inventory.trouble,
        "uplinks": live.uplink_trouble,
        "host": "; ".join(live.beside.host.troubles().values()) if live.beside is not None else None,
        "mail": live.outbox.last_error,
        "hooks": _hooks(live),
        "replies": live.outward.unread.trouble,
        "database": live.outcomes.unrecorded(),
        "metrics": metrics,
    }
    return {cause: words for cause in CAUSES if (words := found[cause])}


def _capture(live: Live) -> str | None:
    """Why the counts of the last seconds cannot be trusted."""
    return "; ".join(_doubts(live)) or None


def _doubts(live: Live) -> Iterator[str]:
    window, settings = live.vitals.window(clock.now()), live.config.capture
    if window.loss > settings.loss:
        yield f"{percent(window.loss)} of the last second's frames were lost: too much load, or too small a ring"
    if window.lag_ns > settings.lag:
        yield f"frames are {window.lag_ns // MILLISECOND:,} ms old when they are read: nothing is done by itself"
    if window.stepped:
        yield "the wall clock stepped within the last minute: nothing is done by itself"
    if window.duplicates > settings.duplicates:
        yield f"{percent(window.duplicates)} of the mirror port's frames came twice: nothing is done by itself"


def _hooks(live: Live) -> str | None:
    told = live.outward.told()
    return told.get("trouble") or told.get("last_error") or None


def _not_stopped(live: Live) -> str | None:
    cases = sorted({entry.decision.case for entry in live.engine.ledger if entry.proof is Happened.NOT_STOPPED})
    if not cases:
        return None
    more = f" and {len(cases) - 1} more cases" if len(cases) > 1 else ""
    return f"{cases[0]}{more}: floods on; see 'edgeguard explain'"
