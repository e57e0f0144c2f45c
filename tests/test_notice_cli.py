"""`edgeguard notice preview` and `notice test`: a mail before it is sent, and one that is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from mailserver import Sink, closed_port, serving, text_of
from samples import CASE, DECISION, ORDER, VERDICT, notices

from edgeguard.cases.store import Store
from edgeguard.cli import main
from edgeguard.model import Happened, Outcome
from edgeguard.notice.kinds import Kind
from edgeguard.notice.wording import SHIPPED

Run = Callable[..., Result]


def runs(tmp_path: Path, port: int = 25) -> Run:
    """The command with a configuration of its own."""
    file = tmp_path / "edgeguard.toml"
    file.write_text(
        f'[mail]\nserver = "127.0.0.1:{port}"\ntls = "none"\nfrom = "EdgeGuard <abuse@example.net>"\n'
        f'desk = "desk@example.net"\n[paths]\ndatabase = "{tmp_path / "cases.sqlite"}"\n'
        '[host]\nname = "hv1.example.net"\n'
    )
    return lambda *words: CliRunner().invoke(main, ["notice", *words, "-c", str(file)], prog_name="edgeguard")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    with Store(tmp_path / "cases.sqlite") as store:
        store.record(CASE, VERDICT, DECISION, notices(), ORDER)
        store.outcome(Outcome(DECISION.id, DECISION.at + 1, Happened.VERIFIED, "it is so"))
    return runs(tmp_path)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("term", ["sample", "web1"])
def test_every_kind_can_be_looked_at(run: Run, term: str, kind: Kind) -> None:
    """Of a case and of the invented flood each kind is a mail that keeps the rules; nothing is sent for it."""
    done = run("preview", term, kind)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"Subject: [{'EG-20260101-000000000000' if term == 'sample' else CASE.id}]")
    assert done.stderr == ""


def test_a_preview_tells_of_the_case(run: Run, tmp_path: Path) -> None:
    """Server, target and numbers are the case's, found by any term; nothing is recorded for it."""
    before = (tmp_path / "cases.sqlite").read_bytes()
    for term in (CASE.id, "vm-100", "192.0.2.10", "tap100"):
        text = run("preview", term, "full").stdout
        assert "web1, 192.0.2.10" in text and "[2001:db8::99]:443 (tcp)" in text and "50,012 SYN packets" in text
    assert (tmp_path / "cases.sqlite").read_bytes() == before


def test_a_preview_for_programs_and_browsers(run: Run) -> None:
    """--json has subject, text, page and findings; --html is the page alone."""
    told = json.loads(run("preview", "sample", "narrow", "--json").stdout)
    assert told.keys() == {"kind", "subject", "text", "html", "findings"} and told["findings"] == []
    assert run("preview", "sample", "narrow", "--html").stdout == told["html"]
    assert told["html"].startswith("<!DOCTYPE html>")


def test_a_preview_of_texts_that_are_not_in_use(run: Run, tmp_path: Path) -> None:
    """--texts tries a folder; what is wrong with it is told, with exit code 1, and the shipped text is shown."""
    text = (SHIPPED / "full.txt").read_text()
    (tmp_path / "texts").mkdir()
    own = tmp_path / "texts" / "full.txt"
    own.write_text(text.replace("This mail says", "This letter says"))
    good = run("preview", "sample", "full", "--texts", str(own.parent))
    assert good.exit_code == 0 and "This letter says" in good.stdout
    own.write_text(text.replace("This mail says", "This final mail says"))
    bad = run("preview", "sample", "full", "--texts", str(own.parent))
    assert bad.exit_code == 1 and f"{own}:" in bad.stderr and "'final'" in bad.stderr
    assert "This mail says" in bad.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("preview", "sample", "narow"), "'narow' is no kind of notice; there are warning, narrow,"),
        (("preview", "web9", "narrow"), "no case for 'web9'"),
    ],
)
def test_a_wrong_preview_is_told_in_one_line(run: Run, words: tuple[str, ...], said: str) -> None:
    """What was asked for, and what there is."""
    done = run(*words)
    assert done.exit_code and said in done.stderr


# ---- one real mail -------------------------------------------------------------------------------


def test_a_test_mail_is_a_real_one(tmp_path: Path) -> None:
    """It leaves by the configured server with all parts of a customer's mail, and the server's answer is printed."""
    sink = Sink()
    sink.answers["DATA"] = ["250 2.0.0 Ok: queued as 4Xb2cQ"]
    with serving(sink) as port:
        done = runs(tmp_path, port)("test")
        other = runs(tmp_path, port)("test", "--to", "noc@example.net", "--json")
    assert done.exit_code == 0, done.output
    assert f"127.0.0.1:{port} took it for desk@example.net: 250 2.0.0 Ok: queued as 4Xb2cQ" in done.stdout
    (mail, _), (first, second) = sink.mails, sink.envelopes
    assert first == ("abuse@example.net", ["desk@example.net"]) and second[1] == ["noc@example.net"]
    assert str(mail["Message-ID"]) in done.stdout and "this is a test" in text_of(mail)
    assert [part.get_content_type() for part in mail.walk()] == [
        *("multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/json"),
    ]
    told = json.loads(other.stdout)
    assert told["to"] == "noc@example.net" and told["answer"].startswith("250") and told["refused"] == ""


@pytest.mark.parametrize(
    ("answer", "to", "said"),
    [
        ("550 5.7.1 relaying denied", "noc@example.net", "noc@example.net: 550 5.7.1 relaying denied"),
        (None, "not an address", "'not an address' is no mail address; name another with --to"),
    ],
)
def test_a_refusal_is_told_in_the_servers_words(tmp_path: Path, answer: str | None, to: str, said: str) -> None:
    """Exit 1 and one line with what the server answered."""
    sink = Sink()
    if answer:
        sink.always[to] = answer
    with serving(sink) as port:
        done = runs(tmp_path, port)("test", "--to", to)
    assert done.exit_code and said in done.stderr and not sink.mails


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    """Nobody listens: one line says where and why."""
    with closed_port() as port:
        done = runs(tmp_path, port)("test")
    assert done.exit_code and f"127.0.0.1:{port} cannot be reached: Connection refused" in done.stderr
