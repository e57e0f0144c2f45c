"""Commands that act reach the daemon through its socket, and say so when none runs."""

from __future__ import annotations

import json
import select
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edgeguard.cases.store import Store
from edgeguard.cli import main
from edgeguard.clock import MINUTE
from edgeguard.control import ControlServer
from edgeguard.errors import UsageError
from edgeguard.model import Scope
from edgeguard.request import AddNullRoute, Ask, ReleaseNullRoute, Request

Run = Callable[..., Result]
ADD = ("nullroute", "add", "web1", "--for", "30m", "--why", "reported")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    file = tmp_path / "edgeguard.toml"
    file.write_text(f'[paths]\nsocket = "{tmp_path}/edgeguard.sock"\ndatabase = "{tmp_path}/cases.sqlite"\n')
    Store(tmp_path / "cases.sqlite").close()

    def invoke(*words: str) -> Result:
        return CliRunner().invoke(main, [*words, "-c", str(file)], prog_name="edgeguard")

    return invoke


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[list[Ask]]:
    """A daemon's socket that answers every request, and what was asked of it."""
    seen: list[Ask] = []

    def answer(request: Request) -> Mapping[str, Any]:
        seen.append(request.ask)
        if getattr(request.ask, "term", "") == "nobody":
            raise UsageError("no VM, address or tap is called 'nobody'")
        return {"case": "case-1", "text": f"done for {request.by}\x1b[2J"}

    server = ControlServer(tmp_path / "edgeguard.sock", patience_s=120)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            select.select([server], [], [], 0.02)
            server.poll(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    yield seen
    stop.set()
    thread.join()
    server.close()


def test_adding_asks_the_daemon_for_just_that(run: Run, asked: list[Ask]) -> None:
    """VM, targets, length and reason must arrive as they were typed, and the daemon's sentence be printed safely."""
    told = run(*ADD, "--target", "198.51.100.7:80/tcp", "--target", "2001:db8::7")
    assert told.exit_code == 0, told.output
    assert told.stdout.startswith("done for ")
    assert "\x1b" not in told.stdout
    assert run(*ADD, "--full").exit_code == 0
    assert run(*ADD, "--scope", "full").exit_code == 0
    assert run(*ADD, "--scope", "own-only").exit_code == 0
    assert run(*ADD, "--scope", "narrow", "--target", "198.51.100.7").exit_code == 0
    assert asked == [
        AddNullRoute("web1", "reported", 30 * MINUTE, ("198.51.100.7:80/tcp", "2001:db8::7")),
        AddNullRoute("web1", "reported", 30 * MINUTE, (), full=True),
        AddNullRoute("web1", "reported", 30 * MINUTE, (), full=True),
        AddNullRoute("web1", "reported", 30 * MINUTE, (), own_only=True),
        AddNullRoute("web1", "reported", 30 * MINUTE, ("198.51.100.7",)),
    ]
    assert [ask.scope for ask in asked if isinstance(ask, AddNullRoute)] == [
        Scope.NARROW,
        Scope.FULL,
        Scope.FULL,
        Scope.OWN_ONLY,
        Scope.NARROW,
    ]


def test_releasing_asks_the_daemon(run: Run, asked: list[Ask]) -> None:
    """A release must carry its reason; --json must print the whole answer."""
    told = run("nullroute", "release", "dec-1", "--as", "fixed", "--why", "cleaned", "--json")
    assert json.loads(told.stdout)["case"] == "case-1"
    assert asked == [ReleaseNullRoute("dec-1", "cleaned", "fixed")]


def test_a_refusal_is_the_daemons_own_sentence(run: Run, asked: list[Ask]) -> None:
    """What the daemon refuses must be told as it said it, with exit code 1."""
    told = run("nullroute", "release", "nobody", "--as", "fixed", "--why", "cleaned")
    assert told.exit_code == 1
    assert told.stderr == "edgeguard: no VM, address or tap is called 'nobody'\n"


@pytest.mark.parametrize(
    "words", [(*ADD, "--full"), ("nullroute", "release", "web1", "--as", "fixed", "--why", "cleaned")]
)
def test_without_a_daemon_an_act_says_so(run: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    """Nothing is acted on behind a daemon's back: one line, exit 1."""
    told = run(*words)
    assert told.exit_code == 1
    assert told.stderr.startswith(f"edgeguard: {tmp_path}/edgeguard.sock: no daemon answers here")


@pytest.mark.parametrize(
    "words",
    [
        ADD,
        (*ADD, "--full", "--target", "198.51.100.7"),
        (*ADD, "--full", "--scope", "own-only"),
        (*ADD, "--scope", "own-only", "--target", "198.51.100.7"),
        (*ADD, "--scope", "narrow"),
        (*ADD, "--scope", "observe"),
        (*ADD, "--target", "example.net"),
        ("nullroute", "add", "web1", "--full", "--why", "no end"),
        ("nullroute", "add", "web1", "--full", "--for", "30m"),
        ("nullroute", "add", "web1", "--full", "--for", "half an hour", "--why", "x"),
        ("nullroute", "add", "web1", "--full", "--for", "0s", "--why", "x"),
        ("nullroute", "release", "web1", "--as", "fixed"),
        ("nullroute", "release", "web1", "--why", "x"),
        ("nullroute", "release", "--as", "fixed", "--why", "x"),
    ],
)
def test_what_lacks_an_end_a_reason_or_a_width_is_wrong_use(run: Run, asked: list[Ask], words: tuple[str, ...]) -> None:
    """No null route without a lifetime, a reason and one width, no release without a reason; nothing is asked."""
    assert run(*words).exit_code == 2
    assert asked == []
