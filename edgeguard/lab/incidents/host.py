"""A hypervisor in virtual time: the real engine, database, outbox and courier; its packets and its kernel are played.

It records and tells as the daemon does (live.py), before anything is ordered.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgeguard import inventory
from edgeguard.cases.case import Case
from edgeguard.cases.protocol import CaseStore
from edgeguard.cases.store import Store
from edgeguard.clock import SECOND
from edgeguard.config import Config
from edgeguard.counting.distinct import Distinct
from edgeguard.counting.readings import ratios
from edgeguard.counting.window import Counting
from edgeguard.daemon.hearing import Hearing
from edgeguard.daemon.outward import Outward
from edgeguard.daemon.vitals import Vitals
from edgeguard.decision.question import KernelCount, Window
from edgeguard.decision.writing import Writing
from edgeguard.engine import Engine
from edgeguard.errors import EdgeGuardError, StoreError
from edgeguard.handing import mailing
from edgeguard.hooks.courier import Courier
from edgeguard.hooks.page import page
from edgeguard.lab.incidents.kernel import Enforcer, Kernel
from edgeguard.letters import Channel
from edgeguard.model import Decision, Order, Subject, Tap, TapKind, Verdict, Vm
from edgeguard.notice.outbox import Outbox
from edgeguard.notice.values import background, compose
from edgeguard.reading import Circumstances
from edgeguard.record import NOBODY, Records
from edgeguard.way_back import WayBack

NEVER = 2**62
IFINDEX = 100  # of the first tap
KEY = (0, 0)  # of the distinct counts: the same in every run
PATIENCE_S = 60  # of real time, until the mail server has what is due
MAILED = (Channel.PAGE, Channel.DESK)


class Seen(NamedTuple):
    """A tap's kernel counter."""

    rx_frames: int


