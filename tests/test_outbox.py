"""The outbox: every notice leaves once, through servers that refuse, hang, close and come back."""

from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mailserver import Sink, certificate, closed_port, closing_at_data, hanging, raw, serving, text_of, until
from samples import CASE, DECISION, ORDER, RELEASE, RELEASE_ORDER, VERDICT, VM, another, happened, notices

from edgeguard import clock
from edgeguard.cases.case import Letter
from edgeguard.cases.store import Store
from edgeguard.clock import HOUR, MINUTE, SECOND
from edgeguard.config import Mail as Settings
from edgeguard.config import build
from edgeguard.letters import Queued
from edgeguard.model import Act, Happened, Scope
from edgeguard.notice.message import write
from edgeguard.notice.outbox import LONGEST_PAUSE, Outbox
from edgeguard.notice.wording import Texts, wording

OBSERVED = replace(DECISION, act=Act.NONE, scope=Scope.OBSERVE, until=None, enforced=False)


def settings(port: int | str, **changes: Any) -> Settings:
    values = {
        "server": f"127.0.0.1:{port}" if port else "",
        "from": "EdgeGuard <abuse@example.net>",
        "reply_to": "abuse+{case}@example.net",
        "desk": "desk@example.net",
        "tls": "none",
        "timeout": "5m",
        "retry": "50ms",
    }
    return build({"mail": {**values, **changes}}).mail


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "cases.sqlite") as opened:
        yield opened


@pytest.fixture
def running() -> Iterator[Callable[..., Outbox]]:
    """Starts an outbox that is stopped at the end."""
    started: list[Outbox] = []

    def start(store: Store, mail: Settings, **more: Any) -> Outbox:
        started.append(Outbox(store.box(), mail, **more))
        started[-1].start()
        return started[-1]

    yield start
    for outbox in started:
        outbox.stop()


class Clock:
    """A clock that stands still until it is set, and counts how often it was asked."""

    def __init__(self, at: int) -> None:
        self.at, self.asked = at, 0

    def __call__(self) -> int:
        self.asked += 1
        return self.at

    def until_asked(self, times: int) -> None:
        enough = self.asked + times
        until(lambda: self.asked >= enough, "the clock was asked")


def narrowed(store: Store, number: int | None = None, proved: bool = True) -> str:
    """Records a null route, and its proof; returns the notice's id."""
    case, verdict, decision, order = another(number) if number is not None else (CASE, VERDICT, DECISION, ORDER)
    made = notices(decision)
    store.record(case, verdict, decision, made, order)
    if proved:
        store.outcome(happened(Happened.ACKNOWLEDGED, decision.at + 1, decision.id))
        store.outcome(happened(Happened.VERIFIED, decision=decision.id))
    return made[0].id


def letter(store: Store, kind: str = "narrow") -> Letter:
    return next(x for x in store.letters(CASE.id) if x.kind == kind)


def test_a_proved_null_route_is_told(store: Store, running: Any) -> None:
    """The mail reaches a real server with its headers and text, and the row keeps both and when it left."""
    sink = Sink()
    with serving(sink) as port:
        narrowed(store)
        running(store, settings(port))
        until(lambda: letter(store).state == "sent", "the notice is marked sent")
    (mail,), (envelope,) = sink.mails, sink.envelopes
    assert envelope == ("abuse@example.net", ["ops@example.net"])
    assert mail["Reply-To"] == f"abuse+{CASE.id}@example.net"
    assert mail["X-EdgeGuard-Case"] == CASE.id
    row = letter(store)
    assert row.subject == mail["Subject"] and row.text == text_of(mail).replace("\r\n", "\n")
    assert row.sent_at is not None and row.attempts == 1 and row.last_error is None
    assert "Verified:       yes" in str(row.text)


