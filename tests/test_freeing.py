"""What a release must have brought about is looked at: whatever is missing fails the command, with one line."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from mailserver import PATIENCE_S, Sink, closed_port, serving, until
from samples import BY_PERSON, CASE, DECISION, ORDER, RELEASE_ORDER, VERDICT, VM, T, notices

from edgeguard import config
from edgeguard.cases.case import Letter
from edgeguard.cases.store import Store
from edgeguard.cli import asking, freeing, main
from edgeguard.control import ControlServer
from edgeguard.errors import DaemonError
from edgeguard.letters import Notice
from edgeguard.model import Happened, Outcome
from edgeguard.notice.outbox import Outbox
from edgeguard.request import LookAt, Request

ANSWER = {"cases": [CASE.id], "decisions": [BY_PERSON.id]}
NOTICE = Notice("n-release", CASE.id, BY_PERSON.id, "released-by-person", "ops@example.net")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    (tmp_path / "edgeguard.toml").write_text(
        f'[paths]\ndatabase = "{tmp_path}/cases.sqlite"\nsocket = "{tmp_path}/s.sock"\n'
    )
    with Store(tmp_path / "cases.sqlite") as made:
        made.record(CASE, VERDICT, DECISION, notices(), ORDER)
        yield made


@contextmanager
def seen(store: Store, *seconds: tuple[int | None, int | None]) -> Iterator[list[Any]]:
    """A control socket that answers what is seen of the VM: one second after the other, the last one for ever."""
    asked: list[Any] = []

    def answer(request: Request) -> dict[str, Any]:
        assert isinstance(request.ask, LookAt)
        asked.append(request.ask.term)
        if not seconds:
            raise DaemonError("no such verb")
        out, into = seconds[min(len(asked), len(seconds)) - 1]
        return {"out": out, "into": into}

    with answering(store, answer):
        yield asked


@contextmanager
def answering(store: Store, answer: Callable[[Request], Any]) -> Iterator[None]:
    """A daemon's socket."""
    server, over = ControlServer(store.path.parent / "s.sock"), threading.Event()

    def serve() -> None:
        while not over.wait(0.01):
            server.poll(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        server.close()


def released(store: Store, state: str = "probation", notice: bool = True) -> None:
    written = [NOTICE] if notice else []
    store.record(replace(CASE, state=state), None, BY_PERSON, written, RELEASE_ORDER)
    store.outcome(Outcome(DECISION.id, T, Happened.RELEASED, ""))


def proved(store: Store) -> dict[str, Any]:
    found, missing = freeing.proved(store.path.parent / "edgeguard.toml", ANSWER, {})
    assert missing == {}
    return found


def missing(store: Store) -> str:
    """Of the one case; nothing is said of its traffic then."""
    found, missing = freeing.proved(store.path.parent / "edgeguard.toml", ANSWER, {})
    assert missing.keys() == {CASE.id} and found["seen"] == {}
    return missing[CASE.id]


def test_both_directions_are_seen(store: Store) -> None:
    """As soon as both are; each second counts, whichever direction it shows."""
    released(store)
    with seen(store, (0, 0), (12, 0), (0, 30)) as asked:
        found = proved(store)
    assert found["seen"] == {CASE.vm: {"out": 12, "into": 30}} and asked == [CASE.vm] * 3
    assert "both directions are seen, 12 packets a second out of it, 30 into it" in found["text"]


@pytest.mark.parametrize("second", [(0, 0), (7, 0), (None, None)])
def test_an_idle_vm_is_called_that(
    store: Store, monkeypatch: pytest.MonkeyPatch, second: tuple[int | None, int | None]
) -> None:
    """No failure, and no success either: what was seen is said, and to ask its owner."""
    monkeypatch.setattr(freeing, "SEEN_S", 0.5)
    released(store)
    with seen(store, second):
        assert "idle, or not reached" in proved(store)["text"]


def test_without_an_answer_nothing_is_claimed(store: Store) -> None:
    """A daemon that does not say what it sees leaves that open."""
    released(store)
    with seen(store):
        assert "could not be asked" in proved(store)["text"]


@pytest.mark.parametrize(
    ("state", "notice", "told"),
    [
        ("narrow", True, "the case is 'narrow' and not on probation"),
        ("probation", False, "no notice of it was written to anybody"),
    ],
)
def test_what_is_missing_fails_it(store: Store, state: str, notice: bool, told: str) -> None:
    """No probation, or no notice: an error that says so, and that the kernel has let go."""
    released(store, state, notice)
    with seen(store, (1, 1)):
        line = missing(store)
    assert told in line and "the kernel holds nothing of it" in line and "\n" not in line


def test_a_notice_that_was_refused_fails_it(store: Store) -> None:
    """A mail that its server refused for good reached nobody."""
    released(store)
    box = store.box()
    box.refused(NOTICE.id, T, "550 no such user")
    box.close()
    with seen(store, (1, 1)):
        assert "was refused: 550 no such user" in missing(store)


def served(store: Store, port: int) -> Outbox:
    """The configuration with a mail server, and the real thread that sends."""
    path = store.path.parent / "edgeguard.toml"
    mail = f'[mail]\nserver = "127.0.0.1:{port}"\nfrom = "edgeguard@example.net"\ntls = "none"\nretry = "1s"\n'
    path.write_text(path.read_text() + mail)
    outbox = Outbox(store.box(), config.load(path).mail)
    outbox.start()
    return outbox


def of_release(store: Store) -> list[Letter]:
    return [one for one in store.letters(CASE.id) if one.decision == BY_PERSON.id]


def test_a_mail_server_that_is_down_fails_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody was told: the line names the mail, that it waits, and why; once it left, the same is no failure."""
    monkeypatch.setattr(freeing, "SENT_S", 0.5)
    store.record(replace(CASE, state="probation"), None, BY_PERSON, notices(BY_PERSON), RELEASE_ORDER)
    store.outcome(Outcome(DECISION.id, T, Happened.RELEASED, ""))
    with closed_port() as port:
        outbox = served(store, port)
        until(lambda: any(one.last_error for one in store.letters(CASE.id)), "it was tried")
        with seen(store, (1, 1)):
            line = missing(store)
        assert f"its notice to {VM.contact} waits, and is tried until it leaves: " in line
        assert f"127.0.0.1:{port}" in line and "\n" not in line
        monkeypatch.setattr(freeing, "SENT_S", PATIENCE_S)
        sink = Sink()
        with serving(sink, port), seen(store, (1, 1)):
            proved(store)
    outbox.stop()
    assert [(one.to, one.state) for one in of_release(store)] == [(VM.contact, "sent")]
    assert len(sink.envelopes) == 2, "of the null route, and of its end"


# ---- of several ------------------------------------------------------------------------------------------

OTHER = replace(CASE, id="EG-20260101-bbbbbbbbbbbb", vm="vm-2", vm_name="web2")


@pytest.fixture
def two(store: Store) -> Store:
    """Both were released; the kernel says so of the first, and of the second it says nothing."""
    made = replace(DECISION, id="dec-2", case=OTHER.id, verdict="v-2")
    written = [replace(one, id=f"{one.id}-2", case=OTHER.id, decision=made.id) for one in notices()]
    store.record(OTHER, replace(VERDICT, id="v-2"), made, written, replace(ORDER, decision=made.id))
    released(store)
    ending = replace(BY_PERSON, id="rel-2", case=OTHER.id, releases=("dec-2",))
    told = replace(NOTICE, id="n-2", case=OTHER.id, decision=ending.id)
    store.record(replace(OTHER, state="probation"), None, ending, [told], replace(RELEASE_ORDER, decision="dec-2"))
    return store


def typed(store: Store, *words: str) -> Result:
    """The command, and a daemon that answers as it does when it has released both."""

    def answer(request: Request) -> dict[str, Any]:
        if isinstance(request.ask, LookAt):
            return {"out": 7, "into": 9}
        cases, decisions = [CASE.id, OTHER.id], [BY_PERSON.id, "rel-2"]
        return {"cases": cases, "decisions": decisions, "text": "released 2", "leader": CASE.id, "failed": []}

    with answering(store, answer):
        return CliRunner().invoke(main, [*words, "-c", str(store.path.parent / "edgeguard.toml")])


RELEASES = ("case", "release", CASE.id, "--together", "--as", "fixed", "--why", "clean")


def test_each_of_several_is_looked_at(two: Store) -> None:
    """A line for each VM, once the kernel holds nothing of either."""
    two.outcome(Outcome("dec-2", T, Happened.RELEASED, ""))
    done = typed(two, *RELEASES)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "released 2; the kernel holds nothing of it any more"
    assert [line.partition(":")[0] for line in lines[1:]] == [str(CASE.vm), "vm-2"]


def test_one_that_still_stands_fails_it_and_is_named(two: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What holds of the other is told; the error is of the one, and it is not said to be free."""
    monkeypatch.setattr(asking, "RELEASED_S", 0.2)
    done = typed(two, *RELEASES)
    assert done.exit_code == 1
    assert f"{CASE.vm}: both directions are seen" in done.stdout and "vm-2" not in done.stdout
    assert done.stderr.startswith(f"edgeguard: not done: {OTHER.id}: rel-2: the release is recorded, but the kernel")
    assert done.stderr.count("\n") == 1


def test_where_it_holds_of_none_nothing_is_claimed(two: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for each, and nothing on standard output."""
    monkeypatch.setattr(asking, "RELEASED_S", 0.2)
    two._db.execute("UPDATE decisions SET ended = NULL, ended_how = NULL WHERE id = ?", (DECISION.id,))
    two._db.execute("DELETE FROM outcomes")
    done = typed(two, *RELEASES)
    assert done.exit_code == 1 and done.stdout == ""
    assert CASE.id in done.stderr and OTHER.id in done.stderr and done.stderr.count("\n") == 2
