"""How far one person's null routes by hand reach: asked of the daemon's answers, over a real engine and database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from persons import live
from test_engine import T, calm, feed

from edgeguard import clock
from edgeguard.clock import HOUR, MINUTE, SECOND
from edgeguard.daemon.answers import Answers
from edgeguard.daemon.releasing import release
from edgeguard.daemon.working import work
from edgeguard.errors import DaemonError, UsageError
from edgeguard.model import Happened, Outcome, Scope
from edgeguard.request import AddNullRoute, HoldCase, ReleaseNullRoute, Request, UpholdCase, read_request, written

WEB, DNS = ("203.0.113.7:80/tcp",), ("203.0.113.53:53/udp",)


class Desk:
    """People at one daemon, and the kernel's answers written down as it gives them."""

    def __init__(self, folder: Path) -> None:
        self.live, self.world = live(folder)
        self.live.killed = self.world.killed
        self.live.attachments = SimpleNamespace(of_vm=lambda vm: [(int(vm[-1]), self.world.tap(int(vm[-1])))])
        self.answers = Answers(self.live, SimpleNamespace(), SimpleNamespace())  # type: ignore[arg-type]
        self.now = T

    def add(self, by: str, hours: float, targets: tuple[str, ...] = (), vm: str = "vm-0") -> str:
        ask = AddNullRoute(vm, "a test", int(hours * HOUR), targets, full=not targets)
        told = self.answers.answer(Request(by, ask))
        for decision in told["decisions"]:
            self.live.store.outcome(Outcome(decision, self.now, Happened.ACKNOWLEDGED, ""))
        return str(told["case"])

    def refused(self, by: str, hours: float, targets: tuple[str, ...] = (), match: str = "one person") -> str:
        """Nothing is recorded, and nothing ordered; one line says why."""
        before = (len(self.world.orders), len(self.live.store.letters()))
        with pytest.raises(UsageError, match=match) as error:
            self.add(by, hours, targets)
        assert before == (len(self.world.orders), len(self.live.store.letters()))
        assert "\n" not in str(error.value)
        return str(error.value)

    def passes(self, hours: float) -> None:
        """What is over is released, and the kernel says so."""
        self.now += int(hours * HOUR)
        stood = {entry.decision.id for entry in self.live.engine.ledger}
        feed(self.live.engine, calm(self.now - SECOND, SECOND))
        self.live.engine.look(self.now)
        self._gone(stood)

    def released(self) -> None:
        stood = {entry.decision.id for entry in self.live.engine.ledger}
        release(self.live, ReleaseNullRoute("vm-0", "a test", "fixed"), "kim", self.now)
        self._gone(stood)
        self.now += MINUTE

    def _gone(self, stood: set[str]) -> None:
        for id in stood - {entry.decision.id for entry in self.live.engine.ledger}:
            self.live.store.outcome(Outcome(id, self.now, Happened.RELEASED, ""))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    made = Desk(tmp_path)
    monkeypatch.setattr(clock, "now", lambda: made.now)
    yield made
    made.live.store.close()


def test_one_person_binds_for_twelve_hours(desk: Desk) -> None:
    """A year, or a minute more than twelve hours, is refused; another VM's null routes count for nothing."""
    desk.add("alex", 12, vm="vm-1")
    assert "12 h at most; what is to stand for longer two people keep" in desk.refused("alex", 12 + 1 / 60)
    desk.refused("alex", 365 * 24)
    desk.add("alex", 12)


def test_the_wire_takes_no_longer_one() -> None:
    """Whoever speaks to the socket himself gets no further."""
    ask = AddNullRoute("vm-0", "x", 12 * HOUR, full=True)
    assert read_request(written(ask), "alex").ask == ask
    for wrong in (12 * HOUR + 1, 0, -1, True, "1"):
        with pytest.raises(DaemonError, match="at most 12h; longer takes two"):
            read_request(written(replace(ask, for_ns=wrong)), "alex")  # type: ignore[arg-type]


def test_what_stands_already_is_not_added_again(desk: Desk) -> None:
    """By nobody: neither the same, nor what it drops as well; who added it is told how it is kept."""
    desk.add("alex", 1)
    for by in ("alex", "robin"):
        told = desk.refused(by, 1, match="null-routed already, until .* by alex; to keep it: edgeguard case hold EG-")
        assert "longer two people: edgeguard case uphold" in told
        desk.refused(by, 1, WEB, match="null-routed already")
    desk.released()
    desk.add("alex", 1, (*WEB, *DNS))
    desk.refused("alex", 1, DNS, match="null-routed already")
    desk.add("alex", 1, ("203.0.113.53",))  # every port of it: wider
    desk.add("alex", 1)
    assert [entry.decision.scope for entry in desk.live.engine.ledger] == [Scope.NARROW, Scope.NARROW, Scope.FULL]


def test_right_after_its_end_it_is_no_new_one(desk: Desk) -> None:
    """Twelve hours in twenty-four, in whatever parts; another person may, and the next day the same one."""
    desk.add("alex", 7)
    desk.passes(7)
    assert not len(desk.live.engine.ledger)
    assert "within 1 d, and alex did it for 7 h" in desk.refused("alex", 5.5)
    desk.add("alex", 5, WEB)
    desk.passes(5)
    desk.refused("alex", 1 / 60)
    desk.add("robin", 12)
    desk.passes(19)
    desk.refused("alex", 7.5)
    desk.add("alex", 7)


def test_what_a_release_ended_counts_as_long_as_it_stood(desk: Desk) -> None:
    """Who frees within an hour has used that hour, and what the kernel never held is none."""
    desk.add("alex", 12)
    desk.passes(1)
    desk.released()
    desk.refused("alex", 11.5)
    desk.add("alex", 11)


def test_widening_makes_it_no_longer(desk: Desk) -> None:
    """All traffic, four hours after one target of it: eight hours are left of the twelve. Another target is another."""
    desk.add("alex", 12, WEB)
    desk.passes(4)
    desk.refused("alex", 9)
    desk.add("alex", 12, DNS)
    desk.add("alex", 8)


def test_holding_his_own_takes_a_second_person(desk: Desk) -> None:
    """Who null-routed by hand holds it up to twelve hours in all; somebody else may hold it for his own."""
    case = desk.add("alex", 2)
    desk.passes(1)
    with pytest.raises(UsageError, match=r"alex null-routed it by hand, and alone keeps it until .* takes two"):
        work(desk.live, HoldCase(case, "x", 12 * HOUR), "alex")
    work(desk.live, HoldCase(case, "x"), "alex")  # to the next shift; without a roster as long as may be
    (entry,) = desk.live.engine.ledger
    assert entry.over == T + 12 * HOUR


def test_another_person_holds_it_for_his_own_twelve_hours(desk: Desk) -> None:
    """That is a second person's word; and two people uphold it."""
    case = desk.add("alex", 2)
    desk.passes(1)
    work(desk.live, HoldCase(case, "x", 12 * HOUR), "robin")
    (entry,) = desk.live.engine.ledger
    assert entry.over == T + 13 * HOUR
    work(desk.live, UpholdCase(case, "x", ("rebuilt",)), "alex")
    work(desk.live, UpholdCase(case, "x"), "robin")
    (entry,) = desk.live.engine.ledger
    assert entry.over > T + 10 * 24 * HOUR
