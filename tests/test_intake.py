"""Replies on their way into a case: recorded once, acknowledged once, and nothing about a null route changes."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from mailserver import Sink, serving, until
from samples import CASE, DECISION, ORDER, VERDICT, VM, T, another, happened, notices
from test_outbox import settings

from edgeguard import clock, config, handing
from edgeguard.cases import codec
from edgeguard.cases.intray import MOST
from edgeguard.cases.store import Store
from edgeguard.cli import main
from edgeguard.clock import HOUR, MINUTE, SECOND
from edgeguard.control import ControlServer
from edgeguard.errors import StoreError, UsageError
from edgeguard.incoming import Keyword, Reply, Sort
from edgeguard.intake import Intake, own, take_body
from edgeguard.letters import Facts, Proof
from edgeguard.model import Act, Happened, Scope
from edgeguard.notice import lint
from edgeguard.notice.acknowledged import acknowledgement
from edgeguard.notice.outbox import Outbox
from edgeguard.notice.render import render
from edgeguard.replies.mail import read
from edgeguard.request import Request, TakeReply
from edgeguard.word import OWNER, Said, Word

MAILS = Path(__file__).with_name("mails")
ROSTER = config.build({}).roster
MAIL = settings(25, reply_to="abuse+{case}@example.org")
NOTICE = notices()[0].id
AT = T + 10 * MINUTE
# What decides about a null route; a reply may add to none of it and change none of it.
BINDING = ("cases", "case_addresses", "verdicts", "decisions", "releases", "outcomes", "notes", "words")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A null route that stands, whose notice left."""
    with Store(tmp_path / "cases.sqlite") as opened:
        opened.record(CASE, VERDICT, DECISION, notices(), ORDER)
        opened.outcome(happened(Happened.ACKNOWLEDGED, T + 1))
        opened.outcome(happened(Happened.VERIFIED))
        opened._db.execute(
            'UPDATE outbox SET state = \'sent\', sent_at = ?, mail = \'{"subject":"s","text":"t"}\'', (T,)
        )
        yield opened


def mail(name: str = "plain", **changes: bytes) -> bytes:
    raw = (MAILS / f"{name}.eml").read_bytes().replace(b"notice-0123456789ab", NOTICE.encode())
    for old, new in changes.items():
        raw = raw.replace(old.encode(), new)
    return raw


def take(store: Store, raw: bytes, at: int = AT, mail: Any = MAIL) -> str:
    return Intake(store, mail, ROSTER).take(read(raw, own(mail)), at)


def everything(store: Store) -> dict[str, list[Any]]:
    """All rows of the tables that decide about a null route."""
    return {table: sorted(store._db.execute(f"SELECT * FROM {table}"), key=repr) for table in BINDING}


def tellings(store: Store) -> list[dict[str, Any]]:
    """What people are mailed of answers."""
    rows = store._db.execute("SELECT channel, whole(body, packed) FROM deliveries ORDER BY seq").fetchall()
    assert {channel for channel, _ in rows} <= {"desk"}, "an answer wakes nobody, and no program acts on it"
    return [json.loads(body) for _, body in rows]


def acknowledgements(store: Store) -> list[tuple[str, dict[str, Any]]]:
    rows = store._db.execute(
        "SELECT recipient, whole(body, packed) FROM outbox WHERE kind = 'acknowledged' ORDER BY seq"
    )
    return [(to, json.loads(body)) for to, body in rows]


def test_a_reply_is_recorded_and_acknowledged(store: Store) -> None:
    """The reply is a row and a line of the story with its keyword, and its sender is told that it came in."""
    assert take(store, mail()) == f"{CASE.id}: CLEANED from ops@example.net recorded, acknowledged"
    (kept,) = store.replies.of_case(CASE.id)
    assert kept.reply.keyword is Keyword.CLEANED and kept.at == AT and kept.acknowledged
    (entry,) = [entry for entry in store.timeline(CASE.id) if entry.what == "reply"]
    assert entry.text.startswith("ops@example.net answered CLEANED: CLEANED - found a miner")
    ((to, values),) = acknowledgements(store)
    assert to == "ops@example.net" and values["until"] == DECISION.until and values["server"]["name"] == "web1"
    assert values["read_by"] is None, "nothing is promised that the configuration does not promise"


