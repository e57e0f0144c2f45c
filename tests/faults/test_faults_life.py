"""What meets a daemon in years: upgrades, a clock that is set, a second start, broken files, hostile frames, crowds."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import struct
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import kernel
import pytest
from agreement import agree
from oracles import hostile
from stage import Stage, inventory

from edgeguard.cases import database
from edgeguard.cases.database import statements
from edgeguard.lab import addresses as plan
from edgeguard.lab.addresses import VM

Make = Callable[..., Stage]
KINDS = ("routed", "bridged")
HOUR_NS = 3_600_000_000_000
TARGET: dict[str, Any] = {"address": plan.TARGETS[0], "protocol": 6, "port": 443, "share": 0.94, "packets": 47_010}


# ---- two at once ----------------------------------------------------------------------------------


def second(make: Make, kind: str) -> None:
    stage = make(kind)
    stage.start()
    stage.add((plan.TARGETS[0],))
    agree(stage)
    log = stage.folder / "second.log"
    words = ["run", "-c", str(stage.folder / "edgeguard.toml")]
    pids = [stage.preloaded.run(words, stage.namespace.fd, log, {}) for _ in range(2)]
    assert [stage.preloaded.code(pid) for pid in pids] == [1, 1]
    lines = log.read_text().strip().splitlines()
    assert len(lines) == 2 and all("another daemon runs here" in line for line in lines), lines
    agree(stage)
    stage.release()
    agree(stage)


@pytest.mark.parametrize("kind", KINDS)
def test_two_daemons(kind: str, beside: Any, request: pytest.FixtureRequest) -> None:
    """A second daemon refuses with one line and changes nothing of what the first one holds."""
    beside.run(request, second)


# ---- an upgrade -----------------------------------------------------------------------------------


def upgraded(make: Make, kind: str, version: int) -> None:
    """A null route of an earlier EdgeGuard stands; its database has that version's tables and texts."""
    stage = make(kind)
    stage.start()
    stage.add((f"{plan.TARGETS[0]}:443/tcp",))  # the kernel's part, as it was made then
    agree(stage)
    tap = json.loads(stage.ledger().null_routes[0]["orders"])["tap"]
    stage.kill()
    _old_database(stage, tap, version)
    with stage.arriving() as arrived, stage.flood(rate=400):
        stage.restart()
        agree(stage)
        assert arrived.get(plan.TARGETS[0], 0) == 0, "not a packet left while the daemon was upgraded"
    assert len(stage.ledger().orders()) == 1
    db = sqlite3.connect(stage.database)
    assert db.execute("PRAGMA user_version").fetchone()[0] == database.VERSION > version
    db.close()
    stage.release()
    agree(stage)


def _old_database(stage: Stage, tap: dict[str, Any], version: int) -> None:
    for path in stage.folder.glob("edgeguard.sqlite*"):
        path.unlink()
    stage.office.taken.clear()
    at = time.time_ns()
    until = at + HOUR_NS
    subject = {"vm": VM.id, "tap": VM.tap, "source": None, "customer": None}
    decision = {
        "id": "d-1", "case": "EG-1", "verdict": None, "at": at, "act": "null-route", "scope": "narrow",
        "subject": subject, "tap": tap, "targets": [TARGET], "until": until, "enforced": True, "safeties": [],
        "reason": "a test", "by": "ops", "releases": [], "silent": False,
    }  # fmt: skip
    order = {
        "decision": "d-1", "act": "null-route", "scope": "narrow", "tap": tap, "vm": VM.id,
        "prefixes": [f"{VM.address}/32"], "targets": [TARGET], "until": until,
    }  # fmt: skip
    db = sqlite3.connect(stage.database)
    for script in database.MIGRATIONS[:version]:
        for statement in statements(script.read_text(encoding="utf-8")):
            db.execute(statement)
    db.execute(f"PRAGMA user_version = {version}")
    db.execute(f"PRAGMA application_id = {database.APPLICATION}")
    db.execute(
        "INSERT INTO cases (id, vm, tap, ifindex, mac, opened, state) VALUES ('EG-1', ?, ?, ?, ?, ?, 'narrow')",
        (VM.id, VM.tap, tap["ifindex"], tap["mac"], at),
    )
    db.execute(
        "INSERT INTO decisions (id, case_id, at, act, enforced, until, body, orders)"
        " VALUES ('d-1', 'EG-1', ?, 'null-route', 1, ?, ?, ?)",
        (at, until, json.dumps(decision), json.dumps(order)),
    )
    outcome = {"decision": "d-1", "at": at, "happened": "acknowledged", "detail": "", "proofs": [], "dropped": None}
    db.execute(
        "INSERT INTO outcomes (decision, at, happened, body) VALUES ('d-1', ?, 'acknowledged', ?)",
        (at, json.dumps(outcome)),
    )
    db.execute(
        "INSERT INTO outbox"
        " (id, case_id, decision, kind, recipient, body, created, state, due, sent_at, message_id, mail)"
        " VALUES ('notice-1', 'EG-1', 'd-1', 'narrow', ?, '{}', ?, 'sent', ?, ?, '<notice-1@example.net>', ?)",
        (VM.contact, at, at, at, '{"subject":"a subject","text":"a text"}'),
    )
    db.commit()
    db.close()
    stage.office.note("<notice-1@example.net>")


