"""Living on a hypervisor: the surroundings of the engine, with real taps, a real database, real routes."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence

from edgeguard import clock
from edgeguard.attachments import Attachments
from edgeguard.beside import Beside
from edgeguard.capture.fanout import FanoutCapture
from edgeguard.capture.taps import Change
from edgeguard.capture.tpacket import RingCapture
from edgeguard.cases.case import Case
from edgeguard.cases.sentence import sentence
from edgeguard.cases.store import Store
from edgeguard.config import Config
from edgeguard.config.rules_file import RulesFile
from edgeguard.control import Answer, ControlServer
from edgeguard.counting.counted import Counted
from edgeguard.decision.ledger import Entry
from edgeguard.decision.question import KernelCount, Window
from edgeguard.enforcement.client import Enforcer
from edgeguard.engine import Engine
from edgeguard.errors import CaptureError, EdgeGuardError, EnforcementError, StoreError
from edgeguard.evidence.contents import Facts
from edgeguard.evidence.recorder import Frozen, Recorder, rests_on_frames
from edgeguard.inventory import Inventory
from edgeguard.mirrored import Mirrored
from edgeguard.model import Decision, Happened, Notice, Order, Outcome, Tap, Verdict, Vm
from edgeguard.notice.outbox import Outbox
from edgeguard.notice.values import Background, background, compose
from edgeguard.readers import SETTLED, Readers, readable
from edgeguard.reading import Circumstances
from edgeguard.vitals import Vitals

WAIT_S = 0.02  # for the next block; also the longest that an outcome or a command waits

log = logging.getLogger("edgeguard")


class Live:
    """One daemon. `assembly` gives it its parts; `run` is its loop."""

    replayed = False

    def __init__(
        self,
        config: Config,
        inventory: Inventory,
        counting: Counted,
        store: Store,
        enforcer: Enforcer,
        outbox: Outbox,
        background: Background,
        require_uplinks: Callable[[], None],
        mirrored: Mirrored | None = None,
        evidence: Recorder | None = None,
        beside: Beside | None = None,
    ) -> None:
        self.config = config
        self.rules = RulesFile(config)
        self.inventory = inventory
        self.counting = counting
        self.store = store
        self.enforcer = enforcer
        self.outbox = outbox
        self.attachments: Attachments | Mirrored = mirrored or _attachments(counting, inventory, evidence)
        self.vitals = Vitals(counting, mirrored=mirrored is not None, sampling=config.capture.sampling)
        self.engine = Engine(config, counting, self)
        self.attachments.fit = self.engine.policies.fit
        for point, vm in self.attachments.rows():
            self.engine.policies.fit(point, vm)
        self._evidence = evidence
        self.beside = beside
        self._background = background
        self._decisions: dict[str, Decision] = {}  # standing ones, for the text of their release
        self._next_second = 0.0
        self._capture: RingCapture | None = None
        self._stopping = False
        self._last_trouble = ""
        self._unreported: set[str] = set()
        self._require_uplinks = require_uplinks
        self._uplink_trouble = ""
        self._unrecorded: deque[Outcome] = deque()

    # ---- the loop ----------------------------------------------------------------------------

    def run(self, capture: RingCapture, control: ControlServer, answer: Answer) -> None:
        """Until `stop`: packets first, then whatever has happened beside them."""
        self._capture = capture
        happened = readable(self.enforcer.fileno(), control.fileno())
        self.vitals.take(clock.now(), self.attachments.taps())
        while not self._stopping:
            records = capture.read(WAIT_S)
            self._follow(capture.changes())
            if len(records):
                self.engine.feed(records)
            else:
                self.engine.look(clock.now() - SETTLED)
            if happened.poll(0) or time.monotonic() >= self._next_second:
                self._beside(control, answer)

    def run_threads(self, capture: FanoutCapture, readers: Readers, control: ControlServer, answer: Answer) -> None:
        """As `run`, where packets are counted by threads; everything else happens while these rest."""
        self._capture = capture
        self.vitals.take(clock.now(), self.attachments.taps())
        with readers:
            while not self._stopping:
                with readers.gathered(WAIT_S):
                    capture.follow()
                    self._follow(capture.changes())
                    self.engine.look(readers.until())
                    self._beside(control, answer)

    def _beside(self, control: ControlServer, answer: Answer) -> None:
        for outcome in self.enforcer.poll():
            self._happened(outcome)
        control.poll(answer)
        self._every_second()

    def stop(self) -> None:
        self._stopping = True

    def _follow(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.what == "gone":
                point = self.attachments.gone(change.tap)
                if point is not None:
                    self.engine.gone(point)
            elif change.what == "changed":
                self._changed(change.tap)
            log.info("tap %s %s (%s)", change.tap.name, change.what, change.tap.kind_detail or change.tap.kind)
        if changes and self._capture is not None:
            self._seat(self._capture)

    def _seat(self, capture: RingCapture) -> None:
        """Rows that became free are for the taps that wait for one."""
        for tap in self.attachments.due():
            capture.place(tap)
            log.info("tap %s has a row of its own now", tap.name)

    def _changed(self, tap: Tap) -> None:
        """A tap that is enforced in another way now: its null routes are decided anew where they hold."""
        point = self.attachments.point_of(tap)
        if point is not None and any(entry.order.tap.kind != tap.kind for entry in self.engine.ledger.of_point(point)):
            self.engine.end_all(point, clock.now(), f"its tap is {tap.kind_detail or tap.kind} now: judged anew")

    def _every_second(self) -> None:
        if time.monotonic() < self._next_second:
            return
        self._next_second = time.monotonic() + 1
        self._note_health()
        self.vitals.take(clock.now(), self.attachments.taps())
        if self._evidence is not None:
            self._evidence.look(clock.now())
        if self.beside is not None:
            self.beside.take(clock.now(), self.attachments, self.engine)
        self._record_outcomes()
        said = self.inventory.reload_if_changed()
        if said:
            log.warning("%s", said)
            for point in self.attachments.look_up_again():
                self.engine.handed_over(point, clock.now())
        self._follow_rules()
        self._report_unknown()
        self._report_uplinks()

    def _follow_rules(self) -> None:
        """A rules file that changed is in force from now on, or is refused whole."""
        said = self.rules.changed()
        if said is None:
            return
        log.warning("%s", said)
        if self.rules.config is not self.config:
            self.config = self.rules.config
            self._background = background(self.config, self._background.host)
            self.engine.configure(self.config, self.attachments.rows())

    def _report_uplinks(self) -> None:
        """Without its uplinks nothing can be verified: said when it changes."""
        try:
            self._require_uplinks()
            trouble = ""
        except CaptureError as error:
            trouble = str(error)
        if trouble and trouble != self._uplink_trouble:
            log.warning("%s", trouble)
        self._uplink_trouble = trouble

    def _report_unknown(self) -> None:
        unknown = {tap.name for tap in self.attachments.unknown()}
        for name in sorted(unknown - self._unreported):
            log.warning("%s %s has no inventory entry: it is counted and never acted upon", self.attachments.noun, name)
        self._unreported = unknown

    # ---- what the engine asks ------------------------------------------------------------------

    def vm(self, point: int) -> Vm | None:
        return self.attachments.vm(point)

    def tap(self, point: int) -> Tap | None:
        return self.attachments.tap(point)

    def window(self) -> Window | None:
        self._note_health()
        return self.vitals.window(clock.now())

    def _note_health(self) -> None:
        if self._capture is not None:
            self.vitals.note(clock.now(), self._capture.health())

    def kernel_count(self, point: int) -> KernelCount | None:
        tap = self.attachments.tap(point)
        return self.vitals.kernel_count(clock.now(), point, tap) if tap else None

    def circumstances(self, point: int) -> Circumstances:
        return self.beside.circumstances(point) if self.beside is not None else Circumstances()

    # ---- what the engine tells -----------------------------------------------------------------

    def verdict(self, verdict: Verdict) -> None:
        """Recorded and told together with its decision."""

    def decided(self, case: Case, verdict: Verdict | None, decision: Decision, orders: tuple[Order, ...]) -> bool:
        verdict = self.beside.compared(verdict) if self.beside is not None else verdict
        frozen = self._freeze(verdict, decision)
        notices = self._notices(case, verdict, decision)
        try:
            self.store.record(case, verdict, decision, notices, orders[0] if orders else None)
        except StoreError as error:
            subject = decision.subject
            self._trouble(f"nothing was done about {subject.vm or subject.tap or subject.customer}: {error}")
            return False
        for order in orders:
            self.enforcer.order(order)
        if self._evidence is not None and frozen is not None:
            vm, tap = self.attachments.vm(frozen.point), self.attachments.tap(frozen.point)
            self._evidence.keep(frozen, Facts(case.id, decision, verdict, vm, tap))
        self._remember(decision)
        self.outbox.wake()
        if verdict is not None:
            log.warning("%s: %s", case.id, sentence(verdict))
        log.warning("%s: %s (%s): %s", case.id, decision.scope, decision.act, decision.reason)
        return True

    def _freeze(self, verdict: Verdict | None, decision: Decision) -> Frozen | None:
        """The frames that led to a null route, or to one that is only observed, before it changes what comes."""
        if self._evidence is None or not rests_on_frames(verdict, decision):
            return None
        tap = self.attachments.point_of(decision.tap) if decision.tap else None
        point = verdict.point if verdict else tap
        return self._evidence.freeze(point, clock.now()) if point is not None else None

    def _notices(self, case: Case, verdict: Verdict | None, decision: Decision) -> tuple[Notice, ...]:
        vm = next((vm for vm in self.inventory.vms() if vm.id == case.vm), None) if case.vm else None
        ended = [self._decisions[id] for id in decision.releases if id in self._decisions]
        return compose(decision, verdict, vm, self._background, ended)

    def _remember(self, decision: Decision) -> None:
        for id in decision.releases:
            self._decisions.pop(id, None)
        if decision.enforced and not decision.releases:
            self._decisions[decision.id] = decision

    def closed(self, case: Case, at: int) -> None:
        try:
            self.store.close_case(case.id, at, case.state if case.state in ("released", "tap gone") else "quiet")
        except StoreError as error:
            self._trouble(str(error))

    def _happened(self, outcome: Outcome) -> None:
        if not outcome.decision and outcome.happened is Happened.FAILED:  # without the child nothing can be freed
            raise EnforcementError(outcome.detail)
        if not outcome.decision:  # what it found at start
            log.info("%s: %s", outcome.happened, outcome.detail)
            return
        level = logging.ERROR if outcome.happened in (Happened.FAILED, Happened.NOT_STOPPED) else logging.INFO
        log.log(level, "%s: %s: %s", outcome.decision, outcome.happened, outcome.detail)
        self.engine.outcome(outcome)
        self._unrecorded.append(outcome)
        self._record_outcomes()

    def _record_outcomes(self) -> None:
        """Oldest first; what the database cannot take now is kept and tried again every second."""
        while self._unrecorded:
            try:
                self.store.outcome(self._unrecorded[0])
            except StoreError as error:
                self._trouble(str(error))
                return
            self._unrecorded.popleft()
            self.outbox.wake()

    def _trouble(self, sentence: str) -> None:
        """The same trouble ten times a second is one line."""
        if sentence != self._last_trouble:
            log.error("%s", sentence)
        self._last_trouble = sentence

    # ---- after a restart -----------------------------------------------------------------------

    def resume(self) -> None:
        """Take up what the database says is null-routed; the kernel is made to agree."""
        for case in self.store.open_cases():
            self.engine.docket.resume(case)
        entries = []
        for standing in self.store.standing():
            point = self.attachments.point_of(standing.order.tap)
            vm = self.attachments.vm(point) if point is not None else None
            if standing.releasing or point is None or vm is None or vm.id != standing.order.vm:
                whose = "its tap is gone" if point is None else "its tap is not this VM's any more"
                why = "its release was decided" if standing.releasing else whose
                self._ended(standing.decision, f"ended at start: {why}")
                continue
            rule = standing.verdict.rule if standing.verdict else None
            entries.append(Entry(standing.decision, standing.order, rule, point, resumed=clock.now()))
            self._decisions[standing.decision.id] = standing.decision
        self.engine.resume(entries)
        self.enforcer.reconcile([entry.order for entry in entries])

    def _ended(self, decision: Decision, detail: str) -> None:
        try:
            self.store.outcome(Outcome(decision.id, clock.now(), Happened.RELEASED, detail))
        except StoreError as error:
            raise EdgeGuardError(f"{error}; what is null-routed cannot be taken up") from None


def _attachments(counting: Counted, inventory: Inventory, evidence: Recorder | None) -> Attachments:
    """Rows by tap. Evidence of a row is of the subject that it has."""
    if evidence is None:
        return Attachments(counting, inventory)
    return Attachments(counting, inventory, began=evidence.forget)
