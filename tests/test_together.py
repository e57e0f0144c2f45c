"""Cases of one customer that begin together are one matter: one line, one id, one thread of mails."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest
from click.testing import CliRunner
from samples import CASE, DECISION, ORDER, VERDICT, T, notices
from test_outbox import settings as mail_settings

from edgeguard import config
from edgeguard.cases.case import Case
from edgeguard.cases.matter import MOST_URGENT
from edgeguard.cases.received import Taken
from edgeguard.cases.store import Store
from edgeguard.cli import main
from edgeguard.clock import MINUTE, SECOND
from edgeguard.deadlines import deadlines
from edgeguard.incoming import Reply, Sort
from edgeguard.letters import Mail, Proof, Queued
from edgeguard.model import Happened, Outcome
from edgeguard.notice import lint, sample
from edgeguard.notice.kinds import Kind
from edgeguard.notice.message import write
from edgeguard.notice.render import render
from edgeguard.replies.mail import Own, read
from edgeguard.states import TABLE

BESIDE = replace(CASE, id="EG-20260101-bbbbbbbbbbbb", vm="vm-2", opened=CASE.opened + 9 * MINUTE)
LATER = replace(CASE, id="EG-later", vm="vm-3", opened=CASE.opened + 11 * MINUTE)
LATE = replace(CASE, id="EG-late", vm="vm-7", opened=CASE.opened + 12 * MINUTE)
OTHERS = replace(CASE, id="EG-others", vm="vm-4", customer="C-2", opened=CASE.opened + SECOND)
NOBODY = replace(CASE, id="EG-nobody", vm="vm-5", customer=None, opened=CASE.opened + SECOND)
VICTIM = replace(CASE, id="EG-victim", vm="vm-6", state="victim", opened=CASE.opened + SECOND)
SUM = replace(CASE, id="EG-sum", vm=None, tap=None, opened=CASE.opened + 11 * MINUTE + SECOND)
ALONE = (OTHERS, NOBODY, VICTIM)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    (tmp_path / "edgeguard.toml").write_text(f'[paths]\ndatabase = "{tmp_path}/cases.sqlite"\n')
    with Store(tmp_path / "cases.sqlite") as made:
        for case in (CASE, BESIDE, LATER, LATE, SUM, *ALONE):
            made.put_case(case)
        yield made


def asked(store: Store, *words: str) -> str:
    done = CliRunner().invoke(main, [*words, "-c", str(store.path.parent / "edgeguard.toml")])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_first_within_ten_minutes_leads(store: Store) -> None:
    """One leader each, ten minutes wide at most; the sum of the VMs goes with them; not another
    customer's, nobody's or a victim's."""
    assert store.beside(CASE.id) == [BESIDE.id] and store.beside(BESIDE.id) == [CASE.id]
    assert store.beside(LATER.id) == [SUM.id, LATE.id] and store.beside(LATE.id) == [LATER.id, SUM.id]
    leaders = {case.id: case.leader for case in store.cases()}
    assert leaders == {
        CASE.id: CASE.id, BESIDE.id: CASE.id, LATER.id: LATER.id, LATE.id: LATER.id,
        OTHERS.id: OTHERS.id, NOBODY.id: None, VICTIM.id: None, SUM.id: LATER.id,
    }  # fmt: skip
    for case in ALONE:
        assert store.beside(case.id) == []
    store.close_case(VICTIM.id, T, "quiet")  # what it was is not in its state any more
    after = replace(CASE, id="EG-after", vm="vm-8", opened=VICTIM.opened + SECOND)
    store.put_case(after)
    assert store.beside(VICTIM.id) == [] and after.id in store.beside(CASE.id)


