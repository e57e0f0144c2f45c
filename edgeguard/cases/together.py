"""Cases of one customer that began within ten minutes: shown beside each other, and mailed in one thread.

Each stays a case of its own: what is decided about one VM is not decided about another.
"""

from __future__ import annotations

import sqlite3

from edgeguard.clock import MINUTE

WITHIN = 10 * MINUTE

# Ids of a case (?1) and of those that go with it. Of victims nothing goes with anything: they are no customer's fault.
TOGETHER = f"""
    SELECT ?1 UNION SELECT g.id FROM cases c JOIN cases g ON g.customer = c.customer
        AND g.opened > c.opened - {WITHIN} AND g.opened < c.opened + {WITHIN}
    WHERE c.id = ?1 AND c.vm IS NOT NULL AND g.vm IS NOT NULL AND c.state != 'victim' AND g.state != 'victim'
"""


def beside(db: sqlite3.Connection, case: str) -> list[str]:
    """The other cases that go with one, the oldest first."""
    rows = db.execute(f"SELECT id FROM cases WHERE id IN ({TOGETHER}) AND id != ?1 ORDER BY opened, id", (case,))
    return [id for (id,) in rows]
