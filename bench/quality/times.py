"""When packets leave: sorted times [ns since 1970] from a start [s after START]."""

from __future__ import annotations

import numpy as np

from bench.quality.frames import Array
from bench.quality.scenario import START
from edgeguard.clock import SECOND


def steady(since: float, seconds: float, rate: float) -> Array:
    """One every 1/rate, as a sender in a loop with a clock."""
    count = round(seconds * rate)
    return _at(since, (np.arange(count) + 0.5) / rate)


def random(rng: np.random.Generator, since: float, seconds: float, rate: float) -> Array:
    """As many independent senders make: exponential pauses."""
    return _at(since, np.sort(rng.random(rng.poisson(seconds * rate))) * seconds)


def ramp(since: float, seconds: float, rate: float) -> Array:
    """From nothing to `rate`, evenly: n(t) = rate t² / (2 seconds)."""
    count = round(seconds * rate / 2)
    return _at(since, np.sqrt((np.arange(count) + 0.5) * 2 * seconds / rate))


def pulses(since: float, count: int, rate: float, on: float = 1.0, off: float = 9.0) -> Array:
    """`count` times `on` seconds of `rate`, and silence between them."""
    return np.concatenate([steady(since + n * (on + off), on, rate) for n in range(count)])


def later(at: Array, by: float) -> Array:
    """The same times, `by` seconds later: what answers them."""
    return at + round(by * SECOND)


def _at(since: float, seconds: Array) -> Array:
    return (START + round(since * SECOND) + np.round(seconds * SECOND)).astype(np.int64)
