"""Baselines in the running daemon: from real counters through the file to words, care and `baseline show`."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from click.testing import CliRunner
from oracles.counting import Packet, rows

from edgeguard import clock
from edgeguard.baselines.baseline import ENOUGH, RULES
from edgeguard.cases.baseline_file import BaselineFile, beside
from edgeguard.cli import main
from edgeguard.config import Limits
from edgeguard.counting.window import Counting
from edgeguard.daemon.usual import Usual, seconds
from edgeguard.decision.ledger import Ledger
from edgeguard.detection.episode import Episode
from edgeguard.docket import Docket
from edgeguard.model import Band, Subject, Vm

SECOND = 1_000_000_000
T = 1_767_225_600 * SECOND
VM = Vm("vm-1", "web1", "c-1", None)
SYN = RULES.index("syn")
LIMITS = {"syn": Limits(warn=2_000, act=5_000, hard=50_000)}


def counted(packets: list[Packet]) -> Counting:
    made = Counting(16, by_source=False)
    made.assign(0, Subject("vm-1", "tap1", None), ())
    made.add(rows(packets), 0)
    made.tick(T + SECOND)
    return made


def fresh(tmp_path: Path, now: int = T) -> Usual:
    return Usual(tmp_path / "b.sqlite", now)


def learn(usual: Usual, begin: int, minutes: int, packets: int) -> int:
    """Minutes with a largest second of so many SYNs, and the time after them."""
    counting = counted([Packet(T + 950_000_000, "syn", out_of=0)] * packets)
    for minute in range(minutes):
        last = seconds(counting, [(0, VM)], Docket("h"), Ledger(), lambda _: LIMITS)
        usual.take(begin + minute * 60 * SECOND, last)
    return begin + minutes * 60 * SECOND


def test_the_last_second_is_that_of_the_counters() -> None:
    """Packets by rule are the window's, of the rows asked for; warn is that of each rule that is judged."""
    counting = counted([Packet(T + 500_000_000, "syn", out_of=0)] * 7 + [Packet(T + 600_000_000, "udp", out_of=0)] * 3)
    last = seconds(counting, [(0, VM)], Docket("h"), Ledger(), lambda point: LIMITS)
    assert (last.packets[0, SYN], last.packets[0, RULES.index("udp")]) == (7, 3)
    assert (last.warn[0, SYN], last.warn[0, RULES.index("udp")]) == (2_000, 0)
    assert not last.judged.any()
    assert [owner.vm for owner in last.owners] == ["vm-1"]


def test_an_episode_is_judged_and_a_verdict_told() -> None:
    """An episode that runs keeps its rule from being learned; what was reported ends care, in that rule alone."""
    docket, counting = Docket("h"), counted([])
    docket.keep(0, "syn", Episode(T, T))
    last = seconds(counting, [(0, VM)], docket, Ledger(), lambda _: {})
    assert (last.judged[0, SYN], last.judged.sum(), last.told.any()) == (True, 1, False)
    docket.keep(0, "syn", Episode(T, T, band=Band.WARN))
    docket.keep(5, "udp", Episode(T, T))
    last = seconds(counting, [(0, VM)], docket, Ledger(), lambda _: {})
    assert (last.told[0, SYN], last.told.sum(), last.judged.sum()) == (True, 1, 1)


def test_what_was_learned_survives_a_restart(tmp_path: Path) -> None:
    """A daemon that ends writes all it knows; the next one compares with it at once."""
    usual = fresh(tmp_path)
    now = learn(usual, T, ENOUGH + 1, 90)
    usual.close()
    usual = fresh(tmp_path, now)
    told = str(usual.compared("vm-1", "syn", 2_790))
    assert told.endswith("a second over 6 hours")
    assert usual.compared("vm-2", "syn", 2_790) is None
    assert usual.compared(None, "syn", 2_790) is None
    usual.close()


def test_care_is_said_once_and_only_in_log_and_status(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Five seconds far above its usual: one line in the log, one entry for status."""
    caplog.set_level(logging.INFO, "edgeguard")
    usual = fresh(tmp_path)
    now = learn(usual, T, ENOUGH + 2, 10)
    loud = counted([Packet(T + 950_000_000, "syn", out_of=0)] * 800)
    for second in range(90):
        last = seconds(loud, [(0, VM)], Docket("h"), Ledger(), lambda _: LIMITS)
        usual.take(now + second * SECOND, last)
    lines = [record.message for record in caplog.records if "VM vm-1: syn" in record.message]
    assert len(lines) == 1
    assert lines[0].endswith("watched, nothing is done")
    (told,) = usual.told()
    assert (told["vm"], told["rule"], told["packets"]) == ("vm-1", "syn", 800)
    usual.close()


def test_a_file_that_cannot_be_used_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Baselines only raise care: with a damaged file the daemon says so, starts, and learns."""
    (tmp_path / "b.sqlite").write_text("this is no database, whatever its name may say\n" * 50)
    usual = fresh(tmp_path)
    assert "not kept" in caplog.text
    learn(usual, T, 3, 10)
    assert usual.learning.baseline("vm-1", "syn") is not None
    usual.close()


# ---- baseline show ---------------------------------------------------------------------------------


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    path = tmp_path / "edgeguard.toml"
    path.write_text(
        f'[paths]\ndatabase = "{tmp_path}/edgeguard.sqlite"\nsocket = "{tmp_path}/s"\n'
        '[[inventory.vm]]\nid = "vm-1"\nname = "web1"\ncustomer = "c-1"\naddresses = ["192.0.2.10"]\n'
    )
    return path


def shown(config: Path, *words: str) -> str:
    told = CliRunner().invoke(main, ["baseline", "show", *words, "-c", str(config)])
    assert told.exit_code == 0, told.output
    return told.output


def test_baseline_show_says_what_is_known(tmp_path: Path, configured: Path) -> None:
    """By id, name or address; as a table or as JSON; with limits beside it; and it needs no daemon."""
    begin = clock.now() // (24 * 3_600 * SECOND) * 24 * 3_600 * SECOND
    usual = Usual(beside(tmp_path / "edgeguard.sqlite"), begin)
    learn(usual, begin, ENOUGH + 1, 90)
    usual.close()
    lines = [line.split() for line in shown(configured).splitlines()[1:]]
    assert [line[:2] for line in lines] == [["vm-1", "syn"], ["vm-1", "total"]], "the others sent nothing"
    assert lines[0][-1] == "2,000"
    found = [json.loads(text) for text in shown(configured, "192.0.2.10", "--json").splitlines()]
    syn = next(one for one in found if one["rule"] == "syn")
    assert 90 <= syn["p95"] <= 98
    assert (syn["minutes"], syn["enough"], syn["care"], syn["customer"]) == (ENOUGH, True, 500, "c-1")
    assert len(shown(configured, "web1").splitlines()) == 1 + len(RULES)
    assert "nothing was learned of vm-9 yet" in shown(configured, "vm-9")


def test_baseline_show_without_a_file_says_what_to_do(configured: Path, tmp_path: Path) -> None:
    """Before the first run there is nothing to show; one line says so."""
    told = CliRunner().invoke(main, ["baseline", "show", "-c", str(configured)])
    assert told.exit_code == 1
    assert "there are no baselines" in told.output
    BaselineFile(beside(tmp_path / "edgeguard.sqlite")).close()
    assert "nothing was learned yet" in shown(configured)
