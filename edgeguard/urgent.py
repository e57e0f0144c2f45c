"""Which case needs a person first, and when the clock frees it without one.

    for one in urgent(reader, duty, clock.now()): print(one.priority, one.case.id, one.why)

The priority is computed, and says of what: a customer who is null-routed comes before everybody who is not, the whole
of a VM before a part of it, a broken clock before one that runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeguard import clock
from edgeguard.cases.case import Case, Standing
from edgeguard.deadlines import Deadline, deadlines, people
from edgeguard.decision.binding import Binding
from edgeguard.decision.ending import needed
from edgeguard.duty import Clocks, Duty
from edgeguard.model import Scope
from edgeguard.states import VICTIM
from edgeguard.units import duration_text

if TYPE_CHECKING:  # people wait for `next`: a protocol takes its time to load
    from edgeguard.cases.protocol import Cases

WAITING = ("decision", "reply", "appeal")
OPEN = {"suspect-data": 20, "warned": 10, "observed": 5, "probation": 1}  # points of what is not null-routed
NEVER = 2**63


@dataclass(frozen=True, slots=True)
class Urgent:
    """An open case with its place in the queue. `why`: what its priority is made of, in words."""

    case: Case
    priority: int
    why: tuple[str, ...]
    standing: tuple[Standing, ...]  # what is null-routed of it
    waits: tuple[Deadline, ...]  # the clocks of people that run, those that break first first

    @property
    def due(self) -> int:
        return min((one.due for one in self.waits if one.kind in WAITING), default=NEVER)


def urgent(reader: Cases, duty: Duty, at: int) -> list[Urgent]:
    """All open cases but those of victims, the most urgent first."""
    standing: dict[str, list[Standing]] = {}
    stands = reader.standing()
    for one in stands:
        standing.setdefault(one.case.id, []).append(one)
    waits: dict[str | None, list[Deadline]] = {}
    for deadline in deadlines(reader, duty, at, stands) if stands else ():
        waits.setdefault(deadline.case, []).append(deadline)
    found = []
    for case in reader.open_cases():
        if case.state != VICTIM:
            points = list(_points(case, standing.get(case.id, []), waits.get(case.id, []), at))
            found.append(
                Urgent(
                    case,
                    sum(n for n, _ in points),
                    tuple(why for _, why in points),
                    tuple(standing.get(case.id, ())),
                    tuple(waits.get(case.id, ())),
                )
            )
    return sorted(found, key=lambda one: (-one.priority, one.due, one.case.opened))


def _points(case: Case, standing: Sequence[Standing], waits: Sequence[Deadline], at: int) -> Iterator[tuple[int, str]]:
    """At most 100 together."""
    if not standing:
        yield OPEN.get(case.state, 0), f"{case.state}, nothing is null-routed"
        return
    full = any(one.decision.scope is Scope.FULL for one in standing)
    yield (60, "the whole VM is null-routed") if full else (40, "a part of its traffic is null-routed")
    of_people = [one for one in waits if one.kind in WAITING]
    if any(one.stage(at) not in (None, "new", "before") for one in of_people):
        yield 25, "a clock of people is broken"
    elif any(one.stage(at) == "before" for one in of_people):
        yield 15, "a clock of people is about to break"
    if any(one.kind == "appeal" for one in of_people):
        yield 10, "its owner has appealed"
    if any(one.kind == "reply" for one in of_people):
        yield 5, "its owner waits for an answer"


def freed(standing: Sequence[Standing], reader: Cases, clocks: Clocks) -> str:
    """When the clock frees a case without anybody: a sentence."""
    if not standing:
        return "nothing of it is null-routed"
    said = people(reader.words(standing[0].case.id))
    last = max(one.order.until for one in standing)
    return f"it ends by itself {_sooner(standing, said, clocks)}at the latest {clock.utc(last)}"


def _sooner(standing: Sequence[Standing], said: Binding, clocks: Clocks) -> str:
    ids = [one.decision.id for one in standing]
    if any(said.upholds(id) for id in ids):
        return f"after {duration_text(clocks.upheld_quiet)} without attempts, "
    if said.hold is not None and said.hold.until and not set(ids).isdisjoint(said.hold.covers):
        return f"when the hold is over at {clock.utc(said.hold.until)} and it was quiet, "
    if any(one.verdict is None for one in standing):
        return ""
    repeat = max(one.decision.repeat for one in standing)
    quiet = needed(repeat, clocks)
    if quiet is not None:
        return f"when it was quiet for {duration_text(quiet)}, "
    began = min(one.decision.at for one in standing)
    rest = duration_text(max(clocks.quiet, clocks.quiet_again))
    return f"after {clock.utc(began + clocks.undecided)} when it was quiet for {rest}, "
