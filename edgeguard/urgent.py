"""What needs a person first, and when the clock frees it without one.

    for one in urgent(reader, duty, clock.now()): print(one.priority, one.id, one.why)

Cases that go together are one entry, as urgent as the most urgent of them. The priority is computed, and says of what:
a customer who is null-routed comes before everybody who is not, the whole of a VM before a part of it, a broken clock
before one that runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edgeguard import clock
from edgeguard.cases.case import Case, Standing
from edgeguard.cases.matter import head
from edgeguard.deadlines import Deadline, appeal_due, deadlines, people, unread
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
    """Open cases that go together, with their place in the queue. `why`: what the priority is made of, in words."""

    cases: tuple[Case, ...]  # the most urgent first
    priority: int  # its
    why: tuple[str, ...]
    standing: tuple[Standing, ...]  # what is null-routed of them all
    waits: tuple[Deadline, ...]  # the clocks of people that run, those that break first first

    @property
    def id(self) -> str:
        """The one by which they are known: the leader's."""
        return head(self.case)

    @property
    def case(self) -> Case:
        """The most urgent of them."""
        return self.cases[0]

    @property
    def due(self) -> int:
        return min((one.due for one in self.waits if one.kind in WAITING), default=NEVER)


def urgent(reader: Cases, duty: Duty, at: int) -> list[Urgent]:
    """All that is open but what reaches victims, the most urgent first."""
    standing: dict[str, list[Standing]] = {}
    stands = reader.standing()
    for one in stands:
        standing.setdefault(one.case.id, []).append(one)
    waits: dict[str | None, list[Deadline]] = {}
    answers = unread(reader)
    for deadline in deadlines(reader, duty, at, stands, answers):
        if deadline.kind != "exemption":  # nobody waits for its end, which is of the desk's mail and of no case's clock
            waits.setdefault(deadline.case, []).append(deadline)
    answered = {taken.case for of in answers.values() for taken in of}
    ranked: dict[str, list[Urgent]] = {}
    for case in reader.open_cases():
        if case.state != VICTIM:
            of, runs = standing.get(case.id, []), waits.get(case.id, [])
            points = [*_points(case, of, runs, at), *_answered(case.id in answered, runs)]
            why = tuple(why for _, why in points)
            ranked.setdefault(head(case), []).append(
                Urgent((case,), sum(n for n, _ in points), why, tuple(of), tuple(runs))
            )
    return sorted(map(_together, ranked.values()), key=_place)


def _together(alone: list[Urgent]) -> Urgent:
    """Those of one leader, as one."""
    alone = sorted(alone, key=_place)
    waits = sorted((wait for one in alone for wait in one.waits), key=lambda wait: wait.due)
    standing = tuple(null_route for one in alone for null_route in one.standing)
    return replace(alone[0], cases=tuple(one.case for one in alone), standing=standing, waits=tuple(waits))


def _place(one: Urgent) -> tuple[int, int, int]:
    return -one.priority, one.due, one.case.opened


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


def _answered(itself: bool, waits: Sequence[Deadline]) -> Iterator[tuple[int, str]]:
    """Null-routed or not: somebody wrote, and nobody has read it. itself: this case was answered, no other of its
    matter."""
    if itself or any(one.kind == "reply" for one in waits):
        yield 5, "an answer waits to be read"


def freed(standing: Sequence[Standing], reader: Cases, duty: Duty, at: int) -> str:
    """When the clock frees what is null-routed without anybody: a sentence; where ends differ, first and last."""
    if not standing:
        return "nothing of it is null-routed"
    found = ends(standing, reader, duty, at)
    if len({end.how for end in found}) == 1:
        begins = "it ends by itself" if len(found) == 1 else f"all {len(found)} end by themselves"
        return f"{begins} {found[0].how}"
    first, last = min(found, key=lambda end: end.at), max(found, key=lambda end: end.at)
    return f"of {len(found)} the first ({first.what}) ends by itself {first.how}; the last ({last.what}) {last.how}"


@dataclass(frozen=True, slots=True)
class End:
    """When one null route ends by itself: at the latest, and how, in words. what: which it is."""

    at: int
    how: str
    what: str


def ends(standing: Sequence[Standing], reader: Cases, duty: Duty, at: int) -> list[End]:
    """Of each null route, in their order. standing: of each case all that stands, as an appeal is about all of it."""
    of: dict[str, list[Standing]] = {}
    for one in standing:
        of.setdefault(one.case.id, []).append(one)
    said = {case: people(reader.words(case)) for case in of}
    return [_end(one, of[one.case.id], said[one.case.id], duty, at) for one in standing]


def _end(one: Standing, beside: Sequence[Standing], said: Binding, duty: Duty, at: int) -> End:
    sooner, appeal = _sooner(one, said, duty.clocks, at), appeal_due(said, beside, duty)
    what = f"{one.decision.scope} by {one.decision.by}"
    if appeal is not None and appeal < one.order.until:
        return End(appeal, f"{sooner}at the latest {clock.utc(appeal)} where nobody decides the appeal", what)
    return End(one.order.until, f"{sooner}at the latest {clock.utc(one.order.until)}", what)


def _sooner(one: Standing, said: Binding, clocks: Clocks, at: int) -> str:
    made, by_hand = one.decision, one.verdict is None
    if said.upholds(made.id):
        return f"after {duration_text(clocks.upheld_quiet)} without attempts, "
    if said.hold is not None and said.holds(made.id, at):
        return f"when the hold is over at {clock.utc(said.hold.until or 0)}{'' if by_hand else ' and it was quiet'}, "
    if by_hand:
        return ""
    quiet = needed(made.repeat, clocks)
    if quiet is not None:
        return f"when it was quiet for {duration_text(quiet)}, "
    rest = duration_text(max(clocks.quiet, clocks.quiet_again))
    return f"after {clock.utc(made.at + clocks.undecided)} when it was quiet for {rest}, "
