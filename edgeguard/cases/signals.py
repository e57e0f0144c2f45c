"""Signals in the database: written once, and found again by the desk.

No method here writes an order, a notice or a null route: what others report never binds.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from edgeguard.cases.case import Case
from edgeguard.cases.reader import Reader
from edgeguard.cases.store import Store
from edgeguard.cases.tray import put
from edgeguard.incoming import Signal
from edgeguard.letters import Delivery
from edgeguard.model import Act, Decision
from edgeguard.states import VICTIM

_NAMES = "seq, id, case_id, at, source, sort, seen, measured, body"


@dataclass(frozen=True, slots=True)
class Reported:
    """A signal as it is kept. `document` is the reporter's."""

    seq: int
    id: str
    case: str | None
    at: int
    source: str
    sort: str
    seen: int
    measured: str
    document: str


class Signals:
    """What others reported. StoreError from every method."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def is_known(self, id: str) -> bool:
        return bool(self._store._rows("SELECT 1 FROM signals WHERE id = ?", id))

    def cases_of(self, term: str) -> list[Case]:
        """Cases about what a VM or an address sent: open ones first, then the youngest."""
        return [case for case in self._store.find(term) if case.state != VICTIM]

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
        with self._store._writing(f"record signal {signal.id}"):
            if opening is not None and case is not None:
                self._store._put_case(case)
                self._store._put_decision(case.id, None, opening, None)
            self._store._db.execute(
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
                put(self._store._db, delivery)


def signals(reader: Reader, term: str | None = None, limit: int = 50) -> list[Reported]:
    """The youngest first: all, or those of a case, an address or a report's id."""
    if term is None:
        return _reported(reader, "ORDER BY seq DESC LIMIT ?", limit)
    with suppress(ValueError):
        term = str(ipaddress.ip_address(term))
    return _reported(reader, "WHERE id = ?1 OR case_id = ?1 OR source = ?1 ORDER BY seq DESC LIMIT ?2", term, limit)


def _reported(reader: Reader, clause: str, *parameters: Any) -> list[Reported]:
    return [Reported(*row) for row in reader._rows(f"SELECT {_NAMES} FROM signals {clause}", *parameters)]
