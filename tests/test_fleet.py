"""Asking the fleet for real: programs and an HTTP server that answer, refuse, lie, dawdle and hang."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from misbehaving import Service, serving

from edgeguard import config
from edgeguard.clock import SECOND
from edgeguard.daemon.precautions import Precautions
from edgeguard.fleet import Facts, wire
from edgeguard.fleet.asker import Asker

PATIENCE_S = 60  # the machine may be busy
T = 1_000 * SECOND

Ask = Callable[..., Asker]


def until(holds: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


@pytest.fixture
def ask() -> Iterator[Ask]:
    """Starts processes that ask, with a timeout that a busy machine keeps; they are ended with the test."""
    started = []

    def start(**fleet: Any) -> Asker:
        started.append(Asker.start(config.build({"fleet": {"timeout": "1s", **fleet}}).fleet, "hv7"))
        return started[-1]

    yield start
    for asker in started:
        asker.close()


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], list[str]]:
    """A program that does this."""

    def write(text: str) -> list[str]:
        file = tmp_path / "may-i"
        file.write_text(f"#!/bin/sh\ncd {tmp_path}\n{text}\n")
        file.chmod(0o755)
        return [str(file)]

    return write


def said(caplog: pytest.LogCaptureFixture, words: str) -> bool:
    return any(words in record.getMessage() for record in caplog.records)


# ---- programs ------------------------------------------------------------------------------------

PROGRAMS = [
    ("echo yes", True, ""),
    ("echo no", False, ""),
    ("printf ' YES\\n\\n'", True, ""),
    ("cat > /dev/null; echo no", False, ""),
    ("echo yes; exit 3", None, "ended with status 3"),
    ("echo yes, but only today", None, "said neither yes nor no"),
    ("echo yes; echo no", None, "said neither yes nor no"),
    ("exit 0", None, "said neither yes nor no"),
    ("head -c 65 /dev/zero", None, "said neither yes nor no"),
    ("kill -9 $$", None, "ended with status -9"),
    ("while :; do echo yes; done", None, "did not answer within 1000 ms"),
    ("exec sleep 600", None, "did not answer within 1000 ms"),
    ("sleep 600 & echo yes", None, "did not answer within 1000 ms"),
]


@pytest.mark.parametrize(("text", "expected", "why"), PROGRAMS)
def test_a_program_is_asked(
    ask: Ask, script: Callable[[str], list[str]], caplog: pytest.LogCaptureFixture, text: str, expected: Any, why: str
) -> None:
    """Only the plain word in time, with status 0, is an answer; everything else is none, and the log says why."""
    asker = ask(command=script(text))
    if expected is None:
        assert until(lambda: asker.answer(T) is None and said(caplog, why))
    else:
        assert until(lambda: asker.answer(T) is expected)


def test_a_program_that_is_not_there(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    """A wrong path is no answer, with the reason in the log, and nothing ends."""
    asker = ask(command=["/nonexistent/may-i"])
    assert until(lambda: asker.answer(T) is None and said(caplog, "cannot be started: No such file"))


def test_a_program_that_hangs_is_ended_with_all_it_started(
    ask: Ask, script: Callable[[str], list[str]], tmp_path: Path
) -> None:
    """After the timeout nothing of it runs on."""
    asker = ask(command=script("sleep 600 &\necho $$ $! > pids.new; mv pids.new pids; sleep 600"))
    assert asker.answer(T) is None
    pids = until(lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text().split())
    until(lambda: not any(_runs(int(pid)) for pid in pids))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_a_program_is_told_about_this_host(ask: Ask, script: Callable[[str], list[str]], tmp_path: Path) -> None:
    """It reads one line of JSON: the host, its customers null-routed lately, its null routes."""
    asker = ask(command=script("cat > told; echo yes"))
    asker.about = lambda: Facts(customers=2, null_routes=3)
    assert until(lambda: asker.answer(T))
    assert json.loads((tmp_path / "told").read_text()) == {"host": "hv7", "customers": 2, "null_routes": 3}


# ---- when it is asked ----------------------------------------------------------------------------


@pytest.fixture
def counted(ask: Ask, script: Callable[[str], list[str]], tmp_path: Path) -> tuple[Asker, Callable[[], int]]:
    """A fleet that says yes, and how often it was asked."""
    asker = ask(command=script("echo >> asked; echo yes"))
    file = tmp_path / "asked"
    return asker, lambda: len(file.read_text().splitlines()) if file.exists() else 0


def test_an_answer_holds_for_ten_seconds(counted: tuple[Asker, Callable[[], int]]) -> None:
    """Within that time no decision asks anew; after it the next one does."""
    asker, asked = counted
    assert until(lambda: asker.answer(T))
    assert all(asker.answer(T + n * SECOND) for n in range(10))
    assert asked() == 1
    asker.answer(T + 10 * SECOND)
    until(lambda: asked() == 2)


def test_it_is_asked_in_good_time_while_something_is_loud(counted: tuple[Asker, Callable[[], int]]) -> None:
    """A look asks nothing while all is quiet; while something is loud it asks every five seconds, and never waits."""
    asker, asked = counted
    for n in range(30):
        asker.look(T + n * SECOND, loud=False)
    assert asker.pid
    assert asked() == 0
    asker.look(T + 30 * SECOND, loud=True)
    until(lambda: asked() == 1)
    until(lambda: asker.look(T + 30 * SECOND, loud=True) or not asker._waits)
    asker.look(T + 34 * SECOND, loud=True)
    assert asker.answer(T + 39 * SECOND) is True
    asker.look(T + 35 * SECOND, loud=True)
    until(lambda: asked() == 2)


def test_a_late_answer_is_waited_for_once(ask: Ask, script: Callable[[str], list[str]]) -> None:
    """Where nothing comes within the timeout, decisions go on without it for ten seconds and wait no second time."""
    asker = ask(command=script("exec sleep 600"), timeout="50ms")
    asker.answer(T)
    os.kill(asker.pid, signal.SIGSTOP)  # nothing can answer from here on: a second wait would be seen
    try:
        waited = []
        asker._wait = lambda: waited.append(1)  # type: ignore[method-assign]
        assert [asker.answer(T + n * SECOND // 10) for n in range(100)] == [None] * 100
        assert waited == []
        asker.answer(T + 10 * SECOND)
        assert waited == [1]
    finally:
        os.kill(asker.pid, signal.SIGCONT)


# ---- a URL ---------------------------------------------------------------------------------------


class Answering(Service):
    """Does what the path says."""

    def _yes(self) -> None:
        self.say(b"yes\n")

    def _no(self) -> None:
        self.say(b"no")

    def _lies(self) -> None:
        self.say(b"yes" * 100_000)

    def _fails(self) -> None:
        self.say(b"yes", 500)

    def _raves(self) -> None:
        self.wfile.write(b"\x00\xff" * 40_000)

    def _other(self) -> None:
        self._yes()


@pytest.fixture
def service() -> Iterator[str]:
    """The URL of a server on this host."""
    with serving(Answering) as url:
        yield url


URLS = [
    ("yes", True, ""),
    ("no", False, ""),
    ("lies", None, "said neither yes nor no"),
    ("fails", None, "status 500"),
    ("elsewhere", None, "status 302"),
    ("hangs", None, "did not answer within 1000 ms"),
    ("drips", None, "did not answer within 1000 ms"),
    ("breaks", None, "no answer from the fleet: http"),
    ("raves", None, "no answer from the fleet: http"),
]


@pytest.mark.parametrize(("path", "expected", "why"), URLS)
def test_a_url_is_asked(
    ask: Ask, service: str, caplog: pytest.LogCaptureFixture, path: str, expected: Any, why: str
) -> None:
    """Only the plain word with status 200 in time is an answer; no redirect is followed; the log says why not."""
    asker = ask(url=f"{service}/{path}")
    if expected is None:
        assert until(lambda: asker.answer(T) is None and said(caplog, why))
    else:
        assert until(lambda: asker.answer(T) is expected)
    assert json.loads(Answering.heard[0].body) == {"host": "hv7", "customers": 0, "null_routes": 0}
    assert len(Answering.heard) == 1


def test_the_secret_of_a_url_is_shown_nowhere(ask: Ask, service: str, caplog: pytest.LogCaptureFixture) -> None:
    """What stands behind the host in the URL is in no line of the log and in no argument of the process."""
    asker = ask(url=f"{service}/fails?token=s3cret")
    assert until(lambda: asker.answer(T) is None and said(caplog, "status 500"))
    assert not said(caplog, "fails") and not said(caplog, "s3cret")
    assert b"s3cret" not in Path(f"/proc/{asker.pid}/cmdline").read_bytes()
    assert "s3cret" not in str(asker.trouble) and "status 500" in str(asker.trouble)


def test_nobody_listens(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    """A refused connection is no answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        asker = ask(url=f"http://127.0.0.1:{free.getsockname()[1]}/")
        assert until(lambda: asker.answer(T) is None and said(caplog, "Connection refused"))


