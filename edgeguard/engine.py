"""The engine: runs the stages over batches of records, in packet time, live and in replay alike.

    feed(records) -> count -> look at crossings and slots -> judge -> decide -> tell the surroundings

Everything outside packet time (taps, inventory, kernel counters, the database, the enforcing child)
is behind `Surroundings`; so a replay runs the same lines as a live capture.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from edgeguard.cases.case import Case
from edgeguard.clock import HOUR, MINUTE, SLOT
from edgeguard.config import Config
from edgeguard.counting.counted import Counted
from edgeguard.counting.readings import JUDGED
from edgeguard.crossings import rearm
from edgeguard.decision.decide import AUTOMATION, decide, is_in_doubt, release
from edgeguard.decision.ledger import Entry, Ledger
from edgeguard.decision.question import KernelCount, Question, Window
from edgeguard.detection.rules import JUDGES
from edgeguard.docket import STATES, Docket
from edgeguard.model import Act, Band, Decision, Happened, Order, Outcome, Scope, Tap, TapKind, Verdict, Vm
from edgeguard.policies import Policies, loudness
from edgeguard.reading import Circumstances
from edgeguard.record import Records
from edgeguard.sums import Sums

RETRY = MINUTE  # after a null route that the kernel refused; doubles
LONGEST_RETRY = HOUR
NEVER = 2**62


class Surroundings(Protocol):
    """What the engine asks of, and tells to, the world around packet time."""

    replayed: bool

    def vm(self, point: int) -> Vm | None:
        """Who is behind an attachment point, by the inventory."""

    def tap(self, point: int) -> Tap | None:
        """The attachment point itself, where there is one."""

    def window(self) -> Window | None:
        """How far the last second can be trusted."""

    def kernel_count(self, point: int) -> KernelCount | None:
        """Frames out of the tap, ours and the kernel's, over the same span."""

    def circumstances(self, point: int) -> Circumstances:
        """How others on the host fare, and whether what comes back can be believed."""

    def verdict(self, verdict: Verdict) -> None:
        """A rule found something."""

    def decided(self, case: Case, verdict: Verdict | None, decision: Decision, orders: tuple[Order, ...]) -> bool:
        """Record a decision and its notices on the disk; only then give its orders. False: neither."""

    def closed(self, case: Case, at: int) -> None:
        """An episode is over and nothing of its case is null-routed."""