def test_without_proof_the_mail_says_so(store: Store, running: Any) -> None:
    """When no proof came within the wait, the mail leaves and says that it is not verified yet."""
    sink = Sink()
    with serving(sink) as port:
        now = Clock(DECISION.at + 5 * SECOND - 1)
        outbox = running(store, settings(port), now=now)
        store.record(CASE, VERDICT, DECISION, notices(DECISION), ORDER)
        outbox.wake()
        now.until_asked(5)  # at each look at least once
        assert not sink.mails  # not before the five seconds are over
        now.at += SECOND
        until(lambda: bool(sink.mails), "the notice leaves without proof")
    assert "not yet when this mail was written" in text_of(sink.mails[0])


def test_the_proof_wakes_it(store: Store, running: Any) -> None:
    """After the outcome and wake() the mail leaves at once, not at the end of the wait."""
    sink = Sink()
    with serving(sink) as port:
        outbox = running(store, settings(port))
        decision = replace(DECISION, at=clock.now() + HOUR)
        store.record(CASE, VERDICT, decision, notices(decision), ORDER)
        store.outcome(happened(Happened.VERIFIED, clock.now()))
        outbox.wake()
        until(lambda: bool(sink.mails), "the notice leaves")


def test_one_thread_in_order(store: Store, running: Any) -> None:
    """Null route and release arrive in this order, and the second refers to the first."""
    sink = Sink()
    with serving(sink) as port:
        narrowed(store)
        store.record(CASE, None, RELEASE, notices(RELEASE), RELEASE_ORDER)
        store.outcome(happened(Happened.RELEASED, RELEASE.at, dropped=7))
        running(store, settings(port))
        until(lambda: len(sink.mails) == 2, "both mails")
    first, second = sink.mails
    assert "null-routed" in first["Subject"] and "has ended" in second["Subject"]
    assert second["In-Reply-To"] == first["Message-ID"]
    assert "it has ended already" in text_of(first)


def test_many_go_through_one_connection(store: Store, running: Any) -> None:
    """Forty notices leave, each once."""
    sink = Sink()
    with serving(sink) as port:
        ids = {narrowed(store, number) for number in range(40)}
        running(store, settings(port))
        until(lambda: not store.letters(), "all have left")
    assert len(sink.mails) == 40
    assert {mail["Message-ID"] for mail in sink.mails} == {f"<{id}@example.net>" for id in ids}


def test_without_a_server_the_rows_stay(store: Store, running: Any) -> None:
    """Where no server is configured nothing is tried and nothing is lost; configured later, it leaves."""
    narrowed(store)
    outbox = running(store, settings(""))
    outbox.wake()
    time.sleep(0.1)
    assert (letter(store).state, letter(store).attempts) == ("ready", 0)
    sink = Sink()
    with serving(sink) as port:
        running(store, settings(port))
        until(lambda: letter(store).state == "sent", "the notice leaves")


# ---- bad servers ------------------------------------------------------------------------------


def test_a_server_that_refuses_connections(store: Store, running: Any) -> None:
    """Nobody listens: the row stays with one clear reason; when the server is there, it leaves, once."""
    narrowed(store)
    sink = Sink()
    with closed_port() as port:
        outbox = running(store, settings(port))
        until(lambda: letter(store).attempts >= 2, "two attempts")
        row = letter(store)
        assert row.state == "ready" and row.last_error is not None
        assert row.last_error == f"mail server 127.0.0.1:{port} cannot be reached: Connection refused"
        assert outbox.last_error == row.last_error
        with serving(sink, port=port):
            until(lambda: letter(store).state == "sent", "the notice leaves at last")
    assert len(sink.mails) == 1 and outbox.last_error is None


def test_when_the_server_is_back_nobody_waits_on(store: Store, running: Any) -> None:
    """The first mail that gets through makes those due that the server's absence had put off for long."""
    narrowed(store, 1)
    narrowed(store, 2)
    box = store.box()
    sink = Sink()
    with closed_port() as port:
        outbox = running(store, settings(port))
        until(lambda: all(x.attempts for x in store.letters()), "both were tried")
        box.postponed([(notices(another(2)[2])[0].id, clock.now() + HOUR)], "as if after many attempts")
        with serving(sink, port=port):
            until(lambda: len(sink.mails) == 2, "both leave")
            until(lambda: outbox.sent == 2, "both are marked")


