"""The clocks of people: what somebody has to decide or to read, by when, and what happens then.

    for one in deadlines(reader, duty, clock.now()): ...

Worked out anew from the database at each look, so the daemon and `edgeguard reap` see the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edgeguard import clock, roster
from edgeguard.cases.case import Standing
from edgeguard.cases.matter import head
from edgeguard.clock import HOUR, MINUTE
from edgeguard.decision import binding
from edgeguard.decision.binding import NOTHING, Binding
from edgeguard.duty import Duty
from edgeguard.enforcement.boottime import stepped
from edgeguard.grace import Exemption
from edgeguard.model import Scope
from edgeguard.states import AUTOMATION
from edgeguard.word import Said, Word

if TYPE_CHECKING:  # people wait for `next`: a protocol takes its time to load
    from edgeguard.cases.protocol import Cases
    from edgeguard.cases.received import Taken

BEFORE = 7 * 24 * HOUR  # its end the desk is told of an exemption
MOST = 96  # times that one broken clock is told again: a day of every 15 minutes
DECIDED = (Said.HOLD, Said.UPHOLD, Said.KEEP)


@dataclass(frozen=True, slots=True)
class Deadline:
    """One clock that runs. `lead`: told so long before it breaks; `repeat`: told again so often after it; 0: never."""

    id: str
    case: str | None
    kind: str  # decision, reply, appeal, voice, hold, reading or exemption
    due: int
    lead: int
    repeat: int
    says: str  # what is to be done, and what happens else
    promised: bool = False  # to the customer: the desk hears of that by itself before it breaks (unread.py)
    began: int | None = None  # told at its beginning, too: somebody waits since then
    matter: str | None = None  # by which its case, and those that go with it, are known
    null_routed: bool = True  # while it runs a customer is null-routed, and it waits for a person: it may wake one

    def stage(self, at: int) -> str | None:
        """'new', 'before', 'at', 'after 1', ...: what has to be told now; None: nothing yet."""
        if at < self.due - self.lead:
            return "new" if self.began is not None else None
        if at < self.due:
            return "before"
        late = min(MOST, (at - self.due) // self.repeat) if self.repeat else 0
        return f"after {late}" if late else "at"

    def since(self, stage: str) -> int:
        """When a stage began."""
        if stage in ("new", "before"):
            return self.due - self.lead if stage == "before" else self.began or 0
        return self.due + self.repeat * int(stage.partition(" ")[2] or 0)


def deadlines(
    reader: Cases,
    duty: Duty,
    at: int,
    standing: Sequence[Standing] | None = None,
    answers: Mapping[str, list[Taken]] | None = None,
) -> list[Deadline]:
    """All that run, those that break first first. standing, answers: what the reader and `unread` say, where they were
    asked already."""
    of_case: dict[str, list[Standing]] = {}
    for one in reader.standing() if standing is None else standing:
        if one.releasing is None:
            of_case.setdefault(one.case.id, []).append(one)
    found = [one for case, of in of_case.items() for one in _of_case(reader, duty, case, of, at)]
    matters: dict[str, list[str]] = {}
    for case, of in of_case.items():
        matters.setdefault(head(of[0].case), []).append(case)
    waiting = unread(reader) if answers is None else answers
    found += [one for matter, of in waiting.items() for one in _reply(duty, matter, of, matters.get(matter, ()))]
    found += [_exempted(one.exemption) for one in reader.exemptions() if one.holds(at)]
    leaders = {case: head(of[0].case) for case, of in of_case.items()}
    known = [replace(one, matter=leaders[one.case]) if one.case in leaders else one for one in found]
    return sorted(known, key=lambda one: one.due)


def unread(reader: Cases) -> dict[str, list[Taken]]:
    """Replies that nobody has read, by the matter of their cases, of those that are open; of each case the oldest."""
    found: dict[str, list[Taken]] = {}
    for taken in reader.replies.longest_unread():
        case = reader.case(taken.case) if taken.case else None
        if case is not None:
            found.setdefault(head(case), []).append(taken)
    return found


def people(words: Sequence[Word]) -> Binding:
    """What a case's words make of it, on today's wall clock."""
    made = NOTHING
    for word in words:
        made = made.after(word.moved(stepped(word.at, word.since, word.boot)))
    return made


def appeal_due(said: Binding, standing: Sequence[Standing], duty: Duty) -> int | None:
    """When the appeal that waits ends what stands of its case; None: none waits."""
    waiting = said.appealed([one.decision.id for one in standing])
    if waiting is None:
        return None
    full = [one.decision.at for one in standing if one.decision.scope is Scope.FULL]
    return binding.due(waiting, min(full, default=None), duty.clocks)


def _of_case(reader: Cases, duty: Duty, case: str, standing: Sequence[Standing], at: int) -> Iterator[Deadline]:
    words = reader.words(case)
    said = people(words)
    yield from _decision(duty, case, standing, words)
    due = appeal_due(said, standing, duty)
    if due is not None and said.appeal is not None:
        lead = min(HOUR, (due - said.appeal.at) // 4)
        says = f"a third person upholds or releases it by {clock.utc(due)}, else it ends then"
        yield Deadline(f"appeal {case} {said.appeal.at}", case, "appeal", due, lead, 0, says, began=said.appeal.at)
    if said.voice is not None and (ends := said.voice.at + duty.clocks.second_voice) > at:
        says = f"a second person upholds it by {clock.utc(ends)}, else {said.voice.by}'s voice counts for nothing"
        id = f"voice {case} {said.voice.at}"
        yield Deadline(id, case, "voice", ends, 0, 0, says, began=said.voice.at, null_routed=False)
    if said.upheld is not None and said.upheld.until and any(said.upholds(one.decision.id) for one in standing):
        lead = min(24 * HOUR, (said.upheld.until - said.upheld.at) // 4)
        says = f"two people read it again by {clock.utc(said.upheld.until)}, else it ends then"
        yield Deadline(
            f"reading {case} {said.upheld.at}", case, "reading", said.upheld.until, lead, 0, says, null_routed=False
        )
    elif said.hold is not None and said.hold.until and any(one.decision.id in said.hold.covers for one in standing):
        lead = min(HOUR, (said.hold.until - said.hold.at) // 4)
        says = f"the hold is over at {clock.utc(said.hold.until)}; every clock then goes on as before"
        yield Deadline(f"hold {case}", case, "hold", said.hold.until, lead, 0, says, null_routed=False)


def _decision(duty: Duty, case: str, standing: Sequence[Standing], words: Sequence[Word]) -> Iterator[Deadline]:
    """A person decides within `clocks.undecided` of the first null route of automation that nobody has decided on yet.
    A word is about the null routes that stood when it was said, and what a person ordered is about nothing else."""
    decided = {id for word in words if word.said in DECIDED for id in word.covers}
    waiting = [one.decision for one in standing if one.decision.by == AUTOMATION and one.decision.id not in decided]
    if not waiting:
        return
    began, limit = min(one.at for one in waiting), duty.clocks.undecided
    says = f"a person decides by {clock.utc(began + limit)}; after that it ends as soon as it was quiet"
    yield Deadline(f"decision {case} {began}", case, "decision", began + limit, min(HOUR // 2, limit // 4), HOUR, says)


def _reply(duty: Duty, matter: str, waiting: Sequence[Taken], standing: Sequence[str]) -> Iterator[Deadline]:
    """The oldest reply to cases that go together that no person has read; without a roster and a promise there is no
    time for it. standing: those of them that are null-routed. It is told of the case that was answered, or where others
    are null-routed, of one that waits for it. That it came in is told as it does (intake.py)."""
    for taken in waiting:
        due = taken.read_by or roster.read_by(duty.roster, taken.at)
        if due is None:
            continue
        lead = min(10 * MINUTE, (due - taken.at) // 2)
        says = f"a person reads the answer by {clock.utc(due)}: a note, or a decision, says that it was read"
        case = taken.case if taken.case in standing or not standing else standing[0]
        id, promised = f"reply {taken.reply.id}", taken.read_by is not None
        yield Deadline(
            id, case, "reply", due, lead, duty.roster.repeat, says, promised, matter=matter, null_routed=bool(standing)
        )
        return


def _exempted(one: Exemption) -> Deadline:
    says = f"what {one.vm} sends to {one.target} is exempted until {clock.utc(one.until)}: let it end, or extend it"
    return Deadline(
        f"exemption {one.id} {one.until}", one.case, "exemption", one.until, BEFORE, 0, says, null_routed=False
    )
