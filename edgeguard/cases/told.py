"""Rows that a month is measured by: what was decided in it, and what became of that since."""

from __future__ import annotations

from dataclasses import dataclass

from edgeguard.cases.facts import STOOD
from edgeguard.cases.month import Month
from edgeguard.cases.reader import Reader
from edgeguard.model import Act, Scope
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

# A claim, a note, a release, a null route by hand, a word on how it ended.
_PEOPLE = """
    SELECT case_id, at FROM notes WHERE at >= ?1 AND author != ?2
    UNION ALL SELECT case_id, at FROM decisions WHERE at >= ?1 AND coalesce(json_extract(body, '$.by'), ?2) != ?2
    UNION ALL SELECT case_id, at FROM judgements WHERE at >= ?1
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


@dataclass(frozen=True, slots=True)
class Told:
    """One decision and what became of it."""

    id: str
    case: str
    at: int
    act: str
    scope: str
    enforced: bool
    silent: bool
    by_person: bool
    rule: str | None  # None: a person's, or the clock's
    version: str | None  # of the EdgeGuard that judged
    stood: bool  # the kernel once held it
    ended: int | None
    ended_by_person: bool

    @property
    def is_null_route(self) -> bool:
        return self.act == Act.NULL_ROUTE and self.enforced

    @property
    def is_refused(self) -> bool:
        """The kernel took none of it."""
        return self.is_null_route and self.ended is not None and not self.stood

    @property
    def is_warning(self) -> bool:
        return self.act == Act.NONE and self.scope == Scope.WARN and not self.silent

    @property
    def is_observed(self) -> bool:
        return self.act == Act.NONE and self.scope == Scope.OBSERVE and not self.silent


def decisions(reader: Reader, month: Month) -> list[Told]:
    """Those of the month, oldest first; one for all taps of a VM."""
    rows = reader._rows(_DECISIONS, month.first, month.end, AUTOMATION)
    return [_told(*row) for row in rows]


def _told(
    id: str, case: str, at: int, act: str, scope: str, enforced: int, silent: int, by_person: int,
    rule: str | None, version: str | None, stood: int, ended: int | None, ended_by_person: int,
) -> Told:  # fmt: skip
    flags = bool(enforced), bool(silent), bool(by_person)
    return Told(id, case, at, act, scope, *flags, rule, version, bool(stood), ended, bool(ended_by_person))


def mails(reader: Reader, month: Month) -> dict[str, int | None]:
    """By the decisions of the month that somebody was to be told of: when the first of them left; None: not yet."""
    return dict(reader._rows(_MAILS, month.first, month.end))


def people(reader: Reader, since: int) -> list[tuple[str, int]]:
    """(case, time) of everything that people did since then."""
    return reader._rows(_PEOPLE, since, AUTOMATION)


def outcomes(reader: Reader) -> dict[str, str]:
    """By case: what people said of it."""
    return dict(reader._rows(_OUTCOMES))


def replies(reader: Reader, month: Month) -> list[tuple[str, int]]:
    """(case, time) of what customers wrote, where it is known which case they meant."""
    return reader._rows(
        "SELECT coalesce(r.case_id, f.case_id), r.at FROM replies r LEFT JOIN filings f ON f.reply = r.seq"
        " WHERE r.sort = 'reply' AND r.at >= ? AND r.at < ? AND coalesce(r.case_id, f.case_id) IS NOT NULL",
        month.first,
        month.end,
    )


def first_null_routes(reader: Reader, month: Month) -> list[tuple[str, int]]:
    """(case, time) where automation null-routed for the first time in a case, and that was in the month."""
    return reader._rows(_FIRST, month.first, month.end, AUTOMATION)


def opened(reader: Reader, month: Month) -> tuple[int, int]:
    """How many cases began in the month, and how many of those are still open."""
    ((number, still_open),) = reader._rows(
        "SELECT count(*), count(*) FILTER (WHERE closed IS NULL) FROM cases WHERE opened >= ? AND opened < ?",
        month.first,
        month.end,
    )
    return number, still_open
