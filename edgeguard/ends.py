"""When a null route ends: by its lifetime, by quiet, or by what people said and did not say."""

from __future__ import annotations

from dataclasses import dataclass

from edgeguard import units
from edgeguard.config import Clocks
from edgeguard.decision import binding
from edgeguard.decision.binding import NOTHING, Binding
from edgeguard.decision.ending import by_quiet, needed
from edgeguard.decision.ledger import Entry, Ledger
from edgeguard.docket import Docket
from edgeguard.model import Scope
from edgeguard.reading import OUT
from edgeguard.states import END, QUIET, UNDECIDED
from edgeguard.word import Word


@dataclass(frozen=True, slots=True)
class Ending:
    """That a null route ends: as which event of states.toml, and why, in words."""

    event: str
    reason: str


class Ends:
    """Of an engine's null routes. Bindings are what people's words make of each case."""

    def __init__(self, ledger: Ledger, docket: Docket) -> None:
        self._ledger = ledger
        self._docket = docket
        self._bindings: dict[str, Binding] = {}

    def binding(self, case: str) -> Binding:
        return self._bindings.get(case, NOTHING)

    def said(self, word: Word) -> None:
        """A word counts from now on; it is recorded already."""
        self._bindings[word.case] = self.binding(word.case).after(word)

    def forget(self, case: str) -> None:
        """A case has ended, and all that was said of it."""
        self._bindings.pop(case, None)

    def stepped(self, by: int) -> None:
        """The wall clock was set by so much: what people said lasts as long as before."""
        self._bindings = {case: one.stepped(by) for case, one in self._bindings.items()}

    def why(self, entry: Entry, at: int, clocks: Clocks) -> Ending | None:
        """Why a null route ends now, or None."""
        decision, people = entry.decision, self.binding(entry.decision.case)
        if entry.over <= at:
            return Ending(END, self._over(people.upholds(decision.id), clocks))
        if decision.beside and self._ledger.get(decision.beside) is None:
            return Ending(END, "that of its VM's other tap has ended")
        if late := self._appeal(people, decision.case, at, clocks):
            return Ending(UNDECIDED, late)
        if people.upholds(decision.id):
            return _ending(QUIET, binding.by_quiet(self._quiet(entry, at), clocks))
        if people.holds(decision.id, at) or entry.rule is None or entry.point is None:
            return None
        event = UNDECIDED if needed(decision.repeat, clocks) is None else QUIET
        return _ending(event, by_quiet(decision.repeat, self._quiet(entry, at), at - decision.at, clocks))

    @staticmethod
    def _over(upheld: bool, clocks: Clocks) -> str:
        if not upheld:
            return "its lifetime is over"
        return f"no two people read it again within {units.duration_text(clocks.read_again)}"

    def _appeal(self, people: Binding, case: str, at: int, clocks: Clocks) -> str | None:
        if people.appeal is None:
            return None
        waiting = people.appealed([entry.decision.id for entry in self._ledger.of_case(case)])
        return binding.overdue(waiting, self.full_since(case), at, clocks) if waiting else None

    def full_since(self, case: str) -> int | None:
        """Since when the whole VM of a case is null-routed; None: it is not."""
        full = [one.decision.at for one in self._ledger.of_case(case) if one.decision.scope is Scope.FULL]
        return min(full, default=None)

    def _quiet(self, entry: Entry, at: int) -> int:
        """ns since the last loud window of whatever it is there for."""
        points = [entry.point, *(other.point for other in self._ledger.beside((entry,)))]
        rules = self._rules(entry)
        found = [self._docket.episode(point, rule) for point in points if point is not None for rule in rules]
        return at - max(entry.resumed or entry.decision.at, *(one.last_loud if one else 0 for one in found), 0)

    def watched(self) -> set[tuple[int, str]]:
        """Episodes that are not forgotten when they are quiet: how long that lasts ends a null route."""
        return {(entry.point, rule) for entry in self._ledger if entry.point is not None for rule in self._rules(entry)}

    def _rules(self, entry: Entry) -> tuple[str, ...]:
        """A person's null route is for no rule; upheld, it ends by the quiet of all that leaves the VM."""
        if entry.rule is not None:
            return (entry.rule,)
        return OUT if self.binding(entry.decision.case).upholds(entry.decision.id) else ()


def _ending(event: str, reason: str | None) -> Ending | None:
    return None if reason is None else Ending(event, reason)
