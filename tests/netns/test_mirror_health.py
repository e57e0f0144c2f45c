"""The real daemon at a mirror port that tc fills from the taps of a bridged host: whose a flood is, what is doubted."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from capturing import live, send, syn, udp
from namespaces import Namespace
from oracles.mirror import ONE, STRANGER, TWO, between

from edgeguard.capture import tpacket
from edgeguard.cases.reader import Reader
from edgeguard.clock import MILLISECOND, SECOND
from edgeguard.control import ask
from edgeguard.errors import DaemonError
from edgeguard.lab.mirror import EGRESS, INGRESS, WHOLE
from edgeguard.model import Decision
from edgeguard.native import link_counters
from edgeguard.request import Status

PATIENCE_S = 90  # the first start compiles the kernels, and the machine may be busy
PORT, GATEWAY = "mirror0", "02:00:00:00:00:fe"
ONE_OF_16 = "0x0/0xf0000+4"  # u32: by four bits of the identification of IPv4
CONFIG = """
uplinks = ["up0"]
enforce = {enforce}
[limits.syn]
warn = 200
act = 500
hard = 1000
[capture]
mirror = ["mirror0"]
blocks = {blocks}
block_bytes = 65536
[[inventory.vm]]
id = "vm-1"
customer = "Example Ltd"
macs = ["{one}"]
taps = ["tap1"]
addresses = ["192.0.2.10"]
[[inventory.vm]]
id = "vm-2"
customer = "Other Ltd"
macs = ["{two}"]
taps = ["tap2"]
addresses = ["192.0.2.11"]
[paths]
database = "{folder}/edgeguard.sqlite"
socket = "{folder}/edgeguard.sock"
"""


def until(holds: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


@dataclass
class Hypervisor:
    """A bridged host with two VMs and an uplink; its mirror port; the daemon that reads only that."""

    host: Namespace
    machines: dict[str, Namespace]  # by tap, and the world behind the uplink
    folder: Path
    pid: int = 0

    def mirror(self, name: str, *ways: int, match: str = WHOLE) -> None:
        """Copy what a link receives and sends, as far as it matches, to the mirror port."""
        with self.host.routes() as ip:
            link, into = self.host.index(name), self.host.index("mirror-in")
            action = {"kind": "mirred", "direction": "egress", "action": "mirror", "ifindex": into}
            ip.tc("add", "clsact", index=link)
            for parent in ways:
                how = {"parent": parent, "prio": 1, "protocol": 3, "target": 0x10000, "keys": [match], "action": action}
                ip.tc("add-filter", "u32", index=link, **how)

    def status(self) -> dict[str, Any]:
        return ask(self.folder / "edgeguard.sock", Status())

    def answers(self) -> bool:
        try:
            return bool(self.status())
        except DaemonError:
            return False

    def floods(self, tap: str, frames: list[bytes], rate: int, holds: Callable[[], Any]) -> tuple[int, Any]:
        """Send for a second or two, again and again, until something holds; how many frames, and what held."""
        sent, deadline = 0, time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            flood = self.host.start(send, self.machines[tap], "eth0", frames, 2 * rate, rate)
            found = None
            while not flood.done():
                found = found or holds()
                time.sleep(0.1)
            sent += flood.result()
            if found := found or holds():
                return sent, found
        raise AssertionError(f"{sent} frames, and it never held")

    def decisions(self) -> list[Decision]:
        with Reader(self.folder / "edgeguard.sqlite") as reader:
            return [decision for case in reader.cases() for decision in reader.decisions(case.id)]


@pytest.fixture
def hypervisor(tmp_path: Path) -> Iterator[Hypervisor]:
    with Namespace() as host, Namespace() as one, Namespace() as two, Namespace() as world:
        machines = {"tap1": one, "tap2": two, "up0": world}
        for name, where in machines.items():
            host.veth(name, where, "eth0")
        host.veth(PORT, host, "mirror-in")
        host.bridge("br0", *machines)
        yield Hypervisor(host, machines, tmp_path)


@contextlib.contextmanager
def daemon(hypervisor: Hypervisor, blocks: int = 1024, enforce: str = '["all.hard"]') -> Iterator[None]:
    """The daemon runs, and the bridge knows where the gateway is."""
    config = hypervisor.folder / "edgeguard.toml"
    settings = {"folder": hypervisor.folder, "blocks": blocks, "enforce": enforce}
    config.write_text(CONFIG.format(one=ONE, two=TWO, **settings), encoding="utf-8")
    running = hypervisor.host.popen(sys.executable, "-m", "edgeguard", "run", "-c", str(config))
    hypervisor.pid = running.pid
    try:
        until(hypervisor.answers)
        send(hypervisor.machines["up0"], "eth0", [between(GATEWAY, "02:00:00:00:00:ff", udp())], 1)
        yield
    finally:
        running.send_signal(signal.SIGCONT)
        running.terminate()
        assert running.wait(PATIENCE_S) == 0


def syns(source: str, address: str, count: int) -> list[bytes]:
    """Different SYNs of one MAC, with one source address, to one target."""
    dice, frame = random.Random(source), between(source, GATEWAY, syn(source=address, target="203.0.113.9"))
    return [frame[:38] + dice.randbytes(4) + frame[42:] for _ in range(count)]


def test_who_floods_is_known_by_its_mac(hypervisor: Hypervisor) -> None:
    """A MAC nobody knows floods with VM 1's address: a case of its own, observed, its frames counted. VM 2 floods
    with VM 1's address: null-routed at VM 2's tap. VM 1 has no case, and nothing is counted for it."""
    for tap in ("tap1", "tap2"):
        hypervisor.mirror(tap, INGRESS, EGRESS)
    with daemon(hypervisor):
        frames = syns(STRANGER, "192.0.2.10", 2_000)
        sent, _ = hypervisor.floods("tap1", frames, 2_000, hypervisor.decisions)
        until(lambda: hypervisor.status()["mirror"]["macs_unknown"].get(STRANGER) == sent)
        found = hypervisor.decisions()
        assert {(d.subject.vm, d.subject.tap, d.scope, d.enforced) for d in found} == {
            (None, STRANGER, "observe", False)
        }
        narrow = lambda: [d for d in hypervisor.decisions() if d.scope == "narrow"]  # noqa: E731
        _, [second, *_] = hypervisor.floods("tap2", syns(TWO, "192.0.2.10", 2_000), 2_000, narrow)
        assert {d.subject.vm for d in hypervisor.decisions()} == {None, "vm-2"}
        assert (second.subject.vm, second.subject.tap, second.enforced) == ("vm-2", "tap2", True)
        assert [str(target.address) for target in second.targets] == ["203.0.113.9"]
        assert second.tap is not None and second.tap.ifindex == hypervisor.host.index("tap2")
        status = hypervisor.status()
        assert (status["null_routes"], status["mirror"]["duplicates"]) == (1, 0.0)


def test_tap_and_uplink_both_mirrored(hypervisor: Hypervisor) -> None:
    """Every frame comes twice: the status says so while the flood lasts, and both copies are VM 1's. Nothing is
    enforced: the tap's counter would confirm a flood as large as this one, and what is dropped comes no more."""
    hypervisor.mirror("tap1", INGRESS, EGRESS)
    hypervisor.mirror("up0", INGRESS, EGRESS)
    with daemon(hypervisor, enforce="[]"):
        frames = syns(ONE, "192.0.2.10", 30_000)
        _, share = hypervisor.floods("tap1", frames, 15_000, lambda: hypervisor.status()["mirror"]["duplicates"])
        assert share == pytest.approx(0.5, abs=0.2)
        assert {d.subject.vm for d in until(hypervisor.decisions)} == {"vm-1"}


