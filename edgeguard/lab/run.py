"""One scenario, lived through: the flood, what the daemon does about it, and the end of it."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from edgeguard import clock, units
from edgeguard.errors import EdgeGuardError
from edgeguard.lab import account, flood, observer, result, settings, telling, traffic, volley
from edgeguard.lab.account import Account
from edgeguard.lab.exchange import Exchange, Question
from edgeguard.lab.flood import Began, Sent
from edgeguard.lab.result import Measured, Result
from edgeguard.lab.scenario import Flood, Scenario
from edgeguard.lab.stage import Stage, ask
from edgeguard.lab.story import Story
from edgeguard.lab.traffic import Frames
from edgeguard.lab.wan import Mail
from edgeguard.lab.worker import Worker

TICK_S = 0.05
CALM_S = 0.5  # of ordinary traffic before the flood
STOPPED_S = 120  # for machines that are slow, from the first frame to a target until its null route is verified
STAYS_S = 1.5  # the flood goes on after the verification: nothing may leak
RELEASED_S = 60  # quiet is 3 s of the lab's configuration
MAIL_S = 60
BENIGN_S = 8  # longer than the 5 seconds a sustained limit needs


def cycles(of: Flood) -> tuple[Frames, ...]:
    """The frames of a flood, one cycle for each target."""
    return tuple(volley.frames(of, number) for number in range(len(of.aims)))


class Run:
    """A scenario on a stage. `play()` gives the result; everything is told to `story`."""

    def __init__(self, scenario: Scenario, stage: Stage, story: Story) -> None:
        self.scenario, self.stage, self.story = scenario, stage, story
        self.account = Account()
        self.mails: list[Mail] = []
        self.vm: list[Exchange] = []
        self.neighbour: list[Exchange] = []
        self.seen: list[observer.Seen] = []
        self.troubles: list[str] = []
        self._target = multiprocessing.get_context("fork").RawValue("i", 0)

    def play(self) -> Measured:
        self._watch(CALM_S)
        started, offered = self._flood(self.scenario.flood) if self.scenario.flood else self._benign()
        reaches = self._released(self.scenario.flood) if self.scenario.flood else True
        return self._measured(started, offered, reaches)

    # ---- watching --------------------------------------------------------------------------

    def _look(self) -> None:
        """Take in everything that is new, and tell it."""
        self.stage.daemon.check()
        self.account = account.read(self.stage.daemon.database)
        self.seen += self.stage.seen()
        vm, neighbour = self.stage.exchanges()
        self.vm += vm
        self.neighbour += neighbour
        for mail in self.stage.mails():
            self.mails.append(mail)
            telling.mail(self.story, mail)
        for number, route in enumerate(self.account.null_routes()):
            telling.null_route(self.story, route, first=number == 0)
        self.story.tick()

    def _watch(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Look on until `until` holds or the time is over; whether it held."""
        deadline = time.monotonic() + seconds
        while not until():
            if time.monotonic() > deadline:
                return False
            time.sleep(TICK_S)
            self._look()
        return True

    # ---- a flood ---------------------------------------------------------------------------

    def _flood(self, of: Flood) -> tuple[int, int]:
        """The flood from its first frame to its last; when it began, what it offered."""
        worker = self._sender(of)
        started = self._began(worker)
        self.story.begins(started)
        kind = "super-frames of UDP" if of.super_frames else of.rule.upper()
        self.story.tell(
            started, f"the flood begins: {kind} to {of.aims[0]}, {units.count(of.rate)} packets a second", "bold red"
        )
        for number, target in enumerate(of.aims):
            if number:
                self.story.tell(clock.now(), f"the flood moves to {target}", "bold red")
                self._target.value = number
            if not self._watch(STOPPED_S, lambda n=number: self._verified(n)):  # type: ignore[misc]
                self.troubles.append(f"{target} was not verifiably null-routed within {STOPPED_S} s")
                break
            self._watch(STAYS_S)
        self._tell_work(started)
        sent = self._ended(worker)
        if self.troubles and sent.pps < settings.UDP_HARD:  # of SYN the same
            text = f"this machine offered only {units.count(sent.pps)} packets a second, too few for the hard limit"
            self.troubles.append(text)
        offered = f"{units.count(sent.packets)} packets, {units.count(sent.pps)} a second offered"
        self.story.tell(clock.now(), f"the flood ends: {offered}", "bold")
        return started, sent.pps

    def _sender(self, of: Flood) -> Worker:
        node = self.stage.topology.vm
        if of.super_frames:
            return self.stage.start(node, flood.send_super_frames, of.targets[0], of.rate)
        return self.stage.start(node, flood.send, cycles(of), self._target, of.rate)

    def _verified(self, number: int) -> bool:
        routes = self.account.null_routes()
        return len(routes) > number and routes[number].verified is not None

    def _began(self, worker: Worker) -> int:
        first = worker.received() if worker.wait(STOPPED_S) else []
        if not first or not isinstance(first[0], Began):
            raise EdgeGuardError("lab: the sender did not start")
        return first[0].at

    def _ended(self, worker: Worker) -> Sent:
        """Stop a sender; what it offered."""
        last = worker.finish()
        sent = last[-1] if last and isinstance(last[-1], Sent) else Sent(0, 1.0, "a sender ended early")
        if sent.error:
            self.troubles.append(sent.error)
        return sent

    def _tell_work(self, since: int) -> None:
        vm = [e for e in self.vm if e.at >= since and not result.whole_vm_null_routed(e, self.account)]
        at = clock.now()
        telling.work(self.story, at, "the VM's other traffic", vm)
        telling.work(self.story, at, "the neighbour", [e for e in self.neighbour if e.at >= since])

    def _released(self, of: Flood) -> bool:
        """Wait for the way out; whether the VM reaches every target of the flood again."""

        def over() -> bool:
            routes = self.account.null_routes()
            return bool(routes) and all(route.ended for route in routes)

        if not self.account.null_routes() or not self._watch(RELEASED_S, over):
            return False
        self._watch(MAIL_S, lambda: result.of_null_route(self.mails) is not None)
        asked = [Question("udp", address) for address in of.answering]
        reached = all(ask(self.stage.topology.vm, question) for question in asked)
        verb = "reaches" if reached else "DOES NOT REACH"
        self.story.tell(clock.now(), f"the VM {verb} {', '.join(of.answering)} again", "green")
        self._watch(CALM_S)
        return reached

    # ---- no flood --------------------------------------------------------------------------

    def _benign(self) -> tuple[None, int]:
        """A busy VM for long enough that a sustained limit would speak up."""
        topology = self.stage.topology
        out, into = traffic.benign()
        next_hop = topology.next_hop_from_wan_vm()
        back = self._cycle(topology.wan, traffic.from_wan(into.frames, next_hop), into.rate)
        forth = self._cycle(topology.vm, out.frames, out.rate)
        up = self.stage.start(topology.vm, flood.upload)
        self.story.begins(started := self._began(forth))
        self.story.tell(started, "a busy, healthy VM begins its work, under an inbound SYN flood", "bold")
        self._watch(BENIGN_S)
        self._tell_work(started)
        offered = sum(self._ended(worker).pps for worker in (forth, back, up))
        text = f"it ends: {units.count(offered)} packets a second offered, both ways together"
        self.story.tell(clock.now(), text, "bold")
        self._watch(CALM_S)
        return None, offered

    def _cycle(self, node: Any, frames: Frames, rate: int) -> Worker:
        return self.stage.start(node, flood.send, (frames,), self._target, rate)

    # ---- the end ---------------------------------------------------------------------------

    def _measured(self, started: int | None, offered: int, reaches: bool) -> Measured:
        vm, neighbour = self.stage.finish_exchanges()
        self._look()
        seen, unseen = self.stage.finish_observer()
        return Measured(
            scenario=self.scenario,
            host=self.stage.topology.kind,
            offered_pps=offered,
            flood_started=started,
            account=self.account,
            seen=np.concatenate([np.empty(0, observer.SEEN), *self.seen, *seen]),
            unseen=unseen,
            mails=tuple(self.mails),
            vm=tuple(self.vm + vm),
            neighbour=tuple(self.neighbour + neighbour),
            reaches_again=reaches,
            troubles=tuple(self.troubles),
            daemon_said=self.stage.daemon.said(),
        )


def run(scenario: Scenario, kind: str, story: Story) -> Result:
    """Set the stage, play, take it down; inside namespaces of its own."""
    story.say(f"Scenario {scenario.name} on a {kind} host: {scenario.sentence}.", "bold")
    story.say("The lab's own configuration: " + "; ".join(settings.OWN) + ".")
    story.say("The daemon starts (the first time it compiles its counting kernels, some seconds) ...", "dim")
    with Stage(kind, tick=story.patience, mirrored=scenario.mirror) as stage:
        measured = Run(scenario, stage, story).play()
    found = result.judge(measured)
    telling.end(story, found, measured)
    return found