@pytest.mark.parametrize(
    ("server", "reason"),
    [(hanging, "no answer within the configured time"), (closing_at_data, "broke off")],
)
def test_a_server_that_hangs_or_closes(store: Store, running: Any, server: Any, reason: str) -> None:
    """A server that says nothing, or hangs up in the middle of a mail, leaves the row in the outbox with the reason."""
    narrowed(store)
    with raw(server) as port:
        running(store, settings(port, timeout="200ms"))
        until(lambda: letter(store).attempts >= 2, "two attempts")
    row = letter(store)
    assert row.state == "ready" and reason in str(row.last_error)


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("MAIL", "451 try again"),
        ("MAIL", "550 not from you"),  # the configuration's fault: not lost
        ("RCPT", "450 greylisted"),
        ("RCPT", "421 too busy"),
        ("DATA", "452 disk full"),
    ],
)
def test_what_may_pass_later_is_tried_again(store: Store, running: Any, command: str, answer: str) -> None:
    """A temporary answer, or one about the sender, postpones the mail; it arrives when the server is content."""
    sink = Sink()
    sink.answers[command] = [answer, answer]
    with serving(sink) as port:
        narrowed(store)
        running(store, settings(port))
        until(lambda: letter(store).attempts >= 1, "an attempt")
        until(lambda: letter(store).state == "sent", "the notice leaves at last")
    assert len(sink.mails) == 1
    assert letter(store).attempts == 3


def test_the_reason_is_kept_with_the_row(store: Store, running: Any) -> None:
    """The server's own words stand in the row while it waits."""
    sink = Sink()
    sink.always["ops@example.net"] = "450 4.2.0 greylisted, come back"
    with serving(sink) as port:
        narrowed(store)
        running(store, settings(port, retry="1h"))
        until(lambda: letter(store).attempts == 1, "an attempt")
    assert letter(store).last_error == (
        f"mail server 127.0.0.1:{port} refuses the recipient: ops@example.net: 450 4.2.0 greylisted, come back"
    )


@pytest.mark.parametrize(
    ("command", "answer"), [("RCPT", "550 5.1.1 no such user"), ("DATA", "554 5.6.0 not wanted here")]
)
def test_a_refusal_for_good_is_recorded_and_the_desk_told(
    store: Store, running: Any, command: str, answer: str
) -> None:
    """A permanent refusal ends the row, and the desk gets a mail with the server's words."""
    sink = Sink()
    sink.answers[command] = [answer]
    with serving(sink) as port:
        narrowed(store)
        running(store, settings(port))
        until(lambda: bool(sink.mails), "the desk is told")
        until(lambda: letter(store, "desk-undelivered").state == "sent", "and that is marked")
    row = letter(store)
    assert row.state == "failed" and answer in str(row.last_error)
    (mail,), (envelope,) = sink.mails, sink.envelopes
    assert envelope[1] == ["desk@example.net"]
    text = " ".join(text_of(mail).split())
    assert answer in text and "ops@example.net" in text and CASE.id in mail["Subject"]
    assert any("refused for good" in entry.text for entry in store.timeline(CASE.id))


def test_whom_the_server_refuses_is_followed_by_the_next_contact(store: Store, running: Any) -> None:
    """For good: the same mail goes to the second contact, and the desk is told to whom."""
    sink = Sink()
    sink.always["ops@example.net"] = "550 5.1.1 no such user"
    with serving(sink) as port:
        store.record(CASE, VERDICT, DECISION, notices(vm=replace(VM, contacts=("second@example.net",))), ORDER)
        store.outcome(happened(Happened.ACKNOWLEDGED, DECISION.at + 1))
        store.outcome(happened(Happened.VERIFIED))
        running(store, settings(port))
        until(lambda: len(sink.mails) == 2, "the desk and the second contact are told")
    to = [envelope[1] for envelope in sink.envelopes]
    assert sorted(to) == [["desk@example.net"], ["second@example.net"]]
    desk, owner = (sink.mails[to.index([who])] for who in ("desk@example.net", "second@example.net"))
    assert "it is sent to second@example.net now" in " ".join(text_of(desk).split())
    assert CASE.id in owner["Subject"] and "null-routed" in text_of(owner)


