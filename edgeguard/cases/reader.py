"""What stands in the case database, read from any process while the daemon writes.

with Reader(path) as reader:
    for case in reader.find("web1"):
        for entry in reader.timeline(case.id):
            print(entry.text)
"""

from __future__ import annotations

import ipaddress
import json
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from edgeguard.cases import allowed, codec, facts, story, together, words
from edgeguard.cases.case import Case, Entry, Granted, Letter, Recorded, Standing
from edgeguard.cases.database import connect_reading
from edgeguard.cases.decided import key
from edgeguard.cases.facts import STOOD
from edgeguard.cases.matter import Matter, matters
from edgeguard.cases.replies import Replies
from edgeguard.cases.session import Session
from edgeguard.cases.signals import Signals
from edgeguard.context import Prior
from edgeguard.letters import Mail
from edgeguard.model import Decision, Network, Order, Outcome, Verdict
from edgeguard.word import Word

if TYPE_CHECKING:
    from edgeguard.cases.month import Month
    from edgeguard.cases.told import Account

_CASE = "id, vm, vm_name, tap, ifindex, mac, customer, opened, state, source, closed, outcome, leader"
YOUNGEST = 2_000  # decisions: more than a host has customers
_LETTER = (
    "id",
    "case_id AS 'case'",
    "decision",
    "kind",
    "recipient AS 'to'",
    "state",
    "created",
    "attempts",
    "next_try",
    "last_error",
    "sent_at",
    "(SELECT json_extract(r.body, '$.status') FROM replies r WHERE r.notice = outbox.id LIMIT 1) AS undelivered",
    "whole(mail, packed_mail) AS mail",
)


