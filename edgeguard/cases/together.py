"""Which cases go together: those of one customer that began within ten minutes of the first of them, their leader.

A case finds its leader when it is written, and keeps it: so each is in one matter, and that has one id from its first
mail to its last. Each stays a case of its own: what is decided about one VM is not decided about another.
"""

from __future__ import annotations

import sqlite3

from edgeguard.cases import codec
from edgeguard.cases.case import Case
from edgeguard.clock import MINUTE
from edgeguard.states import VICTIM

WITHIN = 10 * MINUTE


def going_with(case: str) -> str:
    """SQL: the ids of a case and of those that go with it. case: a parameter's or a column's name."""
    return f"SELECT {case} UNION SELECT g.id FROM cases c JOIN cases g ON g.leader = c.leader WHERE c.id = {case}"


TOGETHER = going_with("?1")


def leader(db: sqlite3.Connection, case: Case) -> str | None:
    """The id of the case that a new one goes with, its own where it leads; None: it goes with nothing.

    Victims are no customer's fault, and of an unknown customer nobody knows whether it is the same. A case may be
    written after one that began later, as its flood took longer to be sure of: so both ways count.
    """
    if case.customer is None or case.state == VICTIM:
        return None
    found = db.execute(
        "SELECT id FROM cases WHERE customer = ?1 AND opened > ?2 - ?3 AND opened < ?2 + ?3 AND leader = id"
        " ORDER BY opened DESC, id LIMIT 1",
        (codec.text(case.customer), int(case.opened), WITHIN),
    ).fetchone()
    return found[0] if found else case.id


def beside(db: sqlite3.Connection, case: str) -> list[str]:
    """The other cases that go with one, the oldest first."""
    rows = db.execute(f"SELECT id FROM cases WHERE id IN ({TOGETHER}) AND id != ?1 ORDER BY opened, id", (case,))
    return [id for (id,) in rows]
