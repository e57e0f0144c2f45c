"""Vitals: loss, lag and clock of the last second, and the kernel's count beside ours."""

from __future__ import annotations

import socket
from typing import NamedTuple

import pytest
from netns.namespaces import Namespace, unavailable
from oracles.counting import SECOND, Packet, rows

from edgeguard.counting.window import Counting
from edgeguard.daemon.vitals import OLD_ENOUGH, Vitals
from edgeguard.decision.question import KernelCount
from edgeguard.model import Subject, Tap, TapKind
from edgeguard.reading import Health

T = 1_767_225_600 * SECOND
MS = 1_000_000
LOOP = Tap(1, "lo", "00:00:00:00:00:00", TapKind.ROUTED)


def counting() -> Counting:
    made = Counting(16, by_source=False)
    made.assign(0, Subject("vm-1", "tap1", None), ())
    return made


def count(made: Counting, frames: int, packets: int = 1) -> None:
    """Frames out of point 0, each of some wire packets."""
    made.add(rows([Packet(T, "udp", out_of=0, packets=packets)] * frames), 0)


# ---- the window ------------------------------------------------------------------------------------


def test_loss_is_of_the_last_one_to_two_seconds() -> None:
    """What was lost before the last snapshot but one is forgotten; what was lost since counts at once."""
    vitals = Vitals(counting())
    for second, (received, lost) in enumerate([(1_000, 500), (2_000, 500), (3_000, 500)]):
        vitals.note(T + second * SECOND, Health(received, lost, 7))
        vitals.take(T + second * SECOND, [])
    vitals.note(T + 2_500 * MS, Health(3_500, 620, 9))
    window = vitals.window(T + 2_500 * MS)
    assert (window.received, window.lost, window.lag_ns) == (1_500, 120, 9)
    assert window.loss == pytest.approx(120 / 1_620)


def test_before_the_first_snapshots_all_that_was_seen_counts() -> None:
    """Right after the start the window is everything since; an empty one has lost nothing."""
    vitals = Vitals(counting())
    assert vitals.window(T).loss == 0.0
    vitals.note(T, Health(90, 10, 0))
    assert vitals.window(T).loss == pytest.approx(0.1)


def test_a_clock_step_is_remembered_for_a_minute() -> None:
    """After a step, in either direction, the window is in doubt for 60 seconds, however often it is noted again."""
    vitals = Vitals(counting())
    vitals.note(T, Health(stepped=False))
    assert not vitals.window(T).stepped
    vitals.note(T, Health(stepped=True))
    vitals.note(T + SECOND, Health(stepped=False))
    assert vitals.window(T + 59 * SECOND).stepped
    assert vitals.window(T - 59 * SECOND).stepped
    assert not vitals.window(T + 60 * SECOND).stepped


# ---- the kernel's counter --------------------------------------------------------------------------


def test_a_tap_nobody_knows_has_no_count() -> None:
    """Before the first snapshot, and for a link that does not exist, the answer is None: not zero."""
    vitals = Vitals(counting())
    assert vitals.kernel_count(T, 0, LOOP) is None
    gone = Tap(2**31 - 1, "tap9", "02:00:00:00:00:09", TapKind.ROUTED)
    vitals.take(T, [(0, gone)])
    assert vitals.kernel_count(T + SECOND, 0, gone) is None


def test_a_row_that_began_anew_is_not_compared() -> None:
    """When a row was given to another subject within the span, there is no common span: None."""
    made = counting()
    count(made, 50)
    vitals = Vitals(made)
    vitals.take(T, [(0, LOOP)])
    made.assign(0, Subject("vm-2", "tap1", None), ())
    count(made, 10)
    assert vitals.kernel_count(T + SECOND, 0, LOOP) is None


class Loop:
    """The loopback of a namespace of our own: what is sent there is received there, and nothing else."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        namespace.up("lo")

    def carry(self, frames: int) -> None:
        with self.namespace.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            for _ in range(frames):
                sock.sendto(b"x", sock.getsockname())

    def take(self, vitals: Vitals, now: int) -> None:
        with self.namespace.inside():
            vitals.take(now, [(0, LOOP)])

    def asked(self, vitals: Vitals, now: int) -> KernelCount | None:
        with self.namespace.inside():
            return vitals.kernel_count(now, 0, LOOP)


@pytest.fixture
def loop() -> object:
    if why := unavailable():
        pytest.skip(why)
    with Namespace() as namespace:
        yield Loop(namespace)


def test_both_counts_are_of_the_same_span(loop: Loop) -> None:
    """From the youngest snapshot that is old enough to the asking, frames against frames, super-frames or not."""
    made = counting()
    vitals = Vitals(made)
    loop.carry(100)
    count(made, 3)
    loop.take(vitals, T)
    loop.carry(40)
    count(made, 30, packets=45)
    assert loop.asked(vitals, T + OLD_ENOUGH) == KernelCount(ours=30, kernel=40)
    assert loop.asked(vitals, T + OLD_ENOUGH - 1) is None
    loop.take(vitals, T + SECOND)
    loop.carry(5)
    count(made, 5)
    assert loop.asked(vitals, T + SECOND + OLD_ENOUGH - 1) == KernelCount(ours=35, kernel=45)
    assert loop.asked(vitals, T + SECOND + OLD_ENOUGH) == KernelCount(ours=5, kernel=5)


def test_of_two_spans_the_one_that_the_kernel_saw_less_of_counts() -> None:
    """What came before the younger snapshot is in the judged window still: it must have been seen, too."""
    made, kernel = counting(), [0]

    class Counter(NamedTuple):
        rx_frames: int

    vitals = Vitals(made, counters=lambda: {1: Counter(kernel[0])})
    for second in range(2):
        vitals.take(T + second * SECOND, [(0, LOOP)])
    count(made, 1_000)  # of which the kernel has seen nothing
    vitals.take(T + 2 * SECOND, [(0, LOOP)])
    kernel[0] = 10
    count(made, 10)
    assert vitals.kernel_count(T + 2 * SECOND + OLD_ENOUGH, 0, LOOP) == KernelCount(ours=1_010, kernel=10)
    vitals.take(T + 3 * SECOND, [(0, LOOP)])
    count(made, 500)
    assert vitals.kernel_count(T + 3 * SECOND + OLD_ENOUGH, 0, LOOP) == KernelCount(ours=500, kernel=0)


def test_a_tap_that_came_since_is_not_compared(loop: Loop) -> None:
    """A tap that no snapshot knows yet has no count; after the next snapshot it has."""
    vitals = Vitals(counting())
    with loop.namespace.inside():
        vitals.take(T, [])
    assert loop.asked(vitals, T + SECOND) is None
    loop.take(vitals, T + SECOND)
    assert loop.asked(vitals, T + 2 * SECOND) == KernelCount(0, 0)