def test_a_leader_stays(store: Store) -> None:
    """Whatever becomes of a case, and of its leader, what it is part of has the same id; whoever writes."""
    store.close_case(CASE.id, T, "quiet")
    store.put_case(replace(BESIDE, state="narrow", customer="C-9", opened=T + 60 * MINUTE))
    store.put_case(replace(CASE, id="EG-early", vm="vm-9", opened=CASE.opened - MINUTE))  # written late
    assert store.beside(CASE.id) == ["EG-early", BESIDE.id]
    with pytest.raises(sqlite3.IntegrityError, match="stays with its leader"):
        store._db.execute("UPDATE cases SET leader = id WHERE id = ?", (BESIDE.id,))


def test_they_are_one_line(store: Store) -> None:
    """With its most urgent state, and how many VMs: in the list of all, of what is open, and of a VM."""
    store.put_case(replace(BESIDE, state="full"))
    lines = [line.split() for line in asked(store, "case", "list").splitlines()[1:]]
    assert [line[0] for line in lines] == [LATER.id, *sorted(case.id for case in ALONE), CASE.id]
    (line,) = (" ".join(line) for line in lines if line[0] == CASE.id)
    assert "full (1 of 2) 2 VMs" in line and "Example Ltd 2 -" in line
    assert asked(store, "case", "list", "vm-2").count("\n") == 2 and CASE.id in asked(store, "case", "list", "vm-2")
    assert len(asked(store, "case", "list", "--limit", "2").splitlines()) == 3
    store.close_case(CASE.id, T, "quiet")
    assert CASE.id in asked(store, "case", "list", "--open") and BESIDE.id not in asked(store, "case", "list", "--open")
    store.close_case(BESIDE.id, T, "released")
    assert CASE.id not in asked(store, "case", "list", "--open") and "quiet, released" in asked(store, "case", "list")


def test_each_is_listed_beside_the_others(store: Store) -> None:
    """With --each, and for programs, which have the leader's id."""
    rows = [json.loads(line) for line in asked(store, "case", "list", "--json").splitlines()]
    found = {row["id"]: (row["leader"], row["with"]) for row in rows}
    assert len(rows) == 8
    assert found[BESIDE.id] == (CASE.id, [CASE.id]) and found[OTHERS.id] == (OTHERS.id, [])
    each = asked(store, "case", "list", "--each").splitlines()
    assert len(each) == 9 and any(line.startswith(BESIDE.id) and CASE.id in line for line in each)


def test_one_is_shown_with_the_others_in_short(store: Store) -> None:
    """Beneath its own story: who they are, how they stand, and what their owners answered."""
    other = Reply("r-1", Sort.REPLY, "ops@example.net", (BESIDE.id,), None, text="it is our backup")
    store.replies.take(Taken(other, T, BESIDE.id), ())
    shown = asked(store, "case", "show", CASE.id)
    assert "goes with 1 more of the same customer; the first of them is this one" in shown
    assert f"{BESIDE.id}  narrow  web1 (vm-2) at tap100" in shown
    assert f"in {BESIDE.id}, which goes with this one, answer from ops@example.net" in shown
    assert "it is our backup" in shown
    assert f"the first of them is {CASE.id}" in asked(store, "case", "show", BESIDE.id)
    document = json.loads(asked(store, "case", "show", CASE.id, "--json"))
    assert document["with"] == [BESIDE.id] and document["replies_with"][0]["case"] == BESIDE.id


def test_every_state_has_its_place() -> None:
    """Of those that wait for a person, of those where something is dropped, and of the rest: none is left out."""
    assert set(MOST_URGENT) == TABLE.states.keys() and len(MOST_URGENT) == len(TABLE.states)
    dropped = [TABLE.is_null_routed(state) for state in MOST_URGENT]
    assert dropped == sorted(dropped, reverse=True)


def recorded(store: Store, case: Case, number: int) -> list[str]:
    made = replace(DECISION, id=f"d-{number}", case=case.id, verdict=f"v-{number}")
    mails = enumerate(notices())
    written = [
        replace(one, id=f"n-{number}-{n}", case=case.id, decision=made.id, values={**one.values, "case": case.id})
        for n, one in mails
    ]
    store.record(case, replace(VERDICT, id=f"v-{number}"), made, written, replace(ORDER, decision=made.id))
    return [one.id for one in written]


