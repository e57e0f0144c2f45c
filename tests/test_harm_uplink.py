"""Uplinks: load, drops, and whose they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeguard.harm.sender import Sender
from edgeguard.harm.uplink import Uplink, Uplinks

SECOND = 1_000_000_000
T = 1_767_225_600 * SECOND
GIGABIT = 1_000_000_000


def tap(point: int, frames: int, octets: int) -> Sender:
    return Sender(point, f"vm-{point}", f"c-{point}", 0, 0, 0, 0, frames, octets)


def after_a_second(
    uplink: Uplink, *taps: Sender, together: int = 0, others: tuple[Uplink, ...] = (), seconds: int = 1
) -> Uplinks:
    """Everything from nothing, in a second."""
    uplinks = Uplinks(together)
    zero = [Uplink(one.name, one.speed, 0, 0, 0, one.queued_out and 0, one.below) for one in (uplink, *others)]
    uplinks.take(T, zero, [tap(one.point, 1, 0) for one in taps])
    uplinks.take(T + seconds * SECOND, [uplink, *others], taps)
    return uplinks


def test_a_full_uplink_is_harm_by_the_vm_that_fills_it() -> None:
    """Above 85 % of its speed, the VM that sends half of that speed or more harms the others; a smaller one not."""
    full = Uplink("eth0", GIGABIT, 800_000, 115_000_000, 0)
    uplinks = after_a_second(full, tap(1, 500_001, 70_000_000), tap(2, 200_001, 30_000_000))
    assert uplinks.harm(1) == (
        "uplink eth0: 92 % full (920 Mbit/s of 1 Gbit/s); 560 Mbit/s and 500,000 frames a second of it are this VM's"
    )
    assert uplinks.harm(2) is None
    assert uplinks.harm(3) is None


@pytest.mark.parametrize(("octets", "harmed"), [(106_250_000, False), (106_250_001, True)])
def test_full_begins_above_85_percent(octets: int, harmed: bool) -> None:
    """Exactly 85 % of the speed is not yet full."""
    uplinks = after_a_second(Uplink("eth0", GIGABIT, 90_000, octets, 0), tap(1, 80_000, 100_000_000))
    assert (uplinks.harm(1) is not None) == harmed


def test_drops_of_small_frames_are_harm_by_frames() -> None:
    """A flood of small frames chokes a link that is far from full by bits: what it drops is by frames whose it is."""
    uplinks = after_a_second(Uplink("eth0", 10 * GIGABIT, 1_000_000, 90_000_000, 200_000), tap(1, 900_001, 60_000_000))
    told = str(uplinks.harm(1))
    assert told.startswith("uplink eth0: dropping 200,000 frames a second (17 %); ")
    assert after_a_second(Uplink("eth0", None, 1_000_000, 90_000_000, 0), tap(1, 900_001, 60_000_000)).harm(1) is None


def test_the_drops_of_the_queue_before_a_link_count_too() -> None:
    """A full uplink drops in its queue, which the link's own counters do not hold; that counter goes round at 2^32."""
    uplinks = Uplinks()
    uplinks.take(T, [Uplink("eth0", None, 0, 0, 0, 2**32 - 1_000)], [tap(1, 1, 0)])
    uplinks.take(T + SECOND, [Uplink("eth0", None, 10_000, 9_000_000, 0, 500)], [tap(1, 9_000, 8_000_000)])
    (load,) = uplinks.loads
    assert load.dropped == 1_500
    assert uplinks.harm(1) is not None


@pytest.mark.parametrize(
    ("frames", "dropped", "harmed"), [(1_000_000, 9_000, False), (500, 99, False), (900, 100, True)]
)
def test_a_few_drops_are_no_harm(frames: int, dropped: int, harmed: bool) -> None:
    """Less than one in a hundred, or less than a hundred a second, is how queues tell TCP to slow down."""
    uplinks = after_a_second(Uplink("eth0", None, frames, 64 * frames, dropped), tap(1, frames + dropped, 64 * frames))
    assert (uplinks.harm(1) is not None) == harmed


def test_without_a_speed_only_drops_count() -> None:
    """A veth, or a driver that tells none, is never called full; a configured speed is taken for it."""
    busy = Uplink("veth0", None, 900_000, 120_000_000, 0)
    assert after_a_second(busy, tap(1, 900_000, 120_000_000)).harm(1) is None
    assert after_a_second(busy, tap(1, 900_000, 120_000_000), together=GIGABIT).harm(1) is not None
    (told,) = after_a_second(busy).told()
    assert (told["speed_bits"], told["fill"]) == (None, None)


def test_two_uplinks_are_full_together() -> None:
    """`uplink_bits` is what all uplinks carry together; what lies below them carries the same frames again."""
    a, b = Uplink("eth0", None, 500_000, 60_000_000, 0), Uplink("eth1", None, 500_000, 60_000_000, 0)
    below = Uplink("eth2", None, 1_000_000, 120_000_000, 0, below=True)
    sender = tap(1, 900_001, 110_000_000)
    assert after_a_second(a, sender, others=(b, below)).harm(1) is None
    assert str(after_a_second(a, sender, others=(b, below), together=GIGABIT).harm(1)).startswith(
        "uplink eth0 and eth1: 96 % full (960 Mbit/s of 1 Gbit/s)"
    )
    assert after_a_second(a, sender, others=(b, below), together=2 * GIGABIT).harm(1) is None


def test_an_uplink_that_came_back_counts_from_there() -> None:
    """Counters that began anew are not taken for rates, nor for a whole round of the queue's counter."""
    uplinks = Uplinks()
    uplinks.take(T, [Uplink("eth0", GIGABIT, 10**9, 10**12, 10**6, 4_000)], [])
    uplinks.take(T + SECOND, [Uplink("eth0", GIGABIT, 100, 8_000, 0, 0)], [])
    (load,) = uplinks.loads
    assert (load.bits, load.frames, load.dropped) == (64_000, 100, 0)


def test_samples_far_apart_say_nothing() -> None:
    """After a pause, or a clock that stepped back, there is no load until the next sample."""
    full = Uplink("eth0", GIGABIT, 800_000, 115_000_000, 0)
    for seconds in (60, -1, 0):
        uplinks = after_a_second(full, tap(1, 500_000, 80_000_000), seconds=seconds)
        assert (uplinks.loads, uplinks.harm(1)) == ((), None)


@given(
    speed=st.sampled_from([None, GIGABIT]),
    taps=st.lists(st.integers(0, 120_000_000), max_size=5),
    octets=st.integers(0, 125_000_000),
    dropped=st.integers(0, 5_000),
)
def test_only_those_who_send_half_are_named(speed: int | None, taps: list[int], octets: int, dropped: int) -> None:
    """Against the definition, written out: harmed only by who sends half of the speed, or of what is carried by bits or
    by frames, and only while it is full or drops."""
    frames = octets // 1_000
    senders = [tap(point, n // 1_000 + 1, n) for point, n in enumerate(taps)]
    uplinks = after_a_second(Uplink("eth0", speed, frames, octets, dropped), *senders)
    drops = dropped >= 100 and 100 * dropped > frames + dropped
    full = bool(speed) and 8 * octets > 0.85 * GIGABIT
    for point, n in enumerate(taps):
        half_bits = 8 * n >= 0.5 * (speed or 8 * octets or 1)
        half_frames = n // 1_000 >= 0.5 * (frames + dropped)
        named = uplinks.harm(point) is not None
        lost = 100 * dropped > frames + dropped
        assert named == ((drops or full) and (half_bits or (lost and half_frames)))
