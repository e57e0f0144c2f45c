"""Several VMs of one customer on real taps, each below its limits: their sum is found, and nobody is null-routed."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from capturing import send, syn
from namespaces import Namespace

from edgeguard.cases.reader import Reader
from edgeguard.control import ask
from edgeguard.errors import DaemonError, StoreError
from edgeguard.model import Act, Scope
from edgeguard.request import Status

START_S = 600  # the first start compiles the kernels, on a machine that may be slow and shared
VMS = (101, 102, 103, 104)  # of one customer; 105 is its neighbour's
HARD = 2_000  # of one VM and of the sum; the four send 700 a second each
RATE = 700
CONFIG = """
enforce = ["all.act", "all.hard"]
uplinks = ["uplink0"]
[limits]
syn = {{warn = 1_000, act = 2_000, hard = 2_000}}
customer.syn = {{warn = 2_000, hard = 2_000}}
[mail]
desk = "desk@example.net"
[inventory]
file = "{0}/inventory.toml"
[paths]
database = "{0}/edgeguard.sqlite"
socket = "{0}/edgeguard.sock"
"""


def _inventory() -> str:
    return "".join(
        f'[[vm]]\nid = "vm-{n}"\ncustomer = "{"Example Ltd" if n in VMS else "Other Ltd"}"\n'
        f'contact = "owner@example.net"\ntaps = ["tap{n}"]\naddresses = ["192.0.2.{n}"]\n'
        for n in (*VMS, 105)
    )


def _status(folder: Path) -> dict[str, Any]:
    """The daemon's answer, as soon as it gives one."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            return ask(folder / "edgeguard.sock", Status())
        except DaemonError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def _flood(outside: Namespace, stop: threading.Event) -> None:
    """Every tap a few frames at a time, by turns, so that each stays at RATE however slow the machine is."""
    frames = {n: [syn(f"192.0.2.{n}", f"203.0.113.{n}")] for n in (*VMS, 105)}
    began, sent = time.monotonic(), 0
    while not stop.is_set() and sent < RATE * 300:
        due = min(int((time.monotonic() - began) * RATE), sent + RATE // 10)  # never catches up in a burst
        began += max(0.0, time.monotonic() - began - (due + RATE // 10) / RATE)
        for n, frame in frames.items():
            if due > sent:
                send(outside, f"far-tap{n}", frame, due - sent)
        sent = max(due, sent)
        time.sleep(0.01)


def _cases(folder: Path, until: float) -> list[Any]:
    """The cases, as soon as there is one."""
    while time.monotonic() < until:
        try:
            with Reader(folder / "edgeguard.sqlite") as reader:
                if found := reader.cases():
                    return found
        except StoreError:
            pass
        time.sleep(0.1)
    raise AssertionError("no case was opened")


def test_the_sum_of_a_customer_is_told_and_nobody_is_null_routed(tmp_path: Path) -> None:
    """Four VMs at 0.7 of their limit, 2,800 SYN a second together: one case of the customer, a mail to the desk with
    each VM's share, nothing null-routed although everything is enforced; a neighbour that does the same is nothing."""
    (tmp_path / "edgeguard.toml").write_text(CONFIG.format(tmp_path), encoding="utf-8")
    (tmp_path / "inventory.toml").write_text(_inventory(), encoding="utf-8")
    with Namespace() as host, Namespace() as outside:
        for name in ("uplink0", *(f"tap{n}" for n in (*VMS, 105))):
            host.veth(name, outside, f"far-{name}")
        words = [sys.executable, "-m", "edgeguard"]
        config = ["-c", str(tmp_path / "edgeguard.toml")]
        daemon = host.popen(*words, "run", *config)
        stop = threading.Event()
        sender = threading.Thread(target=_flood, args=(outside, stop))
        try:
            _status(tmp_path)
            sender.start()
            (case,) = _cases(tmp_path, time.monotonic() + 300)
            told = _status(tmp_path)["customers"]
            shown = host.run(*words, "status", *config).stdout
            explained = host.run(*words, "explain", "Example Ltd", *config).stdout
            mail = json.loads(host.run(*words, "case", "show", case.id, "--json", *config).stdout)["notices"]
        finally:
            stop.set()
            if sender.ident:
                sender.join()
            daemon.terminate()
            assert daemon.wait(120) == 0
    assert (case.customer, case.vm, case.tap) == ("Example Ltd", None, None)
    with Reader(tmp_path / "edgeguard.sqlite") as reader:
        assert len(reader.cases()) == 1
        assert reader.standing() == []
        (verdict,), (decision,) = reader.verdicts(case.id), reader.decisions(case.id)
    assert (verdict.subject.customer, verdict.band, verdict.limit) == ("Example Ltd", "hard", HARD)
    assert verdict.measured >= HARD > max(share.packets for share in verdict.shares)
    assert verdict.measured == sum(share.packets for share in verdict.shares)
    assert sorted(str(share.vm) for share in verdict.shares) == [f"vm-{n}" for n in VMS]
    assert sorted(str(target.address) for target in verdict.targets) == [f"203.0.113.{n}" for n in VMS]
    assert (decision.act, decision.scope) == (Act.NONE, Scope.OBSERVE)
    assert [(letter["kind"], letter["to"]) for letter in mail] == [("desk-customer", None)]
    assert {one["customer"]: one["points"] for one in told["top"]} == {"Example Ltd": 4, "Other Ltd": 1}
    assert "customer Example Ltd: " in shown
    assert "at 4 attachment points" in shown
    assert "that left the VMs of customer Example Ltd on this host, added up" in explained
    assert "vm-101 at tap101: " in explained
