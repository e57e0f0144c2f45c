"""Incidents in real time: real packets, the real daemon, real null routes, told beside what happened then."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgeguard.lab.incidents.catalogue import INCIDENTS
from edgeguard.lab.scenario import SCENARIOS

REAL = [incident.name for incident in INCIDENTS.values() if incident.real]
ROOT = Path(__file__).resolve().parents[2]
MINUTE = 60 * 10**9


def test_what_is_shown_for_real_exists() -> None:
    """Three incidents name a scenario of the lab."""
    assert REAL == ["networking-disabled", "forged-neighbour", "victim"]
    assert all(INCIDENTS[name].real in SCENARIOS for name in REAL)


# With `--dist loadgroup` one after the other: floods at once starve one another.
@pytest.mark.long
@pytest.mark.xdist_group("lab")
@pytest.mark.parametrize("name", REAL)
def test_a_real_incident_ends_otherwise(name: str) -> None:
    """As a user runs it: the scenario's own expectations hold, and a flood's mail is there within a minute."""
    command = [sys.executable, "-m", "edgeguard", "lab", "incident", name, "--real", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, (done.stdout, done.stderr)
    found = json.loads(done.stdout)
    assert (found["ok"], found["troubles"], found["real"]["ok"]) == (True, [], True)
    at = [line["at_ns"] for line in found["here"]]
    assert at == sorted(at) and len(at) == (0 if name == "victim" else 4)
    assert all(0 <= one <= MINUTE for one in at)
