"""Each way of the table is gone by the code that it is for, and by who may: without it the case stays where it is.

The case is put into the state from which the way leads; what leads on is brought about as it is in the daemon: by
packets, time, the kernel, a mail, a person's request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import persons
import pytest
from mutations import not_theirs, without_way
from persons import Kept
from test_engine import T, calm, feed, flood
from test_hearing import OWNERS, reply
from test_keeping import CLOCKS, Now

from edgeguard import clock
from edgeguard.cases.case import Case
from edgeguard.clock import SECOND
from edgeguard.daemon.hearing import Hearing
from edgeguard.daemon.releasing import release
from edgeguard.daemon.working import work
from edgeguard.decision.decide import by_person
from edgeguard.decision.repeats import Repeats
from edgeguard.errors import UsageError
from edgeguard.grace import Disposition
from edgeguard.incoming import Keyword
from edgeguard.model import Happened, Order, Outcome, Scope, Subject, Target
from edgeguard.request import AppealCase, ClaimCase, CloseCase, HoldCase, ReleaseNullRoute, ReopenCase, UpholdCase
from edgeguard.states import AUTOMATION, CUSTOMER, TABLE

LIST = ("the server was rebuilt",)
OTHERS = {  # clocks that bring about what is asked, and nothing else before it
    "end": {"quiet": "30s", "quiet_again": "30s", "lifetime": "5s"},
    "undecided": {"quiet": "1s", "quiet_again": "1s", "undecided": "2s"},
}
# of cases with nothing null-routed
BEGUN = ("doubt", "warn", "narrow", "own-only", "full", "settle", "close", "reopen")


@dataclass
class Stage:
    """A case in a state, and those who can lead it on."""

    made: Any
    world: Kept
    now: Now
    case: Case
    before: int = 0  # decisions that are none of this

    def be_in(self, state: str) -> None:
        """How it came there is another way's."""
        docket = self.made.engine.docket
        docket.drop(self.case.id)
        self.case = replace(self.case, state=state)
        docket.put(self.case)
        self.world.store.put_case(self.case)
        self.before = len(self.world.cases)

    def passes(self, seconds: int) -> None:
        until = self.now.at + seconds * SECOND
        feed(self.made.engine, calm(self.now.at, seconds * SECOND))
        self.made.engine.look(until)
        self.now.at = until

    def floods(self, seconds: int, rate: int) -> None:
        self.made.engine.docket.reopen(self.case)  # as long as nothing is measured yet no clock settles it
        feed(self.made.engine, flood(self.now.at, seconds * SECOND, rate=rate))

    def decides(self, width: str, who: str) -> None:
        """A null route as the engine binds it."""
        vm, tap, now = self.world.vm(0), self.world.tap(0), self.now.at
        assert vm and tap
        targets = (Target(ip_address("198.51.100.7"), 6, 80),) if width == "narrow" else ()
        subject, scope, until = Subject(vm.id, tap.name, None), Scope(width), now + 30 * SECOND
        made = by_person(
            self.case.id, subject, tap, scope, targets, now, until, why="x", by="alex", config=self.made.config
        )
        made = replace(made, by=AUTOMATION if who == AUTOMATION else "alex")
        order = Order(made.id, made.act, made.scope, tap, vm.id, vm.addresses, targets, until)
        assert self.made.engine.bind(self.case, None, made, order, 0)

    def kernel_refuses(self) -> None:
        (entry,) = self.made.engine.ledger
        outcome = Outcome(entry.decision.id, self.now.at, Happened.FAILED, "no such device")
        self.world.store.outcome(outcome)
        kept = self.world.store.case(self.case.id)
        self.made.engine.outcome(outcome)
        known = self.made.engine.docket.of(self.case.id)
        assert known and kept and known.state == kept.state, "the database has it otherwise"

    def hears(self, keyword: Keyword | None) -> None:
        """A mail of the owner."""
        reply(self.world, self.now.at, keyword, OWNERS)
        Hearing(self.made).look(self.now.at)

    def two(self) -> None:
        for by in ("robin", "kim"):
            work(self.made, UpholdCase("vm-0", "x", LIST), by)

    def is_in(self) -> set[str]:
        """What it was in since, as decided, as known and as kept."""
        known, kept = self.made.engine.docket.of(self.case.id), self.world.store.case(self.case.id)
        assert kept is not None
        told = {case.state for case in self.world.cases[self.before :] if case.id == self.case.id}
        return told | {known.state if known else kept.state}