@pytest.mark.parametrize("version", range(1, database.VERSION))
@pytest.mark.parametrize("kind", KINDS)
def test_upgraded(kind: str, version: int, beside: Any, request: pytest.FixtureRequest) -> None:
    """A database of an earlier version is brought to this one while its null route stands and stops a flood."""
    beside.run(request, upgraded)


# ---- a clock that is set --------------------------------------------------------------------------


def stepped(make: Make, kind: str, hours: int) -> None:
    stage = make(kind)
    clock = stage.folder / "clock"
    clock.write_bytes(bytes(8))
    shifted: dict[str, Any] = {"child": {"clock": str(clock)}, "clock": str(clock)}
    stage.start(**shifted)
    stage.add((plan.TARGETS[0],), seconds=1800)
    stage.add((plan.TARGETS[1],), vm="102", seconds=8)
    ends = kernel.boot_seconds() + 8
    agree(stage)
    stage.clock_offset = hours * HOUR_NS
    with clock.open("r+b") as file:
        file.write(struct.pack("=q", stage.clock_offset))
    stage.until(lambda: kernel.boot_seconds() > ends - 4, "time goes on")
    assert len(stage.ledger().orders()) == 2, "nothing was freed by the step"
    agree(stage, mails=False)
    stage.until(lambda: len(stage.ledger().orders()) == 1, "the short one has ended")
    assert kernel.boot_seconds() < ends + 10, "nor bound by it"
    stage.kill()
    stage.restart(**shifted)
    agree(stage)
    assert [order["vm"] for order in stage.ledger().orders()] == [VM.id]
    stage.release()
    agree(stage)


@pytest.mark.parametrize("hours", [1, -1])
@pytest.mark.parametrize("kind", KINDS)
def test_the_clock_steps(kind: str, hours: int, beside: Any, request: pytest.FixtureRequest) -> None:
    """A step of an hour neither frees nor binds, in the running daemon and over a death, and no notice is lost."""
    beside.run(request, stepped)


# ---- broken files ---------------------------------------------------------------------------------

BROKEN = {
    "no TOML": "[[vm]\nid = ",
    "nothing": "",
    "a wrong key": '[[vm]]\nid = "101"\ntapz = ["tap-vm"]\n',
    "not even text": "\udcff\udcfe",
}


