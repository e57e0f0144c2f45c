"""Every command has help, an example that can be pasted, and its place in docs/commands.md."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from edgeguard.cases.store import Store
from edgeguard.cli import PLACES, main
from edgeguard.cli.options import socket_of
from edgeguard.errors import ConfigError

MANUAL = Path(__file__).parents[1] / "docs" / "commands.md"
Place = tuple[tuple[str, ...], click.Command]


def walk(command: click.Command, path: tuple[str, ...]) -> Iterator[Place]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from walk(below, (*path, name))


COMMANDS = list(walk(main, ("edgeguard",)))
NAMED = pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[" ".join(path) for path, _ in COMMANDS])


def help_of(path: tuple[str, ...]) -> str:
    told = CliRunner().invoke(main, [*path[1:], "--help"], prog_name="edgeguard")
    assert told.exit_code == 0
    return told.output


def examples(path: tuple[str, ...]) -> list[str]:
    _, found, after = help_of(path).partition("Example:\n")
    assert found, f"{' '.join(path)} --help does not end with an example"
    return [line.strip() for line in after.splitlines() if line.strip()]


def parsed(words: list[str]) -> None:
    """Parse a command line as click would, without running it."""
    command: click.Command = main
    context = command.make_context("edgeguard", list(words))
    while isinstance(command, click.Group) and (rest := [*context._protected_args, *context.args]):
        name, below, arguments = command.resolve_command(context, rest)
        assert below is not None
        command, context = below, below.make_context(name or "", arguments, parent=context)


def section(path: tuple[str, ...]) -> str:
    """The part of the manual under the command's own heading."""
    heading = re.escape(f"`{' '.join(path)}`")
    found = re.search(rf"^##+ {heading}\n(.*?)(?=^##|\Z)", MANUAL.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"docs/commands.md has no heading `{' '.join(path)}`"
    return found[1]


@NAMED
def test_every_command_says_what_it_does(path: tuple[str, ...], command: click.Command) -> None:
    """A command and each of its options must carry a sentence of help."""
    assert command.help and command.help.strip()
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{' '.join(path)} {parameter.opts[0]} has no help"


@NAMED
def test_every_help_ends_with_examples_that_work(path: tuple[str, ...], command: click.Command) -> None:
    """Each line of the example must be a command line that click accepts, of this command or one below it."""
    for line in examples(path):
        words = shlex.split(line.partition(" < ")[0])  # what a shell does with the rest is not ours
        assert tuple(words[: len(path)]) == path
        parsed(words[1:])


@NAMED
def test_the_manual_names_every_command_and_option(path: tuple[str, ...], command: click.Command) -> None:
    """docs/commands.md must have a heading for each command, and under it each of its own options."""
    told = section(path)
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.name not in ("help", "version"):
            assert f"`{parameter.opts[-1]}" in told, f"{' '.join(path)} {parameter.opts[-1]} is not in the manual"


def test_the_manual_names_no_command_that_is_gone() -> None:
    """Every heading of docs/commands.md must be a command."""
    headings = re.findall(r"^##+ `(edgeguard.*)`$", MANUAL.read_text(), re.MULTILINE)
    planned = {f"edgeguard {name}" for name in PLACES}
    known = {" ".join(path) for path, _ in COMMANDS}
    assert not [name for name in headings if name not in known and " ".join(name.split()[:2]) not in planned - known]


def test_help_costs_no_compiler_and_no_database() -> None:
    """Help must not import numba, scapy, jinja2 or the C extension, nor a group's help what only others need."""
    script = (
        "import sys\nfrom edgeguard.cli import main\n"
        "try: main(sys.argv[1:], prog_name='edgeguard')\nexcept SystemExit: pass\n"
        "heavy = {'numba', 'scapy', 'jinja2', 'edgeguard._native', 'edgeguard.native'}\n"
        "if sys.argv[1] != '--help': heavy |= {'pyroute2', 'numpy', 'pydantic', 'sqlite3', 'rich'}\n"
        "print('loaded:', sorted(heavy & set(sys.modules)))\n"
    )
    for words in (["--help"], ["case", "list", "--help"], ["nullroute", "add", "--help"]):
        told = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=True)
        assert told.stdout.endswith("loaded: []\n"), (words, told.stdout[-80:], told.stderr)


@pytest.mark.parametrize(("words", "told"), [(["case", "list"], "no cases"), (["next"], "no case is open")])
def test_looking_needs_no_compiler(tmp_path: Path, words: list[str], told: str) -> None:
    """`case list` and `next` import no compiler and check no whole configuration: they run while the host is busy."""
    file = tmp_path / "edgeguard.toml"
    file.write_text(f'[paths]\ndatabase = "{tmp_path}/cases.sqlite"\n')
    Store(tmp_path / "cases.sqlite").close()
    script = (
        "import sys\nfrom edgeguard.cli import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "print(sorted({'numba', 'scapy', 'pyroute2', 'numpy', 'pydantic', 'edgeguard._native'} & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", script, *words, "-c", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{told}\n[]\n"


@pytest.mark.parametrize("words", [["status"], ["top", "--once"], ["top", "--json"]])
def test_a_glance_loads_nothing_heavy(tmp_path: Path, words: list[str]) -> None:
    """`status` and `top` must start without what takes long: they answer within 0.3 s while the host is flooded."""
    file = tmp_path / "edgeguard.toml"
    file.write_text(f'[paths]\nsocket = "{tmp_path}/sock"\n')
    script = (
        "import sys\n"
        "before = set(sys.modules)  # an editable install's finder has loaded some of them already\n"
        "from edgeguard.__main__ import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'click', 'numpy', 'pydantic', 'sqlite3', 'rich', 'numba', 'pyroute2', 'dataclasses', 'inspect'}\n"
        "print(sorted((heavy | {'logging', 'pathlib', 'shutil', 'subprocess'}) & (set(sys.modules) - before)))\n"
    )
    command = [sys.executable, "-c", script, *words, "-c", str(file)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"
    assert f"{tmp_path}/sock: no daemon answers here" in told.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "/run/edgeguard/edgeguard.sock"),
        ("[mail]\nserver = ''", "/run/edgeguard/edgeguard.sock"),
        ("[paths]\nsocket = '/x/sock'\n[clocks]\nquiet = 15", "/x/sock"),
        ("[paths]\nsocket = 7", None),
        ("paths = 7", None),
        ("[[[", None),
    ],
)
def test_the_socket_is_found_without_the_rest(tmp_path: Path, text: str, told: str | None) -> None:
    """What the file or the defaults say of it; a file in which it cannot be read is refused as everywhere."""
    file = tmp_path / "edgeguard.toml"
    file.write_text(text)
    if told is None:
        with pytest.raises(ConfigError, match=re.escape(str(file))):
            socket_of(file)
    else:
        assert socket_of(file) == told
