"""The second mail: a null route is proved whose notice left without that. Once for each recipient and decision.

    for notice in proved(db, decision):
        put_notice(db, notice, at, again="IGNORE")

Asked in the transaction of the proof, and in that of a mail that left: either may be the later one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from edgeguard.cases import codec
from edgeguard.cases.facts import facts
from edgeguard.letters import PROVED, UNPROVED, Mail, Notice, Proof
from edgeguard.model import Decision, identity


def proved(db: sqlite3.Connection, decision: str) -> Iterator[Notice]:
    """For everybody whose last mail about a null route said that it was not proved, if it is now and still stands."""
    row = db.execute("SELECT whole(body, packed), orders FROM decisions WHERE id = ?", (decision,)).fetchone()
    if row is None:
        return
    known = facts(db, codec.loads(Decision, row[0]), ordered=row[1] is not None)
    if known.proof is not Proof.VERIFIED or known.ended is not None:
        return
    for said, first in _last(db, decision):
        if said in UNPROVED:
            id = identity("notice", decision, PROVED, first.to or "desk")
            yield Notice(id, first.case, decision, PROVED, first.to, first.values)


def _last(db: sqlite3.Connection, decision: str) -> list[tuple[str, Notice]]:
    """By recipient the last mail that left and told how far the null route was proved, and what it said of that."""
    rows = db.execute(
        "SELECT id, case_id, kind, recipient, whole(body, packed), whole(mail, packed_mail) FROM outbox"
        " WHERE case_id = (SELECT case_id FROM decisions WHERE id = ?1) AND decision = ?1 AND state = 'sent'"
        " ORDER BY seq",
        (decision,),
    ).fetchall()
    last: dict[str | None, tuple[str, Notice]] = {}
    for id, case, kind, to, body, mail in rows:
        if mail and (said := codec.loads(Mail, mail).proof):
            last[to] = (said, Notice(id, case, decision, kind, to, codec.loads(dict, body)))
    return list(last.values())
