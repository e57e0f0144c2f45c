"""Replies in the database, read: those of a case, and those that wait for somebody.

with Reader(path) as reader:
    for taken in reader.replies.of_case(case.id):
        print(taken.reply.text)
"""

from __future__ import annotations

from typing import Any

from edgeguard.cases import codec
from edgeguard.cases.received import Heard, Taken
from edgeguard.cases.session import Session
from edgeguard.cases.together import TOGETHER, going_with
from edgeguard.clock import HOUR, MINUTE
from edgeguard.incoming import Reply

DAY = 24 * HOUR
BEFORE = 10 * MINUTE  # a promise breaks, whoever gave it must hear of it; of a short one half its time

UNMATCHED = "case_id IS NULL AND sort IN ('reply', 'unreadable') AND NOT EXISTS"
UNMATCHED += " (SELECT 1 FROM filings f WHERE f.reply = replies.seq)"

# No person's note, word or decision came after it, in its case or in those that go with it.
_WITH_IT = going_with("replies.case_id")
_NOBODY_SINCE = (
    f" AND NOT EXISTS (SELECT 1 FROM notes n WHERE n.case_id IN ({_WITH_IT}) AND n.at >= replies.at"
    "   AND n.author != 'automation')"
    f" AND NOT EXISTS (SELECT 1 FROM words w WHERE w.case_id IN ({_WITH_IT}) AND w.at >= replies.at"
    "   AND w.principal != 'the owner')"
    f" AND NOT EXISTS (SELECT 1 FROM decisions d WHERE d.case_id IN ({_WITH_IT}) AND d.at >= replies.at"
    "   AND json_extract(d.body, '$.by') != 'automation')"
)

# Replies of open cases, begun at the cases: those of closed ones are many, and the daemon asks every two seconds.
_OF_OPEN = """
    SELECT r.seq AS reply, c.id AS case_id FROM cases c CROSS JOIN replies r ON r.case_id = c.id WHERE c.closed IS NULL
    UNION ALL
    SELECT f.reply, c.id FROM filings f CROSS JOIN cases c ON c.id = f.case_id WHERE c.closed IS NULL
"""
_UNHEARD = f"""
    SELECT r.seq, o.case_id, r.at, r.body, EXISTS (SELECT 1 FROM outbox b WHERE b.case_id = o.case_id
        AND b.kind != 'acknowledged' AND b.recipient = r.sender COLLATE NOCASE)
    FROM ({_OF_OPEN}) o JOIN replies r ON r.seq = o.reply WHERE r.sort IN ('reply', 'unreadable')
    AND NOT EXISTS (SELECT 1 FROM words w WHERE w.reply = r.seq) ORDER BY r.seq
"""
# Whoever writes many to one case is one row of it.
_OLDEST = f"""
    SELECT min(seq) FROM replies WHERE sort IN ('reply', 'unreadable') AND case_id IN (
        SELECT id FROM cases WHERE closed IS NULL
        UNION SELECT g.id FROM cases c JOIN cases g ON g.leader = c.leader WHERE c.closed IS NULL
    ){_NOBODY_SINCE} GROUP BY case_id, read_by IS NULL
"""


class Replies:
    """What came in. Every method may raise StoreError."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def of_case(self, case: str) -> list[Taken]:
        """A case's replies, the oldest first; those that a person filed under it too."""
        return self._taken(
            "WHERE case_id = ?1 OR seq IN (SELECT reply FROM filings WHERE case_id = ?1) ORDER BY at, seq", case
        )

    def unmatched(self) -> list[Taken]:
        """Replies that named no case of ours and that nobody has looked at, the oldest first."""
        return self._taken(f"WHERE {UNMATCHED} ORDER BY seq")

    def waiting(self) -> int:
        """How many `unmatched` there are: asked by the daemon, which reads none of them."""
        return int(self._session.rows(f"SELECT count(*) FROM replies WHERE {UNMATCHED}")[0][0])

    def unread(self, case: str, limit: int = -1) -> list[Taken]:
        """Replies to a case, and to those that go with it, that no person's note, word or decision came after; the
        oldest first. limit: so many of them; all, where it is negative."""
        which = f"WHERE case_id IN ({TOGETHER}) AND sort IN ('reply', 'unreadable')"
        return self._taken(f"{which}{_NOBODY_SINCE} ORDER BY seq LIMIT ?2", case, limit)

    def longest_unread(self) -> list[Taken]:
        """Of each case that is open, or goes with an open one, the oldest reply of `unread`: one that somebody was
        promised to read, and one that nobody was. The oldest first."""
        return self._taken(f"WHERE seq IN ({_OLDEST}) ORDER BY seq")

    def promised(self, now: int) -> list[Taken]:
        """Replies of open cases that a person must read soon, or should have by now; without those that somebody read.

        A note, a word or a decision by a person since then is the sign of it. After a day a case has other clocks.
        """
        return self._taken(
            "WHERE read_by > ?1 - ?2 AND read_by - min(?3, (read_by - at) / 2) <= ?1"
            f" AND EXISTS (SELECT 1 FROM cases o WHERE o.id IN ({_WITH_IT}) AND o.closed IS NULL)"
            f"{_NOBODY_SINCE} ORDER BY read_by, seq",
            now,
            DAY,
            BEFORE,
        )

    def unheard(self) -> list[Heard]:
        """Replies of people in open cases, theirs or filed there, that are no word yet; the oldest first."""
        rows = self._session.rows(_UNHEARD)
        return [Heard(seq, case, at, codec.loads(Reply, body), bool(known)) for seq, case, at, body, known in rows]

    def _taken(self, clause: str, *parameters: Any) -> list[Taken]:
        rows = self._session.rows(
            f"SELECT body, at, case_id, notice, acknowledged, read_by, seq FROM replies {clause}", *parameters
        )
        return [Taken(codec.loads(Reply, body), *rest) for body, *rest in rows]
