"""Signals in the database, read: for the desk.

with Reader(path) as reader:
    for one in reader.signals.youngest("192.0.2.10"):
        print(one.sort, one.measured)
"""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from typing import Any

from edgeguard.cases.received import Reported
from edgeguard.cases.session import Session

_NAMES = "seq, id, case_id, at, source, sort, seen, measured, body"


class Signals:
    """What others reported. Every method may raise StoreError."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def youngest(self, term: str | None = None, limit: int = 50) -> list[Reported]:
        """The youngest first: of all, or of a case, a VM or tap of one, an address or a report's id."""
        if term is None:
            return self._reported("ORDER BY seq DESC LIMIT ?", limit)
        with suppress(ValueError):
            term = str(ipaddress.ip_address(term))
        return self._reported(
            "WHERE id = ?1 OR case_id = ?1 OR source = ?1 OR case_id IN"
            " (SELECT id FROM cases WHERE vm = ?1 OR vm_name = ?1 COLLATE NOCASE OR tap = ?1)"
            " ORDER BY seq DESC LIMIT ?2",
            term,
            limit,
        )

    def is_known(self, id: str) -> bool:
        """Whether a report of that id was ever written."""
        return bool(self._session.rows("SELECT 1 FROM signals WHERE id = ?", id))

    def _reported(self, clause: str, *parameters: Any) -> list[Reported]:
        return [Reported(*row) for row in self._session.rows(f"SELECT {_NAMES} FROM signals {clause}", *parameters)]