@pytest.mark.parametrize(
    "raw", [path.read_bytes() for path in sorted(MAILS.glob("*.eml"))], ids=lambda raw: str(raw[:20])
)
def test_no_reply_frees_or_binds(store: Store, raw: bytes) -> None:
    """Whatever a mail says, of all tables that decide about null routes not one byte differs afterwards."""
    raw = raw.replace(b"notice-0123456789ab", NOTICE.encode())
    before, standing = everything(store), store.standing()
    take(store, raw)
    assert everything(store) == before
    assert store.standing() == standing and len(tellings(store)) <= 1
    assert store._db.execute("SELECT count(*) FROM replies").fetchone() == (1,)


@given(st.sampled_from([*Keyword, None]), st.text(max_size=50), st.sampled_from(list(Sort)), st.booleans())
def test_no_reply_frees_or_binds_whatever_it_holds(
    tmp_path_factory: pytest.TempPathFactory, keyword: Keyword | None, text: str, sort: Sort, answerable: bool
) -> None:
    """The same for every value of a reply, also one that the daemon is handed by another process."""
    with Store(tmp_path_factory.mktemp("any") / "cases.sqlite") as store:
        store.record(CASE, VERDICT, DECISION, notices(), ORDER)
        before = everything(store)
        status = "5.1.1" if sort is Sort.BOUNCE else None
        reply = Reply("reply-1", sort, "ops@example.net", (CASE.id, NOTICE), keyword, text=text, answerable=answerable,
                      status=status)  # fmt: skip
        take_body(store, MAIL, ROSTER, codec.dumps(reply))
        assert everything(store) == before


