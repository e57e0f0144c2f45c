"""Signals in the database, written: once, with the case that they open and the desk's mail.

    store.signals.take(signal, at, case, opening, measured, deliveries)

No method here writes an order, a notice or a null route: what others report never binds.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgeguard.cases.case import Case
from edgeguard.cases.decided import put_case, put_decision
from edgeguard.cases.signals import Signals
from edgeguard.cases.tray import put
from edgeguard.incoming import Signal
from edgeguard.letters import Delivery
from edgeguard.model import Act, Decision


class Reports(Signals):
    """What others report, and its writing down. When StoreError is raised nothing of it was written."""

    def take(
        self,
        signal: Signal,
        at: int,
        case: Case | None,
        opening: Decision | None,
        measured: str,
        deliveries: Sequence[Delivery],
    ) -> None:
        """Writes the signal; with `opening` its case is new, and this is its only decision, which does nothing."""
        if opening is not None and (opening.act is not Act.NONE or opening.enforced):
            raise ValueError("a signal opens a case by a decision that does nothing")
        with self._session.writing(f"record signal {signal.id}") as db:
            if opening is not None and case is not None:
                put_case(db, case)
                put_decision(db, case.id, None, opening, None)
            db.execute(
                "INSERT OR IGNORE INTO signals (id, case_id, at, source, sort, seen, measured, body)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    signal.id,
                    case.id if case else None,
                    at,
                    signal.source,
                    signal.sort,
                    signal.until,
                    measured,
                    signal.document,
                ),
            )
            for delivery in deliveries:
                put(db, delivery)
