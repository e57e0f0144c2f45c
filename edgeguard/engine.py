"""The engine: runs the stages over batches of records, in packet time, live and in replay alike.

    feed(records) -> count -> look at crossings and slots -> judge -> decide -> tell the surroundings

Everything outside packet time (taps, inventory, kernel counters, the database, the enforcing child)
is behind `Surroundings`; so a replay runs the same lines as a live capture.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from edgeguard.allowances import Allowances
from edgeguard.cases.case import Case
from edgeguard.clock import SLOT
from edgeguard.config import Config
from edgeguard.counting.counted import Counted
from edgeguard.counting.readings import JUDGED
from edgeguard.crossings import rearm
from edgeguard.decision.answer import is_in_doubt, is_warned_first
from edgeguard.decision.decide import AUTOMATION, at_other_tap, decide, release
from edgeguard.decision.ledger import Entry, Ledger
from edgeguard.decision.question import Question
from edgeguard.decision.recent import NOTHING
from edgeguard.decision.repeats import NO_GROUND
from edgeguard.detection.rules import JUDGES
from edgeguard.docket import Docket
from edgeguard.ends import Ending, Ends
from edgeguard.grace import Grace
from edgeguard.model import Act, Decision, Happened, Order, Outcome, Scope, Tap, TapKind, Verdict, Vm
from edgeguard.policies import Policies, loudness
from edgeguard.questions import Questions
from edgeguard.record import Records
from edgeguard.retries import Retries
from edgeguard.states import END, TAP_GONE
from edgeguard.sums import Sums
from edgeguard.surroundings import Surroundings
from edgeguard.word import Word


class Engine:
    """One per process. `ledger`, `docket` and `recent` are what it knows between two looks."""

    def __init__(self, config: Config, counting: Counted, around: Surroundings) -> None:
        self.config = config
        self.counting = counting
        self.around = around
        self.ledger = Ledger()
        self.docket = Docket(config.host.name)
        self.ends = Ends(self.ledger, self.docket)
        self.retries = Retries()
        self.recent = NOTHING
        self.allowances = Allowances()
        self._questions = Questions(around, self.ledger, self.docket, self.allowances)
        self.policies = Policies(config, counting)
        self._sums = Sums(config, counting, self.docket, JUDGES, around.circumstances)

    def configure(self, config: Config, points: Iterable[tuple[int, Vm | None]]) -> None:
        """Other limits from now on, at these points. What was decided by the old ones stands; what goes on is judged
        by the new."""
        self.config = config
        self.policies.configure(config, points)
        self._sums.configure(config)

    # ---- packets -----------------------------------------------------------------------------

    def feed(self, records: Records) -> None:
        """Count a batch, and look wherever packet time asks for it."""
        start = 0
        while (start := self.counting.add(records, start)) < len(records):
            self.look(int(records["ts"][start]))

    def look(self, until: int) -> None:
        """Packet time has reached `until`: judge crossings, then every slot that ended, then go on."""
        if not self.counting.slot_end:
            self.counting.tick(until)  # after a restart clocks run before the first packet: time begins here
        if self.counting.crossed and self.counting.grid_end <= until:
            self._judge_all(self.counting.crossing(), min(self.counting.grid_end, self.counting.slot_end))
        slot_end = self.counting.slot_end
        while slot_end <= until and self._busy():
            hot = self.counting.hot()
            self._judge_all(hot, slot_end)
            for verdict in self._sums.look(hot, slot_end):  # after the points: what their verdicts say is no news
                self.around.verdict(verdict)
                self._decide(verdict)
            self._clocks(slot_end)
            slot_end += SLOT
        self.counting.tick(until)
        self.counting.watch(self._clocked())

    def _busy(self) -> bool:
        return self._clocked() or bool(self.counting.hot())

    def _clocked(self) -> bool:
        """Whether anything has an end that time alone brings about."""
        return bool(len(self.ledger)) or self.docket.busy

    # ---- judging -----------------------------------------------------------------------------

    def _judge_all(self, hot: list[int], at: int) -> None:
        for point in self.counting.customers.due(hot, at):
            self._judge(point, at)

    def _judge(self, point: int, at: int) -> None:
        reading = self.counting.reading(point, at)
        around = self.around.circumstances(point)
        loud = False
        for rule, limits in self.policies.limits(point).items():
            before, packets = self.docket.episode(point, rule), reading.packets[rule]
            level, _ = loudness(limits)
            loud |= packets >= level
            rearm(self.counting, reading, rule, limits, self.config.judging)
            if before is None and packets < level:
                continue
            episode, verdict = JUDGES[rule](reading, limits, self.config.judging, before, around)
            self.docket.keep(point, rule, episode)
            if verdict is not None:
                self.around.verdict(verdict)
                self._decide(verdict)
            elif before is not None and before.doubted:
                forgot = before.forget()
                self._decide_again(JUDGES[rule](reading, limits, self.config.judging, forgot, around)[1])
        self.counting.customers.judged(point, at, loud)

    # ---- deciding ----------------------------------------------------------------------------

    def _decide(self, verdict: Verdict) -> None:
        vm, tap = self._where(verdict)
        case = self.docket.case(verdict, vm, tap)
        decision = decide(self._question(verdict, case, vm, tap))
        self.docket.doubt(verdict.point, verdict.rule, is_in_doubt(decision))
        if self.bind(case, verdict, decision, self._order(decision, vm, tap), verdict.point):
            self._complete(case, decision, vm, tap)

    def _complete(self, case: Case, decision: Decision, vm: Vm | None, tap: Tap | None) -> None:
        """A VM that is null-routed as a whole is that at each of its taps, until the first of them ends."""
        if decision.act is not Act.NULL_ROUTE or decision.scope is not Scope.FULL or vm is None or tap is None:
            return
        for point, other in self.around.taps_of(vm):
            if other.ifindex != tap.ifindex and other.kind is not TapKind.NONE and not self.ledger.is_full(point):
                beside = at_other_tap(decision, other)
                self.bind(case, None, beside, self._order(beside, vm, other), point)

    def _where(self, verdict: Verdict) -> tuple[Vm | None, Tap | None]:
        """Whose verdict it is, and where; a sum is no single VM's and at no single tap."""
        if verdict.subject.customer is not None:
            return None, None
        return self.around.vm(verdict.point), self.around.tap(verdict.point)

    def _decide_again(self, verdict: Verdict | None) -> None:
        """A flood that was only observed because of what may change goes on: told if it may be null-routed now, has to
        wake a person, or if its owner is to be warned first."""
        if verdict is None:
            return
        vm, tap = self._where(verdict)
        case = self.docket.case(verdict, vm, tap)
        decision = decide(self._question(verdict, case, vm, tap))
        warns = is_warned_first(decision) and not decision.silent
        if not warns:  # a wait begins with its warning, and not with the thought of it
            self.recent = self.recent.heard(decision, case.customer, verdict.band)
        if decision.act is Act.NULL_ROUTE or decision.page or warns:
            self.around.verdict(verdict)
            self._decide(verdict)

    def bind(self, case: Case, verdict: Verdict | None, decision: Decision, order: Order | None, point: int) -> bool:
        """Make a decision stand. One that could not be recorded (False) is as if it had never been made."""
        case = self.docket.decided(case, decision)
        self.counting.watch(True)
        rule = verdict.rule if verdict else None
        if not self.around.decided(case, verdict, decision, (order,) if order else ()):
            if rule:
                self.docket.forget(point, rule)
            return False
        self.docket.put(case)
        self.recent = self.recent.after(decision, case.customer, verdict.band if verdict else None)
        self.allowances.after(decision)
        if decision.act is Act.NULL_ROUTE:
            self.ledger.add(Entry(decision, order or _paper_order(decision), rule, point))
        return True

    def _question(self, verdict: Verdict, case: Case, vm: Vm | None, tap: Tap | None) -> Question:
        return self._questions.about(verdict, case, vm, tap, self.config, self.recent)

    def _order(self, decision: Decision, vm: Vm | None, tap: Tap | None) -> Order | None:
        if not decision.enforced or vm is None or tap is None or decision.until is None:
            return None
        return Order(
            decision.id, decision.act, decision.scope, tap, vm.id, vm.addresses, decision.targets, decision.until
        )

    # ---- clocks ------------------------------------------------------------------------------

    def _clocks(self, at: int) -> None:
        ending: dict[tuple[str, Ending], list[Entry]] = {}
        for entry in self.ledger:
            if why := self.ends.why(entry, at, self.config.clocks):
                ending.setdefault((entry.decision.case, why), []).append(entry)
        for (_, why), entries in ending.items():
            self.release(tuple(entries), at, why.reason, event=why.event)
        for point, rule in self.retries.due(at):
            self.docket.forget(point, rule)
        for point, rule in set(self.docket.quiet(at, self.config.clocks.quiet)) - self.ends.watched():
            self.docket.keep(point, rule, None)
            self.retries.drop((point, rule))
        for case in self.docket.settled({entry.decision.case for entry in self.ledger}):
            self.ends.forget(case.id)
            self.around.closed(case, at)

    def release(
        self,
        entries: tuple[Entry, ...],
        at: int,
        reason: str,
        by: str = AUTOMATION,
        grace: Grace | None = None,
        event: str = END,
    ) -> Decision | None:
        """End null routes of one case: decided, recorded, ordered; by automation as that event. None: not recorded."""
        entries = self._with_beside(entries)
        decision = release(tuple(entry.decision for entry in entries), at, reason, by, grace)
        orders = tuple(replace(entry.order, act=Act.RELEASE) for entry in entries if entry.decision.enforced)
        others = {entry.decision.id for entry in self.ledger.of_case(decision.case)} - set(decision.releases)
        case = self.docket.released(decision, event, still=bool(others))
        if not self.around.decided(case, None, decision, orders):
            return None
        self.docket.put(case)
        self.allowances.after(decision)
        if not others:
            self.ends.forget(case.id)
        for entry in entries:
            self.ledger.end(entry.decision.id, overturned=grace is not None and grace.disposition in NO_GROUND)
            if by == AUTOMATION and entry.point is not None:
                for rule in (entry.rule,) if entry.rule else JUDGED:
                    self.docket.forget(entry.point, rule)
        return decision

    def _with_beside(self, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        """With those at other taps that end with them."""
        return (*entries, *(other for other in self.ledger.beside(entries) if other not in entries))

    def end_all(self, point: int, at: int, reason: str) -> None:
        """Release everything of an attachment point that is another one now, case by case."""
        entries = self.ledger.of_point(point)
        for case in {entry.decision.case for entry in entries}:
            self.release(tuple(one for one in entries if one.decision.case == case), at, reason, event=TAP_GONE)

    # ---- outcomes ----------------------------------------------------------------------------

    def outcome(self, outcome: Outcome) -> None:
        """What the enforcing child reports; a link that is gone takes its null routes with it."""
        self.ledger.note(outcome)
        entry = self.ledger.get(outcome.decision)
        if entry is None:
            return
        if outcome.happened is Happened.RELEASED:  # the child was first: its end is decided all the same
            over = outcome.detail in ("", "lifetime over")
            self.release((entry,), outcome.at, "its lifetime is over" if over else outcome.detail)
        elif outcome.happened is Happened.LINK_GONE:
            self.ledger.end(outcome.decision)
        elif outcome.happened is Happened.FAILED and entry.acknowledged is None:
            self.ledger.end(outcome.decision)
            if not self.ledger.of_case(entry.decision.case):
                self.docket.never_stood(entry.decision.case)
            if entry.point is not None and entry.rule is not None:
                self.retries.later((entry.point, entry.rule), outcome.at)
        elif outcome.happened is Happened.FAILED:
            self.around.page("disagreement", entry.decision.case, f"{outcome.decision}: {outcome.detail}")
        elif outcome.happened is Happened.NOT_STOPPED and entry.unstopped > 1:
            self._widen(entry, outcome)

    def _widen(self, entry: Entry, outcome: Outcome) -> None:
        """It was put again, and the flood goes on: decided anew, wider. What cannot be wider is for people."""
        if entry.rule is None or entry.point is None or entry.decision.scope is Scope.FULL:
            self.around.page("not stopped", entry.decision.case, f"{outcome.decision}: {outcome.detail}")
        else:
            self.docket.forget(entry.point, entry.rule)

    def stepped(self, by: int, at: int) -> None:
        """The wall clock was set, packet time is `at` now: what has an end keeps its length, quiet begins anew."""
        self.ledger.stepped(by, at)
        self.retries.stepped(by)
        self.recent = self.recent.stepped(by)
        self.ends.stepped(by)
        self.allowances.stepped(by)
        for (point, rule), _ in self.docket.episodes():
            self.docket.keep(point, rule, None)
        if by > 0:
            self.counting.tick(at)  # an hour that never was is not judged slot by slot
        elif self.counting.slot_end:
            self.counting.turn_back(at)

    def readdressed(self, point: int, vm: Vm, at: int) -> None:
        """A VM has other addresses now: what is null-routed by them follows, and never meets their next owner."""
        for entry in self.ledger.of_point(point):
            by_address = entry.decision.scope in (Scope.OWN_ONLY, Scope.FULL)
            if not by_address or not entry.decision.enforced or entry.order.prefixes == vm.addresses:
                continue
            if entry.decision.scope is Scope.OWN_ONLY and not vm.addresses:
                self.release((entry,), at, "the addresses of its VM are not known any more: judged anew")
                continue
            order = replace(entry.order, prefixes=vm.addresses)
            self.ledger.amend(entry, order)
            self.around.amended(entry.decision, order)

    def said(self, case: Case, word: Word, orders: Iterable[Order] = ()) -> None:
        """A person's word of a case holds from now on, and null routes last until when it says: recorded already."""
        self.docket.put(case)
        self.ends.said(word)
        for order in orders:
            self.ledger.lengthen(order)

    def resume(self, entries: Iterable[Entry]) -> None:
        """Null routes that stood before a restart."""
        for entry in entries:
            self.ledger.add(entry)
        self.counting.watch(self._clocked())

    def handed_over(self, point: int, at: int) -> None:
        """An attachment point has another subject now: what was judged, and null-routed, was the former's."""
        self.end_all(point, at, "its tap is another VM's now")
        self._leave(point)

    def _leave(self, point: int) -> None:
        self.counting.customers.forget(point)
        self.counting.cool(point)
        for rule in JUDGED:
            self.docket.keep(point, rule, None)

    def gone(self, point: int) -> None:
        """An attachment point disappeared: nothing of it is judged or remembered any more."""
        self._leave(point)
        self.docket.lost(point)
        for entry in self.ledger.of_point(point):
            self.ledger.end(entry.decision.id)


def _paper_order(decision: Decision) -> Order:
    """What would be ordered: a replay's ledger holds it in the place of a real one."""
    tap = decision.tap or Tap(0, decision.subject.tap or "", "", TapKind.NONE)
    return Order(
        decision.id,
        decision.act,
        decision.scope,
        tap,
        decision.subject.vm or "",
        (),
        decision.targets,
        decision.until or 0,
    )