class Engine:
    """One per process. `ledger` and `docket` are what it knows between two looks."""

    def __init__(self, config: Config, counting: Counted, around: Surroundings) -> None:
        self.config = config
        self.counting = counting
        self.around = around
        self.ledger = Ledger()
        self.docket = Docket(config.host.name)
        self._failed: dict[tuple[int, str], tuple[int, int]] = {}  # when to try again, and the pause before that
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
        self.bind(case, verdict, decision, self._order(decision, vm, tap), verdict.point)

    def _where(self, verdict: Verdict) -> tuple[Vm | None, Tap | None]:
        """Whose verdict it is, and where; a sum is no single VM's and at no single tap."""
        if verdict.subject.customer is not None:
            return None, None
        return self.around.vm(verdict.point), self.around.tap(verdict.point)

    def _decide_again(self, verdict: Verdict | None) -> None:
        """A flood that was only observed because a measurement was in doubt goes on: told if it is certain now."""
        if verdict is None:
            return
        vm, tap = self._where(verdict)
        case = self.docket.case(verdict, vm, tap)
        if decide(self._question(verdict, case, vm, tap)).act is Act.NULL_ROUTE:
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
        if decision.act is Act.NULL_ROUTE:
            self.ledger.add(Entry(decision, order or _paper_order(decision), rule, point))
        return True

    def _question(self, verdict: Verdict, case: Case, vm: Vm | None, tap: Tap | None) -> Question:
        since = verdict.at - self.config.clocks.moves
        return Question(
            verdict=verdict,
            case=case.id,
            config=self.config,
            vm=vm,
            tap=tap,
            window=self.around.window(),
            kernel=self.around.kernel_count(verdict.point) if tap and verdict.band is not Band.WARN else None,
            replayed=self.around.replayed,
            null_routed=self.ledger.targets(case.id, since),
            standing=tuple(t for entry in self.ledger.of_point(verdict.point) for t in entry.decision.targets),
            freed=self.ledger.freed(case.id),
            full=self.ledger.is_full(verdict.point),
            own_only=self.ledger.is_own_only(verdict.point),
            freed_scopes=self.ledger.freed_scopes(case.id),
            warned=self._warned(verdict, case),
            around=self.around.circumstances(verdict.point) if verdict.subject.customer is None else Circumstances(),
        )

    def _warned(self, verdict: Verdict, case: Case) -> bool:
        """Whether a warning went out before, about the same in a lower band of this episode."""
        episode = self.docket.episode(verdict.point, verdict.rule)
        told = episode is not None and episode.told_lower(verdict.band, verdict.kind)
        return told and case.state != STATES[Scope.OBSERVE]

    def _order(self, decision: Decision, vm: Vm | None, tap: Tap | None) -> Order | None:
        if not decision.enforced or vm is None or tap is None or decision.until is None:
            return None
        return Order(
            decision.id, decision.act, decision.scope, tap, vm.id, vm.addresses, decision.targets, decision.until
        )

    # ---- clocks ------------------------------------------------------------------------------

    def _clocks(self, at: int) -> None:
        ending: dict[tuple[str, str], list[Entry]] = {}
        for entry in self.ledger:
            if reason := self._end(entry, at):
                ending.setdefault((entry.decision.case, reason), []).append(entry)
        for (_, reason), entries in ending.items():
            self.release(tuple(entries), at, reason)
        for (point, rule), (due, _) in self._failed.items():
            if due <= at:
                self._failed[point, rule] = (NEVER, self._failed[point, rule][1])
                self.docket.forget(point, rule)
        for point, rule in self.docket.quiet(at, self.config.clocks.quiet):
            self.docket.keep(point, rule, None)
            self._failed.pop((point, rule), None)
        for case in self.docket.settled({entry.decision.case for entry in self.ledger}):
            self.ledger.forget(case.id)
            self.around.closed(case, at)

    def _end(self, entry: Entry, at: int) -> str | None:
        """Why a null route ends now, or None."""
        if entry.order.until <= at:
            return "its lifetime is over"
        if entry.rule is None or entry.point is None:
            return None
        episode = self.docket.episode(entry.point, entry.rule)
        loud = max(entry.decision.at, entry.resumed, episode.last_loud if episode else 0)
        if at - loud >= self.config.clocks.quiet:
            return "quiet: no second reached half of the warn limit since the attempts ended"
        return None

    def release(self, entries: tuple[Entry, ...], at: int, reason: str, by: str = AUTOMATION) -> Decision | None:
        """End null routes of one case: a decision with its record and its orders, as any other. None: not recorded."""
        decision = release(tuple(entry.decision for entry in entries), at, reason, by)
        orders = tuple(replace(entry.order, act=Act.RELEASE) for entry in entries if entry.decision.enforced)
        others = {entry.decision.id for entry in self.ledger.of_case(decision.case)} - set(decision.releases)
        case = self.docket.released(decision, still=bool(others))
        if not self.around.decided(case, None, decision, orders):
            return None
        self.docket.put(case)
        if by != AUTOMATION:
            self.ledger.free(decision.case, decision.targets, {entry.decision.scope for entry in entries})
        for entry in entries:
            self.ledger.end(entry.decision.id)
            if by == AUTOMATION and entry.point is not None:
                for rule in (entry.rule,) if entry.rule else JUDGED:
                    self.docket.forget(entry.point, rule)
        return decision

    def end_all(self, point: int, at: int, reason: str) -> None:
        """Release everything of an attachment point, case by case."""
        entries = self.ledger.of_point(point)
        for case in {entry.decision.case for entry in entries}:
            self.release(tuple(entry for entry in entries if entry.decision.case == case), at, reason)

    # ---- outcomes ----------------------------------------------------------------------------

    def outcome(self, outcome: Outcome) -> None:
        """What the enforcing child reports; a link that is gone takes its null routes with it."""
        self.ledger.note(outcome)
        entry = self.ledger.get(outcome.decision)
        if entry is None:
            return
        if outcome.happened is Happened.RELEASED:  # the child was first: its end is decided all the same
            self.release((entry,), outcome.at, "its lifetime is over")
        elif outcome.happened is Happened.LINK_GONE:
            self.ledger.end(outcome.decision)
        elif outcome.happened is Happened.FAILED and entry.acknowledged is None:
            self.ledger.end(outcome.decision)
            self._try_again(entry, outcome.at)

    def _try_again(self, entry: Entry, at: int) -> None:
        """A null route that the kernel refused is decided anew while the flood goes on, less and less often."""
        if entry.point is None or entry.rule is None:
            return
        key = entry.point, entry.rule
        _, pause = self._failed.get(key, (0, RETRY // 2))
        pause = min(2 * pause, LONGEST_RETRY)
        self._failed[key] = (at + pause, pause)

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
