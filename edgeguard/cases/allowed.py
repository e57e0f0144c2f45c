"""What people allowed, as rows: the disposition of a release, exemptions and their ends."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace

from edgeguard.cases import codec
from edgeguard.cases.case import Granted
from edgeguard.context import Prior
from edgeguard.grace import Exemption
from edgeguard.model import Decision, Kind
from edgeguard.reading import INTO
from edgeguard.states import CLOSED

_WEIGHS = """
SELECT c.id, c.vm, c.customer, c.opened, c.outcome FROM cases c JOIN judgements j ON j.case_id = c.id
WHERE c.opened >= ?1 AND (?4 IS NULL OR c.id = ?4) AND c.vm IS NOT NULL AND c.outcome IN ('confirmed', 'undetermined')
AND EXISTS (SELECT 1 FROM verdicts v WHERE v.case_id = c.id AND json_extract(v.body, '$.band') IN ('act', 'hard')
    AND json_extract(v.body, '$.rule') NOT IN (SELECT value FROM json_each(?2))
    AND coalesce(json_extract(v.body, '$.kind'), '') NOT IN (SELECT value FROM json_each(?3)))
AND NOT EXISTS (SELECT 1 FROM dispositions o JOIN decisions d ON d.id = o.decision
    WHERE d.case_id = c.id AND o.disposition IN ('exempt', 'our-fault'))
ORDER BY c.opened, c.id
"""


def put_grace(db: sqlite3.Connection, decision: Decision) -> None:
    """What a person's release says beside its reason; before its decision, which is refused without it."""
    grace = decision.grace
    if grace is None:
        return
    for exemption in grace.exempts:
        put_exemption(db, exemption, decision.id)
    db.execute(
        "INSERT INTO dispositions (decision, disposition, principal, reason) VALUES (?, ?, ?, ?)",
        (decision.id, grace.disposition, decision.by, decision.reason),
    )


def put_exemption(db: sqlite3.Connection, one: Exemption, release: str | None = None) -> None:
    db.execute(
        "INSERT INTO exemptions (id, vm, release, since, until, principal, second, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (one.id, one.vm, release, int(one.since), int(one.until), one.by, one.second, codec.dumps(one)),
    )


def end_exemption(db: sqlite3.Connection, id: str, at: int, by: str, why: str) -> bool:
    """False: there is none of that id that still holds."""
    done = db.execute(
        "UPDATE exemptions SET ended = ?, ended_by = ?, ended_why = ? WHERE id = ? AND ended IS NULL AND until > ?",
        (int(at), by, why, id, int(at)),
    )
    return done.rowcount > 0


def lengthen(db: sqlite3.Connection, one: Exemption, until: int, second: str) -> None:
    """A second person agrees to a later end."""
    agreed = replace(one, until=until, second=second)
    db.execute(
        "UPDATE exemptions SET until = ?, second = ?, body = ? WHERE id = ? AND ended IS NULL",
        (int(until), second, codec.dumps(agreed), one.id),
    )


def exemptions(db: sqlite3.Connection, vm: str | None = None) -> list[Granted]:
    """All of a VM, or of everybody, the youngest first."""
    rows = db.execute(
        "SELECT body, ended, ended_by, ended_why FROM exemptions WHERE ?1 IS NULL OR vm = ?1 ORDER BY since DESC, id",
        (vm,),
    )
    return [Granted(codec.loads(Exemption, body), *end) for body, *end in rows]


def releases(db: sqlite3.Connection, since: int) -> list[Decision]:
    """People's releases since a time, and automation's null routes: of each case the first, and those against a
    person's release; the oldest first."""
    rows = db.execute(
        "SELECT whole(body, packed) FROM decisions d WHERE at >= ?1 AND (id IN (SELECT decision FROM dispositions)"
        " OR (act = 'null-route' AND json_extract(body, '$.by') = 'automation'"
        " AND (json_array_length(body, '$.against') > 0 OR NOT EXISTS (SELECT 1 FROM decisions e"
        " WHERE e.case_id = d.case_id AND e.act = 'null-route' AND e.at >= ?1 AND e.rowid < d.rowid))))"
        " ORDER BY at, rowid",
        (int(since),),
    )
    return [codec.loads(Decision, body) for (body,) in rows]


def judge(db: sqlite3.Connection, id: str, at: int, outcome: str, by: str, cause: str) -> bool:
    """A person's word on how a case ended, with its cause in the story. Once."""
    done = db.execute(
        "UPDATE cases SET closed = coalesce(closed, ?1), outcome = ?2, state = ?3 WHERE id = ?4"
        " AND NOT EXISTS (SELECT 1 FROM judgements WHERE case_id = ?4)",
        (int(at), outcome, CLOSED, id),
    )
    if not done.rowcount:
        return False
    db.execute("INSERT INTO judgements VALUES (?, ?, ?, ?, ?)", (id, int(at), outcome, by, cause))
    text = f"closed as {outcome}: {cause}"
    db.execute("INSERT INTO notes (case_id, at, author, text) VALUES (?, ?, ?, ?)", (id, int(at), by, text))
    return True


def priors(db: sqlite3.Connection, since: int, case: str | None = None) -> list[Prior]:
    """Cases opened since a time, or this one of them, of which a person said: confirmed, or undetermined.

    Only floods out of the VM that were over act: what reached it, a warning, a scan, an outside report weighs nothing.
    Nor does what a person released as exempt, or as our fault.
    """
    rows = db.execute(_WEIGHS, (int(since), json.dumps(INTO), json.dumps([Kind.SCAN, Kind.BUSY]), case))
    return [Prior(*row) for row in rows]