def test_a_desk_that_is_refused_ends_there(store: Store, running: Any) -> None:
    """A refused mail to the desk is recorded and makes no further mail."""
    sink = Sink()
    sink.always["desk@example.net"] = "550 no desk"
    with serving(sink) as port:
        store.record(CASE, VERDICT, OBSERVED, notices(OBSERVED), None)
        running(store, settings(port))
        until(lambda: letter(store, "desk-observe").state == "failed", "the refusal is recorded")
    assert len(store.letters(CASE.id)) == 1


def test_one_refused_mail_holds_no_other(store: Store, running: Any) -> None:
    """Refusals, greylisting and unusable contacts of some do not keep the mails of the others."""
    sink = Sink()
    sink.always |= {"gone@example.net": "550 gone", "grey@example.net": "450 later"}
    contacts = ["gone@example.net", "grey@example.net", "no address", "ops@example.net", "noc@example.net"]
    for number, contact in enumerate(contacts):
        case, verdict, decision, _ = another(number)
        decision = replace(decision, act=Act.NONE, scope=Scope.WARN, until=None, enforced=False)
        store.record(case, verdict, decision, notices(decision, replace(VM, contact=contact)), None)
    with serving(sink) as port:
        running(store, settings(port, retry="1h"))
        until(lambda: len(sink.mails) == 4, "two customers and the desk, twice")
    assert sorted(e[1][0].partition("@")[0] for e in sink.envelopes) == ["desk", "desk", "noc", "ops"]


def test_a_mail_that_makes_the_server_hang_up_holds_no_other(store: Store, running: Any) -> None:
    """When the server closes the connection at one recipient, the others leave on the next connection."""
    sink = Sink()
    sink.always["ops@example.net"] = "421 4.7.0 closing"
    narrowed(store)
    case, verdict, decision, order = another(1)
    other = notices(decision, replace(VM, contact="noc@example.net"))
    store.record(case, verdict, decision, other, order)
    store.outcome(happened(Happened.VERIFIED, decision=decision.id))
    with serving(sink) as port:
        running(store, settings(port, retry="1h"))
        until(lambda: bool(sink.mails), "the other mail")
        until(lambda: letter(store).attempts >= 1, "the first is postponed")  # and tried again when the other left
    assert sink.envelopes == [("abuse@example.net", ["noc@example.net"])]


def test_some_of_several_recipients(store: Store, running: Any) -> None:
    """Where the server takes one of two addresses of a contact, the mail is sent, and the other is noted."""
    sink = Sink()
    sink.always["gone@example.net"] = "550 gone"
    made = notices(vm=replace(VM, contact="ops@example.net, gone@example.net"))
    with serving(sink) as port:
        store.record(CASE, VERDICT, DECISION, made, ORDER)
        store.outcome(happened(Happened.VERIFIED))
        running(store, settings(port))
        until(lambda: letter(store).state == "sent", "the notice leaves")
    assert "gone@example.net: 550 gone" in str(letter(store).last_error)


COPY = "tickets+{case}@example.net"
TICKET = f"tickets+{CASE.id}@example.net"


def test_each_mail_to_a_customer_is_a_ticket(store: Store, running: Any) -> None:
    """The desk's copy leaves with the mail and names the case in address, subject and Reply-To, in one thread."""
    sink = Sink()
    with serving(sink) as port:
        narrowed(store)
        store.record(CASE, None, RELEASE, notices(RELEASE), RELEASE_ORDER)
        store.outcome(happened(Happened.RELEASED, RELEASE.at))
        running(store, settings(port, desk_copy=COPY))
        until(lambda: len(sink.mails) == 2, "both mails")
    assert sink.envelopes == [("abuse@example.net", ["ops@example.net", TICKET])] * 2
    first, second = sink.mails
    for mail in (first, second):
        assert mail["To"] == "ops@example.net" and mail["Cc"] == TICKET
        assert CASE.id in mail["Subject"] and mail["Reply-To"] == f"abuse+{CASE.id}@example.net"
    assert second["References"] == first["Message-ID"]


