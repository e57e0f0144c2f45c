"""What was null-routed of a VM until a short while ago: who calls because of it is told so, and not that it was not us.

for one in lately(reader, cases, clock.now()): print(one.told())
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeguard import clock
from edgeguard.cases.case import Case
from edgeguard.cases.protocol import Cases
from edgeguard.clock import HOUR
from edgeguard.model import Act, Decision, Happened
from edgeguard.states import AUTOMATION

DAY = 24 * HOUR
ENDS = (Happened.RELEASED, Happened.LINK_GONE)


@dataclass(frozen=True, slots=True)
class Ended:
    """One null route, from its decision to its end in the kernel. how: who ended it, or why it ended by itself."""

    decision: Decision
    at: int
    how: str

    def told(self) -> str:
        made = self.decision
        return f"from {clock.utc(made.at)} to {clock.utc(self.at)}, {made.scope}, by {made.by}; {self.how}"


def lately(reader: Cases, cases: Sequence[Case], at: int) -> list[Ended]:
    """Those that ended within a day, the last first."""
    recent = [case for case in cases if case.closed is None or case.closed > at - DAY]
    found = [one for case in recent for one in _of_case(reader, case.id, at - DAY)]
    return sorted(found, key=lambda one: -one.at)


def _of_case(reader: Cases, case: str, since: int) -> list[Ended]:
    decisions = reader.decisions(case)
    releases = {id: one for one in decisions for id in one.releases}
    found = []
    for made in decisions:
        if made.act is Act.NULL_ROUTE and made.enforced and (recorded := reader.recorded(made.id)) and recorded.stood:
            end = next((one for one in reader.outcomes(made.id) if one.happened in ENDS), None)
            if end is not None and end.at > since:
                found.append(Ended(made, end.at, _how(releases.get(made.id))))
    return found


def _how(release: Decision | None) -> str:
    if release is None:
        return "its tap went away"
    if release.by == AUTOMATION:
        return f"ended by itself: {release.reason}"
    return f"released by {release.by}{f' as {release.grace.disposition}' if release.grace else ''}: {release.reason}"
