"""A case's story, line by line, from everything recorded about it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from edgeguard.cases import codec
from edgeguard.cases.case import Entry
from edgeguard.model import Decision, Mail, Outcome, Verdict
from edgeguard.units import bits_per_second, count


def timeline(db: sqlite3.Connection, case: str) -> list[Entry]:
    """The story in the order of time; at one moment cause stands before effect."""
    entries = [*_case(db, case), *_verdicts(db, case), *_decisions(db, case)]
    entries += [*_outcomes(db, case), *_letters(db, case), *_notes(db, case), *_closed(db, case)]
    return sorted(entries, key=lambda entry: entry.at)


def _case(db: sqlite3.Connection, case: str) -> Iterator[Entry]:
    for at, vm, name, tap, source, customer in db.execute(
        "SELECT opened, vm, vm_name, tap, source, customer FROM cases WHERE id = ?", (case,)
    ):
        other = f"all VMs of customer {customer}" if customer and not tap else "an unknown VM"
        who = f"VM {name or vm}" if vm else f"source {source}" if source else other
        yield Entry(at, "opened", case, f"case opened for {who}{f' at {tap}' if tap else ''}")


def _verdicts(db: sqlite3.Connection, case: str) -> Iterator[Entry]:
    for (body,) in db.execute("SELECT body FROM verdicts WHERE case_id = ? ORDER BY at, rowid", (case,)):
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
    for (body,) in db.execute("SELECT body FROM decisions WHERE case_id = ? ORDER BY at, rowid", (case,)):
        d = codec.loads(Decision, body)
        targets = ", ".join(target.place for target in d.targets)
        did = f"{d.act} {d.scope}" if d.act != "none" else str(d.scope)
        wide = f" to {targets}" if targets else ""
        dry = "" if d.enforced or d.act == "none" else ", not enforced"
        yield Entry(d.at, "decision", d.id, f"{did}{wide} by {d.by}{dry}: {d.reason}")


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
        "SELECT id, kind, recipient, state, created, attempts, next_try, last_error, sent_at, mail"
        " FROM outbox WHERE case_id = ? ORDER BY seq",
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


def _notes(db: sqlite3.Connection, case: str) -> Iterator[Entry]:
    for at, author, text in db.execute("SELECT at, author, text FROM notes WHERE case_id = ? ORDER BY seq", (case,)):
        yield Entry(at, "note", None, f"{author}: {text}")


def _closed(db: sqlite3.Connection, case: str) -> Iterator[Entry]:
    for at, outcome in db.execute("SELECT closed, outcome FROM cases WHERE id = ? AND closed IS NOT NULL", (case,)):
        yield Entry(at, "closed", case, f"closed: {outcome}")
