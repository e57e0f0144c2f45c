"""The capture threads: each reads a ring of its own and counts in a shard of its own, without a lock.

Between two batches a thread looks at one flag. Where it is set the thread rests, and the engine's
thread looks at the counters while all of them do. A thread also rests by itself where its shard
says that somebody must look first: at the end of a slot until every thread has come there, and
after a crossing. A thread whose ring is empty rests as well, and is as far as the clock.
"""

from __future__ import annotations

import select
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from edgeguard import clock
from edgeguard.clock import MILLISECOND
from edgeguard.counting.shards import Shards
from edgeguard.counting.window import Counting
from edgeguard.errors import CaptureError
from edgeguard.record import Records

WAIT_S = 0.02  # for the next block
SETTLED = 50 * MILLISECOND  # frames older than this have left an empty ring


def readable(*fds: int) -> select.poll:
    """To ask, without waiting, whether anything can be read of these."""
    found = select.poll()
    for fd in fds:
        found.register(fd, select.POLLIN)
    return found


class Source(Protocol):
    """A ring, as `capture.fanout.Channel`."""

    def read(self) -> Records:
        """What is ready, without waiting."""

    def wait(self, timeout_s: float) -> None:
        """Until something is ready."""


class Meeting:
    """Where threads rest while the engine looks. Its lock is taken by nobody who has packets to count."""

    def __init__(self) -> None:
        self.called = False  # read without the lock
        self.over = False
        self.changed = threading.Condition()
        self.resting = 0
        self.looks = 0

    def rest(self) -> None:
        """Until the look that was called for is over."""
        with self.changed:
            self._begin()
            self._end()

    def begin(self) -> None:
        """From now on the engine may look."""
        with self.changed:
            self._begin()

    def end(self) -> None:
        """Go on, as soon as nobody looks."""
        with self.changed:
            self._end()

    def stop(self, reader: Reader, at: int) -> None:
        """Everything before `at` is counted; the reader goes on after the next look."""
        with self.changed:
            looks = self.looks
            reader.time, reader.stopped = at, True
            self._begin()
            self.changed.wait_for(lambda: self.looks > looks or self.over)
            self._end()

    def _begin(self) -> None:
        self.resting += 1
        self.changed.notify_all()

    def _end(self) -> None:
        self.changed.wait_for(lambda: not self.called or self.over)
        self.resting -= 1


class Reader:
    """One thread."""

    def __init__(self, meeting: Meeting, source: Source, shard: Counting) -> None:
        self._meeting, self._source, self._shard = meeting, source, shard
        self.time = 0  # everything before it is counted
        self.stopped = False  # the next packet has to wait for a look
        self.error: BaseException | None = None

    def run(self) -> None:
        """Until the meeting is over."""
        try:
            while not self._meeting.over:
                self._turn()
        except BaseException as error:
            self.error = error
        self._meeting.begin()

    def _turn(self) -> None:
        if self._meeting.called:
            self._meeting.rest()
        before = clock.now()
        records = self._source.read()
        if len(records):
            self._count(records)
        else:
            self.time = before - SETTLED
            self._meeting.begin()
            self._source.wait(WAIT_S)
            self._meeting.end()

    def _count(self, records: Records) -> None:
        start = 0
        while (start := self._shard.add(records, start)) < len(records):
            self._meeting.stop(self, int(records["ts"][start]))
            if self._meeting.over:
                return
        self.time = int(records["ts"][-1])


class Readers:
    """All threads. `with readers:` starts and ends them; `with readers.gathered():` lets somebody look."""

    def __init__(self, shards: Shards, sources: Sequence[Source]) -> None:
        self._shards = shards
        self._meeting = Meeting()
        self._readers = [Reader(self._meeting, source, shard) for source, shard in zip(sources, shards.of, strict=True)]
        self._threads = [
            threading.Thread(target=reader.run, name=f"capture {n}", daemon=True)
            for n, reader in enumerate(self._readers)
        ]

    def __enter__(self) -> Readers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._meeting.changed:
            self._meeting.over = True
            self._meeting.changed.notify_all()
        for thread in self._threads:
            thread.join()

    @contextmanager
    def gathered(self, timeout_s: float) -> Iterator[None]:
        """Wait until a look is due, or until the time is over; then no thread counts until the end of the block.

        CaptureError when a thread died: its frames are not counted any more.
        """
        meeting = self._meeting
        with meeting.changed:
            meeting.changed.wait_for(self._is_due, timeout_s)
            meeting.called = True
            meeting.changed.wait_for(lambda: meeting.resting == len(self._readers))
        try:
            self._require_all()
            yield
        finally:
            with meeting.changed:
                meeting.called = False
                meeting.looks += 1
                for reader in self._readers:
                    reader.stopped = False
                meeting.changed.notify_all()

    def until(self) -> int:
        """The packet time that may be looked at; only while all are gathered."""
        return self._shards.until([reader.time for reader in self._readers])

    def _is_due(self) -> bool:
        """Whether every thread waits at the end of the slot, or one of them after a crossing."""
        slot_end = self._shards.slot_end
        if any(reader.error for reader in self._readers):
            return True
        if any(r.stopped and s.crossed and s.grid_end < slot_end for r, s in self._each()):
            return True
        return any(r.stopped for r in self._readers) and all(r.time >= slot_end for r in self._readers)

    def _each(self) -> Iterator[tuple[Reader, Counting]]:
        return zip(self._readers, self._shards.of, strict=True)

    def _require_all(self) -> None:
        for n, reader in enumerate(self._readers):
            if reader.error is not None:
                raise CaptureError(
                    f"capture thread {n} died: {type(reader.error).__name__}: {reader.error}; its frames are not "
                    "counted any more, so the daemon ends; null routes stay in place"
                ) from reader.error
