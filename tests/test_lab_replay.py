"""Written scenarios replayed with their OUT.toml give the findings that the live lab must get."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeguard import config, inventory, replay
from edgeguard.lab.addresses import VM
from edgeguard.lab.scenario import SCENARIOS
from edgeguard.lab.write import write
from edgeguard.letters import Notice
from edgeguard.model import Act, Band, Decision, Verdict


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_written_scenario_gets_its_expected_finding(name: str, tmp_path: Path) -> None:
    """Rule, band, subject, scopes and targets are the expected ones; benign-mix gets nothing above warn
    and no notice."""
    scenario = SCENARIOS[name]
    beside, _ = write(scenario, tmp_path / "out.pcap")
    settings = config.load(beside)
    told: list[Verdict | Decision | Notice] = []
    replay.Replay(tmp_path / "out.pcap", settings, inventory.configured(settings.inventory), told.append).run()
    verdicts = [v for v in told if isinstance(v, Verdict) and v.band is not Band.WARN]
    routes = [d for d in told if isinstance(d, Decision) and d.act is Act.NULL_ROUTE]
    expected = scenario.expected
    assert {(v.rule, v.band) for v in verdicts} == ({(expected.rule, expected.band)} if scenario.flood else set())
    assert tuple(d.scope for d in routes) == expected.scopes
    assert tuple(dict.fromkeys(t.place for d in routes for t in d.targets)) == expected.targets
    assert {v.subject.vm for v in verdicts} == ({VM.id} if scenario.flood else set())
    assert bool([n for n in told if isinstance(n, Notice)]) == bool(scenario.flood)
