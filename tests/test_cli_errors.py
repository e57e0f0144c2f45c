"""How commands end: exit codes, one line an error, quiet pipes, Ctrl-C; as real processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from edgeguard.cases.case import Case
from edgeguard.cases.store import Store

EDGEGUARD = [sys.executable, "-m", "edgeguard"]


def run(
    *words: str, env: dict[str, str] | None = None, stdout: Any = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    command = [*EDGEGUARD, *words]
    return subprocess.run(command, check=False, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=600, env=env)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "edgeguard.toml"
    path.write_text(f'[paths]\ndatabase = "{tmp_path}/cases.sqlite"\nsocket = "{tmp_path}/sock"\n')
    return path


def one_line(told: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in told.stderr
    assert told.stderr.startswith("edgeguard: ")
    assert told.stderr.count("\n") == 1
    return told.stderr


def test_what_failed_exits_1(file: Path) -> None:
    """A command that cannot do its work must say why in one line and exit 1."""
    told = run("case", "list", "-c", str(file))
    assert told.returncode == 1
    assert "there is no case database" in one_line(told)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("fly", "no such command 'fly'; see 'edgeguard --help'"),
        ("--colour", "no such option '--colour'; see 'edgeguard --help'"),
        ("case fly", "no such command 'fly'; see 'edgeguard case --help'"),
        ("case show", "missing argument 'TERM'; see 'edgeguard case show --help'"),
        ("case list --limit 0", "invalid value for '--limit': 0 is not in the range"),
        ("case release web1 --why x", "missing option '--as'. Choose from: exempt, fixed, rebuilt"),
        ("nullroute add web1 --full --for 3 --why x", "invalid value for '--for': '3' is not a duration"),
        ("nullroute add web1 --for 3h --why x", "name --target (one or more), --scope own-only or --full"),
        ("status --colour", "no such option '--colour'; see 'edgeguard status --help'"),
    ],
)
def test_wrong_use_exits_2(words: str, why: str) -> None:
    """A command line that makes no sense must exit 2 with one line, as every error, and nothing on standard output."""
    told = run(*words.split())
    assert told.returncode == 2
    assert one_line(told).startswith(f"edgeguard: {why}") and "--help'" in told.stderr
    assert not told.stdout


def test_a_group_without_a_command_shows_what_there_is() -> None:
    """That is its help, on standard error, as nothing was done."""
    told = run("case")
    assert told.returncode == 2 and not told.stdout
    assert told.stderr.startswith("Usage: edgeguard case") and "release" in told.stderr


def test_a_wrong_configuration_exits_3_with_every_finding(file: Path) -> None:
    """Every finding must be a line of its own, from every command that reads the configuration."""
    file.write_text('colour = "red"\n[clocks]\nquiet = 15\n')
    for words in (["run"], ["evidence", "list"], ["nullroute", "release", "x", "--as", "fixed", "--why", "y"]):
        told = run(*words, "-c", str(file))
        assert told.returncode == 3
        assert len(told.stderr.splitlines()) == 2
        assert all(line.startswith(f"edgeguard: {file}: ") for line in told.stderr.splitlines())
        assert "Traceback" not in told.stderr


def test_the_configuration_may_come_from_the_environment(file: Path) -> None:
    """EDGEGUARD_CONFIG must be used where -c is not given, and a missing one is an error."""
    told = run("case", "list", env={**os.environ, "EDGEGUARD_CONFIG": str(file)})
    assert str(file.parent) in one_line(told)
    told = run("case", "list", env={**os.environ, "EDGEGUARD_CONFIG": str(file) + ".missing"})
    assert told.returncode == 3
    assert "cannot be read: No such file" in one_line(told)


def test_a_reader_that_goes_away_is_no_error(file: Path) -> None:
    """`edgeguard case list | head -1` must end quietly."""
    with Store(file.parent / "cases.sqlite") as store:
        for n in range(3_000):
            store.put_case(Case(f"case-{n}", f"vm-{n}", None, None, None, None, None, n + 1, "observed"))
    with subprocess.Popen(
        [*EDGEGUARD, "case", "list", "--json", "--limit", "3000", "-c", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline().startswith("{")
        process.stdout.close()
        assert process.stderr.read() == ""


def test_a_full_disk_below_the_output_is_told(file: Path) -> None:
    """Output that cannot be written must not be lost in silence."""
    Store(file.parent / "cases.sqlite").close()
    with Path("/dev/full").open("w") as full:
        told = run("case", "list", "-c", str(file), stdout=full)
    assert told.returncode == 1
    assert "No space left on device" in told.stderr
    assert "Traceback" not in told.stderr


def test_ctrl_c_exits_130(tmp_path: Path) -> None:
    """An interrupted command must end with the code shells expect and no traceback."""
    script = textwrap.dedent(
        """
        import signal, time, click
        from edgeguard.cli import main
        signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore it
        @main.command()
        def wait():
            print("waiting", flush=True)
            time.sleep(600)
        main(["wait"], prog_name="edgeguard")
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == 130


def test_the_version_is_printed() -> None:
    """--version must name the program and its version."""
    told = run("--version")
    assert told.returncode == 0
    assert told.stdout.startswith("edgeguard 0.")


def test_on_a_terminal_a_name_is_text_and_nothing_else(file: Path) -> None:
    """A VM's name must neither style nor steer the operator's terminal."""
    with Store(file.parent / "cases.sqlite") as store:
        store.put_case(Case("case-1", "vm-1", "[bold]x\x1b[2J\x1b]0;t\x07", None, None, None, None, 1, "observed"))
    ours, theirs = os.openpty()
    command = [*EDGEGUARD, "case", "list", "-c", str(file)]
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=theirs, env=env) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # EIO: the last writer has closed the terminal
            while part := os.read(ours, 65_536):
                shown += part
    os.close(ours)
    assert process.returncode == 0
    assert b"[bold]x?[2J?]0;t?" in shown
    assert b"\x1b[2J" not in shown
    assert b"\x07" not in shown
