"""`edgeguard backtest`: what differs between two configurations on the same savefile, and how near each limit was."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oracles.counting import Packet, savefile

from edgeguard.clock import SECOND

T = 1_767_225_600 * SECOND
RATE, SECONDS = 300, 8
BYTES = 60  # of IP, each
MANUAL = Path(__file__).parents[1] / "docs" / "commands.md"
VM = '[[inventory.vm]]\nid = "vm-1"\ncustomer = "C-1"\nmacs = ["02:00:00:00:00:02"]\naddresses = ["192.0.2.1"]\n'
OLD = f'enforce = ["syn.act", "syn.hard"]\n{VM}'
LOWER = "[limits.syn]\nwarn = 100\nact = 1000\nhard = 10000\n"
ACTS = "[limits.syn]\nwarn = 100\nact = 200\nhard = 10000\n"


@pytest.fixture
def backtest(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command in a folder that holds flood.pcap, 300 SYNs a second for 8 s to one target, and old.toml."""
    (tmp_path / "flood.pcap").write_bytes(savefile(Packet(T + n * SECOND // RATE) for n in range(RATE * SECONDS)))
    (tmp_path / "old.toml").write_text(OLD)

    def run(new: str, *words: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "new.toml").write_text(new)
        words = (*(words or ("flood.pcap", "--against", "old.toml")), "-c", "new.toml")
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "EDGEGUARD_CONFIG": ""}
        command = [sys.executable, "-m", "edgeguard", "backtest", *words]
        return subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=1200, cwd=tmp_path, env=environment
        )

    return run


Backtest = Callable[..., subprocess.CompletedProcess[str]]


def lines(told: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert told.returncode == 0, told.stderr
    return [json.loads(line) for line in told.stdout.splitlines()]


def json_of(backtest: Backtest, new: str, *words: str) -> list[dict[str, Any]]:
    return lines(backtest(new, *(words or ("flood.pcap", "--against", "old.toml")), "--json"))


def of(found: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [line for line in found if line["type"] == kind]


def test_a_lower_limit_would_have_warned(backtest: Backtest) -> None:
    """A VM that was below the old limit and above the new one is the difference, with band, time and what is done."""
    found = json_of(backtest, LOWER)
    (difference,) = of(found, "difference")
    assert (difference["old"], difference["rule"], difference["subject"]["vm"]) == (None, "syn", "vm-1")
    (band,) = difference["new"]["bands"]
    assert (band["band"], band["limit"], band["unit"]) == ("warn", 100, "packets")
    assert T + 4 * SECOND < int(band["at"]) <= T + 6 * SECOND  # five seconds over it
    assert difference["new"]["scope"] == "warn"
    (summary,) = of(found, "summary")
    assert (summary["old"]["warned"], summary["new"]["warned"]) == ([], ["vm-1"])
    assert (summary["files"], summary["frames"], summary["differences"]) == (1, RATE * SECONDS, 1)


def test_a_lower_limit_would_have_null_routed(backtest: Backtest) -> None:
    """Where OLD enforces the band, a rules file's new limit must show the null route, with its time and reason."""
    (difference,) = of(json_of(backtest, ACTS), "difference")
    assert difference["new"]["scope"] == "narrow"
    assert [one["act"] for one in difference["new"]["decisions"] if one["scope"] == "narrow"] == ["null-route"]
    told = backtest(ACTS).stdout
    assert "  vm-1, syn\n    old  nothing\n    new  act at 2026-01-01 00:00:0" in told
    assert "null-routed (narrow) at 2026-01-01 00:00:0" in told
    assert "null-routed: vm-1" in told.splitlines()[-1]


def test_the_margin_is_the_highest_window_against_each_limit(backtest: Backtest) -> None:
    """The highest second must be the exact one, and its share of each limit of NEW, group and all."""
    (margin,) = [line for line in of(json_of(backtest, LOWER), "margin") if line["rule"] == "syn"]
    assert margin["highest"] == RATE
    assert margin["limits"] == {"warn": 100, "act": 1000, "hard": 10_000}
    assert margin["shares"] == {"warn": 3.0, "act": 0.3, "hard": 0.03}
    assert (margin["highest_bits"], margin["bits"]) == (RATE * BYTES * 8, None)
    in_bits = f"{LOWER}bits = {{ warn = {RATE * BYTES * 4} }}\n"
    (margin,) = [line for line in of(json_of(backtest, in_bits), "margin") if line["rule"] == "syn"]
    assert margin["bits"] == {"warn": RATE * BYTES * 4, "act": None, "hard": None}
    assert re.search(r"bit/s +200 % +no limit +no limit\n", backtest(in_bits).stdout)
    grouped = f'{LOWER}[[group]]\nname = "g"\ncustomers = ["C-1"]\nlimits.syn = {{ warn = 600 }}\n'
    (margin,) = [line for line in of(json_of(backtest, grouped), "margin") if line["rule"] == "syn"]
    assert margin["limits"] == {"warn": 600, "act": 1000, "hard": 10_000}
    off = f'{LOWER}[vm."vm-1"]\nenforce = {{ syn = "off" }}\n'
    (margin,) = [line for line in of(json_of(backtest, off), "margin") if line["rule"] == "syn"]
    assert (margin["limits"], margin["shares"]) == (None, None)


def test_the_same_limits_differ_in_nothing(backtest: Backtest) -> None:
    """Whatever the file holds, a configuration against itself must have no difference."""
    found = json_of(backtest, OLD + LOWER, "flood.pcap", "--against", "new.toml")
    assert not of(found, "difference")
    assert of(found, "summary")[0]["old"] == of(found, "summary")[0]["new"]
    assert "nothing differs" in backtest(OLD + LOWER, "flood.pcap", "--against", "new.toml").stdout


def test_a_whole_configuration_stands_for_itself(backtest: Backtest) -> None:
    """A NEW that says more than rules is not laid on OLD: what it does not say is the shipped default."""
    new = f"{VM}{ACTS}[judging]\nsustain_of = 60\n"
    (difference,) = of(json_of(backtest, new), "difference")
    assert difference["new"]["scope"] == "observe"  # its own `enforce` is empty
    assert "enforce" in difference["new"]["decisions"][0]["reason"]


def test_without_an_inventory_sources_are_compared(backtest: Backtest) -> None:
    """A savefile of which no VM is known must be compared source by source."""
    (difference,) = of(json_of(backtest, LOWER, "flood.pcap"), "difference")
    assert difference["subject"] == {"vm": None, "tap": None, "source": "192.0.2.1", "customer": None}
    assert [band["band"] for band in difference["new"]["bands"]] == ["warn"]


def test_without_a_configuration_the_defaults_are_old(backtest: Backtest, tmp_path: Path) -> None:
    """Without --against, and where nobody made a configuration, NEW is compared with the shipped defaults."""
    (difference,) = of(json_of(backtest, VM + LOWER, "flood.pcap"), "difference")
    assert difference["old"] is None and difference["new"]["scope"] == "warn"


def test_several_files_are_judged_one_after_the_other(backtest: Backtest, tmp_path: Path) -> None:
    """Each file has its own differences; the summary is of all together."""
    quiet = savefile(Packet(T + n * SECOND // 2) for n in range(10))
    (tmp_path / "quiet.pcap").write_bytes(quiet)
    found = json_of(backtest, LOWER, "quiet.pcap", "flood.pcap", "flood.pcap", "--against", "old.toml")
    assert [line["file"] for line in of(found, "file")] == ["quiet.pcap", "flood.pcap", "flood.pcap"]
    assert [line["differences"] for line in of(found, "file")] == [0, 1, 1]
    (summary,) = of(found, "summary")
    assert (summary["differences"], summary["frames"]) == (2, 2 * RATE * SECONDS + 10)
    assert (summary["new"]["verdicts"], summary["new"]["warned"]) == (2, ["vm-1"])


def test_it_prints_the_same_for_the_same_files(backtest: Backtest) -> None:
    """Two runs print the same bytes."""
    assert backtest(LOWER).stdout == backtest(LOWER).stdout


KEYS = {
    "difference": "type file subject rule old new",
    "margin": "type file subject rule highest highest_below_hard highest_bits at limits shares bits",
    "file": "type file frames first_ts last_ts differences old new",
    "summary": "type files frames differences old new",
}


def test_the_manual_names_what_the_json_holds(backtest: Backtest) -> None:
    """Every line has the keys that are promised, and docs/commands.md names each kind of line and each new key."""
    found = json_of(backtest, ACTS)
    assert {line["type"] for line in found} == set(KEYS)
    for line in found:
        assert list(line) == KEYS[line["type"]].split()
    section = re.search(r"^## `edgeguard backtest`\n(.*?)^## ", MANUAL.read_text(), re.MULTILINE | re.DOTALL)
    assert section
    (difference,) = of(found, "difference")
    own = {
        "highest",
        "highest_below_hard",
        "highest_bits",
        "limits",
        "shares",
        "bits",
        "old",
        "new",
        "subject",
        "rule",
        *difference["new"],
    }
    for name in (*KEYS, *own):
        assert f"`{name}`" in section[1], name


@pytest.mark.parametrize(
    ("new", "words", "code", "said"),
    [
        ("[limits.syn]\nwarn = 0\n", (), 3, "edgeguard: new.toml: [limits.syn] warn: 0 is no limit: at least 1 packet"),
        ("[limits.snc]\nwarn = 10\n", (), 3, "edgeguard: new.toml: [limits] snc: unknown key"),
        ("[mial]\n", (), 3, "edgeguard: new.toml: mial: unknown key"),
        ("[[[", (), 3, "edgeguard: new.toml: is not TOML"),
        (LOWER, ("flood.pcap", "--against", "none.toml"), 3, "edgeguard: none.toml: cannot be read: No such file"),
        (LOWER, ("none.pcap", "--against", "old.toml"), 1, "edgeguard: none.pcap: "),
        (LOWER, ("old.toml", "--against", "old.toml"), 1, "edgeguard: old.toml: "),
        (LOWER, ("empty.pcap", "--against", "old.toml"), 1, "edgeguard: empty.pcap: holds no frames"),
        (LOWER, ("--against", "old.toml"), 2, "edgeguard: missing argument 'FILE...'"),
    ],
)
def test_bad_input_is_one_clear_line(
    backtest: Backtest, tmp_path: Path, new: str, words: tuple[str, ...], code: int, said: str
) -> None:
    """A wrong configuration, savefile or call must be told in a line that names it, without a traceback."""
    (tmp_path / "empty.pcap").write_bytes(savefile([]))
    told = backtest(new, *words)
    assert told.returncode == code, told.stderr
    assert said in told.stderr and "Traceback" not in told.stderr
    if code != 2:
        assert len(told.stderr.splitlines()) == 1
