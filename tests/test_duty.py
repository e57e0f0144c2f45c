"""The two tables about people, read by themselves: against the whole configuration of the same file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from test_roster import SHIFTS

from edgeguard import config, duty
from edgeguard.cli import main
from edgeguard.cli.options import DEFAULT_CONFIG, duty_of
from edgeguard.errors import ConfigError

CLOCKS = ("quiet", "quiet_again", "undecided", "second_voice", "upheld_quiet", "appeal", "appeal_full")
TIMES = st.builds("{}{}".format, st.integers(1, 59), st.sampled_from(["s", "m"]))
TABLES = st.fixed_dictionaries(
    {
        "clocks": st.dictionaries(st.sampled_from(CLOCKS), TIMES),
        "roster": st.fixed_dictionaries(
            {"zone": st.sampled_from(["UTC", "Europe/Berlin"]), "shift": SHIFTS},
            optional={"reply": TIMES, "repeat": TIMES},
        ),
    }
)


def told(of: duty.Duty) -> dict[str, Any]:
    """All that a Duty promises."""
    roster = of.roster
    shifts = [(one.name, tuple(one.days), one.from_, one.to, one.mail) for one in roster.shift]
    return {name: getattr(of.clocks, name) for name in CLOCKS} | {
        "roster": (roster.zone, roster.reply, roster.repeat, shifts)
    }


def written(tables: dict[str, Any]) -> str:
    """As TOML; a Python list of words is one of TOML's, too."""
    lines = ["[clocks]", *(f"{name} = '{value}'" for name, value in tables["clocks"].items()), "[roster]"]
    lines += [f"{name} = '{value}'" for name, value in tables["roster"].items() if name != "shift"]
    for shift in tables["roster"]["shift"]:
        lines += ["[[roster.shift]]", *(f"{name} = {value!r}" for name, value in shift.items())]
    return "\n".join(lines) + "\n"


@given(TABLES)
def test_it_is_what_the_whole_configuration_says(tmp_path_factory: pytest.TempPathFactory, tables: Any) -> None:
    """Every clock and every shift, given or not, is the one that the daemon goes by."""
    file = tmp_path_factory.mktemp("duty") / "edgeguard.toml"
    file.write_text(written(tables))
    found = duty.read(str(file))
    assert found is not None
    assert told(found) == told(config.load(file))


def test_where_nobody_made_the_default_file_the_defaults_hold() -> None:
    """As for every other command."""
    if DEFAULT_CONFIG.exists():
        pytest.skip(f"this machine has a {DEFAULT_CONFIG}")
    found = duty.read(str(DEFAULT_CONFIG))
    assert found is not None
    assert told(found) == told(config.load(None))


@pytest.mark.parametrize(
    "text",
    [
        "[clocks\n",
        "clocks = 5\n",
        "[clocks]\nquiet = 15\n",
        "[clocks]\nquiet = '0s'\n",
        "[clocks]\nquite = '15m'\n",
        "[roster]\nreplay = '15m'\n",
        "[roster]\nzone = 'Mars/Olympus'\n",
        "[roster]\nzone = 5\n",
        "[roster]\nshift = 5\n",
        "[[roster.shift]]\nname = 'alex'\ndays = ['mon']\nfrom = '08:00'\nto = '18:00'\n",
        "[roster]\nzone = 'UTC'\n[[roster.shift]]\nname = 'alex'\ndays = ['mon']\nto = '18:00'\n",
        "[roster]\nzone = 'UTC'\n[[roster.shift]]\nname = 'alex'\ndays = ['someday']\nfrom = '08:00'\nto = '18:00'\n",
        "[roster]\nzone = 'UTC'\n[[roster.shift]]\nname = 'alex'\ndays = ['mon']\nfrom = '8'\nto = '18:00'\n",
        None,
    ],
)
def test_what_is_wrong_is_said_by_the_whole_configuration(tmp_path: Path, text: str | None) -> None:
    """Nothing is guessed: the file is read as a whole then, and refused in its words."""
    file = tmp_path / "edgeguard.toml"
    if text is not None:
        file.write_text(text)
    assert duty.read(str(file)) is None
    with pytest.raises(ConfigError) as refused:
        duty_of(file)
    done = CliRunner().invoke(main, ["next", "-c", str(file)])
    assert done.exit_code == 3
    assert refused.value.findings[0] in done.output
