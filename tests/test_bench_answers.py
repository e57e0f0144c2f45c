"""The bench of answers: its arithmetic, and that it times commands that do their work under a real flood."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # the benches are no part of the package

from bench import answers
from bench.answers import FLOOR, LIMIT_MS, OURS, RIVAL

ROOT = Path(__file__).parents[1]


def test_the_headline_is_the_worse_tail_of_both() -> None:
    """The 99th percentile over status and top together; ratios are of medians, with the floor and the rival."""
    times = {OURS[0]: [100.0] * 9 + [400.0], OURS[1]: [120.0] * 10, FLOOR: [30.0] * 10, RIVAL: [2.0] * 10}
    found = answers.result(times, 1.5e6, 0.02, "a sender")
    assert (found["bench"], found["value"], found["unit"]) == ("answers", 400.0, "ms")
    assert found["spread"] == {"min": 100.0, "median": 120.0, "max": 400.0}
    assert found["ratios"]["p99/limit"] == pytest.approx(400 / LIMIT_MS, rel=1e-3)
    assert found["ratios"][f"slower of ours/{FLOOR}"] == 4.0
    assert found["ratios"][f"slower of ours/{RIVAL}"] == 60.0
    assert (found["offered_Mpps"], found["lost_share"], found["rounds"]) == (1.5, 0.02, 10)


def test_without_the_rival_nothing_is_invented() -> None:
    """Where ip is not installed there is no ratio to it."""
    found = answers.result({OURS[0]: [1.0], OURS[1]: [2.0], FLOOR: [1.0]}, 1.0, 0.0, "a sender")
    assert not [name for name in found["ratios"] if RIVAL in name]


def test_the_commands_are_those_that_people_type() -> None:
    """Whole programs, with the configuration of the daemon that is flooded."""
    wanted = answers.commands(Path("/x.toml"))
    assert wanted[OURS[0]][1:] == ["-m", "edgeguard", "status", "-c", "/x.toml"]
    assert wanted[OURS[1]][1:] == ["-m", "edgeguard", "top", "--once", "-c", "/x.toml"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces and BPF")
@pytest.mark.skipif(shutil.which("ip") is None, reason="needs ip as the rival")
def test_one_round_under_a_real_flood() -> None:
    """The daemon answers all of it while frames arrive; the last line is the contract's object."""
    command = [sys.executable, "bench/answers.py", "--rounds", "1", "--json"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900)
    assert told.returncode == 0, told.stderr[-600:]
    found = json.loads(told.stdout.splitlines()[-1])
    assert found["offered_Mpps"] > 0 and found["rounds"] == 1
    assert set(found["milliseconds"]) == {*OURS, FLOOR, RIVAL}
    assert all(values["min"] > 0 for values in found["milliseconds"].values())
