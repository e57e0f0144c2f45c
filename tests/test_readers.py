"""Capture threads over rings in memory: they meet at every slot, lose nothing, and end with one line when one dies."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from ipaddress import ip_network

import pytest
from oracles.counting import SLOT, Packet, rows

from edgeguard.counting.shards import Shards
from edgeguard.daemon.readers import Readers
from edgeguard.errors import CaptureError
from edgeguard.model import Subject
from edgeguard.record import Records

LONG_S = 120  # for what takes a moment elsewhere


class Queue:
    """A ring in memory: batches, then nothing more, or an error."""

    def __init__(self, batches: Iterable[Records], error: Exception | None = None) -> None:
        self._batches = iter(batches)
        self._error = error
        self.none = rows([])

    def read(self) -> Records:
        batch = next(self._batches, None)
        if batch is None and self._error:
            raise self._error
        return self.none if batch is None else batch

    def wait(self, timeout_s: float) -> None:
        time.sleep(timeout_s)


def shards(n: int) -> Shards:
    made = Shards(n, points=2)
    for point in range(2):
        made.assign(point, Subject(f"vm-{point}", None, None), (ip_network("192.0.2.1/32"),))
    return made


def batches(shard: int, first: int, slots: int) -> Iterable[Records]:
    """Ten packets of weight `shard` + 1 in every slot, in batches that end anywhere."""
    packets = [Packet(first + k * SLOT // 10, out_of=0, packets=shard + 1) for k in range(10 * slots)]
    yield from (rows(packets[at : at + 7]) for at in range(0, len(packets), 7))


@pytest.mark.parametrize("n", [1, 2, 8])
def test_all_threads_stand_in_one_slot_when_somebody_looks(n: int) -> None:
    """At every look each slot that ended holds the packets of all threads, and in the end all are counted."""
    made, slots = shards(n), 30
    first = (time.time_ns() // SLOT - 10 * slots) * SLOT
    readers = Readers(made, [Queue(batches(shard, first, slots)) for shard in range(n)])
    each = 10 * n * (n + 1) // 2  # in a slot
    end = time.monotonic() + LONG_S
    looked = set()
    with readers:
        while made.frames(0)[0] < 10 * slots * n:
            assert time.monotonic() < end
            with readers.gathered(0.02):
                until = readers.until()
                if not made.slot_end:
                    made.tick(until)
                while first < made.slot_end <= until:
                    got = made.reading(0, made.slot_end).packets["syn"]
                    ended = (made.slot_end - first) // SLOT
                    if ended <= slots:
                        assert got == each * min(10, ended)
                        looked.add(ended)
                    made.tick(made.slot_end)
                made.tick(until)
    assert len(looked) >= slots - 1
    assert made.late == 0


def test_nobody_counts_while_somebody_looks() -> None:
    """Between the call and the end of the look no counter moves, however busy the threads are."""
    made = shards(2)
    first = time.time_ns() // SLOT * SLOT
    forever = [rows([Packet(first + 1, out_of=0)] * 50)] * 100_000
    readers = Readers(made, [Queue(forever), Queue(forever)])
    made.tick(first)
    with readers:
        for _ in range(50):
            with readers.gathered(0.001):
                before = made.frames(0)
                time.sleep(0.001)
                assert made.frames(0) == before


def test_a_thread_that_dies_ends_the_daemon_with_one_line() -> None:
    """The error says which thread, why, and what becomes of null routes; the other threads end."""
    made = shards(2)
    readers = Readers(made, [Queue([]), Queue([], ValueError("no such block"))])
    with (
        pytest.raises(CaptureError, match=r"capture thread 1 died: ValueError: no such block; .*null routes stay"),
        readers,
    ):
        for _ in range(LONG_S * 50):
            with readers.gathered(0.02):
                pass
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("capture")]