ALEX = {"name": "alex", "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "00:00", "to": "24:00"}


@pytest.mark.parametrize("state", ["narrow", "full", "warned", "probation", "upheld", "observed", "closed"])
@pytest.mark.parametrize(
    "shifts", [[], [{**ALEX, "mail": "alex@example.net"}], [ALEX]], ids=["none", "mail", "no mail"]
)
def test_an_answer_is_told_of_whatever_its_case_is(tmp_path: Path, state: str, shifts: list[dict[str, Any]]) -> None:
    """To whoever is on duty by mail, else to the desk, as it is written down: null-routed or not, roster or not."""
    with Store(tmp_path / "cases.sqlite") as store:
        warned = replace(DECISION, act=Act.NONE, scope=Scope.WARN, until=None)
        store.record(replace(CASE, state=state), VERDICT, warned, notices(warned), None)
        if state == "closed":
            store.close_case(CASE.id, T + 1, "quiet")
        on_duty = config.build({"roster": {"zone": "UTC", "shift": shifts}}).roster
        Intake(store, MAIL, on_duty).take(read(mail(), own(MAIL)), AT)
        (told,) = tellings(store)
    assert told["to"] == next((shift["mail"] for shift in shifts if "mail" in shift), "")
    assert told["subject"] == f"[EdgeGuard] {CASE.id}: the answer CLEANED came in"
    lines = told["text"].splitlines()
    assert lines[0] == f"ops@example.net answered a mail of {CASE.id}:" and "found a miner" in lines[2]
    assert f"web1; {state}, nothing of it is null-routed." in told["text"]
    assert f"  edgeguard case show {CASE.id}" in lines


def test_answers_are_told_of_once_an_hour_until_one_is_read(store: Store) -> None:
    """The first at once, those after it once an hour; after a person's note the next one is a first one again."""
    for minute in (0, 1, 59):
        take(store, mail(CLEANED=b"CLEANED %d" % minute), AT + minute * MINUTE)
    assert len(tellings(store)) == 1
    for minute in (61, 62):
        take(store, mail(CLEANED=b"CLEANED %d" % minute), AT + minute * MINUTE)
    assert len(tellings(store)) == 2
    store.note(CASE.id, AT + 63 * MINUTE, "alex", "read")
    for minute in (64, 65):
        take(store, mail(CLEANED=b"CLEANED %d" % minute), AT + minute * MINUTE)
    assert len(tellings(store)) == 3


def test_what_is_told_of_an_answer_believes_nothing(store: Store) -> None:
    """A stranger is named as one, a mail that cannot be read is told of, programs are not, and no mail, nobody told."""
    take(store, mail(**{"ops@example.net": b"x@example.com"}))
    (told,) = tellings(store)
    assert told["text"].startswith(f"x@example.com answered a mail of {CASE.id} (unknown sender")
    assert f"null-routed until {clock.utc(DECISION.until or 0)} at the latest" in told["text"]
    store.note(CASE.id, AT + 1, "alex", "read")
    unreadable = Reply("r-2", Sort.UNREADABLE, None, (CASE.id,), defect="it is larger than 10 MiB")
    Intake(store, MAIL, ROSTER).take(unreadable, AT + 2)
    assert "  it cannot be read: it is larger than 10 MiB" in tellings(store)[1]["text"]
    store.note(CASE.id, AT + 3, "alex", "read")
    take(store, mail("vacation"), AT + 4)
    take(store, mail(CLEANED=b"HELP"), AT + 5, mail=config.build({}).mail)
    assert len(tellings(store)) == 2


def test_an_answer_to_a_closed_case_names_the_open_one(store: Store) -> None:
    """Its VM is null-routed now by another case, and its owner answers the older thread: told, with both commands; of
    the customer that had the VM before him nothing is mixed up."""
    old = replace(CASE, id="EG-20250101-aaaaaaaaaaaa", opened=T - 99 * HOUR)
    before = replace(CASE, id="EG-20240101-bbbbbbbbbbbb", opened=T - 999 * HOUR, customer="another")
    for case in (old, before):
        store.put_case(case)
        store.close_case(case.id, T - HOUR, "quiet")
        Intake(store, MAIL, ROSTER).take(Reply(case.id, Sort.REPLY, "ops@example.net", (case.id,), text="why?"), AT)
    first, second = (told["text"] for told in tellings(store))
    assert f"It is closed. Open is, of the same VM: {CASE.id} (narrow)." in first
    assert f"  edgeguard case show {old.id}\n  edgeguard case show {CASE.id}\n" in first
    assert "closed" in second and CASE.id not in second


def test_an_answer_reaches_the_desk(store: Store) -> None:
    """A real mail server gets it from the daemon's courier, with nothing in it that could break its lines."""
    sink = Sink()
    with serving(sink) as port:
        settled = config.build({"mail": {"server": f"127.0.0.1:{port}", "tls": "none", "from": MAIL.sender,
                                         "desk": "desk@example.net", "desk_copy": ""}})  # fmt: skip
        courier = handing.courier(settled, store)
        courier.start()
        take(store, mail(miner="m\u0131ner \x1b[31m".encode()), clock.now(), mail=settled.mail)
        until(lambda: bool(sink.mails), "the desk was told")
        courier.stop()
    (told,) = sink.mails
    assert told["To"] == "desk@example.net" and told["Subject"] == f"[EdgeGuard] {CASE.id}: the answer CLEANED came in"
    assert "\x1b" not in told.get_content() and "CLEANED - found a" in told.get_content()


def test_the_same_mail_twice_is_one_reply(store: Store) -> None:
    """A maildir that is read again after a crash neither records nor acknowledges twice."""
    take(store, mail())
    assert "known already" in take(store, mail(), AT + 2 * HOUR)
    assert len(store.replies.of_case(CASE.id)) == len(acknowledgements(store)) == 1


def test_a_sender_hears_once_an_hour(store: Store) -> None:
    """Every reply is kept, but a sender and case get one acknowledgement an hour, so that two programs cannot loop."""
    for n in range(5):
        take(store, mail(CLEANED=b"CLEANED %d" % n), AT + n * MINUTE)
    assert len(store.replies.of_case(CASE.id)) == 5 and len(acknowledgements(store)) == 1
    take(store, mail(CLEANED=b"CLEANED again"), AT + HOUR + MINUTE)
    assert len(acknowledgements(store)) == 2


def test_forged_senders_make_us_no_sender_of_many(store: Store) -> None:
    """Whoever knows a case and forges senders gets a bounded number of mails out of us, to names that learn nothing."""
    for n in range(3 * MOST):
        take(store, mail(**{"ops@example.net": b"victim%d@example.com" % n}), AT + n)
    told = acknowledgements(store)
    assert len(told) == MOST
    assert all(values["server"]["name"] is None and values["until"] is None for _, values in told)


@pytest.mark.parametrize("name", ["vacation", "auto-submitted", "delayed", "bounce"])
def test_programs_are_not_acknowledged(store: Store, name: str) -> None:
    """What a program sent is kept in the case and answered by nobody."""
    take(store, mail(name))
    assert acknowledgements(store) == []
    assert [entry.what for entry in store.timeline(CASE.id)].count("reply") == (name != "delayed")


def test_an_acknowledgement_promises_what_is_configured(store: Store) -> None:
    """With read_within it says until when a person reads it, and the row keeps that time."""
    take(store, mail(), mail=settings(25, reply_to="abuse+{case}@example.org", read_within="30m"))
    assert acknowledgements(store)[0][1]["read_by"] == AT + 30 * MINUTE == store.replies.of_case(CASE.id)[0].read_by


def decided_on_appeal(store: Store) -> None:
    """Two people upheld it, its owner appealed, and a third one kept it."""
    words = ((Said.VOICE, "alex", None), (Said.UPHOLD, "robin", "alex"), (Said.APPEAL, OWNER, None))
    for said, by, first in (*words, (Said.KEEP, "sam", None)):
        store.say(CASE, Word(CASE.id, said, T + MINUTE, by, "x", AT + 99 * HOUR, (DECISION.id,), first=first))


@pytest.mark.parametrize("what", ["of its owner", "of a stranger", "of what is free", "decided"])
def test_appeal_is_acknowledged_where_it_is_one(store: Store, what: str) -> None:
    """Of somebody who got the mails of what is null-routed, and not decided on appeal; else its mail says of none."""
    raw = mail(CLEANED=b"APPEAL")
    if what == "of a stranger":
        raw = raw.replace(b"ops@example.net", b"x@example.com")
    elif what == "of what is free":
        store.outcome(happened(Happened.RELEASED, T + MINUTE))
    elif what == "decided":
        decided_on_appeal(store)
    take(store, raw)
    ((_, values),) = acknowledgements(store)
    assert values["keyword"] == ("APPEAL" if what == "of its owner" else None)
    assert store.replies.of_case(CASE.id)[0].reply.keyword is Keyword.APPEAL, "what he wrote is kept"


@pytest.mark.parametrize("keyword", [None, *Keyword])
@pytest.mark.parametrize("name", [None, "web1", "final-build"])
@pytest.mark.parametrize("until", [None, T + HOUR])
@pytest.mark.parametrize("read_by", [None, T + MINUTE])
def test_every_acknowledgement_keeps_the_rules(keyword: Any, name: Any, until: Any, read_by: Any) -> None:
    """The lint finds nothing in any acknowledgement, known sender or not, promised or not."""
    notice = acknowledgement("reply-1", CASE.id, DECISION.id, "ops@example.net", received=T, keyword=keyword,
                             name=name, until=until, read_by=read_by)  # fmt: skip
    assert lint.check(notice.kind, notice.values, Facts(Proof.VERIFIED, acted=T), T + SECOND) == []


def test_an_acknowledgement_leaves_in_the_thread(store: Store) -> None:
    """A real mail server gets it at once, below the customer's own mail, marked so that programs do not answer it."""
    sink = Sink()
    with serving(sink) as port:
        outbox = Outbox(store.box(), settings(port, reply_to="abuse+{case}@example.org"))
        outbox.start()
        take(store, mail(), clock.now())
        until(lambda: bool(sink.mails), "the acknowledgement is there")
        outbox.stop()
    (told,) = sink.mails
    assert told["To"] == "ops@example.net" and CASE.id in told["Subject"]
    assert told["Auto-Submitted"] == "auto-replied" and told["In-Reply-To"] == "<reply-1@example.net>"
    assert "CLEANED" in told["Subject"] and "miner" not in str(told), "nothing of the answer is repeated"
    answer = read(told.as_bytes(), own(MAIL))
    assert answer.sort is Sort.AUTOMATIC and not answer.answerable, "our own acknowledgement would start no loop"


# ---- unmatched -----------------------------------------------------------------------------------


def test_a_reply_without_a_case_waits_for_a_person(store: Store) -> None:
    """No token, or a forged one: kept without a case, listed until a person files it, then in that case's story."""
    assert "is number 1 of" in take(store, mail("no-token"))
    assert "is number 2 of" in take(store, mail(**{"1a2b3c4d5e6f": b"ffffffffffff", NOTICE: b"notice-ffffffffffff"}))
    assert [one.seq for one in store.replies.unmatched()] == [1, 2] and acknowledgements(store) == []
    tray = store.replies
    assert (
        tray.file(1, CASE.id, AT, "alex") and not tray.file(1, None, AT, "alex") and not tray.file(9, None, AT, "alex")
    )
    assert tray.file(2, None, AT, "alex") and store.replies.unmatched() == []
    (entry,) = [entry for entry in store.timeline(CASE.id) if entry.what == "reply"]
    assert entry.text.endswith("put here by alex")


def test_the_thread_alone_finds_the_case(store: Store) -> None:
    """A mail program that drops the token still answers our Message-ID."""
    raw = mail(**{"1a2b3c4d5e6f": b"ffffffffffff"})
    assert take(store, raw).startswith(CASE.id)


def test_what_came_in_is_never_changed(store: Store) -> None:
    """The database itself refuses to change or delete a reply, whoever asks."""
    take(store, mail())
    for statement in ("UPDATE replies SET sender = NULL", "DELETE FROM replies"):
        with pytest.raises(sqlite3.IntegrityError, match="a reply is never"):
            store._db.execute(statement)


# ---- bounces -------------------------------------------------------------------------------------


def test_a_bounce_reaches_the_desk_once(store: Store) -> None:
    """The notice that came back is told to the desk, and sent to it, once however many bounces come."""
    assert take(store, mail("bounce")) == f"{CASE.id}: notice {NOTICE} came back undelivered (5.1.1)"
    take(store, mail("bounce-headers"))
    rows = store._db.execute(
        "SELECT kind, recipient, state FROM outbox WHERE id != ? ORDER BY seq", (NOTICE,)
    ).fetchall()
    assert rows == [("desk-undelivered", None, "ready"), ("narrow", None, "ready")]
    texts = [entry.text for entry in store.timeline(CASE.id) if entry.what == "reply"]
    assert texts == [f"{NOTICE} came back undelivered: 5.1.1"] * 2
    assert [letter.undelivered for letter in store.letters(CASE.id)] == ["5.1.1", None, None]
    body = store._db.execute("SELECT whole(body, packed) FROM outbox WHERE kind = 'desk-undelivered'").fetchone()[0]
    assert lint.check("desk-undelivered", json.loads(body), Facts(), AT) == []


def test_a_bounce_goes_to_the_next_contact(tmp_path: Path) -> None:
    """To each in the inventory's order, the desk told each time; after the last the desk gets the notice itself."""
    vm = replace(VM, contacts=("second@example.net", "third@example.net"))
    made = notices(vm=vm)
    with Store(tmp_path / "cases.sqlite") as store:
        store.record(CASE, VERDICT, DECISION, made, ORDER)
        lost, went = made[0].id, []
        for _ in range(3):
            store._db.execute(
                'UPDATE outbox SET state = \'sent\', sent_at = ?, mail = \'{"subject":"s","text":"t"}\' WHERE id = ?',
                (T, lost),
            )
            take(store, mail("bounce").replace(NOTICE.encode(), lost.encode()))
            lost, to = store._db.execute(
                "SELECT id, recipient FROM outbox WHERE kind = 'narrow' ORDER BY seq DESC LIMIT 1"
            ).fetchone()
            went.append(to)
        assert went == ["second@example.net", "third@example.net", None]
        bodies = store._db.execute(
            "SELECT whole(body, packed) FROM outbox WHERE kind = 'desk-undelivered' ORDER BY seq"
        ).fetchall()
    told = [" ".join(render("desk-undelivered", json.loads(body), Facts(), AT).text.split()) for (body,) in bodies]
    assert [lint.check("desk-undelivered", json.loads(body), Facts(), AT) for (body,) in bodies] == [[]] * 3
    assert ["it is sent to second@example.net now" in text for text in told] == [True, False, False]
    assert ["it is sent to third@example.net now" in text for text in told] == [False, True, False]
    assert "a copy follows to this desk" in told[2] and "Tell the customer another way" in told[2]


def test_a_bounce_of_another_mail_tells_nobody(store: Store) -> None:
    """A bounce that names no notice of ours is kept, and nothing is sent because of it."""
    assert "none that this database sent" in take(store, mail("bounce", **{NOTICE: b"notice-ffffffffffff"}))
    assert store._db.execute("SELECT count(*) FROM outbox").fetchone() == (1,)


# ---- the command ---------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Result]:
    file = tmp_path / "edgeguard.toml"
    file.write_text(
        f'[paths]\nsocket = "{tmp_path}/sock"\ndatabase = "{tmp_path}/cases.sqlite"\n'
        '[mail]\nfrom = "abuse@example.org"\nreply_to = "abuse+{case}@example.org"\n'
    )

    def invoke(*words: str, given: bytes = b"") -> Result:
        return CliRunner().invoke(main, ["reply", *words, "-c", str(file)], input=given, prog_name="edgeguard")

    return invoke


def test_the_command_takes_a_mail(run: Callable[..., Result], store: Store) -> None:
    """`edgeguard reply < mail` writes it into the database; one without a case is listed, filed, and listed no more."""
    told = run(given=mail())
    assert told.exit_code == 0 and told.stdout.startswith(f"{CASE.id}: CLEANED"), told.output
    assert run(given=mail("no-token")).exit_code == 0
    assert "HELP what happened to our server?" in run("--unmatched").stdout
    assert json.loads(run("--unmatched", "--json").stdout)["reply"]["sender"] == "ops@example.net"
    assert run("--file", "2", "--case", "web1").exit_code == 0
    assert run("--unmatched").stdout == "no unmatched replies\n"
    again = run("--file", "2", "--no-case")
    assert again.exit_code == 2 and "no unmatched reply has this number" in again.stderr


def test_a_mail_of_20_mb_is_one_line(run: Callable[..., Result], store: Store) -> None:
    """It is not parsed: recorded as unreadable, and the line says why."""
    told = run(given=mail() + b"x" * 20_000_000)
    assert told.exit_code == 0 and told.stdout.count("\n") == 1
    assert "cannot be read: it is larger than 10 MiB" in told.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--watch",), "--watch goes with --maildir"),
        (("--case", "web1"), "go with --file"),
        (("--file", "1"), "say --case TERM or --no-case"),
        (("--file", "1", "--case", "web1", "--no-case"), "say --case TERM or --no-case"),
        (("--unmatched", "--maildir", "/tmp"), "name one"),
        (("--maildir", "/nonexistent"), "is no maildir"),
    ],
)
def test_wrong_use_is_one_line(run: Callable[..., Result], store: Store, words: tuple[str, ...], said: str) -> None:
    """What cannot be meant is refused with a line that says what to do."""
    told = run(*words)
    assert told.exit_code in (1, 2) and said in told.stderr


