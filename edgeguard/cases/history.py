"""Earlier null-routed cases of a case's VM, for the mail that lays them beside the new one."""

from __future__ import annotations

import sqlite3

from edgeguard.cases import codec
from edgeguard.clock import SECOND
from edgeguard.grace import Disposition
from edgeguard.letters import Past
from edgeguard.model import Decision, Verdict

MOST = 5
_OVERTURNED = ", ".join(f"'{one}'" for one in (Disposition.EXEMPT, Disposition.OUR_FAULT))
_FIRST = (
    "SELECT id FROM decisions WHERE case_id = c.id AND act = 'null-route' AND enforced = 1 ORDER BY at, rowid LIMIT 1"
)
_FOUND = (
    "SELECT p.disposition FROM dispositions p JOIN decisions r ON r.id = p.decision"
    " WHERE r.case_id = c.id ORDER BY r.at DESC LIMIT 1"
)


def history(db: sqlite3.Connection, case: str, within: int) -> tuple[Past, ...]:
    """The youngest first, MOST at most, none older than `within` ns. What was overturned weighs nothing: left out."""
    rows = db.execute(
        "SELECT c.id, whole(d.body, d.packed), whole(v.body, v.packed),"
        f" (SELECT max(ended) FROM decisions WHERE case_id = c.id), ({_FOUND}) AS found"
        " FROM cases c JOIN cases here ON here.id = ?1 AND c.vm = here.vm AND c.id != here.id"
        f" JOIN decisions d ON d.id = ({_FIRST}) LEFT JOIN verdicts v ON v.id = d.verdict"
        f" WHERE d.at BETWEEN here.opened - ?2 AND here.opened AND (found IS NULL OR found NOT IN ({_OVERTURNED}))"
        " ORDER BY d.at DESC LIMIT ?3",
        (case, within, MOST),
    )
    return tuple(_past(*row) for row in rows)


def _past(case: str, decision: str, verdict: str | None, ended: int | None, disposition: str | None) -> Past:
    decided = codec.loads(Decision, decision)
    known = Past(case, decided.at, str(decided.scope), ended=ended, disposition=disposition)
    if verdict is None:
        return known
    judged = codec.loads(Verdict, verdict)
    return Past(
        case,
        decided.at,
        str(decided.scope),
        rule=judged.rule,
        kind=str(judged.kind),
        unit=judged.unit,
        measured=judged.measured,
        window=judged.window_s * SECOND,
        targets=judged.targets,
        ended=ended,
        disposition=disposition,
    )
