"""Living on a hypervisor: the surroundings of the engine, with real taps, a real database, real routes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from edgeguard import clock
from edgeguard.capture.fanout import FanoutCapture
from edgeguard.capture.taps import Change
from edgeguard.capture.tpacket import RingCapture
from edgeguard.cases.case import Case
from edgeguard.cases.protocol import CaseStore
from edgeguard.cases.sentence import sentences
from edgeguard.config import Config
from edgeguard.config.changes import followed
from edgeguard.config.rules_file import RulesFile
from edgeguard.control import Answer, ControlServer
from edgeguard.counting.counted import Counted
from edgeguard.counting.readings import ratios
from edgeguard.daemon.attachments import Attachments
from edgeguard.daemon.beside import Beside
from edgeguard.daemon.following import Following
from edgeguard.daemon.mirrored import Mirrored
from edgeguard.daemon.outcomes import Outcomes
from edgeguard.daemon.outward import Outward
from edgeguard.daemon.precautions import Precautions
from edgeguard.daemon.readers import SETTLED, Readers, readable
from edgeguard.daemon.steps import Steps
from edgeguard.daemon.vitals import Vitals
from edgeguard.decision.decide import AUTOMATION
from edgeguard.decision.question import KernelCount, Window
from edgeguard.decision.writing import Writing
from edgeguard.earlier import Earlier
from edgeguard.enforcement.boottime import stamped
from edgeguard.enforcement.client import Enforcer
from edgeguard.engine import Engine
from edgeguard.errors import CaptureError, StoreError
from edgeguard.evidence.contents import Facts
from edgeguard.evidence.recorder import Frozen, Recorder, rests_on_frames
from edgeguard.hooks.courier import Courier
from edgeguard.inventory import Inventory
from edgeguard.letters import Notice
from edgeguard.logs import about
from edgeguard.model import Act, Band, Decision, Order, Tap, Verdict, Vm
from edgeguard.notice.outbox import Outbox
from edgeguard.notice.values import Background, background, compose
from edgeguard.reading import Circumstances

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
        store: CaseStore,
        enforcer: Enforcer,
        outbox: Outbox,
        hooks: Courier,
        background: Background,
        require_uplinks: Callable[[], None],
        mirrored: Mirrored | None = None,
        evidence: Recorder | None = None,
        beside: Beside | None = None,
    ) -> None:
        self.config = config
        self.rules = RulesFile(config)
        self.inventory = inventory
        self.following = Following(inventory, self.look_up_again)
        self.counting = counting
        self.store = store
        self.enforcer = enforcer
        self.outbox = outbox
        began = (lambda point: None) if evidence is None else evidence.forget  # evidence of a row is of its subject
        self.attachments: Attachments | Mirrored = mirrored or Attachments(counting, inventory, began=began)
        self.vitals = Vitals(counting, mirrored=mirrored is not None, sampling=config.capture.sampling)
        self.engine = Engine(config, counting, self)
        self.attachments.fit = self.engine.policies.fit
        for point, vm in self.attachments.rows():
            self.engine.policies.fit(point, vm)
        self._evidence = evidence
        self.beside = beside
        self._background = background
        self._earlier = Earlier()
        self._next_second = 0.0
        self._capture: RingCapture | None = None
        self._stopping = False
        self._unreported: set[str] = set()
        self._require_uplinks = require_uplinks
        self.uplink_trouble = ""
        self.steps = Steps()
        self.outward = Outward(store, config.hooks, background.host, hooks, self._vm_of)
        self.pages = self.outward.pages
        self.outcomes = Outcomes(store, self._recorded, self.outward.of_outcome)
        self.precautions = Precautions(config.paths.kill, self.attachments)
        self.chores: list[Callable[[int], None]] = []  # called about once a second with the time

    # ---- the loop ----------------------------------------------------------------------------

    def run(self, capture: RingCapture, control: ControlServer, answer: Answer) -> None:
        """Until `stop`: packets first, then whatever has happened beside them."""
        self._capture = capture
        happened = readable(self.enforcer.fileno(), control.fileno())
        self.vitals.take(clock.now(), self.attachments.taps())
        while not self._stopping:
            records = capture.read(WAIT_S)
            self._mind_steps()
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
                    self._mind_steps()
                    self._follow(capture.changes())
                    self.engine.look(readers.until())
                    self._beside(control, answer)

    def _beside(self, control: ControlServer, answer: Answer) -> None:
        for outcome in self.enforcer.poll():
            if self.outcomes.take(outcome):
                self.engine.outcome(outcome)
        control.poll(answer)
        self._every_second()

    def _mind_steps(self) -> None:
        """The wall clock was set: nothing ends, and nothing lasts, by that."""
        if step := self.steps.taken():
            log.warning("the clock was set by %s s; nothing is done by automation for a minute", f"{step / 1e9:+.1f}")
            self.engine.stepped(step, clock.now())

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
        self.outcomes.record()
        self.pages.record()
        for chore in self.chores:
            chore(clock.now())
        self.following.look()
        self._follow_rules()
        self._report_unknown()
        self._report_uplinks()

    def look_up_again(self) -> None:
        """The inventory is another one: null routes of VMs and addresses that are not there any more end."""
        for point in self.attachments.look_up_again():
            self.engine.handed_over(point, clock.now())
        for point, vm in self.attachments.rows():
            if vm is not None:
                self.engine.readdressed(point, vm, clock.now())

    def _follow_rules(self) -> None:
        """A rules file that changed is in force from now on, or is refused whole."""
        said = self.rules.changed()
        if said is not None:
            log.warning("%s", said)
            self.configure(followed(self.config, self.rules.config))

    def configure(self, config: Config) -> None:
        """From now on this holds: of the running configuration nothing differs that only a restart changes."""
        if config == self.config:
            return
        self.config = config
        self._background = background(config, self._background.host)
        self.counting.ratios = ratios(config.judging)
        self.engine.configure(config, self.attachments.rows())

    def _report_uplinks(self) -> None:
        """Without its uplinks nothing can be verified: said when it changes."""
        try:
            self._require_uplinks()
            trouble = ""
        except CaptureError as error:
            trouble = str(error)
        if trouble and trouble != self.uplink_trouble:
            log.warning("%s", trouble)
        self.uplink_trouble = trouble

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

    def taps_of(self, vm: Vm) -> list[tuple[int, Tap]]:
        return self.attachments.of_vm(vm.id)

    def window(self) -> Window | None:
        self._note_health()
        return self.vitals.window(clock.now())

    def _note_health(self) -> None:
        if self._capture is not None:
            self.vitals.note(clock.now(), self._capture.health())

    def kernel_count(self, point: int) -> KernelCount | None:
        return self.vitals.kernel_count(clock.now(), point, tap) if (tap := self.attachments.tap(point)) else None

    def circumstances(self, point: int) -> Circumstances:
        return self.beside.circumstances(point) if self.beside is not None else Circumstances()

    def killed(self) -> str | None:
        return self.precautions.killed()

    def customers(self) -> int:
        return self.precautions.customers()

    def permit(self) -> bool | None:
        return self.precautions.permit()

    def writing(self) -> Writing:
        return self.precautions.writing

    # ---- what the engine tells -----------------------------------------------------------------

    def verdict(self, verdict: Verdict) -> None:
        """Recorded and told together with its decision."""

    def decided(self, case: Case, verdict: Verdict | None, decision: Decision, orders: tuple[Order, ...]) -> bool:
        verdict = self.beside.compared(verdict) if self.beside is not None else verdict
        frozen = self._freeze(verdict, decision)
        notices = self._notices(case, verdict, decision)
        orders = tuple(stamped(order) for order in orders)
        try:
            told = self.outward.of_decision(case, verdict, decision)
            self.store.record(case, verdict, decision, notices, orders[0] if orders else None, told)
        except StoreError as error:
            self._not_done(case, verdict, decision, str(error))
            return False
        for order in orders:
            self.enforcer.order(order)
        if self._evidence is not None and frozen is not None:
            vm, tap = self.attachments.vm(frozen.point), self.attachments.tap(frozen.point)
            self._evidence.keep(frozen, Facts(case.id, decision, verdict, vm, tap))
        self.remember(decision)
        self._recorded()
        for line in sentences(verdict, decision):
            log.warning("%s: %s", case.id, line, extra=about(case.id, decision.id))
        return True

    def _not_done(self, case: Case, verdict: Verdict | None, decision: Decision, why: str) -> None:
        """What cannot be recorded is not done; a hard flood that goes on for that is no matter for the morning."""
        line = f"nothing was done about {(whom := decision.subject).vm or whom.tap or whom.customer}: {why}"
        self.outcomes.trouble(line)
        if decision.act is Act.NULL_ROUTE and verdict is not None and verdict.band is Band.HARD:
            self.page("not stopped", case.id, line)

    def _freeze(self, verdict: Verdict | None, decision: Decision) -> Frozen | None:
        """The frames that led to a null route, or to one that is only observed, before it changes what comes."""
        if self._evidence is None or not rests_on_frames(verdict, decision):
            return None
        tap = self.attachments.point_of(decision.tap) if decision.tap else None
        point = verdict.point if verdict else tap
        return self._evidence.freeze(point, clock.now()) if point is not None else None

    def _notices(self, case: Case, verdict: Verdict | None, decision: Decision) -> tuple[Notice, ...]:
        vm = self._vm_of(case.vm) if case.vm else None
        ended, before = self._earlier.ended_by(decision), self._earlier.before(decision)
        return compose(decision, verdict, vm, self._background, ended, before)

    def _vm_of(self, id: str) -> Vm | None:
        return next((vm for vm in self.inventory.vms() if vm.id == id), None)

    def _recorded(self) -> None:
        """Mails, hooks and pages may be due."""
        self.outbox.wake()
        self.outward.recorded()

    def remember(self, decision: Decision) -> None:
        """For the mails about what follows it."""
        self._earlier.add(decision)

    def amended(self, decision: Decision, order: Order) -> None:
        """Nothing waits for the disk here: after a restart the inventory is asked again anyway."""
        self.enforcer.order(stamped(order))
        told = ", ".join(map(str, order.prefixes)) or "none"
        with self.outcomes.suppressing():
            self.store.note(decision.case, clock.now(), AUTOMATION, f"its VM has other addresses now: {told}")

    def page(self, cause: str, case: str, line: str) -> None:
        self.pages.say(cause, case, [line], [f"edgeguard explain {case}", "edgeguard nullroute list"])

    def closed(self, case: Case, at: int) -> None:
        self._earlier.forget(case.id)
        try:
            self.store.close_case(case.id, at, self.engine.docket.outcome(case))
        except StoreError as error:
            self.outcomes.trouble(str(error))