def test_a_maildir_is_emptied_into_the_case(run: Callable[..., Result], store: Store, tmp_path: Path) -> None:
    """Mails move from new/ to cur/ once they are recorded; a pipe, a link and a hidden file stay where they are."""
    folder = tmp_path / "abuse"
    for name in ("new", "cur", "tmp"):
        (folder / name).mkdir(parents=True)
    for number, name in enumerate(("plain", "vacation", "no-token", "bounce")):
        (folder / "new" / f"{number}.host").write_bytes(mail(name))
    os.mkfifo(folder / "new" / "5.pipe")
    (folder / "new" / "6.link").symlink_to(tmp_path / "cases.sqlite")
    (folder / "new" / ".hidden").write_bytes(mail())
    told = run("--maildir", str(folder))
    assert told.exit_code == 0 and told.stdout.count("\n") == 4, told.output
    assert sorted(path.name for path in (folder / "cur").iterdir()) == [f"{n}.host:2," for n in range(4)]
    assert len(list((folder / "new").iterdir())) == 3


def test_a_mail_that_cannot_be_recorded_stays(run: Callable[..., Result], store: Store, tmp_path: Path) -> None:
    """While another writer holds the database the mail stays in new/; the exit code lets a mail server come again."""
    folder = tmp_path / "abuse"
    for name in ("new", "cur"):
        (folder / name).mkdir(parents=True)
    (folder / "new" / "1.host").write_bytes(mail())
    with sqlite3.connect(store.path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        told = run("--maildir", str(folder))
        assert told.exit_code == 75 and "another process holds the lock" in told.stderr
        assert run(given=mail()).exit_code == 75
        other.execute("ROLLBACK")
    assert (folder / "new" / "1.host").exists() and store.replies.of_case(CASE.id) == []


def test_a_watched_maildir_takes_what_comes(store: Store, run: Any, tmp_path: Path) -> None:
    """With --watch a mail that is delivered later is recorded too, until the command is stopped."""
    folder = tmp_path / "abuse"
    for name in ("new", "cur", "tmp"):
        (folder / name).mkdir(parents=True)
    command = [sys.executable, "-m", "edgeguard", "reply", "--maildir", str(folder), "--watch"]
    process = subprocess.Popen([*command, "-c", str(tmp_path / "edgeguard.toml")], stdout=subprocess.PIPE, text=True)
    try:
        (folder / "tmp" / "1.host").write_bytes(mail())
        (folder / "tmp" / "1.host").rename(folder / "new" / "1.host")
        until((folder / "cur" / "1.host:2,").exists, "the mail is in cur/")
    finally:
        process.terminate()
        process.communicate()
    assert len(store.replies.of_case(CASE.id)) == 1


def test_without_a_database_the_daemon_is_asked(run: Callable[..., Result], tmp_path: Path) -> None:
    """Where the database is elsewhere the socket is spoken to, and the daemon writes what it was handed."""
    nobody = run(given=mail())
    assert nobody.exit_code == 75 and "no daemon answers here" in nobody.stderr
    seen: list[str] = []
    (tmp_path / "elsewhere").mkdir()
    server = ControlServer(tmp_path / "sock", patience_s=120)
    stop = threading.Event()
    elsewhere = Store(tmp_path / "elsewhere" / "cases.sqlite")
    elsewhere.record(CASE, VERDICT, DECISION, notices(), ORDER)

    def answer(request: Request) -> dict[str, str]:
        assert isinstance(request.ask, TakeReply)
        seen.append(request.verb)
        return take_body(elsewhere, MAIL, ROSTER, request.ask.body)

    def serve() -> None:
        while not stop.is_set():
            server.poll(answer)
            stop.wait(0.01)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        told = run(given=mail())
    finally:
        stop.set()
        thread.join()
        server.close()
    assert told.exit_code == 0 and told.stdout.startswith(f"{CASE.id}: CLEANED") and seen == ["reply.take"]
    assert len(elsewhere.replies.of_case(CASE.id)) == 1
    elsewhere.close()


@pytest.mark.parametrize(
    "body", ["", "null", "[]", "7", '{"id":"reply-1"}', '{"id":7,"sort":"reply"}', '{"x":1}', "[" * 9999]
)
def test_a_reply_that_is_none_is_refused(store: Store, body: str) -> None:
    """What another process hands over is no reply of ours: one line, and nothing is written."""
    with pytest.raises(UsageError, match="not one that"):
        take_body(store, MAIL, ROSTER, body)
    assert store._db.execute("SELECT count(*) FROM replies").fetchone() == (0,)


def test_an_acknowledgement_is_no_notice_of_a_null_route(store: Store) -> None:
    """A case in which only an acknowledgement was written may still not be null-routed in silence."""
    case, verdict, decision, order = another(7)
    observed = replace(decision, id="decision-observed", act="none", scope="observe", until=None, enforced=False)
    store.record(case, verdict, observed, (), None)
    take(store, mail("no-token", **{"our server": case.id.encode()}))
    assert len(acknowledgements(store)) == 1
    with pytest.raises(StoreError, match="without any notice"):
        store.record(case, verdict, decision, (), order)