@pytest.mark.parametrize("answer", ["550 no such user", "450 greylisted"])
def test_a_copy_never_stands_for_the_customer(store: Store, running: Any, answer: str) -> None:
    """Where the customer's address is refused nothing leaves, the copy neither: a ticket is no mail to the customer."""
    sink = Sink()
    sink.always["ops@example.net"] = answer
    with serving(sink) as port:
        narrowed(store)
        running(store, settings(port, desk_copy=COPY, retry="1h"))
        until(lambda: letter(store).attempts == 1, "an attempt")
        if answer.startswith("5"):
            until(lambda: bool(sink.mails), "the desk is told")
    assert TICKET not in [address for _, to in sink.envelopes for address in to]
    assert letter(store).state == ("failed" if answer.startswith("5") else "ready")


def test_a_refused_copy_holds_nothing(store: Store, running: Any) -> None:
    """The customer's mail leaves, once, though the desk's copy is refused; the row keeps why."""
    sink = Sink()
    sink.always[TICKET] = "550 no such desk"
    with serving(sink) as port:
        narrowed(store)
        running(store, settings(port, desk_copy=COPY))
        until(lambda: letter(store).state == "sent", "the notice leaves")
    assert sink.envelopes == [("abuse@example.net", ["ops@example.net"])]
    assert f"{TICKET}: 550 no such desk" in str(letter(store).last_error)


def test_pauses_double_up_to_an_hour(store: Store) -> None:
    """From [mail] retry each failure doubles the pause, and none is above an hour however many there were."""
    outbox = Outbox(store.box(), settings(1, retry="30s"))
    pauses = [outbox._back_off(attempts) for attempts in (0, 1, 2, 5, 6, 7, 8, 60, 100_000)]
    assert pauses == [30 * SECOND, MINUTE, 2 * MINUTE, 16 * MINUTE, 32 * MINUTE, *[LONGEST_PAUSE] * 4]


# ---- once -------------------------------------------------------------------------------------


