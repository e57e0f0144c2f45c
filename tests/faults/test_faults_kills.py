"""Killed at every step of an action, and at random: nothing is lost, nothing is left, nobody is told twice."""

from __future__ import annotations

import os
import random
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from agreement import agree
from stage import Stage
from steps import CLOSE, HOLD, NULL_ROUTE, START, STEPS, Step

from edgeguard.lab import addresses as plan

KINDS = ("routed", "bridged")
RECOVERY_S = 2.0  # ledger = kernel after the daemon is back
Make = Callable[..., Stage]


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_fault(kind: str, make: Make) -> None:
    """What the table compares agrees where nothing goes wrong, or a row would say nothing."""
    stage = make(kind)
    stage.start()
    with stage.flood():
        stage.until_null_routed()
    agree(stage)
    with stage.flood(plan.TARGET6):
        stage.until_null_routed(2)
    stage.add(full=True)
    agree(stage)
    stage.add(own_only=True, vm="102")
    stage.add(("198.18.7.0/24", "203.0.113.82:53/udp", "2001:db8:200::/64"), vm="102")
    agree(stage)
    stage.release()
    agree(stage)
    stage.kill()
    stage.restart()
    agree(stage)


# ---- at every step --------------------------------------------------------------------------------


def killed_at(make: Make, kind: str, step: Step) -> None:
    stage = make(kind)
    mark = stage.folder / "reached"
    fault = step.fault(str(mark))
    armed: dict[str, Any] = {"child": {"faults": [fault]}} if step.child else {}
    faults = () if step.child else (fault,)
    with nullcontext() if step.during == CLOSE else stage.flood():
        _provoke(stage, step, faults, armed)
        _until_dead(stage, step, mark)
        took = stage.restart()
        if step.during == NULL_ROUTE:
            stage.until_null_routed()
        agree(stage)
        assert took < RECOVERY_S
    if step.during in (NULL_ROUTE, START, HOLD):
        assert stage.acknowledged(), "the flood is still stopped"


def _provoke(stage: Stage, step: Step, faults: tuple[dict[str, Any], ...], armed: dict[str, Any]) -> None:
    """Bring the daemon to the step."""
    if step.during == NULL_ROUTE:
        stage.launch(*faults, **armed)
        return
    if step.during == START:
        stage.start()
        stage.until_null_routed()
        stage.kill()
        stage.launch(*faults, **armed)
        return
    stage.start(*faults, **armed)
    if step.during == CLOSE:
        stage.add((plan.TARGETS[0],))
    stage.until_null_routed()
    stage.quietly(stage.hold if step.during == HOLD else stage.release)


def _until_dead(stage: Stage, step: Step, mark: Path) -> None:
    """A daemon without its child ends by itself, or starts another: whichever, it is ended here."""
    stage.until(mark.exists, f"the step is reached: {step.name}")
    if step.child:
        stage.kill()
    else:
        stage.dead()


@pytest.mark.parametrize(
    ("kind", "step"),
    [pytest.param(kind, step, id=f"{kind}, {step.name}") for step in STEPS for kind in step.kinds],
)
def test_killed(kind: str, step: Step, beside: Any, request: pytest.FixtureRequest) -> None:
    """Killed at this step the daemon comes back to what it had decided, and a flood is not freed by it."""
    beside.run(request, killed_at)


# ---- at random ------------------------------------------------------------------------------------

KILLS = 40  # of one campaign
SEED = int(os.environ.get("EDGEGUARD_FAULTS_SEED") or secrets.randbelow(1 << 32))
TARGETS = (*plan.TARGETS, plan.TARGET6, "203.0.113.83:80/tcp", "203.0.113.84/udp", "198.18.7.0/24")


class Campaign:
    """One action after the other on one stage, each cut short: by kill -9 after some milliseconds, or at a step."""

    def __init__(self, stage: Stage, seed: str) -> None:
        self.stage, self.random = stage, random.Random(seed)
        self.kills = 0
        self._steps = [step for step in STEPS if stage.kind in step.kinds]

    def run(self) -> None:
        self.stage.start()
        for number in range(KILLS):
            try:
                self._one(number)
            except AssertionError as error:
                raise AssertionError(f"kill {number}, seed {SEED} (EDGEGUARD_FAULTS_SEED): {error}") from error

    def _one(self, number: int) -> None:
        action = self.random.choice(self._actions())
        thread = threading.Thread(target=self.stage.quietly, args=(action,), daemon=True)
        thread.start()
        time.sleep(self.random.random() ** 3 * 0.4)  # most of an action's steps are in its first milliseconds
        if self.random.random() < 0.3:
            self.stage.kill_child()
            time.sleep(self.random.random() * 0.05)
        self.stage.kill()
        self.kills += 1
        thread.join(60)
        armed = self._armed()
        if armed and not self.stage.survives_start(*armed):  # it met the step while it started
            self.kills += 1
            armed = []
        if not self.stage.alive():
            took = self.stage.restart()
            assert took < RECOVERY_S, f"ledger = kernel took {took:.3f} s"
        if number % 4 == 3:
            self.agree()

    def agree(self) -> None:
        """It agrees, whoever may still meet the step that the running daemon is armed with."""

        def revived() -> None:
            if not self.stage.alive():
                self.kills += 1
                self.stage.restart()

        agree(self.stage, meanwhile=revived)

    def _armed(self) -> list[dict[str, Any]]:
        """One time in three the next daemon is killed at a step of the table, wherever that comes."""
        if self.random.random() < 2 / 3:
            return []
        step = self.random.choice([step for step in self._steps if not step.child])
        return [step.fault(os.devnull)]

    def _actions(self) -> list[Callable[[], None]]:
        stage, chosen = self.stage, self.random.sample(TARGETS, 2)
        vm, seconds = self.random.choice(("101", "102")), self.random.choice((0.3, 2, 3600, 3600))
        return [
            lambda: self._flood(chosen[0]),
            lambda: self._flood(chosen[0]),
            lambda: _done(stage.add(chosen, vm=vm, seconds=seconds)),
            lambda: _done(stage.add(chosen, vm=vm, seconds=seconds)),
            lambda: _done(stage.add(full=True, vm=vm, seconds=seconds)),
            lambda: _done(stage.add(own_only=True, vm=vm, seconds=seconds)),
            lambda: stage.hold(vm),
            lambda: stage.release(vm),
            lambda: stage.release(vm),
        ]

    def _flood(self, target: str) -> None:
        with self.stage.flood(target.partition("/")[0].partition(":80")[0]):
            time.sleep(0.5)


def _done(_decisions: list[str]) -> None:
    """What was decided is found in the database."""


def campaign(make: Make, kind: str, number: int) -> None:
    stage = make(kind, quiet="3s")
    run = Campaign(stage, f"{SEED} {kind} {number}")
    run.run()
    stage.kill()
    stage.restart()
    stage.release_all()
    agree(stage)
    assert stage.ledger().orders() == []
    assert run.kills >= KILLS


@pytest.mark.parametrize("number", range(2))
@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_random(kind: str, number: int, beside: Any, request: pytest.FixtureRequest) -> None:
    """Killed again and again in the middle of whatever it does, each time all agrees within 2 s of its return."""
    print(f"seed {SEED}: EDGEGUARD_FAULTS_SEED={SEED} repeats it")
    beside.run(request, campaign)