class Host:
    """One host's engine and its surroundings."""

    replayed = False

    def __init__(self, config: Config, path: Path, now: Callable[[], int]) -> None:
        self.config, self.path, self.now = config, path, now
        self.inventory = inventory.configured(config.inventory)
        self.vms: list[Vm] = list(self.inventory.vms())
        self.store: CaseStore = Store(path, config.clocks.notice_wait)
        self.kernel = Kernel()
        self.enforcer = Enforcer(self.kernel, now)
        self.troubles: list[str] = []
        self.states: dict[str, list[str]] = {}  # of each case, in turn
        self._background = background(config, config.host.name)
        self._decided: dict[str, Decision] = {}
        self._news, self._due = False, NEVER  # something may have to be mailed: now, or then
        self.outbox = Outbox(self.store.box(), config.mail, now=now)
        self._courier = Courier(self.store.tray(), config.hooks, None, False, mailing(config), now)
        self._outward = Outward(self.store, config.hooks, config.host.name, self._courier, self._vm_of)
        self._box, self._tray = self.store.box(), self.store.tray()
        self._attach()
        self._hearing = Hearing(self)
        self.outbox.start()
        self._courier.start()

    def _attach(self) -> None:
        """A tap for each VM, in the order of the inventory."""
        count, limits = len(self.vms), ratios(self.config.judging)
        self.counting = Counting(0, ratios=limits, by_source=False, points=count, distinct=Distinct(KEY, count))
        self._way_back = WayBack(self.counting, self.vms)
        self.engine = Engine(self.config, self.counting, self)
        self._frames = np.zeros(count, np.int64)  # out of each tap, as its kernel counter has them
        self._vitals = Vitals(self.counting, counters=self._counters)
        self._vitals.take(self.now(), [(point, self._tap(point)) for point in range(count)])
        for point, vm in enumerate(self.vms):
            self.counting.assign(point, Subject(vm.id, vm.taps[0], None), vm.addresses)
            self.counting.customers.hang(point, vm.customer)
            self.engine.policies.fit(point, vm)

    def close(self) -> None:
        self.outbox.stop()
        self._courier.stop()
        self._box.close()
        self._tray.close()
        self.store.close()

    # ---- packets and time ----------------------------------------------------------------------

    def feed(self, records: Records, phantoms: Records) -> None:
        """What comes in a slot; `phantoms` are among it, but no kernel has seen them."""
        self._frames += self._leaving(records) - self._leaving(phantoms)
        for part in self._way_back.seconds(records):
            self.engine.feed(part)

    def _leaving(self, records: Records) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        out = records["out_of"]
        return np.bincount(out[out != NOBODY], minlength=len(self.vms)).astype(np.int64)

    def look(self, now: int) -> None:
        """Time has come this far: what is due by the clock, and what the kernel has to say."""
        self.engine.look(now)
        for outcome in self.kernel.outcomes(now):
            self.store.outcome(outcome)
            self._news = True
            self.engine.outcome(outcome)
        if now % SECOND == 0:
            self._vitals.take(now, [(point, self._tap(point)) for point in range(len(self.vms))])
            self._hearing.look(now)
            self.follow()

    def follow(self) -> None:
        """In which states its cases are since somebody said something of them."""
        for case in filter(None, map(self.engine.docket.of, list(self.states))):
            self.entered(case.id, case.state)

    def _counters(self) -> dict[int, Seen]:
        return {IFINDEX + point: Seen(int(frames)) for point, frames in enumerate(self._frames)}

    @property
    def busy(self) -> bool:
        """Whether time alone brings anything about."""
        return self.engine.docket.busy or bool(len(self.engine.ledger)) or self.kernel.next is not None

    def settle(self, acted: bool = False) -> None:
        """Until the mail server has taken all that is due at this virtual moment. `acted`: by a person, just now."""
        if not (acted or self._news or self._due <= self.now()):
            return
        self._news = False
        self._hand_over()
        due = self._box.next_due()
        self._due = NEVER if due is None else due

    def _hand_over(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        self.outbox.wake()
        self._courier.wake()
        while self._waits():
            if time.monotonic() > deadline:
                raise EdgeGuardError(f"lab incident: mails of {self.config.host.name} were not taken: {self._why()}")
            time.sleep(0.002)

    def _waits(self) -> bool:
        due = self._box.next_due()
        return (due is not None and due <= self.now()) or bool(self._tray.due(MAILED, self.now()))

    def _why(self) -> str:
        return str(self.outbox.last_error or self._courier.last_error or "no answer")

    # ---- what the engine asks --------------------------------------------------------------------

    def vm(self, point: int) -> Vm | None:
        return self.vms[point] if 0 <= point < len(self.vms) else None

    def tap(self, point: int) -> Tap | None:
        return self._tap(point) if self.vm(point) else None

    def _tap(self, point: int) -> Tap:
        return Tap(IFINDEX + point, self.vms[point].taps[0], f"02:00:00:00:00:{point:02x}", TapKind.ROUTED)

    def taps_of(self, vm: Vm) -> list[tuple[int, Tap]]:
        return [(point, self._tap(point)) for point, known in enumerate(self.vms) if known.id == vm.id]

    def window(self) -> Window:
        return self._vitals.window(self.now())

    def kernel_count(self, point: int) -> KernelCount | None:
        return self._vitals.kernel_count(self.now(), point, self._tap(point))

    def circumstances(self, point: int) -> Circumstances:
        return self._way_back.circumstances(point)

    def killed(self) -> None:
        """Nobody has put the kill file there."""

    def customers(self) -> int:
        return len({vm.customer for vm in self.vms})

    def permit(self) -> None:
        """No fleet is configured."""

    def writing(self) -> Writing:
        """What ships: a test holds that its lint finds nothing."""
        return Writing()

    # ---- what the engine tells -------------------------------------------------------------------

    def verdict(self, verdict: Verdict) -> None:
        """Recorded and told together with its decision."""

    def decided(self, case: Case, verdict: Verdict | None, decision: Decision, orders: tuple[Order, ...]) -> bool:
        ended = [self._decided[id] for id in decision.releases if id in self._decided]
        notices = compose(decision, verdict, self._vm_of(case.vm), self._background, ended)
        try:
            told = self._outward.of_decision(case, verdict, decision)
            self.store.record(case, verdict, decision, notices, orders[0] if orders else None, told)
        except StoreError as error:
            self.troubles.append(f"{case.id}: {error}")
            return False
        self._decided[decision.id] = decision
        self._news = True
        self.entered(case.id, case.state)
        for order in orders:
            self.kernel.take(order, decision.at)
        return True

    def entered(self, case: str, state: str) -> None:
        """A case is in this state from now on."""
        path = self.states.setdefault(case, [])
        if path[-1:] != [state]:
            path.append(state)

    def _vm_of(self, id: str | None) -> Vm | None:
        return next((vm for vm in self.vms if vm.id == id), None)

    def amended(self, decision: Decision, order: Order) -> None:
        """No VM changes its addresses in these stories."""

    def page(self, cause: str, case: str, line: str) -> None:
        self._news = True
        self.store.deliver([page(cause, self.config.host.name, self.now(), case, [line])])

    def closed(self, case: Case, at: int) -> None:
        self.store.close_case(case.id, at, self.engine.docket.outcome(case))
        self.entered(case.id, "closed")
