"""What the database says of the daemon's work, counted as it goes on: how long things take, and what is unsent.

    tally = Tally(store.news())
    tally.look()               # what was recorded since the last look
    tally.unsent()

Counted is from the moment the news were opened.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from edgeguard.cases.fresh import Unsent
from edgeguard.cases.protocol import News
from edgeguard.clock import SECOND

# seconds; the promises are 25 ms, 2 s and 60 s
NULL_ROUTED_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
VERIFIED_S = (1.1, 1.25, 1.5, 1.75, 2, 2.5, 3, 5, 10)
NOTICED_S = (1, 2, 5, 10, 20, 30, 60, 300, 3600)


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


class Tally:
    """One per daemon, for one thread. StoreError from every method."""

    def __init__(self, news: News) -> None:
        """The news are closed with it."""
        self._news = news
        self.null_routed, self.verified = Times.none(NULL_ROUTED_S), Times.none(VERIFIED_S)
        self.noticed = Times.none(NOTICED_S)  # all three from the decision on
        self.outcomes: Counter[str] = Counter()
        self.decisions: Counter[tuple[str, str]] = Counter()  # by act and scope

    def close(self) -> None:
        self._news.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def look(self) -> None:
        """Count what was recorded since the last look."""
        fresh = self._news.look()
        self.decisions.update(fresh.decisions)
        self.outcomes.update(fresh.outcomes)
        self.null_routed = self.null_routed.adding(ns / SECOND for ns in fresh.null_routed)
        self.verified = self.verified.adding(ns / SECOND for ns in fresh.verified)
        self.noticed = self.noticed.adding(ns / SECOND for ns in fresh.noticed)

    def unsent(self) -> dict[str, Unsent]:
        """What waits now: mails; documents for programs and webhooks; pages."""
        return self._news.unsent()
