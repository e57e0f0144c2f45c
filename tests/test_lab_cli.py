"""`edgeguard lab` as a command: listing, writing, and wrong use. No namespaces are made here."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from edgeguard.cli import main
from edgeguard.lab.scenario import SCENARIOS


def test_the_listing_names_every_scenario() -> None:
    """People and programs get all of them, programs with what each expects."""
    text = CliRunner().invoke(main, ["lab", "--list"])
    rows = CliRunner().invoke(main, ["lab", "--list", "--json"])
    assert (text.exit_code, rows.exit_code) == (0, 0)
    found = [json.loads(line) for line in rows.stdout.splitlines()]
    assert [row["scenario"] for row in found] == list(SCENARIOS)
    assert [line.split()[0] for line in text.stdout.splitlines()] == list(SCENARIOS)
    assert found[2]["expected"]["scopes"] == ["narrow", "narrow", "full"]


def test_an_unknown_scenario_is_wrong_use() -> None:
    """One line names the known ones; exit code 2."""
    result = CliRunner().invoke(main, ["lab", "sin-flood"])
    assert result.exit_code == 2
    assert "no scenario 'sin-flood'" in result.stderr
    assert "syn-flood, udp-flood" in result.stderr


def test_an_unknown_host_is_wrong_use() -> None:
    """The kinds of host are offered; exit code 2."""
    result = CliRunner().invoke(main, ["lab", "syn-flood", "--host", "router"])
    assert result.exit_code == 2
    assert "routed-bridge" in result.stderr


def test_write_needs_a_scenario_and_a_file() -> None:
    """Without them an example is shown; exit code 2."""
    result = CliRunner().invoke(main, ["lab", "write", "syn-flood"])
    assert result.exit_code == 2
    assert "out.pcap" in result.stderr


def test_write_says_how_to_replay(tmp_path: Path) -> None:
    """The savefile and its configuration are written, and the command to use them is printed."""
    out = tmp_path / "out.pcap"
    result = CliRunner().invoke(main, ["lab", "write", "syn-flood", str(out)])
    assert result.exit_code == 0
    assert f"edgeguard replay {out} -c {tmp_path / 'out.toml'}" in result.stdout
    assert out.stat().st_size > 20_000_000
    assert (tmp_path / "out.toml").exists()


def test_write_into_nowhere_is_one_line(tmp_path: Path) -> None:
    """A missing directory is exit code 1 and no traceback."""
    result = CliRunner().invoke(main, ["lab", "write", "syn-flood", str(tmp_path / "no" / "out.pcap")])
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "cannot be written: No such file or directory" in result.stderr
