"""The whole job in the lab: the real daemon, real packets, the real mail; as a user runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from laboratory import NOBODY
from test_lab_vanish import _below, _gone, _network_namespaces

from edgeguard.lab import settings
from edgeguard.lab.scenario import SCENARIOS
from edgeguard.lab.topology import KINDS

KEYS = {
    "scenario": str,
    "host": str,
    "ok": bool,
    "offered_pps": int,
    "flood_started_ns": int,
    "crossed_ns": int,
    "routed_ns": int,
    "verified_ns": int,
    "notice_ns": int,
    "packets_before_route": int,
    "packets_leaked_after_route": int,
    "packets_leaked_after_verified": int,
    "other_traffic_ok": bool,
    "neighbour_ok": bool,
    "released": bool,
    "mail": dict,
    "expected": dict,
    "got": dict,
}
NULL_IN_BENIGN = {"flood_started_ns", "crossed_ns", "routed_ns", "verified_ns", "notice_ns", "mail", "released"}
USUAL = {
    ("syn-flood", "routed"),
    ("mirror", "bridged"),
    ("forged-random", "routed"),
    ("carpet", "routed-bridge"),
}
# With `--dist loadgroup` one after the other: four floods at once on two cores starve one another.
LONG = (pytest.mark.long, pytest.mark.xdist_group("lab"))
ALL = [(name, kind) for name in SCENARIOS for kind in KINDS]
PACKAGE = Path(__file__).resolve().parents[2]


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "edgeguard", "lab", *words]


def _lab(*words: str, **how: Any) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        _command(*words, "--json"), cwd=PACKAGE, capture_output=True, text=True, timeout=1800, check=False, **how
    )
    assert done.stdout.count("\n") == 1, (done.stdout, done.stderr)
    return done.returncode, json.loads(done.stdout)


def _needs_a_flood(offered: int) -> None:
    """What a machine cannot send above the hard limit in two minutes, nobody can stop there."""
    if 0 < offered < settings.UDP_HARD:
        pytest.skip(f"this machine offers only {offered:,} packets a second, and the lab's hard limit is higher")


def _marked(cases: list[tuple[str, str]]) -> list[Any]:
    return [pytest.param(*c, marks=() if c in USUAL else LONG, id="-".join(c)) for c in cases]


@pytest.mark.parametrize(("name", "kind"), _marked(ALL))
def test_a_scenario_ends_as_it_must(name: str, kind: str) -> None:
    """The result is ok by the contract: every key, the expected finding, no leak after verification,
    the neighbour and the VM's other traffic at work, the null routes released."""
    code, found = _lab(name, "--host", kind)
    assert list(found) == list(KEYS)
    benign = SCENARIOS[name].flood is None
    if not benign and found["got"]["actions"] < found["expected"]["actions"]:
        _needs_a_flood(found["offered_pps"])
    for key, kind_of in KEYS.items():
        if benign and key in NULL_IN_BENIGN:
            assert found[key] is None, key
        else:
            assert type(found[key]) is kind_of, key
    assert (found["got"], found["packets_leaked_after_verified"]) == (found["expected"], 0)
    assert (found["ok"], code) == (True, 0), found
    if not benign:
        times = [found[key] for key in ("flood_started_ns", "crossed_ns", "routed_ns", "verified_ns")]
        assert times == sorted(times)
        assert found["notice_ns"] > found["routed_ns"]
        if "not yet when this mail was written" not in found["mail"]["text"]:  # it does not wait for ever
            assert found["notice_ns"] > found["verified_ns"]
        assert found["mail"]["headers"]["Reply-To"]
        assert re.search(r"null-rout", found["mail"]["text"])


def _reachable_by_others(path: Path) -> bool:
    return all(part.stat().st_mode & stat.S_IXOTH for part in path.resolve().parents)


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes an ordinary user, which only root can")
@pytest.mark.long  # a whole scenario once more; the others run by default
def test_it_needs_no_root() -> None:
    """As uid 65534 the same scenario is ok."""
    for path in (Path(sys.executable), PACKAGE / "edgeguard"):
        if not _reachable_by_others(path):
            pytest.skip(f"uid {NOBODY} may not look into the directories of {path}")
    code, found = _lab(
        "syn-flood",
        "--host",
        "bridged",
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
    )
    if not found["got"]["actions"]:
        _needs_a_flood(found["offered_pps"])
    assert (code, found["ok"]) == (0, True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_stays_of_an_interrupted_flood(number: signal.Signals) -> None:
    """Ctrl-C or kill -9 in the middle of a flood ends daemon, senders and namespaces within seconds."""
    command = subprocess.Popen(_command("syn-flood"), cwd=PACKAGE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert command.stdout
    offered = 0
    for line in command.stdout:
        if b"null-routed, narrow" in line:
            break
        if told := re.search(rb"([\d,]+) a second offered", line):
            offered = int(told[1].replace(b",", b""))
    else:
        command.wait(120)
        _needs_a_flood(offered)
        pytest.fail("the flood was never null-routed")
    processes = _below(command.pid)
    assert len(processes) >= 8  # command, keeper, process 1, WAN, observer, daemon, its child, sender, two VMs
    made = _network_namespaces(processes) - _network_namespaces([os.getpid()])
    assert len(made) >= 4  # hypervisor, VM, neighbour, WAN
    os.kill(command.pid, number)
    command.communicate(timeout=120)
    assert _gone(processes)
    assert not _network_namespaces() & made