Do = Callable[[Stage, str], None]
EVENTS: dict[str, Do] = {
    "doubt": lambda stage, who: stage.floods(1, 2_000),  # with no count of the kernel's beside it
    "warn": lambda stage, who: stage.floods(7, 25),
    "narrow": lambda stage, who: stage.decides("narrow", who),
    "own-only": lambda stage, who: stage.decides("own-only", who),
    "full": lambda stage, who: stage.decides("full", who),
    "refused": lambda stage, who: stage.kernel_refuses(),
    "release": lambda stage, who: release(stage.made, ReleaseNullRoute("vm-0", "x", Disposition.FIXED), "alex"),
    "quiet": lambda stage, who: stage.passes(4),
    "end": lambda stage, who: stage.passes(6),
    "undecided": lambda stage, who: stage.passes(4),
    "tap gone": lambda stage, who: stage.made.engine.gone(0),
    "claim": lambda stage, who: work(stage.made, ClaimCase("vm-0", "x"), "alex"),
    "hold": lambda stage, who: work(stage.made, HoldCase("vm-0", "x"), "alex"),
    "reply": lambda stage, who: stage.hears(None),
    "uphold": lambda stage, who: stage.two(),
    "appeal": lambda stage, who: (
        stage.hears(Keyword.APPEAL) if who == CUSTOMER else work(stage.made, AppealCase("vm-0", "x"), "alex")
    ),
    "settle": lambda stage, who: stage.passes(1),
    "close": lambda stage, who: work(stage.made, CloseCase("vm-0", "x", "confirmed"), "alex"),
    "reopen": lambda stage, who: work(stage.made, ReopenCase("vm-0", "x"), "alex"),
}


def staged(folder: Path, now: Now, state: str, event: str) -> Stage:
    """A flood that is null-routed, or a case with nothing null-routed where that is what leads on."""
    folder.mkdir()
    now.at = T
    made, world = persons.live(folder, {"clocks": {**CLOCKS, **OTHERS.get(event, {})}})
    begun = event in BEGUN and not TABLE.is_null_routed(state)
    if not begun:
        feed(made.engine, flood(T, 2 * SECOND))
        now.at = T + 2 * SECOND
        (case,) = world.store.open_cases()
    else:
        vm, tap = world.vm(0), world.tap(0)
        assert vm and tap
        case = made.engine.docket.by_person(Subject(vm.id, tap.name, None), T, vm, tap)
        world.store.put_case(case)
    stage = Stage(made, world, now, case)
    if state == "closed":
        work(made, CloseCase("vm-0", "x", "confirmed"), "robin")
    else:
        stage.be_in(state)
    if event == "doubt":
        world.kernel = None
    return stage


def is_gone(stage: Stage, event: str, who: str, to: str) -> bool:
    """Whether that leads there, and nobody refuses it."""
    try:
        EVENTS[event](stage, who)
        return to in stage.is_in()
    except UsageError:
        return False
    finally:
        stage.world.store.close()


EACH = [(way.from_, way.event, who) for way in TABLE for who in way.who]


@pytest.mark.parametrize(("state", "event", "who"), EACH, ids=[", ".join(one) for one in EACH])
def test_each_way_is_gone_by_who_may_and_not_without_it(
    state: str, event: str, who: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real packets, time, mails and requests lead where the table says, and nowhere once it is not theirs to go."""
    now, to = Now(), TABLE.ways[state, event].to
    monkeypatch.setattr(clock, "now", now)
    if event == "undecided":
        monkeypatch.setattr(Repeats, "number", lambda *about: 3)  # a third time is for people to decide
    assert is_gone(staged(tmp_path / "with", now, state, event), event, who, to)
    stage = staged(tmp_path / "without", now, state, event)
    with not_theirs(state, event, who):
        assert not is_gone(stage, event, who, to)


def test_a_flood_that_moves_is_full_by_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third target within ten minutes drops all of the VM; without its way the case stays narrow."""
    monkeypatch.setattr(clock, "now", lambda: T)

    def states(folder: Path) -> list[str]:
        folder.mkdir()
        made, world = persons.live(folder, {"clocks": CLOCKS})
        feed(made.engine, *(flood(T + n * SECOND, SECOND, dst=f"198.51.100.{n + 1}") for n in range(3)))
        world.store.close()
        return list(dict.fromkeys(case.state for case in world.cases))

    assert states(tmp_path / "with") == ["narrow", "full"]
    with without_way("narrow", "full"):
        assert states(tmp_path / "without") == ["narrow"]