def test_killed_between_commit_and_send(tmp_path: Path, running: Any) -> None:
    """A process killed after the decision was committed: the next one sends the mail, exactly once."""
    path = tmp_path / "cases.sqlite"
    script = (
        "import os, signal, sys; sys.path.insert(0, sys.argv[2]); import samples as s\n"
        "from edgeguard.cases.store import Store\n"
        "Store(sys.argv[1]).record(s.CASE, s.VERDICT, s.DECISION, s.notices(), s.ORDER)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    here = Path(__file__).parent
    done = subprocess.run([sys.executable, "-c", script, path, here], check=False, cwd=here.parent)
    assert done.returncode == -signal.SIGKILL
    sink = Sink()
    with serving(sink) as port, Store(path) as store:
        outbox = running(store, settings(port))
        until(lambda: letter(store).state == "sent", "the notice leaves")
        again = running(store, settings(port))
        time.sleep(0.2)
        for each in (outbox, again):
            each.wake()
        time.sleep(0.2)
    assert len(sink.mails) == 1


def test_killed_between_the_servers_yes_and_our_mark(tmp_path: Path, running: Any) -> None:
    """Killed in that instant the mail may go out again, but with the same Message-ID, and then no more."""
    path = tmp_path / "cases.sqlite"
    sink = Sink()
    script = (
        "import os, signal, sys, time; sys.path.insert(0, sys.argv[2])\n"
        "import test_outbox as t, samples as s\n"
        "from edgeguard.cases.store import Store\n"
        "from edgeguard.notice.outbox import Outbox\n"
        "store = Store(sys.argv[1])\n"
        "t.narrowed(store)\n"
        "box = store.box()\n"
        "box.sent = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "Outbox(box, t.settings(sys.argv[3])).start()\n"
        "time.sleep(600)\n"
    )
    here = Path(__file__).parent
    with serving(sink) as port:
        done = subprocess.run([sys.executable, "-c", script, path, here, str(port)], check=False, cwd=here.parent)
        assert done.returncode == -signal.SIGKILL
        with Store(path) as store:
            assert letter(store).state == "ready"
            running(store, settings(port))
            until(lambda: letter(store).state == "sent", "the notice leaves again")
            time.sleep(0.1)
    assert len(sink.mails) == 2 and len({mail["Message-ID"] for mail in sink.mails}) == 1


def test_sent_but_not_markable_is_not_sent_again(store: Store, running: Any) -> None:
    """While the database cannot take the mark, the mail is not sent a second time; the mark follows later."""
    sink = Sink()
    blocker = sqlite3.connect(store.path, isolation_level=None, check_same_thread=False)
    sink.after = lambda: None if blocker.in_transaction else blocker.execute("BEGIN IMMEDIATE")
    with serving(sink) as port:
        narrowed(store)
        box = store.box()
        box._db.execute("PRAGMA busy_timeout = 20")
        outbox = Outbox(box, settings(port))
        outbox.start()
        until(lambda: "lock" in str(outbox.last_error), "the mark fails")
        for _ in range(5):
            outbox.wake()
            time.sleep(0.03)
        assert letter(store).state == "ready"
        blocker.execute("ROLLBACK")
        until(lambda: letter(store).state == "sent", "the mark follows")
        outbox.stop()
    blocker.close()
    assert len(sink.mails) == 1


# ---- the thread -------------------------------------------------------------------------------


def test_nothing_ends_the_thread(store: Store, running: Any) -> None:
    """A row that cannot be written at all waits with its reason; the others leave."""
    sink = Sink()

    def writing(queued: Queued, mail: Settings, at: int) -> Any:
        if queued.notice.case == CASE.id:
            raise KeyError("of another version")
        return write(queued, mail, at)

    narrowed(store)
    narrowed(store, 1)
    with serving(sink) as port:
        running(store, settings(port, retry="1h"), write=writing)
        until(lambda: len(sink.mails) == 1, "the other mail")
        until(lambda: letter(store).attempts == 1, "the reason is kept")
    assert "cannot be written: KeyError" in str(letter(store).last_error)


def test_a_damaged_template_still_sends(store: Store, running: Any, tmp_path: Path) -> None:
    """With a template that fails, the customer gets the built-in text, and the case says why."""
    sink = Sink()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "narrow.txt").write_text("Subject: x\n\n{{ unset_slot }}\n")
    texts = Texts(wording(tmp_path / "texts"))
    narrowed(store)
    with serving(sink) as port:
        running(store, settings(port), write=lambda q, m, at: write(q, m, at, texts))
        until(lambda: letter(store).state == "sent", "the notice leaves")
    assert "203.0.113.5:80 (tcp)" in text_of(sink.mails[0])
    assert any("built-in text" in entry.text and "unset_slot" in entry.text for entry in store.timeline(CASE.id))


@pytest.mark.parametrize("name", ["web1\r\nBcc: all@example.net\r\n\r\nbody", "final-build"])
def test_a_nasty_name_still_gets_its_notice(store: Store, running: Any, name: str) -> None:
    """A VM named with line ends, or with a word that our sentences must not hold, gets its mail, once, to it alone."""
    sink = Sink()
    vm = replace(VM, name=name)
    with serving(sink) as port:
        store.record(replace(CASE, vm_name=name), VERDICT, DECISION, notices(vm=vm), ORDER)
        store.outcome(happened(Happened.VERIFIED))
        running(store, settings(port))
        until(lambda: letter(store).state == "sent", "the notice leaves")
    assert sink.envelopes == [("abuse@example.net", ["ops@example.net"])]
    assert sink.mails[0]["Bcc"] is None
    assert not any("built-in" in entry.text for entry in store.timeline(CASE.id))


def test_stop_is_prompt(store: Store) -> None:
    """An outbox that waits for a hanging server stops all the same, and the mail stays due."""
    narrowed(store)
    reached = threading.Event()

    def hangs(connection: socket.socket) -> None:
        reached.set()
        hanging(connection)

    with raw(hangs) as port:
        outbox = Outbox(store.box(), settings(port, timeout="1h"))
        outbox.start()
        until(reached.is_set, "it hangs")
        outbox.stop()
        until(lambda: not outbox._thread.is_alive(), "it has ended, long before the hour is over")
    assert (letter(store).state, letter(store).attempts) == ("ready", 0)


