"""What `edgeguard next` offers of an entry: of which case the choices are, and whether and how long it can be held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeguard import clock, roster
from edgeguard.cases.case import Case
from edgeguard.duty import Duty
from edgeguard.states import ONE, TABLE
from edgeguard.units import duration_text
from edgeguard.urgent import Urgent
from edgeguard.word import Said

if TYPE_CHECKING:  # people wait for `next`: a protocol takes its time to load
    from edgeguard.cases.protocol import Cases


@dataclass(frozen=True, slots=True)
class Offer:
    """case: as the commands name it. no_hold: why nothing of it can be held; empty: it can, until `held_until`."""

    case: str
    together: bool
    frees: str
    no_hold: str
    held_until: int
    why_then: str


def offer(one: Urgent, reader: Cases, duty: Duty, frees: str, at: int) -> Offer:
    """Of what is null-routed. A hold of cases that go together is offered as long as one of them can be held."""
    together = len(one.cases) > 1
    case = one.id if together else one.case.id  # the leader may be another's, and settled
    routed = {each.case.id: each.case for each in one.standing}
    refused = [why for each in routed.values() if (why := _no_hold(reader, each))]
    lasts = roster.to_next_shift(duty.roster, duty.clocks.hold, at)
    longest = f"{duration_text(duty.clocks.hold)}, the longest that one person may hold it"
    why = "the next shift begins then" if lasts < duty.clocks.hold else longest
    no_hold = refused[0] if refused and len(refused) == len(routed) else ""
    return Offer(case, together, frees, no_hold, at + lasts, why)


def _no_hold(reader: Cases, case: Case) -> str:
    """As the daemon would refuse it; empty: it would not."""
    held = next((word for word in reader.words(case.id) if word.said is Said.HOLD), None)
    if held is not None:
        until = clock.utc(held.until or held.at)
        return f"{held.by} has held it once, until {until}; to keep it takes two: edgeguard case uphold {case.id}"
    if TABLE.after(case.state, Said.HOLD, ONE) is None:
        return f"it is {case.state}: nobody holds that; to keep it takes two: edgeguard case uphold {case.id}"
    return ""
