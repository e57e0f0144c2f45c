"""A case's story, line by line, from everything recorded about it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from edgeguard import clock
from edgeguard.cases import codec, words
from edgeguard.cases.case import Entry
from edgeguard.incoming import Reply, Sort
from edgeguard.letters import Mail
from edgeguard.model import Decision, Outcome, Verdict
from edgeguard.units import bits_per_second, count
from edgeguard.word import Said

FIRST_LINE = 200  # characters of a reply that stand in the story; `case show` has the rest


def timeline(db: sqlite3.Connection, case: str) -> list[Entry]:
    """The story in the order of time; at one moment cause stands before effect."""
    entries = [*_case(db, case), *_verdicts(db, case), *_decisions(db, case)]
    entries += [*_outcomes(db, case), *_letters(db, case), *_deliveries(db, case), *_notes(db, case)]
    entries += [*_replies(db, case), *_signals(db, case), *_words(db, case)]
    entries += _closed(db, case)
    return sorted(entries, key=lambda entry: entry.at)


def _case(db: sqlite3.Connection, case: str) -> Iterator[Entry]:
    for at, vm, name, tap, source, customer in db.execute(
        "SELECT opened, vm, vm_name, tap, source, customer FROM cases WHERE id = ?", (case,)
    ):
        other = f"all VMs of customer {customer}" if customer and not tap else "an unknown VM"
        who = f"VM {name or vm}" if vm else f"source {source}" if source else other
        yield Entry(at, "opened", case, f"case opened for {who}{f' at {tap}' if tap else ''}")


def _verdicts(db: sqlite3.Connection, case: str) -> Iterator[Entry]:
    for (body,) in db.execute("SELECT whole(body, packed) FROM verdicts WHERE case_id = ? ORDER BY at, rowid", (case,)):
        v = codec.loads(Verdict, body)
        yield Entry(
            v.at,
            "verdict",
            v.id,
            f"{v.rule} {v.band}, read as {v.kind}: {_amount(v, v.measured)}, limit {_amount(v, v.limit)}, {v.sustain}",
        )


def _amount(v: Verdict, n: int) -> str:
    return bits_per_second(n) if v.unit == "bits" else f"{count(n)} packets in {v.window_s} s"


def _decisions(db: sqlite3.Connection, case: str) -> Iterator[Entry]:
    for (body,) in db.execute(
        "SELECT whole(body, packed) FROM decisions WHERE case_id = ? ORDER BY at, rowid", (case,)
    ):
        d = codec.loads(Decision, body)
        targets = ", ".join(target.place for target in d.targets)
        did = f"{d.act} {d.scope}" if d.act != "none" else str(d.scope)
        wide = f" to {targets}" if targets else ""
        dry = "" if d.enforced or d.act == "none" else ", not enforced"
        found = f" as {d.grace.disposition}" if d.grace else ""
        yield Entry(d.at, "decision", d.id, f"{did}{wide} by {d.by}{found}{dry}: {d.reason}")


def _outcomes(db: sqlite3.Connection, case: str) -> Iterator[Entry]:
    rows = db.execute(
        "SELECT o.body FROM outcomes o JOIN decisions d ON d.id = o.decision WHERE d.case_id = ? ORDER BY o.seq",
        (case,),
    )
    for (body,) in rows:
        o = codec.loads(Outcome, body)
        yield Entry(o.at, "outcome", o.decision, f"{o.happened}{f': {o.detail}' if o.detail else ''}")


def _letters(db: sqlite3.Connection, case: str) -> Iterator[Entry]:
    rows = db.execute(
        "SELECT id, kind, recipient, state, created, attempts, next_try, last_error, sent_at,"
        " whole(mail, packed_mail) FROM outbox WHERE case_id = ? ORDER BY seq",
        (case,),
    )
    for id, kind, recipient, state, created, attempts, last, error, sent_at, mail in rows:
        to = recipient or "the desk"
        yield Entry(created, "notice", id, f"notice '{kind}' for {to} written down")
        if state == "sent":
            fallback = codec.loads(Mail, mail).fallback
            built_in = f" as built-in text, because {fallback}" if fallback else ""
            yield Entry(sent_at, "notice", id, f"notice '{kind}' handed to the mail server for {to}{built_in}")
        elif state == "failed":
            yield Entry(last, "notice", id, f"notice '{kind}' refused for good: {error}")
        elif error:
            yield Entry(created, "notice", id, f"notice '{kind}' not sent after {attempts} attempts: {error}")


def _deliveries(db: sqlite3.Connection, case: str) -> Iterator[Entry]:
    rows = db.execute(
        "SELECT id, channel, cause, state, created, attempts, last_error, sent_at FROM deliveries"
        " WHERE case_id = ? ORDER BY seq",
        (case,),
    )
    for id, channel, cause, state, created, attempts, error, sent_at in rows:
        what = f"page '{cause}'" if channel == "page" else f"delivery to the {channel}"
        if state == "sent":
            yield Entry(sent_at, "hook", id, f"{what} handed over")
        elif state == "grouped":
            why = (
                "one an hour and cause is handed over" if channel == "page" else "another of what goes with it tells it"
            )
            yield Entry(created, "hook", id, f"{what} kept back: {why}")
        elif state == "failed":
            yield Entry(created, "hook", id, f"{what} given up: {error}")
        else:
            yield Entry(created, "hook", id, f"{what} waits{f' after {attempts} attempts: {error}' if error else ''}")


def _notes(db: sqlite3.Connection, case: str) -> Iterator[Entry]:
    for at, author, text in db.execute("SELECT at, author, text FROM notes WHERE case_id = ? ORDER BY seq", (case,)):
        yield Entry(at, "note", None, f"{author}: {text}")


_SAID = {
    Said.HOLD: "held until {until}, although it may be quiet: {why}",
    Said.VOICE: "would uphold it; a second person is needed: {why}",
    Said.UPHOLD: "upheld with {first} until {until} at the latest: {why}",
    Said.KEEP: "upheld on appeal, as a third person, until {until} at the latest: {why}",
    Said.APPEAL: "appealed; a third person decides: {why}",
    Said.REPLY: "an answer was heard; every clock goes on",
    Said.REOPEN: "reopened: {why}",
}


# Whether a case's mails went to who wrote a reply: a sender may be forged, and may be anybody.
_KNOWN = """EXISTS (SELECT 1 FROM outbox b WHERE b.case_id = ?1 AND b.kind != 'acknowledged'
    AND b.recipient = r.sender COLLATE NOCASE)"""


def _words(db: sqlite3.Connection, case: str) -> Iterator[Entry]:
    strangers = {
        seq
        for (seq,) in db.execute(
            f"SELECT r.seq FROM words w JOIN replies r ON r.seq = w.reply WHERE w.case_id = ?1 AND NOT {_KNOWN}",
            (case,),
        )
    }
    for word in words.of_case(db, case):
        until = clock.utc(word.until) if word.until else ""
        said = _SAID[word.said].format(until=until, why=word.why, first=word.first)
        enough = f"; enough to end it: {'; '.join(word.conditions)}" if word.conditions else ""
        by = "an unknown sender" if word.reply in strangers else word.by
        yield Entry(word.at, "word", None, f"{by}: {said}{enough}")


def _replies(db: sqlite3.Connection, case: str) -> Iterator[Entry]:
    rows = db.execute(
        f"SELECT r.at, r.body, r.notice, r.acknowledged, f.by, {_KNOWN} FROM replies r"
        " LEFT JOIN filings f ON f.reply = r.seq WHERE r.case_id = ?1 OR f.case_id = ?1 ORDER BY r.seq",
        (case,),
    )
    for at, body, notice, acknowledged, by, known in rows:
        filed = f", put here by {by}" if by else ""
        silent = "" if acknowledged else ", not acknowledged"
        reply = codec.loads(Reply, body)
        came = _came_in(reply, notice, bool(known))
        yield Entry(at, "reply", reply.id, f"{came}{silent if reply.answerable else ''}{filed}")


def _came_in(reply: Reply, notice: str | None, known: bool) -> str:
    if reply.sort is Sort.BOUNCE:
        return f"{notice or 'a mail of this case'} came back undelivered: {reply.status}"
    who = f"{reply.sender or 'somebody without an address'}{'' if known else ' (unknown sender)'}"
    if reply.sort is Sort.AUTOMATIC:
        return f"a program answered for {who}"
    if reply.sort is Sort.UNREADABLE:
        return f"a mail from {who} cannot be read: {reply.defect}"
    first = reply.text.partition("\n")[0][:FIRST_LINE]
    return f"{who} answered{f' {reply.keyword}' if reply.keyword else ''}: {first or 'nothing new'}"


def _signals(db: sqlite3.Connection, case: str) -> Iterator[Entry]:
    """In our own words: what a reporter wrote is the desk's, and a story may be sent to a customer."""
    rows = db.execute("SELECT at, id, source, sort, measured FROM signals WHERE case_id = ? ORDER BY seq", (case,))
    for at, id, source, sort, measured in rows:
        yield Entry(at, "signal", id, f"an outside report of {sort} from {source}: {measured}")


def _closed(db: sqlite3.Connection, case: str) -> Iterator[Entry]:
    for at, outcome in db.execute("SELECT closed, outcome FROM cases WHERE id = ? AND closed IS NOT NULL", (case,)):
        yield Entry(at, "closed", case, f"closed: {outcome}")