def test_stop_before_start(store: Store) -> None:
    """Stopping what never ran is no error."""
    Outbox(store.box(), settings(1)).stop()


# ---- TLS and log-in ---------------------------------------------------------------------------


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    try:
        context = certificate(tmp_path)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no certificate can be made here: {error}")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    return context


def test_starttls_and_log_in(store: Store, running: Any, tls: Any, tmp_path: Path) -> None:
    """With starttls the mail travels encrypted, and the log-in has the password from the file."""
    sink = Sink()
    password = tmp_path / "password"
    password.write_text("right\n")
    mail = {"tls": "starttls", "user": "edge", "password_file": str(password)}
    options = {"tls_context": tls, "require_starttls": True, "authenticator": sink.authenticate, "auth_required": True}
    with serving(sink, **options) as port:
        narrowed(store)
        running(store, settings(port, **mail))
        until(lambda: letter(store).state == "sent", "the notice leaves")
    assert sink.tls == [True] and sink.logins == [(b"edge", b"right")]


def test_tls_from_the_first_byte(store: Store, running: Any, tls: Any) -> None:
    """With tls the connection is encrypted before the greeting."""
    sink = Sink()
    with serving(sink, ssl_context=tls) as port:
        narrowed(store)
        running(store, settings(port, tls="tls"))
        until(lambda: letter(store).state == "sent", "the notice leaves")
    assert sink.tls == [True]


def test_never_in_clear_by_silence(store: Store, running: Any) -> None:
    """A server that does not offer STARTTLS gets no mail while starttls is configured."""
    sink = Sink()
    with serving(sink) as port:
        narrowed(store)
        running(store, settings(port, tls="starttls", retry="1h"))
        until(lambda: letter(store).attempts == 1, "an attempt")
    assert not sink.mails and "STARTTLS" in str(letter(store).last_error)


def test_a_certificate_nobody_vouches_for(store: Store, running: Any, tls: Any, monkeypatch: Any) -> None:
    """An unknown certificate is refused in one line, and the mail waits."""
    monkeypatch.delenv("SSL_CERT_FILE")
    sink = Sink()
    with serving(sink, tls_context=tls) as port:
        narrowed(store)
        running(store, settings(port, tls="starttls", retry="1h"))
        until(lambda: letter(store).attempts == 1, "an attempt")
    assert not sink.mails and "certificate verify failed" in str(letter(store).last_error).lower()


@pytest.mark.parametrize(
    ("content", "said"), [("wrong", "535"), (None, "the mail password cannot be read: No such file or directory")]
)
def test_a_wrong_or_missing_password(
    store: Store, running: Any, tls: Any, tmp_path: Path, content: str | None, said: str
) -> None:
    """A refused log-in and a missing password file are told, and the mail waits."""
    sink = Sink()
    password = tmp_path / "password"
    if content is not None:
        password.write_text(content)
    mail = {"tls": "starttls", "user": "edge", "password_file": str(password), "retry": "1h"}
    with serving(sink, tls_context=tls, authenticator=sink.authenticate, auth_required=True) as port:
        narrowed(store)
        running(store, settings(port, **mail))
        until(lambda: letter(store).attempts == 1, "an attempt")
    assert not sink.mails and said in str(letter(store).last_error)


def test_other_settings_hold_at_once(store: Store, running: Any) -> None:
    """A mail that the former server kept waiting for an hour leaves as soon as a reload names another one."""
    narrowed(store)
    sink = Sink()
    with closed_port() as nobody, serving(sink) as port:
        outbox = running(store, settings(nobody, retry="1h"))
        until(lambda: letter(store).attempts == 1 and bool(outbox.last_error), "the first server is tried")
        outbox.configure(settings(nobody, retry="1h"))
        assert outbox.last_error  # the same settings change nothing
        outbox.configure(settings(port))
        until(lambda: letter(store).state == "sent", "the notice leaves by the other server")
    assert len(sink.mails) == 1 and outbox.last_error is None
