"""What the database says of the daemon's work, counted as it goes on: how long things take, and what is unsent.

    tally = Tally(path)
    tally.look()               # what was recorded since the last look
    tally.unsent()

Counted is from the moment it was made. A connection of its own that only reads: it never waits for who writes.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edgeguard.cases.database import connect_reading, telling
from edgeguard.clock import SECOND
from edgeguard.model import Act, Happened

# seconds; the promises are 25 ms, 2 s and 60 s
NULL_ROUTED_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
VERIFIED_S = (1.1, 1.25, 1.5, 1.75, 2, 2.5, 3, 5, 10)
NOTICED_S = (1, 2, 5, 10, 20, 30, 60, 300, 3600)

_SINCE = "SELECT o.seq, o.happened, o.at - d.at FROM outcomes o LEFT JOIN decisions d ON d.id = o.decision"
_FIRST = "NOT EXISTS (SELECT 1 FROM outcomes p WHERE p.decision = o.decision AND p.seq < o.seq AND p.happened = ?)"
_UNSENT = {
    "mail": "SELECT count(*), min(created) FROM outbox WHERE state IN ('waiting', 'ready')",
    "hooks": "SELECT count(*), min(created) FROM deliveries WHERE state = 'ready' AND channel != 'page'",
    "page": "SELECT count(*), min(created) FROM deliveries WHERE state = 'ready' AND channel = 'page'",
}


@dataclass(frozen=True, slots=True)
class Times:
    """How often something took how long: `counts[n]` took at most `bounds[n]` seconds, the last of them longer."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float = 0.0  # seconds

    @classmethod
    def none(cls, bounds: tuple[float, ...]) -> Times:
        return cls(bounds, (0,) * (len(bounds) + 1))

    def adding(self, taken: Iterable[float]) -> Times:
        """With these as well; what a clock step made negative took no time."""
        counts, total = list(self.counts), self.total
        for seconds in taken:
            counts[bisect.bisect_left(self.bounds, seconds)] += 1
            total += max(0.0, seconds)
        return Times(self.bounds, tuple(counts), total)


@dataclass(frozen=True, slots=True)
class Unsent:
    """What waits to be sent, by what carries it."""

    number: int
    oldest: int | None  # when it was written


class Tally:
    """One per daemon, for one thread. StoreError from every method."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.null_routed, self.verified = Times.none(NULL_ROUTED_S), Times.none(VERIFIED_S)
        self.noticed = Times.none(NOTICED_S)  # all three from the decision on
        self.outcomes: Counter[str] = Counter()
        self.decisions: Counter[tuple[str, str]] = Counter()  # by act and scope
        with telling(self.path, "count what it holds"):
            self._db = connect_reading(self.path)
            self._outcome, self._decision, self._notice = (
                self._one(f"SELECT coalesce(max({column}), 0) FROM {table}")
                for column, table in (("seq", "outcomes"), ("rowid", "decisions"), ("seq", "outbox"))
            )
        self._waiting: set[int] = set()
        self._waiting = self._unsent_mails()

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def look(self) -> None:
        """Count what was recorded since the last look."""
        with telling(self.path, "count what it holds"), self._one_moment():
            self._look_at_decisions()
            self._look_at_outcomes()
            self._look_at_notices()

    def unsent(self) -> dict[str, Unsent]:
        """What waits now: mails; documents for programs and webhooks; pages."""
        with telling(self.path, "count what is unsent"):
            return {carrier: Unsent(*self._db.execute(query).fetchone()) for carrier, query in _UNSENT.items()}

    @contextmanager
    def _one_moment(self) -> Iterator[None]:
        """All queries see the same state of the database."""
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("COMMIT")

    def _look_at_decisions(self) -> None:
        rows = self._rows(
            "SELECT rowid, act, json_extract(body, '$.scope') FROM decisions WHERE rowid > ? ORDER BY rowid",
            self._decision,
        )
        for row, act, scope in rows:
            self._decision = row
            self.decisions[act, scope] += 1

    def _look_at_outcomes(self) -> None:
        since = self._outcome
        for seq, happened, _ in self._rows(f"{_SINCE} WHERE o.seq > ? ORDER BY o.seq", since):
            self._outcome = seq
            self.outcomes[happened] += 1
        self.null_routed = self.null_routed.adding(self._taken(since, Happened.ACKNOWLEDGED))
        self.verified = self.verified.adding(self._taken(since, Happened.VERIFIED))

    def _taken(self, since: int, happened: Happened) -> list[float]:
        """Seconds from each null route's decision to the first outcome of a kind."""
        query = f"{_SINCE} WHERE o.seq > ? AND o.seq <= ? AND o.happened = ? AND d.act = ? AND {_FIRST}"
        rows = self._rows(query, since, self._outcome, happened, Act.NULL_ROUTE, happened)
        return [taken / SECOND for _, _, taken in rows]

    def _look_at_notices(self) -> None:
        """Those that are new, and those that waited at the last look."""
        waiting = self._unsent_mails()
        new = {seq for (seq,) in self._rows("SELECT seq FROM outbox WHERE seq > ?", self._notice)}
        self._notice = max(self._notice, *new, 0)
        left, self._waiting = (self._waiting | new) - waiting, waiting
        taken = (self._sent_after(seq) for seq in left)
        self.noticed = self.noticed.adding(ns / SECOND for ns in taken if ns is not None)

    def _sent_after(self, seq: int) -> int | None:
        """ns from a null route's decision to its mail; None: it is about something else, or was refused."""
        query = (
            "SELECT o.sent_at - d.at FROM outbox o JOIN decisions d ON d.id = o.decision"
            " WHERE o.seq = ? AND o.state = 'sent' AND d.act = ? AND o.created = d.at"  # written with it
        )
        found = self._rows(query, seq, Act.NULL_ROUTE)
        return int(found[0][0]) if found else None

    def _unsent_mails(self) -> set[int]:
        return {seq for (seq,) in self._rows("SELECT seq FROM outbox WHERE state IN ('waiting', 'ready')")}

    def _rows(self, query: str, *parameters: Any) -> list[Any]:
        return self._db.execute(query, parameters).fetchall()

    def _one(self, query: str) -> int:
        return int(self._db.execute(query).fetchone()[0])