class Reader:
    """Queries over the database. Every method may raise StoreError."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._session = Session(self.path, self._connect())
        self._db = self._session.db
        self.replies = Replies(self._session)
        self.signals = Signals(self._session)

    def _connect(self) -> sqlite3.Connection:
        return connect_reading(self.path)

    def close(self) -> None:
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def case(self, id: str) -> Case | None:
        """The case of that id."""
        return next(iter(self._cases("WHERE id = ?", id)), None)

    def cases(self, limit: int = 50) -> list[Case]:
        """The youngest cases, youngest first."""
        return self._cases("ORDER BY opened DESC, id LIMIT ?", limit)

    def open_cases(self, youngest: int | None = None) -> list[Case]:
        """Cases that neither a person nor the clock has settled, oldest first: all, or the youngest so many."""
        found = self._cases(
            "WHERE closed IS NULL ORDER BY opened DESC, id DESC LIMIT ?", -1 if youngest is None else youngest
        )
        return found[::-1]

    def heads(self, limit: int = 50, only_open: bool = False) -> list[str]:
        """Ids of the youngest matters, youngest first: all, or those with a case that is open."""
        of_open = "id IN (SELECT coalesce(leader, id) FROM cases WHERE closed IS NULL)"
        which = of_open if only_open else "(leader IS NULL OR leader = id)"
        rows = self._rows(f"SELECT id FROM cases WHERE {which} ORDER BY opened DESC, id LIMIT ?", limit)
        return [id for (id,) in rows]

    def matters(self, heads: Sequence[str]) -> list[Matter]:
        """The whole matters of these ids, in their order."""
        of = "SELECT value FROM json_each(?1)"
        found = {
            one.id: one for one in matters(self._cases(f"WHERE id IN ({of}) OR leader IN ({of})", json.dumps(heads)))
        }
        return [found[id] for id in dict.fromkeys(heads) if id in found]

    def find(self, term: str) -> list[Case]:
        """Cases of a case id, VM id or name, tap, or an address of the VM, or of a customer's sum.

        Or the one of a verdict's or decision's id. Open ones first, then youngest.
        """
        low, high = _span(term)
        return self._cases(
            "WHERE id = ?1 OR vm = ?1 OR vm_name = ?1 COLLATE NOCASE OR tap = ?1 OR source = ?1"
            " OR (customer = ?1 AND vm IS NULL AND tap IS NULL) OR id IN"
            " (SELECT case_id FROM case_addresses WHERE first <= ?2 AND last >= ?3"
            " UNION SELECT case_id FROM verdicts WHERE id = ?1 UNION SELECT case_id FROM decisions WHERE id = ?1)"
            " ORDER BY closed IS NOT NULL, opened DESC, id",
            term,
            low,
            high,
        )

    def verdicts(self, case: str) -> list[Verdict]:
        """The case's verdicts, oldest first."""
        rows = self._rows("SELECT whole(body, packed) FROM verdicts WHERE case_id = ? ORDER BY at, rowid", case)
        return [codec.loads(Verdict, row[0]) for row in rows]

    def decisions(self, case: str) -> list[Decision]:
        """The case's decisions, oldest first."""
        rows = self._rows("SELECT whole(body, packed) FROM decisions WHERE case_id = ? ORDER BY at, rowid", case)
        return [codec.loads(Decision, row[0]) for row in rows]

    def outcomes(self, decision: str) -> list[Outcome]:
        """What happened to a decision, in the order it was reported."""
        rows = self._rows("SELECT body FROM outcomes WHERE decision = ? ORDER BY seq", decision)
        return [codec.loads(Outcome, row[0]) for row in rows]

    def letters(self, case: str | None = None) -> list[Letter]:
        """The case's notices, oldest first; without a case, all that have not left."""
        where = "case_id = ?" if case is not None else "state != 'sent' AND ?1 IS NULL"
        rows = self._rows(f"SELECT {', '.join(_LETTER)} FROM outbox WHERE {where} ORDER BY seq", case)
        return [_letter(row) for row in rows]

    def standing(self) -> list[Standing]:
        """Enforced null routes decided and not ended, oldest first."""
        rows = self._rows(
            "SELECT d.case_id, whole(d.body, d.packed), d.orders, whole(v.body, v.packed),"
            " (SELECT decision FROM releases WHERE ends = d.id ORDER BY decision LIMIT 1)"
            " FROM decisions d LEFT JOIN verdicts v ON v.id = d.verdict"
            " WHERE d.enforced = 1 AND d.act = 'null-route' AND d.ended IS NULL ORDER BY d.at, d.rowid"
        )
        return [self._standing(*row) for row in rows]

    def recorded(self, decision: str) -> Recorded | None:
        """The decision of that id with what it rests on; None: it is from a lost database."""
        rows = self._rows(
            "SELECT d.case_id, whole(d.body, d.packed), whole(v.body, v.packed), d.ended IS NOT NULL,"
            " EXISTS (SELECT 1 FROM outcomes o WHERE o.decision = d.id"
            f" AND o.happened IN ({STOOD})),"
            " EXISTS (SELECT 1 FROM releases r WHERE r.ends = d.id)"
            " FROM decisions d LEFT JOIN verdicts v ON v.id = d.verdict WHERE d.id = ?",
            decision,
        )
        return self._recorded(*rows[0]) if rows else None

    def standing_beside(self, case: Case, but: Sequence[str] = ()) -> int:
        """Null routes of the case's VM that stand and that nobody has decided to end, without those of `but`."""
        whose, value = ("d.case_id", case.id) if case.vm is None else ("c.vm", case.vm)
        marks = ", ".join("?" * len(but))
        rows = self._rows(
            "SELECT count(*) FROM decisions d JOIN cases c ON c.id = d.case_id"
            f" WHERE d.enforced = 1 AND d.act = 'null-route' AND d.ended IS NULL AND {whose} = ?"
            f" AND d.id NOT IN ({marks}) AND NOT EXISTS (SELECT 1 FROM releases r WHERE r.ends = d.id)",
            value,
            *but,
        )
        return int(rows[0][0])

    def lately(self, at: int, within: int) -> list[tuple[Decision, str | None]]:
        """What was decided near a time, the oldest first, with the customer of its case: the youngest of it."""
        rows = self._rows(
            "SELECT whole(d.body, d.packed), c.customer FROM decisions d JOIN cases c ON c.id = d.case_id"
            " WHERE d.at BETWEEN ? AND ? ORDER BY d.at DESC, d.rowid DESC LIMIT ?",
            at - within,
            at + within,
            YOUNGEST,
        )
        return [(codec.loads(Decision, body), customer) for body, customer in reversed(rows)]

    def exemptions(self, vm: str | None = None) -> list[Granted]:
        """All exemptions of a VM, or of everybody, the youngest first; those that are over, too."""
        with self._reading("read the exemptions"):
            return allowed.exemptions(self._db, vm)

    def releases(self, since: int) -> list[Decision]:
        """People's releases since a time, and what is reckoned with them of automation; the oldest first."""
        with self._reading("read the releases"):
            return allowed.releases(self._db, since)

    def priors(self, since: int, case: str | None = None) -> list[Prior]:
        """Settled cases since a time that count against their customer, the oldest first; `case`: this one alone."""
        with self._reading("read the settled cases"):
            return allowed.priors(self._db, since, case)

    def beside(self, case: str) -> list[str]:
        """The other cases of the matter that a case is part of, the oldest first."""
        with self._reading("read the cases"):
            return together.beside(self._db, case)

    def account(self, month: Month) -> Account:
        """What a month is measured by, read at one moment."""
        from edgeguard.cases.account import account  # noqa: PLC0415 - for the report alone

        return account(self._session, month)

    def words(self, case: str) -> list[Word]:
        """What people said of a case, in their order."""
        with self._reading(f"read what was said of {case}"):
            return words.of_case(self._db, case)

    def timeline(self, case: str) -> list[Entry]:
        """The case's story from its opening to its end, in the order of time."""
        with self._reading(f"read the story of {case}"):
            return story.timeline(self._db, case)

    def _standing(self, case: str, decision: str, order: str, verdict: str | None, releasing: str | None) -> Standing:
        found = self.case(case)
        assert found is not None, "a foreign key holds it"
        decided = codec.loads(Decision, decision)
        with self._reading("read the outcomes"):
            known = facts.facts(self._db, decided, ordered=True)
        judged = codec.loads(Verdict, verdict) if verdict else None
        return Standing(found, decided, judged, codec.loads(Order, order), known, releasing)

    def _recorded(
        self, case: str, decision: str, verdict: str | None, ended: int, stood: int, releasing: int
    ) -> Recorded:
        found = self.case(case)
        assert found is not None, "a foreign key holds it"
        judged = codec.loads(Verdict, verdict) if verdict else None
        return Recorded(found, codec.loads(Decision, decision), judged, bool(stood), bool(ended), bool(releasing))

    def _cases(self, clause: str, *parameters: Any) -> list[Case]:
        rows = self._rows(f"SELECT {_CASE} FROM cases {clause}", *parameters)
        return [self._case(row) for row in rows]

    def _case(self, row: Sequence[Any]) -> Case:
        prefixes = self._rows("SELECT prefix FROM case_addresses WHERE case_id = ? ORDER BY first, prefix", row[0])
        addresses = tuple(ipaddress.ip_network(prefix) for (prefix,) in prefixes)
        names = _CASE.split(", ")
        return Case(**dict(zip(names, row, strict=True)), addresses=addresses)

    def _reading(self, doing: str) -> AbstractContextManager[sqlite3.Connection]:
        return self._session.reading(doing)

    def _rows(self, query: str, *parameters: Any) -> list[Any]:
        return self._session.rows(query, *parameters)


def _span(term: str) -> tuple[bytes | None, bytes | None]:
    """First and last key of the address or prefix in `term`; nothing compares with (None, None)."""
    try:
        network: Network = ipaddress.ip_network(term, strict=False)
    except ValueError:
        return None, None
    return key(network[0]), key(network[-1])


def _letter(row: Sequence[Any]) -> Letter:
    names = [name.rpartition(" ")[2].strip("'") for name in _LETTER]
    fields = dict(zip(names, row, strict=True))
    mail = fields.pop("mail")
    sent = codec.loads(Mail, mail) if mail else Mail("", "")
    return Letter(**fields, subject=sent.subject or None, text=sent.text or None, headers=sent.headers)