def test_their_mails_are_one_thread(store: Store) -> None:
    """What was sent about the one stands before what is sent about the other; of no third one."""
    first, second, third = (recorded(store, case, n) for n, case in enumerate((CASE, BESIDE, OTHERS)))
    box = store.box()
    due = T + 60 * MINUTE
    box.sent(first[0], T, Mail("subject", "text", message_id="<a>"))
    box.sent(third[0], T, Mail("subject", "text", message_id="<b>"))
    queued = {one.notice.id: one.earlier for one in box.due(due)}
    assert queued[second[0]] == (first[0],)
    box.close()


def test_mails_that_are_due_together_are_one_thread(store: Store) -> None:
    """Of several that leave in one go each stands below those before it, before any of them has left."""
    first, second, third = (recorded(store, case, n) for n, case in enumerate((CASE, BESIDE, OTHERS)))
    box = store.box()
    queued = {one.notice.id: one.earlier for one in box.due(T + 60 * MINUTE)}
    assert (queued[first[0]], queued[second[0]], queued[third[0]]) == ((), (first[0],), ())
    box.close()


def written(store: Store, number: int = 0) -> tuple[Queued, EmailMessage]:
    """A notice that is due, as the mail that leaves."""
    box = store.box()
    queued = box.due(T + 60 * MINUTE)[number]
    box.close()
    asked = mail_settings(25, desk_copy="tickets+{case}@example.net")
    return queued, write(queued, asked, T + MINUTE)[0]


def test_the_subject_has_the_id_of_all_of_them(store: Store) -> None:
    """And so has the copy for the desk's tickets; the address for answers is the mail's own, and its text says both."""
    recorded(store, BESIDE, 1)
    queued, mail = written(store)
    assert queued.notice.case == BESIDE.id
    assert str(mail["Subject"]).startswith(f"[{CASE.id}] web1: ") and len(str(mail["Subject"])) <= 78
    assert mail["Reply-To"] == f"abuse+{BESIDE.id}@example.net" and mail["Cc"] == f"tickets+{CASE.id}@example.net"
    assert mail["X-EdgeGuard-Case"] == BESIDE.id
    text = mail.get_body(("plain",))
    assert text is not None
    told = " ".join(text.get_content().split())
    assert f"Case: {BESIDE.id}, part of {CASE.id}" in told and f"Keep {CASE.id} in the subject" in told


def test_a_case_that_leads_has_its_own(store: Store) -> None:
    """As one that goes with nothing, whose mail names no other."""
    for number, case in enumerate((CASE, NOBODY)):
        recorded(store, case, number)
    for number, case in enumerate((CASE, NOBODY)):
        queued, mail = written(store, number)
        assert queued.notice.case == case.id and str(mail["Subject"]).startswith(f"[{case.id}]")
        text = mail.get_body(("plain",))
        assert text is not None and "part of" not in text.get_content()


@pytest.mark.parametrize("kind", list(Kind))
def test_every_text_stays_as_it_must_be(kind: Kind) -> None:
    """With another id in its subject than its own: the lint finds nothing, in templates and in the built-in text."""
    facts = replace(sample.FACTS, leader="EG-20260101-0123456789ab")
    if sample.slots(kind).get("act") == "release":
        facts = replace(facts, proof=Proof.RELEASED)
    at = sample.AT + 2 * SECOND
    assert lint.check(kind, sample.slots(kind), facts, at) == []
    assert lint.builtin_findings(sample.slots(kind), facts, at, (kind,)) == []
    assert "EG-20260101-0123456789ab" in render(kind, sample.slots(kind), facts, at).subject


