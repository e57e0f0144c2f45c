"""The bench of many cases: its arithmetic, and that its database is one that the daemon would leave."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # the benches are no part of the package

from bench import cases
from bench.cases import BESIDE, FLOOR, LIMIT_MB, LIMIT_MS, LIMITED
from bench.parts import casebook
from edgeguard.cases.measures import measures
from edgeguard.cases.month import Month
from edgeguard.cases.reader import Reader
from edgeguard.clock import SECOND

ROOT = Path(__file__).parents[1]
NOW = 1_795_000_000 * SECOND
CASES, OPEN = 40, 10


def test_the_headline_is_the_slowest_tail() -> None:
    """The 99th percentile of the worst command that has a limit; what has none is only listed."""
    times = {name: [100.0] * 10 for name in LIMITED} | {name: [900.0] * 10 for name in BESIDE} | {FLOOR: [50.0] * 10}
    slowest = next(iter(LIMITED))
    times[slowest] = [120.0] * 9 + [330.0]
    found = cases.result(times, 10_000, 150_000_000)
    assert (found["bench"], found["value"], found["unit"], found["slowest"]) == ("cases", 330.0, "ms", slowest)
    assert found["ratios"]["p99/limit"] == pytest.approx(330 / LIMIT_MS, rel=1e-3)
    assert found["ratios"]["size/limit"] == pytest.approx(150 / LIMIT_MB, rel=1e-3)
    assert found["ratios"][f"slowest/{FLOOR}"] == 2.4
    assert (found["megabytes"], found["bytes_a_case"]) == (150.0, 15_000)


def test_the_commands_are_those_that_people_type() -> None:
    """Whole programs in a process of their own, with a term that names a case."""
    wanted = cases.commands(Path("/x.toml"), "EG-1", "198.51.100.7", "2026-10")
    ours = [sys.executable, "-m", "edgeguard"]
    assert wanted["case list"] == [*ours, "case", "list", "-c", "/x.toml"]
    assert wanted["case list ADDRESS"] == [*ours, "case", "list", "198.51.100.7", "-c", "/x.toml"]
    assert set(wanted) == {*LIMITED, *BESIDE, FLOOR}


def test_a_command_that_fails_has_no_time() -> None:
    """A refusal is quick: it must end the bench."""
    with pytest.raises(cases.NotDoneError, match="there is no case database"):
        cases.timed([sys.executable, "-m", "edgeguard", "case", "list", "-c", "/dev/null"])


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "cases.sqlite"
    casebook.fill(path, CASES, OPEN, NOW, lambda _: None)
    return path


def test_the_cases_are_whole(database: Path) -> None:
    """Each has a verdict, all safeties, mails that left, and an end unless it is one of the youngest."""
    with Reader(database) as reader:
        found = reader.cases(1_000)
        assert len(found) == CASES and len(reader.open_cases()) == OPEN
        assert not [case.id for case in found if not reader.verdicts(case.id)]
        for case in found:
            automatic = [d for d in reader.decisions(case.id) if d.verdict and not d.releases]
            assert all(len(decision.safeties) >= 18 for decision in automatic)
            letters = reader.letters(case.id)
            assert letters and all(letter.state == "sent" and letter.text for letter in letters)
        assert len({case.id for case in found}) == CASES
        assert reader.standing(), "the open ones are null-routed still"


def test_half_of_the_cases_were_null_routed(database: Path) -> None:
    """The mix must be what the bench says, as the report counts it."""
    months = {Month.of(NOW - n * 365 * 86_400 * SECOND // CASES) for n in range(CASES + 1)}
    with Reader(database) as reader:
        every = [measures(reader.account(month)) for month in months]
    assert sum(one.opened for one in every) == CASES
    assert sum(one.null_routes for one in every) == CASES // 10 * (3 + 4 + 1)
    assert sum(one.warnings for one in every) == CASES // 10 * 9
    assert sum(len(one.times["reply"].seconds) for one in every) == CASES // 10


def test_a_small_run_ends_in_the_contract() -> None:
    """The last line is one object with a size and a time for each command."""
    command = [sys.executable, "bench/cases.py", "--cases", "20", "--rounds", "1", "--json"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert told.returncode == 0, told.stderr[-600:]
    found = json.loads(told.stdout.splitlines()[-1])
    assert set(found["milliseconds"]) == {*LIMITED, *BESIDE, FLOOR}
    assert found["cases"] == 20 and found["megabytes"] > 0