def test_the_fleet_changes_its_mind(ask: Ask, service: str) -> None:
    """Each answer holds until the next: yes, no, none, yes."""
    Answering._yes, kept = Answering._no, Answering._yes  # type: ignore[method-assign]
    try:
        asker = ask(url=f"{service}/yes")
        assert until(lambda: asker.answer(T) is False)
        Answering._yes = Answering._fails  # type: ignore[method-assign]
        assert until(lambda: asker.answer(T + 11 * SECOND) is None)
    finally:
        Answering._yes = kept  # type: ignore[method-assign]
    assert until(lambda: asker.answer(T + 22 * SECOND) is True)


# ---- the process ---------------------------------------------------------------------------------


def test_the_process_that_asks_has_no_rights(ask: Ask) -> None:
    """It holds no capability, and no program that it starts can gain one."""
    status = Path(f"/proc/{ask(command=['/bin/true']).pid}/status").read_text()
    rights = dict(line.split(":\t") for line in status.splitlines() if ":\t" in line)
    assert {int(rights[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {0}
    assert rights["NoNewPrivs"].strip() == "1"


def test_its_end_is_said_once_and_local_limits_hold(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    """When it is killed there is no answer any more, without waiting, and one line in the log."""
    asker = ask(command=["/bin/echo", "yes"])
    assert until(lambda: asker.answer(T))
    os.kill(asker.pid, signal.SIGKILL)
    until(lambda: asker.answer(T) is None)
    for n in range(5):
        asker.look(T + n * SECOND, loud=True)
        assert asker.answer(T + n * 11 * SECOND) is None
    assert sum("has ended" in record.getMessage() for record in caplog.records) == 1


def test_it_ends_with_the_daemon(ask: Ask) -> None:
    """When the daemon's end of the socketpair closes, it goes."""
    asker = ask(command=["/bin/true"])
    asker.close()
    assert asker._companion.process.returncode == 0


def test_an_answer_is_in_the_log_when_it_changes(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    """The same answer again is no further line."""
    caplog.set_level(logging.INFO)
    asker = ask(command=["/bin/echo", "no"])
    for n in range(3):
        until(lambda n=n: asker.answer(T + n * 11 * SECOND) is False)
    assert sum("the fleet says no" in record.getMessage() for record in caplog.records) == 1


class _Nobody:
    """A host without taps."""

    def taps(self) -> list[Any]:
        return []

    def rows(self) -> list[Any]:
        return []


def test_precautions_ask_while_something_is_loud(ask: Ask, tmp_path: Path) -> None:
    """Looked at every second, the fleet is asked before a decision needs it, and a decision reads its answer."""
    asker = ask(command=["/bin/echo", "no"])
    found = Precautions(str(tmp_path / "none"), _Nobody(), asker, loud=lambda: True)  # type: ignore[arg-type]
    until(lambda: found.look(T) or asker._answer is False)
    assert found.permit() is False


# ---- messages ------------------------------------------------------------------------------------


@given(st.integers(0, 2**31), st.text(max_size=50), st.integers(0, 2**31))
def test_messages_come_back_as_they_were(number: int, text: str, count: int) -> None:
    """An ask and a reply survive the way through the socketpair."""
    asked, replied = wire.Ask(number, text, count, number), wire.Reply(number, count % 2 == 0, text)
    assert wire.ask(wire.encode(asked)) == asked
    assert wire.reply(wire.encode(replied)) == replied


@given(
    st.one_of(
        st.binary(max_size=60),
        st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists).map(
            lambda found: json.dumps({"number": found, "answer": found, "why": found}).encode()
        ),
    )
)
def test_what_is_no_message_is_refused(raw: bytes) -> None:
    """Garbage, and fields of a wrong kind, are an error and never a value."""
    with pytest.raises(wire.WireError):
        wire.reply(raw)
