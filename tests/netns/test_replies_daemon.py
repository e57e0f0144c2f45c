"""Replies and signals beside the real daemon: a null route that really stands is as it was, and the mail is real."""

from __future__ import annotations

import email
import email.policy
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from mailserver import text_of
from test_runbook import SETTLE_S, Host, host  # noqa: F401 - a fixture

PORT = 2525  # in a namespace of its own
SERVER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from mailserver import Sink, serving
folder, sink = Path(sys.argv[2]), Sink()
def keep():
    part = folder / f"{len(sink.mails)}.part"
    part.write_bytes(sink.mails[-1].as_bytes())
    part.rename(part.with_suffix(".eml"))
sink.after = keep
with serving(sink, int(sys.argv[3])):
    while True:
        time.sleep(60)
"""
REPORT = {
    "xarf_version": "4.0.0",
    "report_id": "550e8400-e29b-41d4-a716-446655440000",
    "reporter": {"org": "Example", "contact": "abuse@example.com", "domain": "example.com"},
    "sender": {"org": "Example", "contact": "abuse@example.com", "domain": "example.com"},
    "source_identifier": "192.0.2.10",
    "category": "connection",
    "type": "ddos",
    "description": "REPORTERS-WORDS",
}


def until(holds: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + SETTLE_S
    while not (found := holds()):
        assert time.monotonic() < deadline, f"it never happened: {what}"
        time.sleep(0.1)
    return found


@pytest.fixture
def mails(host: Host) -> Iterator[Path]:  # noqa: F811
    """Where the customer's mail server, a real one in the host's namespace, puts what it takes."""
    folder = host.folder / "mails"
    folder.mkdir()
    with (host.folder / "edgeguard.toml").open("a") as file:
        file.write(
            f'[mail]\nserver = "127.0.0.1:{PORT}"\ntls = "none"\nretry = "100ms"\nfrom = "abuse@example.org"\n'
            'desk = "desk@example.org"\nreply_to = "abuse+{case}@example.org"\n'
        )
    tests = Path(__file__).parents[1]
    server = host.namespace.popen(sys.executable, "-c", SERVER, str(tests), str(folder), str(PORT))
    yield folder
    server.kill()
    server.wait()


def mail_to(folder: Path, whom: str, but: str = "nothing") -> EmailMessage | None:
    for path in sorted(folder.glob("*.eml")):
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        if whom in message["To"] and but != message["Message-ID"]:
            assert isinstance(message, EmailMessage)
            return message
    return None


def given(host: Host, raw: bytes, word: str, config: Path | None = None) -> str:  # noqa: F811
    """`edgeguard WORD < raw`."""
    words = [sys.executable, "-m", "edgeguard", word, "-c", str(config or host.folder / "edgeguard.toml")]
    process = host.namespace.popen(*words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    told, _ = process.communicate(raw, timeout=SETTLE_S)
    assert process.returncode == 0, told
    return str(told.decode())


def standing(host: Host) -> list[Any]:  # noqa: F811
    """What is null-routed and until when, by the database and by ip(8)."""
    lines = [json.loads(line) for line in host.edgeguard("nullroute", "list", "--json").splitlines()]
    return [[one["decision"] for one in lines], [one["releasing"] for one in lines], host.of_ours()]


def test_an_answer_is_acknowledged_and_frees_nothing(host: Host, mails: Path) -> None:  # noqa: F811
    """The notice names its evidence; the answer to it is acknowledged within a minute, the desk is told of it although
    there is no roster, and it frees nothing."""
    host.start()
    host.edgeguard("nullroute", "add", "vm-101", "--full", "--for", "1h", "--why", "a test")
    host.settles(1)
    notice = until(lambda: mail_to(mails, "owner@example.net"), "the notice is there")
    (enclosed,) = notice.iter_attachments()
    evidence = json.loads(enclosed.get_content())["edgeguard"]["evidence"]
    (record,) = host.folder.rglob(f"{evidence['bundle']}/record.json")
    assert evidence["sha256"]["record.json"] == hashlib.sha256(record.read_bytes()).hexdigest()
    before = standing(host)
    answer = EmailMessage()
    answer["From"], answer["To"] = "owner@example.net", notice["Reply-To"]
    answer["Subject"], answer["In-Reply-To"] = f"Re: {notice['Subject']}", notice["Message-ID"]
    answer["Message-ID"] = "<answer@example.net>"
    quoted = "\n".join(f"> {line}" for line in text_of(notice).splitlines())
    answer.set_content(f"CLEANED it was a miner\n\nOn Thu, EdgeGuard wrote:\n{quoted}\n")
    began = time.monotonic()
    assert ": CLEANED from owner@example.net recorded, acknowledged" in given(host, answer.as_bytes(), "reply")
    told = until(lambda: mail_to(mails, "owner@example.net", notice["Message-ID"]), "it is acknowledged")
    until(lambda: _told(mails, "desk@example.org", "CLEANED it was a miner"), "the desk has it")
    assert time.monotonic() - began < 60
    assert told["Auto-Submitted"] == "auto-replied" and told["In-Reply-To"] == "<answer@example.net>"
    assert "automatic from" not in given(host, answer.as_bytes(), "reply"), "known already"
    assert "acknowledged" not in given(host, told.as_bytes().replace(b"owner@example.net", b"x@example.net"), "reply")
    assert standing(host) == before


@pytest.mark.long  # a whole daemon of its own; the other is looked at by default
def test_a_report_from_outside_goes_through_the_daemon(host: Host, mails: Path) -> None:  # noqa: F811
    """It is added to the case, the desk alone reads the reporter's words, and the null route keeps its end."""
    host.start()
    host.edgeguard("nullroute", "add", "vm-101", "--full", "--for", "1h", "--why", "a test")
    host.settles(1)
    before = standing(host)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    assert ": has one report more, about 192.0.2.10;" in given(
        host, json.dumps({**REPORT, "timestamp": stamp}).encode(), "signal"
    )
    until(lambda: _told(mails, "desk@example.org", "REPORTERS-WORDS"), "the desk has it")
    elsewhere = host.folder / "elsewhere.toml"
    elsewhere.write_text((host.folder / "edgeguard.toml").read_text().replace("edgeguard.sqlite", "none.sqlite"))
    lost = b"From: owner@example.net\nTo: abuse@example.org\nSubject: our server\n\nHELP\n"
    assert "no case: HELP from owner@example.net is number 1" in given(host, lost, "reply", elsewhere)
    until(lambda: mail_to(mails, "owner@example.net"), "the customer has the notice")
    assert not _told(mails, "owner@example.net", "REPORTERS-WORDS")
    assert standing(host) == before


def _told(folder: Path, whom: str, word: str) -> bool:
    """A mail to `whom` holds the word."""
    found = [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in folder.glob("*.eml")]
    return any(whom in message["To"] and word in message.as_string() for message in found)
