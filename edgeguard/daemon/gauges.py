"""The daemon's figures, taken from its parts in its own loop; what is handed on is frozen.

    gauges = Gauges(live, capture, reload, lines, listener)
    gauges.rates, gauges.busiest(10), gauges.troubles()

It looks once a second, as one of the daemon's chores.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgeguard import __version__, clock
from edgeguard.capture.tpacket import RingCapture
from edgeguard.cases.tally import Tally
from edgeguard.counting import state
from edgeguard.counting.readings import JUDGED, octets
from edgeguard.counting.state import Array
from edgeguard.daemon.live import Live
from edgeguard.daemon.reload import Reload
from edgeguard.daemon.troubles import troubles
from edgeguard.decision.ledger import Entry
from edgeguard.errors import StoreError
from edgeguard.logs import Lines
from edgeguard.metrics.figures import Busy, Figures, Memory

if TYPE_CHECKING:
    from edgeguard.metrics.listener import Listener

log = logging.getLogger("edgeguard")


@dataclass(frozen=True, slots=True)
class Rates:
    """Frames a second, over the last one."""

    received: float = 0.0
    lost: float = 0.0


def proof(entry: Entry) -> str:
    """How far a null route is proved."""
    return str(entry.proof or ("acknowledged" if entry.acknowledged else "ordered"))


class Gauges:
    """One per daemon."""

    def __init__(
        self,
        live: Live,
        capture: RingCapture,
        reload: Reload,
        lines: Lines,
        listener: Listener | None = None,
    ) -> None:
        self._live, self._capture, self._reload, self._lines = live, capture, reload, lines
        self._listener = listener
        self.tally = Tally(live.store.news())
        self.started, self._since = clock.now(), time.monotonic()
        self.rates = Rates()
        self.trouble: str | None = None  # the figures that Prometheus reads are old, and why
        self._before = (self._since, 0, 0)
        live.chores.append(self.look)

    def close(self) -> None:
        self.tally.close()

    @property
    def uptime_s(self) -> float:
        return time.monotonic() - self._since

    def look(self, now: int) -> None:
        """About once a second."""
        self._take_rates()
        if self._listener is None:
            return
        try:
            self._listener.show(self.figures(now))
            self.trouble = None
        except StoreError as error:
            if self.trouble is None:
                log.warning("metrics: %s; the figures stay as they were", error)
            self.trouble = str(error)

    def troubles(self) -> dict[str, str]:
        return troubles(self._live, self._reload, self.trouble)

    def _take_rates(self) -> None:
        health, now = self._live.vitals.health, time.monotonic()
        before, received, lost = self._before
        span = now - before
        if span > 0:
            self.rates = Rates((health.received - received) / span, (health.lost - lost) / span)
        self._before = now, health.received, health.lost

    # ---- rows ----------------------------------------------------------------------------------

    def windows(self) -> tuple[list[int], Array]:
        """Every attachment point with a row of its own, and [point, metric] of its last second."""
        points, at = [point for point, _ in self._live.attachments.rows()], self._live.counting.slot_end
        if not points or not at:
            return [], np.empty((0, state.METRICS), np.int64)
        return points, self._live.counting.windows(np.array(points), at)

    def busiest(self, k: int) -> tuple[Busy, ...]:
        """The k busiest VMs of every rule."""
        points, windows = self.windows()
        return tuple(busy for n in range(len(JUDGED)) for busy in self._of_rule(n, k, points, windows))

    def _of_rule(self, n: int, k: int, points: list[int], windows: Array) -> Iterator[Busy]:
        counts = windows[:, n]
        for row in np.argsort(-counts, kind="stable")[:k].tolist():
            if counts[row]:
                way, rule = divmod(n, state.INTO)
                subject, window = self._live.counting.subject(points[row]), windows[row].tolist()
                bits = 8 * octets(window, way)[rule]
                yield Busy(subject.vm or "", subject.tap or "", JUDGED[n], window[n], bits)

    # ---- everything ----------------------------------------------------------------------------

    def figures(self, now: int) -> Figures:
        """Of this moment. StoreError where the database cannot be read."""
        live, tally, health = self._live, self.tally, self._live.vitals.health
        tally.look()
        return Figures(
            taken=time.monotonic(),
            at=now,
            started=self.started,
            version=__version__,
            received=health.received,
            lost=health.lost,
            passed_over=self._capture.passed_over(),
            lag_ns=health.lag_ns,
            clock_steps=live.vitals.steps,
            late=live.counting.late,
            untabled=live.counting.untabled,
            totals=self._capture.totals(),
            taps=len(live.attachments.rows()),
            taps_unknown=len(live.attachments.unknown()),
            taps_refused=live.attachments.refused,
            memory=self._memory(),
            busy=self.busiest(live.config.metrics.top),
            standing=Counter((str(e.decision.scope), proof(e)) for e in live.engine.ledger),
            decisions=Counter(tally.decisions),
            outcomes=Counter(tally.outcomes),
            null_routed=tally.null_routed,
            verified=tally.verified,
            noticed=tally.noticed,
            unsent=tally.unsent(),
            mails_sent=live.outbox.sent,
            lines=dict(self._lines.written),
            troubles=frozenset(self.troubles()),
        )

    def _memory(self) -> Memory | None:
        remote = self._live.counting.remote
        if remote is None:
            return None
        return Memory(remote.effective, remote.used, remote.capacity, remote.admitted, remote.refused)