def broken(make: Make, kind: str) -> None:
    stage = make(kind)
    stage.start()
    with stage.flood():
        stage.until_null_routed()
        for name, text in BROKEN.items():
            if name == "nothing":
                continue  # a file without VMs is a right one: nothing is anybody's any more
            (stage.folder / "inventory.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
            stage.until(lambda: "inventory.toml" in stage.said(), "the daemon says so")
            agree(stage)
            assert stage.ledger().orders(), name
        stage.write("inventory.toml", inventory())
        _reload(stage)
        agree(stage)
        assert stage.ledger().orders()


def _reload(stage: Stage) -> None:
    """SIGHUP with a configuration that is wrong, and with the right one again."""
    path = stage.folder / "edgeguard.toml"
    good = path.read_text(encoding="utf-8")
    for text in ("enforce = [", good + "\n[nonsense]\nkey = 1\n", good):
        path.write_text(text, encoding="utf-8")
        before = len(stage.said())
        os.kill(stage.pid, signal.SIGHUP)
        stage.until(lambda before=before: len(stage.said()) > before, "the daemon says what came of it")
        agree(stage)
    assert stage.alive()


@pytest.mark.parametrize("kind", KINDS)
def test_broken_files(kind: str, beside: Any, request: pytest.FixtureRequest) -> None:
    """A broken inventory or configuration is refused whole; what was read before holds, and what stands stays."""
    beside.run(request, broken)


# ---- hostile frames, and crowds -------------------------------------------------------------------


def malformed(make: Make, kind: str) -> None:
    stage = make(kind)
    frames = hostile.hostile()
    stage.start()
    with stage.sending(frames, 0, "neighbour"), stage.flood():
        stage.until_null_routed()
        for number in range(3):
            stage.add((f"203.0.113.{90 + number}",), vm="102")
            if number == 0:
                stage.kill_child()
            stage.kill()
            stage.restart()
        agree(stage)
    agree(stage)


@pytest.mark.parametrize("kind", KINDS)
def test_malformed_frames(kind: str, make: Make) -> None:
    """As many malformed frames as the machine can send keep nothing from being stopped, recorded and told."""
    malformed(make, kind)


ATTACHED, ENTRIES = 1024, 10_000


def test_a_crowd(make: Make) -> None:
    """10,000 inventory entries of which 1,024 are attached: null routes, a death and a status in time."""
    stage = make("routed")
    taps = ATTACHED - 2
    lines = "".join(
        f'\n[[vm]]\nid = "c{n}"\ncustomer = "C{n}"\ncontact = "owner@example.net"\ntaps = ["c{n}"]\n'
        f'addresses = ["10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"]\n'
        for n in range(ENTRIES - 2)
    )
    stage.write("inventory.toml", inventory(lines))
    script = "".join(f"link add c{n} type veth peer name q{n} netns far\nlink set c{n} up\n" for n in range(taps))
    _attach(stage, script)
    stage.start()
    stage.until(lambda: stage.status()["taps"] == ATTACHED, "all taps are known", 120)
    for n in range(0, 60, 2):
        stage.add((plan.TARGETS[0], plan.TARGET6), vm=f"c{n}")
    agree(stage)
    stage.kill()
    assert stage.restart() < 2.0
    agree(stage)
    with stage.flood():
        stage.until_null_routed(31)
        agree(stage)
        took = []
        for _ in range(5):
            began = time.monotonic()
            stage.status()
            took.append(time.monotonic() - began)
        assert min(took) < 0.3


def _attach(stage: Stage, script: str) -> None:
    """ip(8) in one batch; the far ends are in the neighbour's namespace."""
    far = stage.topology.neighbour.namespace.fd
    script = script.replace("netns far", f"netns /proc/{os.getpid()}/fd/{far}")
    with stage.namespace.inside():
        done = subprocess.run(["ip", "-batch", "-"], input=script, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr[:300]


TAPS, ROUNDS, ASKING, MINUTE_S = 62, 9, 6, 60.0
ACTIONS = TAPS * ROUNDS + TAPS * (ROUNDS - 1) + TAPS // 2


def test_a_thousand_actions(make: Make) -> None:
    """1,085 null routes and releases in a minute over 64 taps: each is carried out, ended, recorded and told once."""
    stage = make("bridged", memory=True)
    lines = "".join(
        f'\n[[vm]]\nid = "c{n}"\ncontact = "owner@example.net"\ntaps = ["c{n}"]\naddresses = ["198.18.9.{n + 1}"]\n'
        for n in range(TAPS)
    )
    stage.write("inventory.toml", inventory(lines))
    _attach(
        stage, "".join(f"link add c{n} type veth peer name q{n} netns far\nlink set c{n} up\n" for n in range(TAPS))
    )
    stage.start()
    stage.until(lambda: stage.status()["taps"] == TAPS + 2, "all taps are known")
    began = time.monotonic()
    with ThreadPoolExecutor(ASKING) as pool:
        for asked in [pool.submit(_busy, stage, range(first, TAPS, ASKING)) for first in range(ASKING)]:
            asked.result()
    took = time.monotonic() - began
    agree(stage, within=120)
    print(f"{ACTIONS} actions in {took:.1f} s")
    ledger = stage.ledger()
    assert len(ledger.null_routes) == TAPS * ROUNDS and len(ledger.standing) == TAPS // 2
    assert took < MINUTE_S


def _busy(stage: Stage, taps: range) -> None:
    """Null-route and release by turns on these taps; what is null-routed last on every second of them stays."""
    for turn in range(ROUNDS):
        for n in taps:
            stage.add((f"203.0.113.{turn + 1}",), vm=f"c{n}")
            if turn < ROUNDS - 1 or n % 2:
                stage.release(f"c{n}")
