"""When quiet ends a null route: the first time in 30 days soon, the second later, from the third on a person decides.

Without a person's decision it ends all the same: our delay is not the owner's downtime. What the owner writes is no
argument of this: a reply makes nothing later.
"""

from __future__ import annotations

from edgeguard import units
from edgeguard.duty import Clocks

PEOPLE_DECIDE = 3  # from this time on within clocks.repeat


def needed(repeat: int, clocks: Clocks) -> int | None:
    """ns of quiet that end a null route by themselves. None: they do not, a person decides."""
    if repeat >= PEOPLE_DECIDE:
        return None
    return clocks.quiet if repeat <= 1 else max(clocks.quiet, clocks.quiet_again)


def by_quiet(repeat: int, quiet: int, lasted: int, clocks: Clocks) -> str | None:
    """Why it ends now, or None. `quiet` and `lasted`: ns without a loud window, and since it was decided."""
    enough = needed(repeat, clocks)
    if enough is None:
        return _undecided(quiet, lasted, clocks)
    if quiet < enough:
        return None
    told = "quiet: no second reached half of the warn limit since the attempts ended"
    return told if repeat <= 1 else f"{told}, {units.duration_text(enough)} long, as it was the second time"


def _undecided(quiet: int, lasted: int, clocks: Clocks) -> str | None:
    if lasted < clocks.undecided or quiet < max(clocks.quiet, clocks.quiet_again):
        return None
    waited = units.duration_text(clocks.undecided)
    return f"no person decided within {waited}, and it is quiet: our delay is not the owner's downtime"
