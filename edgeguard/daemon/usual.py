"""What each VM is used to, learned while the daemon runs: the counters' last second into baselines, baselines to disk.

usual.take(now, seconds(...))                 # once a second
usual.compared(vm, "udp", packets)            # words for a verdict
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeguard.baselines.baseline import RULES, Finding
from edgeguard.baselines.learning import Learning, Owner, Seconds, Stored
from edgeguard.cases.baseline_file import BaselineFile
from edgeguard.config import Limits
from edgeguard.counting.counted import Counted
from edgeguard.counting.state import POINTS
from edgeguard.decision.ledger import Ledger
from edgeguard.docket import Docket
from edgeguard.errors import StoreError
from edgeguard.model import Vm

AT_ONCE = 2  # VMs written each second: all of 1,024 in nine minutes

log = logging.getLogger("edgeguard")

LimitsOf = Callable[[int], Mapping[str, Limits]]  # by rule; one that is not judged is missing. Kept by whoever has them
Rows = Sequence[tuple[int, Vm]]  # points with their VMs


def seconds(counting: Counted, rows: Rows, docket: Docket, ledger: Ledger, limits_of: LimitsOf) -> Seconds:
    """The last second of these rows, and what is judged of them now."""
    points = np.array([point for point, _ in rows], np.int64)
    at, shape = counting.slot_end, (len(rows), len(RULES))
    packets, warn = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    if len(rows) and at:
        packets[:] = counting.windows(points, at)[:, : len(RULES)]  # the first metrics, in the same order
    judged, told = np.zeros(shape, bool), np.zeros(shape, bool)
    known: dict[int, npt.NDArray[np.int64]] = {}  # most VMs have the same limits, and those are one object
    for number, (point, _) in enumerate(rows):
        limits = limits_of(point)
        if id(limits) not in known:
            known[id(limits)] = np.array([limits[rule].warn if rule in limits else 0 for rule in RULES], np.int64)
        warn[number] = known[id(limits)]
    of = {point: number for number, (point, _) in enumerate(rows)}
    for point, column, verdict in _judged(docket, ledger):
        if point in of:
            judged[of[point], column] = True
            told[of[point], column] |= verdict
    return Seconds([Owner(vm.id, vm.customer) for _, vm in rows], packets, judged, told, warn)


def _judged(docket: Docket, ledger: Ledger) -> Iterator[tuple[int, int | slice, bool]]:
    """Row, rule and whether there was a verdict: of every episode that runs; of what is null-routed, every rule."""
    for (point, rule), episode in docket.episodes():
        if rule in RULES:
            yield point, RULES.index(rule), episode.band is not None
    for entry in ledger:
        if entry.point is not None:
            yield entry.point, slice(None), True


class Usual:
    """One per daemon. Without its file it learns all the same, and forgets when it ends."""

    def __init__(self, path: Path, now: int) -> None:
        self._file = _opened(path)
        self.learning = Learning(_rows(self._file), now, POINTS)
        self._pool = ThreadPoolExecutor(1, "baselines")  # the disk may take its time: nobody waits for it
        self._writing: Future[None] | None = None
        self._trouble = ""

    def take(self, now: int, last: Seconds) -> list[Finding]:
        """A second; what newly deserves care, which is said in the log and nowhere else."""
        found = self.learning.second(now, last)
        for finding in found:
            log.info("%s", finding)
        self._write(AT_ONCE)
        return found

    def compared(self, vm: str | None, rule: str, packets: int) -> str | None:
        """In words, how so many packets in a second compare with what a VM is used to; None: not known."""
        return self.learning.compared(vm, rule, packets) if vm is not None else None

    def told(self) -> list[dict[str, object]]:
        """For `status`: what deserves care now."""
        return [
            {
                "vm": finding.vm,
                "rule": finding.rule,
                "since": finding.since,
                "packets": finding.packets,
                "care": finding.care,
                "why": finding.why,
            }
            for finding in self.learning.findings()
        ]

    def close(self) -> None:
        """Write what is left."""
        if self._writing is not None:
            self._writing.result()
            self._writing = None
        self._write(POINTS)
        self._pool.shutdown(wait=True)
        if self._file is not None:
            self._file.close()

    def _write(self, most: int) -> None:
        """A few VMs, as long as the last ones are written."""
        if self._file is None or (self._writing is not None and not self._writing.done()):
            return
        rows = [(one.vm, one.customer, one.rule, one.day, one.minutes) for one in self.learning.changed(most)]
        replaced = self.learning.replaced()
        if rows or replaced:
            self._writing = self._pool.submit(self._written, self._file, rows, replaced, self.learning.oldest())

    def _written(
        self, file: BaselineFile, rows: list[tuple[str, str | None, str, int, bytes]], replaced: list[str], oldest: int
    ) -> None:
        try:
            file.write(rows, replaced, oldest)
        except StoreError as error:
            if str(error) != self._trouble:
                log.warning("%s; baselines are learned on", error)
            self._trouble = str(error)
        else:
            self._trouble = ""


def _opened(path: Path) -> BaselineFile | None:
    """A daemon must not fail to start because of what only raises care."""
    try:
        return BaselineFile(path)
    except StoreError as error:
        log.warning("%s; baselines are learned anew and not kept", error)
        return None


def _rows(file: BaselineFile | None) -> list[Stored]:
    try:
        return [Stored(*row) for row in file.rows()] if file is not None else []
    except StoreError as error:
        log.warning("%s; baselines are learned anew", error)
        return []
