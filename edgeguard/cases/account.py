"""The rows that a month is measured by."""

from __future__ import annotations

from edgeguard.cases.facts import STOOD
from edgeguard.cases.month import Month
from edgeguard.cases.session import Session
from edgeguard.cases.told import Account, Told
from edgeguard.states import AUTOMATION

_DECISIONS = f"""
    SELECT d.id, d.case_id, d.at, d.act, json_extract(d.body, '$.scope'), d.enforced,
        coalesce(json_extract(d.body, '$.silent'), 0), coalesce(json_extract(d.body, '$.by'), ?3) != ?3,
        json_extract(v.body, '$.rule'), v.version,
        EXISTS (SELECT 1 FROM outcomes o WHERE o.decision = d.id AND o.happened IN ({STOOD})),
        d.ended, EXISTS (SELECT 1 FROM releases r JOIN dispositions p ON p.decision = r.decision WHERE r.ends = d.id)
    FROM decisions d LEFT JOIN verdicts v ON v.id = d.verdict
    WHERE d.at >= ?1 AND d.at < ?2 AND json_extract(d.body, '$.beside') IS NULL ORDER BY d.at, d.rowid
"""

# Written with the decision. Where a customer was written to, that counts; else the desk's copy does.
_MAILS = """
    SELECT d.id, coalesce(min(o.sent_at) FILTER (WHERE o.recipient IS NOT NULL),
        CASE WHEN count(o.recipient) = 0 THEN min(o.sent_at) END)
    FROM decisions d JOIN outbox o ON o.case_id = d.case_id AND o.decision = d.id AND o.created = d.at
    WHERE d.at >= ? AND d.at < ? GROUP BY d.id
"""

# A claim, a note, a release, a null route by hand, a word on how it ended, or on whether it stays.
_PEOPLE = """
    SELECT case_id, at FROM notes WHERE at >= ?1 AND author != ?2
    UNION ALL SELECT case_id, at FROM decisions WHERE at >= ?1 AND coalesce(json_extract(body, '$.by'), ?2) != ?2
    UNION ALL SELECT case_id, at FROM judgements WHERE at >= ?1
    UNION ALL SELECT case_id, at FROM words WHERE at >= ?1 AND principal != 'the owner'
"""

# Released as our own fault is overturned, unless a person said something else of the whole case.
_OUTCOMES = """
    SELECT d.case_id, 'overturned' FROM dispositions p JOIN decisions d ON d.id = p.decision
    WHERE p.disposition = 'our-fault'
    UNION ALL SELECT case_id, outcome FROM judgements
"""

_FIRST = f"""
    SELECT d.case_id, min(d.at) FROM decisions d
    WHERE d.act = 'null-route' AND d.enforced = 1 AND coalesce(json_extract(d.body, '$.by'), ?3) = ?3
    AND EXISTS (SELECT 1 FROM outcomes o WHERE o.decision = d.id AND o.happened IN ({STOOD}))
    AND d.case_id IN (SELECT case_id FROM decisions WHERE at >= ?1 AND at < ?2)
    GROUP BY d.case_id HAVING min(d.at) >= ?1 AND min(d.at) < ?2
"""

# What customers wrote, where it is known which case they meant.
_REPLIES = """
    SELECT coalesce(r.case_id, f.case_id), r.at FROM replies r LEFT JOIN filings f ON f.reply = r.seq
    WHERE r.sort = 'reply' AND r.at >= ? AND r.at < ? AND coalesce(r.case_id, f.case_id) IS NOT NULL
"""

_OPENED = "SELECT count(*), count(*) FILTER (WHERE closed IS NULL) FROM cases WHERE opened >= ? AND opened < ?"


def account(session: Session, month: Month) -> Account:
    """Read at one moment, whatever is written meanwhile."""
    span = month.first, month.end
    with session.one_moment():
        ((opened, still_open),) = session.rows(_OPENED, *span)
        return Account(
            month,
            tuple(_told(*row) for row in session.rows(_DECISIONS, *span, AUTOMATION)),
            dict(session.rows(_MAILS, *span)),
            tuple(session.rows(_PEOPLE, month.first, AUTOMATION)),
            dict(session.rows(_OUTCOMES)),
            tuple(session.rows(_REPLIES, *span)),
            tuple(session.rows(_FIRST, *span, AUTOMATION)),
            opened,
            still_open,
        )


def _told(
    id: str, case: str, at: int, act: str, scope: str, enforced: int, silent: int, by_person: int,
    rule: str | None, version: str | None, stood: int, ended: int | None, ended_by_person: int,
) -> Told:  # fmt: skip
    flags = bool(enforced), bool(silent), bool(by_person)
    return Told(id, case, at, act, scope, *flags, rule, version, bool(stood), ended, bool(ended_by_person))
