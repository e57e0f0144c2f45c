"""Commands that act reach the daemon through its socket, and say so when none runs."""

from __future__ import annotations

import json
import select
import shlex
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from samples import CASE, T

from edgeguard.cases.store import Store
from edgeguard.cli import choosing, main
from edgeguard.cli.offer import Offer
from edgeguard.clock import MINUTE
from edgeguard.control import ControlServer
from edgeguard.errors import DaemonError, UsageError
from edgeguard.model import Scope
from edgeguard.request import (
    AddNullRoute,
    Ask,
    AskCase,
    ClaimCase,
    HoldCase,
    LookAt,
    ReleaseNullRoute,
    Request,
    UpholdCase,
    read_request,
    verb_of,
)
from edgeguard.urgent import Urgent

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


def of_three(together: bool) -> Mapping[str, Any]:
    """As daemon/together.py answers: of the one, or of all, of which one failed."""
    failed = [{"case": "case-3", "why": "it was not taken"}] if together else []
    others = [] if together else ["case-2", "case-3"]
    return {"case": "case-1", "text": "case-1: done", "leader": "case-1", "others": others, "failed": failed}


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[list[Ask]]:
    """A daemon's socket that answers every request, and what was asked of it."""
    seen: list[Ask] = []

    def answer(request: Request) -> Mapping[str, Any]:
        seen.append(request.ask)
        if getattr(request.ask, "term", "") == "nobody":
            raise UsageError("no VM, address or tap is called 'nobody'")
        if getattr(request.ask, "term", "") in ("one-of-three", "case-1") and not isinstance(request.ask, LookAt):
            return of_three(getattr(request.ask, "together", False))
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


SAYS = [
    ("case", "release", "one-of-three", "--as", "fixed", "--why", "it's clean; $HOME"),
    ("nullroute", "release", "one-of-three", "--as", "exempt", "--why", "x", "--consent", "y", "--ceiling", "9"),
    ("case", "release", "one-of-three", "--as", "exempt", "--why", "x", "--consent", "y", "--for", "7d"),
    ("case", "hold", "one-of-three", "--why", "until tomorrow", "--for", "90m"),
    ("case", "uphold", "one-of-three", "--why", "x", "--ends-when", "rebuilt", "--ends-when", "two lines"),
    ("case", "claim", "one-of-three", "--why", "x"),
    ("case", "ask", "one-of-three", "--why", "may they?"),
]  # fmt: skip


@pytest.mark.parametrize("words", SAYS)
def test_the_others_are_named_with_what_to_paste(run: Run, asked: list[Ask], words: tuple[str, ...]) -> None:
    """The last line names them; pasted, it asks for the same of all, by the leader's id. No program reads it."""
    told = run(*words)
    assert told.exit_code == 0, told.output
    line = told.stdout.splitlines()[-1]
    who, _, command = line.partition("; for all: ")
    assert who == "case-2, case-3 of the same customer are null-routed, too"
    pasted = shlex.split(command)
    assert pasted[0] == "edgeguard" and run(*pasted[1:-2]).exit_code == 1  # one of them fails, as below
    first, second = asked
    assert second == replace(first, term="case-1", together=True)
    assert "for all" not in run(*words, "--json").stdout


def test_what_was_not_done_to_all_fails_loudly(run: Run, asked: list[Ask]) -> None:
    """What was done is told, what was not is an error that names it; with --json, too."""
    for more in ((), ("--json",)):
        told = run("case", "claim", "one-of-three", "--why", "x", "--together", *more)
        assert told.exit_code == 1 and "case-1: done" in told.stdout
        assert told.stderr == "edgeguard: not done: case-3: it was not taken\n"


@pytest.mark.parametrize(
    ("typed", "ask"),
    [
        ("1\n3\nhis own queue\n", ReleaseNullRoute("EG-1", "his own queue", "unverified", together=True)),
        ("2\nuntil tomorrow\n", HoldCase("EG-1", "until tomorrow", together=True)),
        ("3\nmay they?\n", AskCase("EG-1", "may they?", together=True)),
    ],
)
def test_a_choice_is_of_all_that_go_together(run: Run, tmp_path: Path, asked: list[Ask], typed: str, ask: Ask) -> None:
    """What is typed below `next` asks for each of them in one request; of a case that goes alone it does not."""
    for together in (True, False):
        with CliRunner().isolation(input=typed):
            offer = Offer("EG-1", together, "", "", T, "the next shift begins then")
            choosing.choose(tmp_path / "edgeguard.toml", Urgent((CASE,), 1, (), (), ()), offer)
        assert asked[-1] == replace(ask, together=together)


@pytest.mark.parametrize("wrong", [1, "yes", None, []])
@pytest.mark.parametrize("kind", [ReleaseNullRoute, ClaimCase, AskCase, HoldCase, UpholdCase])
def test_together_is_true_or_false(kind: type[Ask], wrong: Any) -> None:
    """Anything else is refused: nobody frees ten VMs by a slip of the types."""
    more = {"disposition": "fixed"} if kind is ReleaseNullRoute else {}
    line = {"verb": verb_of(kind("vm-1", "x", **more)), "term": "vm-1", "why": "x", **more, "together": wrong}
    with pytest.raises(DaemonError, match="true or false"):
        read_request(json.dumps(line).encode(), "alex")
