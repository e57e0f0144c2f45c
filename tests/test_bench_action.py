"""The bench of actions: its figure is the worse kind's, and a small run does what it says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # the benches are no part of the package

from bench import action

ROOT = Path(__file__).parents[1]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces")
needs_programs = pytest.mark.skipif(not (shutil.which("ip") and shutil.which("nft")), reason="ip and nft are the rival")


def test_the_worse_kind_counts() -> None:
    """Median and p99 are those of whichever kind of host is slower, and each is held against its limit."""
    took = {"EdgeGuard, routed": [1.0, 2.0, 30.0], "EdgeGuard, chain": [3.0, 3.0, 5.0]}
    found = action.result({**took, "ip and nft, routed": [12.0], "ip and nft, chain": [9.0]}, 1000.0)
    assert (found["value"], found["p99"]) == (3.0, 30.0)
    assert found["ratios"] == {"median/limit": 0.75, "p99/limit": 3.0, "ip and nft/edgeguard": 3.0}


@needs_root
@needs_programs
def test_a_small_run_acts_for_real() -> None:
    """Every action of both contenders is carried out by the kernel, under a flood that really comes in."""
    command = [sys.executable, "bench/action.py", "--actions", "10", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode in (0, 1), done.stderr  # 1: slower than the limits, which is no matter of a test
    found = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    assert found["actions"] == {
        "EdgeGuard, routed": 10, "EdgeGuard, chain": 10, "ip and nft, routed": 1, "ip and nft, chain": 1
    }  # fmt: skip
    assert found["flood_pps"] > 1000
