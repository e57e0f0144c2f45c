"""The docket: which episodes run and which case each of them belongs to. One case per VM and episode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from edgeguard.cases.case import Case, case_id
from edgeguard.decision.answer import is_allowed, is_in_doubt
from edgeguard.detection.episode import Episode
from edgeguard.model import Act, Decision, Subject, Tap, Verdict, Vm
from edgeguard.reading import INTO
from edgeguard.states import (
    AUTOMATION,
    CLOSED,
    OBSERVED,
    ONE,
    PROBATION,
    SETTLE,
    TABLE,
    TAP_GONE,
    VICTIM,
    event_of,
)


def _key(subject: Subject, victim: bool = False) -> str:
    """One VM, whatever tap it uses; an unknown tap, a source, or a customer's sum stands for itself.

    What reaches a VM is kept apart from what it sends: it says nothing against it.
    """
    return f"victim, {_whose(subject)}" if victim else _whose(subject)


def _whose(subject: Subject) -> str:
    if subject.vm is None and subject.tap is None and subject.customer is not None:
        return f"customer {subject.customer}"
    return f"vm {subject.vm}" if subject.vm else f"tap {subject.tap}" if subject.tap else f"source {subject.source}"


def _key_of(case: Case) -> str:
    """The key that a case was opened under: it is about a customer only where no VM and no tap is."""
    subject = Subject(case.vm, case.tap, case.source, None if case.vm or case.tap else case.customer)
    return _key(subject, case.state == VICTIM)


class Docket:
    """Episodes by (point, rule) and open cases by VM."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._episodes: dict[tuple[int, str], Episode] = {}
        self._cases: dict[str, Case] = {}
        self._of_point: dict[tuple[int, bool], str] = {}  # out of a point and into it are two cases
        self._reopened: set[str] = set()  # ids of cases that only a person closes
        self._without_tap: set[str] = set()  # ids of cases whose tap went, and their null routes with it

    # ---- episodes ----------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        return bool(self._episodes) or bool(self._cases)

    def episode(self, point: int, rule: str) -> Episode | None:
        return self._episodes.get((point, rule))

    def episodes(self) -> list[tuple[tuple[int, str], Episode]]:
        """Every episode that runs, with its point and rule."""
        return list(self._episodes.items())

    def keep(self, point: int, rule: str, episode: Episode | None) -> None:
        """Remember how an episode stands now; None ends it."""
        if episode is None:
            self._episodes.pop((point, rule), None)
        else:
            self._episodes[point, rule] = episode

    def forget(self, point: int, rule: str) -> None:
        """What was reported of an episode is to be reported again if it goes on."""
        episode = self._episodes.get((point, rule))
        if episode:
            self._episodes[point, rule] = episode.forget()

    def doubt(self, point: int, rule: str, doubted: bool) -> None:
        """Whether a measurement alone stood in the way of acting on an episode."""
        episode = self._episodes.get((point, rule))
        if episode:
            self._episodes[point, rule] = replace(episode, doubted=doubted)

    def quiet(self, at: int, quiet: int) -> list[tuple[int, str]]:
        """Episodes without a loud window for `quiet` nanoseconds."""
        return [key for key, episode in self._episodes.items() if at - episode.last_loud >= quiet]

    # ---- cases -------------------------------------------------------------------------------

    def resume(self, case: Case) -> None:
        """An open case from the database, after a restart."""
        self._cases[_key_of(case)] = case

    def reopen(self, case: Case) -> None:
        """A person opened a closed case again: no clock settles it."""
        self._reopened.add(case.id)
        self.put(case)

    def case(self, verdict: Verdict, vm: Vm | None, tap: Tap | None) -> Case:
        """The open case of a verdict's subject, or a new one."""
        victim = verdict.rule in INTO
        key = _key(verdict.subject, victim)
        self._of_point[verdict.point, victim] = key
        if key not in self._cases:
            self._cases[key] = self.new(verdict.subject, verdict.at, vm, tap, victim, verdict.since)
        return self._cases[key]

    def by_person(self, subject: Subject, at: int, vm: Vm, tap: Tap) -> Case:
        """The open case of a VM that a person acts on, or a new one."""
        return self._cases.setdefault(_key(subject), self.new(subject, at, vm, tap))

    def new(
        self, subject: Subject, at: int, vm: Vm | None, tap: Tap | None, victim: bool = False, since: int | None = None
    ) -> Case:
        """Named after the moment it is made, not after `since`, when it began: an episode may outlive a case that a
        person closes, and what goes on is another case."""
        return Case(
            id=case_id(at, self._host, _key(subject, victim), at),
            vm=subject.vm,
            vm_name=vm.name if vm else None,
            tap=subject.tap,
            ifindex=tap.ifindex if tap else None,
            mac=tap.mac if tap else None,
            customer=vm.customer if vm else subject.customer,
            opened=at if since is None else since,
            state=VICTIM if victim else OBSERVED,
            source=subject.source,
            addresses=vm.addresses if vm else (),
        )

    def decided(self, case: Case, decision: Decision) -> Case:
        """The case with the state that a decision leads to by the table, which leads nowhere lower. See `put`."""
        if decision.act is Act.RELEASE:
            return case
        doubted = is_in_doubt(decision) and not is_allowed(decision)
        event = "doubt" if doubted else event_of(decision.scope)
        return _moved(case, event, AUTOMATION if decision.by == AUTOMATION else ONE)

    def released(self, decision: Decision, event: str, still: bool) -> Case:
        """The case after a release. `event`: what it is if automation does it; `still`: others of its null routes
        stand. See `put`."""
        case = next(case for case in self._cases.values() if case.id == decision.case)
        if still:
            return case
        return _moved(case, event, AUTOMATION) if decision.by == AUTOMATION else _moved(case, "release", ONE)

    def settled(self, null_routed: set[str]) -> Iterator[Case]:
        """Cases that nothing holds open any more; each is given once."""
        held = {self._of_point.get((point, rule in INTO)) for point, rule in self._episodes}
        for key, case in list(self._cases.items()):
            if key in held or case.id in null_routed or case.id in self._reopened:
                continue
            # in a null-routed state with nothing null-routed: its tap went with it, and a restart lost that
            free = self._without(case) if TABLE.is_null_routed(case.state) else case
            if TABLE.after(free.state, SETTLE, AUTOMATION) == CLOSED:
                del self._cases[key]
                yield free

    def lost(self, point: int) -> None:
        """The attachment point of a case is gone, and with it what was null-routed there."""
        self._of_point.pop((point, True), None)
        case = self._cases.get(self._of_point.pop((point, False), ""))
        if case and TABLE.is_null_routed(case.state):
            self._without(case)

    def _without(self, case: Case) -> Case:
        """With its tap went what was null-routed."""
        self._without_tap.add(case.id)
        freed = _moved(case, TAP_GONE, AUTOMATION)
        self.put(freed)
        return freed

    def never_stood(self, id: str) -> None:
        """The kernel refused the one null route of a case: its owner was told, and nothing more was done."""
        for case in list(self._cases.values()):
            if case.id == id:
                self.put(_moved(case, "refused", AUTOMATION))

    def drop(self, id: str) -> None:
        """A person has closed a case: what goes on has a case of its own."""
        self._cases = {key: case for key, case in self._cases.items() if case.id != id}
        self._reopened.discard(id)

    def outcome(self, case: Case) -> str:
        """How a case ended that the clock settles; asked once."""
        if case.id in self._without_tap:
            self._without_tap.discard(case.id)
            return "tap gone"
        return "released" if case.state == PROBATION else "quiet"

    def of(self, id: str) -> Case | None:
        """An open case as it stands."""
        return next((case for case in self._cases.values() if case.id == id), None)

    def put(self, case: Case) -> None:
        """A case stands like this now: its decision is recorded."""
        self._cases[_key_of(case)] = case


def _moved(case: Case, event: str | None, who: str) -> Case:
    """The case where an event leads; where it leads nowhere, as it is."""
    return replace(case, state=TABLE.after(case.state, event, who) or case.state)