def test_a_reply_to_any_of_the_mails_is_filed_with_its_own_case(store: Store) -> None:
    """By its address, and without one by the mail that it answers, although the subject names the first of them."""
    (sent, *_) = recorded(store, BESIDE, 1)
    _, mail = written(store)
    answer = EmailMessage()
    answer["From"], answer["To"], answer["Subject"] = "ops@example.net", mail["Reply-To"], f"Re: {mail['Subject']}"
    answer["In-Reply-To"] = answer["References"] = mail["Message-ID"].replace(sent, "notice-0123456789ab")
    answer.set_content("MINE it is our backup")
    tray = store.replies
    for reply_to in ("abuse+{case}@example.net", "abuse@example.net"):
        own = read(bytes(answer), Own(reply_to))
        names = [sent if name == "notice-0123456789ab" else name for name in own.names]
        found = tray.case_of(names)
        assert found == BESIDE.id
    del answer["In-Reply-To"], answer["References"]
    found = tray.case_of(read(bytes(answer), Own("abuse@example.net")).names)
    assert found == CASE.id, "the subject alone: the first of them, and shown with all"


def put_reply(store: Store, case: Case, id: str = "r-1", at: int = T + SECOND) -> None:
    reply = Reply(id, Sort.REPLY, "ops@example.net", (case.id,), None, text="it is our backup")
    store.replies.take(Taken(reply, at, case.id, read_by=at + 30 * MINUTE), ())


def test_one_reply_is_one_clock(store: Store) -> None:
    """Of all that go together; it is about the case that was answered, or where nothing stands of that, about one
    that waits."""
    recorded(store, CASE, 0)
    recorded(store, BESIDE, 1)
    recorded(store, OTHERS, 2)
    put_reply(store, BESIDE)
    clocks = [one for one in deadlines(store, config.build({}), T + MINUTE) if one.kind == "reply"]
    assert [(one.case, one.promised) for one in clocks] == [(BESIDE.id, True)]
    store.outcome(Outcome("d-1", T + MINUTE, Happened.RELEASED, ""))
    clocks = [one for one in deadlines(store, config.build({}), T + MINUTE) if one.kind == "reply"]
    assert [one.case for one in clocks] == [CASE.id]


@pytest.mark.parametrize("reader", [CASE, BESIDE, OTHERS])
def test_who_reads_it_in_one_has_read_it_for_all(store: Store, reader: Case) -> None:
    """A note in any of them is the sign; in another customer's it is none."""
    recorded(store, CASE, 0)
    put_reply(store, BESIDE)
    late = T + 40 * MINUTE
    assert [taken.reply.id for taken in store.replies.promised(late)] == ["r-1"]
    store.note(reader.id, T + MINUTE, "alex", "read")
    left = [] if reader is not OTHERS else ["r-1"]
    assert [taken.reply.id for taken in store.replies.promised(late)] == left
    for case in (CASE, BESIDE):
        assert [taken.reply.id for taken in store.replies.unread(case.id)] == left
    assert store.replies.unread(OTHERS.id) == []


def test_a_reply_waits_while_any_of_them_is_open(store: Store) -> None:
    """That the case which was answered is settled does not say that somebody read it."""
    put_reply(store, BESIDE)
    store.close_case(BESIDE.id, T + MINUTE, "released")
    assert [taken.reply.id for taken in store.replies.promised(T + 40 * MINUTE)] == ["r-1"]
    store.close_case(CASE.id, T + MINUTE, "released")
    assert store.replies.promised(T + 40 * MINUTE) == []


def test_a_preview_has_the_id_that_the_mail_will_have(store: Store) -> None:
    """The leader's, in the subject; what it is about is the case that was named."""
    recorded(store, BESIDE, 1)
    shown = asked(store, "notice", "preview", BESIDE.id, "narrow")
    assert shown.startswith(f"Subject: [{CASE.id}] ") and f"{BESIDE.id}, part of" in " ".join(shown.split())
