"""The writing side of the case database: what was decided, before it happens; what happened, after.

    store = Store(path)
    store.record(case, verdict, decision, notices, order)   # on the disk when it returns
    enforcer.order(order)
    store.outcome(outcome)                                  # the notice goes out after the proof

A decision, its verdict, its notices and its deliveries are one transaction. The methods may be called from several
threads; those that send have connections of their own (box.py, tray.py).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from edgeguard.cases import allowed, codec, words
from edgeguard.cases.box import Box, put_notice
from edgeguard.cases.case import Case
from edgeguard.cases.database import connect
from edgeguard.cases.decided import put_case, put_decision, put_verdict
from edgeguard.cases.facts import ENDS, PROVES, STOOD
from edgeguard.cases.intray import Intray
from edgeguard.cases.news import News
from edgeguard.cases.proved import proved
from edgeguard.cases.reader import Reader
from edgeguard.cases.reports import Reports
from edgeguard.cases.tray import Tray, put
from edgeguard.clock import SECOND
from edgeguard.errors import StoreError
from edgeguard.grace import Exemption
from edgeguard.letters import Delivery, Notice
from edgeguard.model import Act, Decision, Happened, Order, Outcome, Verdict
from edgeguard.states import AUTOMATION, CLOSED, TABLE
from edgeguard.word import Said, Word

# Outcomes after which a notice has nothing left to wait for.
_TELLING = (*PROVES, *ENDS, Happened.FAILED)


class Store(Reader):
    """Everything recorded of cases. Every method may raise StoreError; then nothing of it was written."""

    def __init__(self, path: Path | str, notice_wait: int = 5 * SECOND) -> None:
        """notice_wait: nanoseconds that a notice waits for the proof of its null route."""
        self._notice_wait = notice_wait
        super().__init__(path)
        self.replies: Intray = Intray(self._session)
        self.signals: Reports = Reports(self._session)

    def _connect(self) -> sqlite3.Connection:
        return connect(self.path)

    def box(self) -> Box:
        """The outbox, for one other thread: it connects when it is first asked."""
        return Box(self.path)

    def tray(self) -> Tray:
        """The deliveries, for one other thread: it connects when it is first asked."""
        return Tray(self.path)

    def news(self) -> News:
        """What is recorded from now on, for one other thread."""
        return News(self.path)

    def record(
        self,
        case: Case,
        verdict: Verdict | None,
        decision: Decision,
        notices: Sequence[Notice],
        order: Order | None,
        deliveries: Sequence[Delivery] = (),
    ) -> None:
        """Writes a decision with all that belongs to it, in one transaction that is on the disk at return."""
        with self._writing(f"record decision {decision.id}"):
            put_case(self._db, case)
            if verdict is not None:
                put_verdict(self._db, case.id, verdict)
            put_decision(self._db, case.id, verdict, decision, order)
            for notice in notices:
                self._put_notice(notice, decision, order)
            self._refuse_silence(case.id, decision)
            self._put_deliveries(deliveries)

    def deliver(self, deliveries: Sequence[Delivery], told: Sequence[Delivery] = ()) -> None:
        """Writes what is to be told to programs and people where there is no decision. told: with these, not again."""
        with self._writing("record a delivery"):
            self._put_deliveries(deliveries)
            for delivery in told:
                put(self._db, delivery, grouped=True)

    def is_delivered(self, id: str) -> bool:
        """Whether a delivery of that id was ever written."""
        return bool(self._rows("SELECT 1 FROM deliveries WHERE id = ?", id))

    def outcome(self, outcome: Outcome, deliveries: Sequence[Delivery] = ()) -> None:
        """Writes what happened to an order, and whom to tell; notices that waited for it become ready."""
        with self._writing(f"record the outcome of {outcome.decision}"):
            self._db.execute(
                "INSERT INTO outcomes (decision, at, happened, body) VALUES (?, ?, ?, ?)",
                (outcome.decision, int(outcome.at), outcome.happened, codec.dumps(outcome)),
            )
            self._end(outcome)
            if outcome.happened in _TELLING:
                self._make_ready(outcome)
            if outcome.happened is Happened.VERIFIED:
                for notice in proved(self._db, outcome.decision):
                    put_notice(self._db, notice, int(outcome.at), again="IGNORE")
            self._put_deliveries(deliveries)

    def put_case(self, case: Case) -> None:
        """Writes a case, or its new state, without a decision."""
        with self._writing(f"record case {case.id}"):
            put_case(self._db, case)

    def put_verdict(self, case: Case, verdict: Verdict) -> None:
        """Writes a verdict that led to no new decision."""
        with self._writing(f"record verdict {verdict.id}"):
            put_case(self._db, case)
            put_verdict(self._db, case.id, verdict)

    def note(self, case: str, at: int, author: str, text: str) -> None:
        """Writes a line into a case's story. author: a role, or 'automation'."""
        with self._writing(f"write a note to {case}"):
            self._db.execute(
                "INSERT INTO notes (case_id, at, author, text) VALUES (?, ?, ?, ?)",
                (case, int(at), codec.text(author), codec.text(text)),
            )

    def say(self, case: Case, word: Word, orders: Sequence[Order] = (), notices: Sequence[Notice] = ()) -> None:
        """Writes a word with the state that it leads to, the null routes that last longer by it, and its notices."""
        with self._writing(f"record what was said of {case.id}"):
            if word.said is Said.REOPEN:
                words.reopen(self._db, case.id, case.state)
            put_case(self._db, case)
            words.put(self._db, word)
            words.lengthen(self._db, orders)
            for notice in notices:
                put_notice(self._db, notice, int(word.at), "ready", 0)

    def exempt(self, exemption: Exemption) -> None:
        """Writes an exemption that comes with no release."""
        with self._writing(f"record exemption {exemption.id}"):
            allowed.put_exemption(self._db, exemption)

    def end_exemption(self, id: str, at: int, by: str, why: str) -> bool:
        """Ends one before its time; False: none of that id holds."""
        with self._writing(f"end exemption {id}"):
            return allowed.end_exemption(self._db, id, at, by, why)

    def lengthen(self, exemption: Exemption, until: int, second: str) -> None:
        """Writes that a second person agreed to a later end."""
        with self._writing(f"lengthen exemption {exemption.id}"):
            allowed.lengthen(self._db, exemption, until, second)

    def close_case(self, id: str, at: int, outcome: str) -> None:
        """Settles a case; it never opens again, the next flood has a case of its own."""
        with self._writing(f"close case {id}"):
            self._db.execute(
                "UPDATE cases SET closed = ?, outcome = ?, state = ? WHERE id = ? AND closed IS NULL",
                (int(at), outcome, CLOSED, id),
            )

    def judge_case(self, id: str, at: int, outcome: str, by: str, cause: str) -> bool:
        """Closes a case by a person, or says how one ended that the clock has settled; False: a person has before."""
        with self._writing(f"close case {id}"):
            return allowed.judge(self._db, id, at, outcome, codec.text(by) or "", codec.text(cause) or "")

    def _writing(self, doing: str) -> AbstractContextManager[sqlite3.Connection]:
        return self._session.writing(doing)

    def _put_notice(self, notice: Notice, decision: Decision, order: Order | None) -> None:
        """Nothing ordered: there is nothing to wait for."""
        state, wait = ("waiting", self._notice_wait) if order is not None else ("ready", 0)
        put_notice(self._db, notice, int(decision.at), state, wait)

    def _put_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            put(self._db, delivery)

    def _refuse_silence(self, case: str, decision: Decision) -> None:
        """Nothing is null-routed without a notice: the transaction is refused, so nothing is ordered."""
        if decision.act is not Act.NULL_ROUTE or not decision.enforced:
            return
        if not self._db.execute(
            "SELECT 1 FROM outbox WHERE case_id = ? AND kind != 'acknowledged' LIMIT 1", (case,)
        ).fetchone():
            raise StoreError(f"{self.path}: decision {decision.id} is refused: a null route without any notice")

    def _end(self, outcome: Outcome) -> None:
        """Marks the null routes this outcome ended: its own, or those of the release it belongs to."""
        if outcome.happened not in (*ENDS, Happened.FAILED):
            return
        never_stood = (
            " AND NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.decision = decisions.id"
            f" AND o.happened IN ({STOOD}))"
            " AND NOT EXISTS (SELECT 1 FROM releases r WHERE r.ends = decisions.id)"
        )
        self._db.execute(
            "UPDATE decisions SET ended = ?1, ended_how = ?2 WHERE act = 'null-route' AND ended IS NULL"
            " AND (id = ?3 OR id IN (SELECT ends FROM releases WHERE decision = ?3))"
            + (never_stood if outcome.happened is Happened.FAILED else ""),
            (int(outcome.at), outcome.happened, outcome.decision),
        )
        if outcome.happened is Happened.FAILED:
            self._leave_null_routed(outcome.decision)

    def _leave_null_routed(self, decision: str) -> None:
        """A case of which the kernel refused the only null route is as if its owner had only been told."""
        self._db.execute(
            f"UPDATE cases SET state = {_as_told()} WHERE closed IS NULL"
            " AND id = (SELECT case_id FROM decisions WHERE id = ? AND ended_how = 'failed') AND NOT EXISTS"
            " (SELECT 1 FROM decisions d WHERE d.case_id = cases.id AND d.act = 'null-route' AND d.ended IS NULL"
            "  AND NOT EXISTS (SELECT 1 FROM releases r WHERE r.ends = d.id))",  # that end is decided already
            (decision,),
        )

    def _make_ready(self, outcome: Outcome) -> None:
        """The notices of this decision; those of a release once every null route it ends has ended, or one failed."""
        self._db.execute(
            "UPDATE outbox SET state = 'ready', due = min(due, ?1) WHERE state = 'waiting' AND (decision = ?2"
            " OR decision IN (SELECT decision FROM releases WHERE ends = ?2))"
            " AND (?3 OR NOT EXISTS (SELECT 1 FROM releases r JOIN decisions d ON d.id = r.ends"
            "   WHERE r.decision = outbox.decision AND d.ended IS NULL))",
            (int(outcome.at), outcome.decision, outcome.happened is Happened.FAILED),
        )


def _as_told() -> str:
    """What a case's state is once the kernel refused its only null route: as if its owner had only been told. SQL."""
    ways = [f"WHEN '{way.from_}' THEN '{way.to}'" for way in TABLE if way.event == "refused" and AUTOMATION in way.who]
    return f"CASE state {' '.join(ways)} ELSE state END" if ways else "state"
