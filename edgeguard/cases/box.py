"""The outbox as the sending thread sees it: what is due, what left, what was refused.

Used by one thread, with a connection of its own that is opened at the first question. A mail is
marked sent in one transaction of its own, right after the mail server took it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgeguard.cases import codec
from edgeguard.cases.database import connect, telling, transaction
from edgeguard.cases.facts import facts
from edgeguard.cases.history import history
from edgeguard.cases.packing import pack
from edgeguard.cases.proved import proved
from edgeguard.cases.together import TOGETHER
from edgeguard.letters import UNPROVED, Mail, Notice, Queued
from edgeguard.model import Decision

# The oldest unsent notice of each thread (case and recipient): a release never overtakes the mail
# about the null route it ends.
_FIRST = """
    SELECT min(seq) FROM outbox WHERE state IN ('waiting', 'ready') GROUP BY case_id, recipient
"""


class Box:
    """Rows of the outbox. Every method may raise StoreError; then nothing of it was written."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._opened: sqlite3.Connection | None = None

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def due(self, now: int, limit: int = 100) -> list[Queued]:
        """Notices to send now: proved, or waited long enough; and not paused after a failure."""
        with self._telling("read the outbox"):
            rows = self._db.execute(
                "SELECT o.id, o.case_id, o.decision, o.kind, o.recipient, whole(o.body, o.packed), o.attempts,"
                " whole(d.body, d.packed), d.orders, c.leader"
                " FROM outbox o JOIN decisions d ON d.id = o.decision JOIN cases c ON c.id = o.case_id"
                f" WHERE o.seq IN ({_FIRST})"
                " AND (o.state = 'ready' OR o.due <= ?1) AND o.next_try <= ?1 ORDER BY o.due, o.seq LIMIT ?2",
                (now, limit),
            ).fetchall()
            return [self._queued(row, [ahead[0] for ahead in rows[:number]]) for number, row in enumerate(rows)]

    def next_due(self) -> int | None:
        """When the next notice becomes due; a time already past: at once; None: the outbox is empty."""
        with self._telling("read the outbox"):
            row = self._db.execute(
                "SELECT min(CASE WHEN state = 'ready' THEN next_try ELSE max(due, next_try) END)"
                f" FROM outbox WHERE seq IN ({_FIRST})"
            ).fetchone()
        return None if row[0] is None else int(row[0])

    def sent(self, id: str, at: int, mail: Mail, partly: str | None = None) -> None:
        """The mail server took it. partly: what it said to refuse some of the recipients."""
        with self._writing(f"mark notice {id} as sent"):
            self._db.execute(
                "UPDATE outbox SET state = 'sent', sent_at = ?, message_id = ?, mail = NULL, packed_mail = ?,"
                " attempts = attempts + 1, last_error = ? WHERE id = ?",
                (at, mail.message_id, pack(codec.dumps(mail)), partly, id),
            )
            if mail.proof in UNPROVED:  # the proof may have come while the mail was on its way
                (decision,) = self._db.execute("SELECT decision FROM outbox WHERE id = ?", (id,)).fetchone()
                for notice in proved(self._db, decision):
                    put_notice(self._db, notice, at, again="IGNORE")

    def postponed(self, tries: Sequence[tuple[str, int]], error: str) -> None:
        """An attempt failed for these (id, time of the next try)."""
        with self._writing("postpone a notice"):
            self._db.executemany(
                "UPDATE outbox SET attempts = attempts + 1, next_try = ?2, last_error = ?3 WHERE id = ?1",
                [(id, next_try, error) for id, next_try in tries],
            )

    def hasten(self, now: int) -> None:
        """The mail server is back: those it kept waiting are due at once."""
        with self._writing("hasten notices"):
            self._db.execute("UPDATE outbox SET next_try = ?1 WHERE state = 'ready' AND next_try > ?1", (now,))

    def refused(self, id: str, at: int, error: str, told: Sequence[Notice] = ()) -> None:
        """Never deliverable. told: those who are written to instead, in the same transaction."""
        with self._writing(f"record the refusal of notice {id}"):
            self._db.execute(
                "UPDATE outbox SET state = 'failed', attempts = attempts + 1, next_try = ?, last_error = ?"
                " WHERE id = ?",
                (at, error, id),
            )
            for notice in told:
                put_notice(self._db, notice, at, again="IGNORE")

    @property
    def _db(self) -> sqlite3.Connection:
        if self._opened is None:
            self._opened = connect(self.path)
        return self._opened

    @contextmanager
    def _telling(self, doing: str) -> Iterator[None]:
        with telling(self.path, doing):
            yield

    @contextmanager
    def _writing(self, doing: str) -> Iterator[None]:
        with telling(self.path, doing), transaction(self._db):
            yield

    def _queued(self, row: Sequence[Any], ahead: Sequence[str]) -> Queued:
        """`ahead`: notices that are sent before it now. Of these, too, the ones of its thread are earlier: their
        Message-ID is known before they leave."""
        id, case, decision, kind, to, body, attempts, decided, orders, leader = row
        notice = Notice(id, case, decision, kind, to, codec.loads(dict, body))
        known = facts(self._db, codec.loads(Decision, decided), ordered=orders is not None)
        known = replace(known, leader=leader)
        if within := notice.values.get("repeat_within"):  # of a VM's first null route of a further case
            known = replace(known, history=history(self._db, case, within))
        earlier = self._db.execute(
            f"SELECT id FROM outbox WHERE case_id IN ({TOGETHER}) AND recipient IS ?2"
            " AND (state = 'sent' OR id IN (SELECT value FROM json_each(?3))) ORDER BY state != 'sent', seq",
            (case, to, json.dumps(ahead)),
        )
        return Queued(notice, known, attempts, tuple(id for (id,) in earlier))


def put_notice(
    db: sqlite3.Connection, notice: Notice, at: int, state: str = "ready", wait: int = 0, again: str = "ABORT"
) -> None:
    """Writes a notice that is due after `wait` ns. again: what happens to one that is there, in SQL's words."""
    db.execute(
        f"INSERT OR {again} INTO outbox (id, case_id, decision, kind, recipient, body, packed, created, state, due)"
        " VALUES (?, ?, ?, ?, ?, '', ?, ?, ?, ?)",
        (
            notice.id,
            notice.case,
            notice.decision,
            notice.kind,
            codec.text(notice.to),
            pack(codec.dumps(notice.values)),
            at,
            state,
            at + wait,
        ),
    )