@pytest.mark.long  # a whole daemon of its own; the others are looked at by default
def test_a_port_that_suddenly_doubles(hypervisor: Hypervisor) -> None:
    """A VM that sends less than hard is in hard from the moment on that each frame comes twice: nothing is done, the
    desk is told why, and nobody is woken however long it lasts."""
    hypervisor.mirror("tap1", INGRESS, EGRESS)
    hard = lambda: [d for d in hypervisor.decisions() if _said_of_hard(d)]  # noqa: E731
    with daemon(hypervisor):
        frames = syns(ONE, "192.0.2.10", 1_400)
        hypervisor.floods("tap1", frames, 700, hypervisor.decisions)
        assert not hard()
        hypervisor.mirror("up0", INGRESS, EGRESS)
        _, (told, *_) = hypervisor.floods("tap1", frames, 700, hard)
        assert {a.name for a in told.safeties if a.answer == "refuse"} & {"capture health", "independent count"}
        end = time.monotonic() + 8  # past the five seconds after which a hard flood that goes on pages
        hypervisor.floods("tap1", frames, 700, lambda: time.monotonic() > end)
        assert {(d.act, d.page) for d in hypervisor.decisions()} == {("none", None)}
        assert hypervisor.status()["null_routes"] == 0


def _said_of_hard(decision: Decision) -> bool:
    """Not that `enforce` leaves act alone: it was about the hard band."""
    return any(answer.reason.endswith("enforces syn.hard") for answer in decision.safeties)


def test_a_port_that_samples_and_a_reader_that_stands_still(hypervisor: Hypervisor) -> None:
    """One frame of 16 comes, by the tap's kernel counter. What a full ring loses is counted exactly."""
    dice, frame = random.Random(1), between(ONE, GATEWAY, udp())
    frames = [frame[:18] + dice.randbytes(2) + frame[20:] for _ in range(3_000)]
    hypervisor.mirror("tap1", INGRESS, match=ONE_OF_16)
    with daemon(hypervisor, blocks=16):
        _, seen = hypervisor.floods("tap1", frames, 6_000, lambda: hypervisor.status()["mirror"]["sampling_seen"])
        assert seen == pytest.approx(16, rel=0.25)
        os.kill(hypervisor.pid, signal.SIGSTOP)
        send(hypervisor.host, "mirror-in", frames, 20_000)
        os.kill(hypervisor.pid, signal.SIGCONT)
        with hypervisor.host.inside():
            came = link_counters()[hypervisor.host.index(PORT)].rx_frames
        after = until(lambda: (s := hypervisor.status())["received"] + s["lost"] == came and s)
        assert came > 20_000 and after["lost"] > 0


def test_lag_and_clock_steps_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames read late say how late; a wall clock that jumps against the steady one is told once."""
    with Namespace() as host, Namespace() as vm:
        host.veth("tap0", vm, "eth0")
        with live(host) as running:
            send(vm, "eth0", [udp()], 5)
            time.sleep(0.3)  # a reader that was kept waiting
            assert len(running.rows(5)) == 5
            health = running.capture.health()
            assert health.lag_ns >= 300 * MILLISECOND and not health.stepped
            truly = tpacket._clock_offset
            monkeypatch.setattr(
                tpacket, "_clock_offset", lambda: truly() - 3600 * SECOND
            )  # nobody sets this host's clock
            assert [running.capture.health().stepped for _ in range(2)] == [True, False]
