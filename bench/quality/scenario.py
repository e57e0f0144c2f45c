"""A scenario: traffic of a host's virtual machines, and what must be said of it.

Scenarios are values. Their traffic is made when they are run, from their seed alone:

    Scenario(
        name="syn direct",                     # its hash decides whether it is held out
        about="60,000 SYN/s to one web server",
        sort=Sort.FLOOD,                       # or LOOK_ALIKE
        machines=(vm,),                        # every VM of the host, with MACs, addresses, customer
        seconds=3.0,                           # of virtual time, from START
        traffic=lambda rng: (stream, ...),     # Streams: floods and what runs beside them
        expected=Expected(Band.HARD, rule="syn", kinds=(Kind.FLOOD,), vm="vm-1", targets=("203.0.113.7",)),
    )

A look-alike promises `Expected()`: no verdict at all. One that should be told and never acted on (a
scan) promises `Expected(Band.WARN, kinds=(Kind.SCAN,), ...)`. One that nothing visible at the port
tells from a flood says so in `indistinguishable`, with the reason. Verdicts about what comes in
('syn-in', ...) are only observed and never count against a look-alike.

The catalogue takes flood scenarios from bench/quality/floods*.py and look-alikes from
bench/quality/record/look_alikes.py; each has `scenarios() -> Iterable[Scenario]`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from bench.quality.frames import Array, Frames
from edgeguard.clock import SECOND
from edgeguard.model import Band, Kind, Scope, Vm

START = 1_767_225_600 * SECOND  # 2026-01-01
HELD_OUT = 5  # one scenario of so many


class Sort(StrEnum):
    FLOOD = "flood"
    LOOK_ALIKE = "look-alike"


@dataclass(frozen=True, slots=True)
class Stream:
    """Frames that are made when their time comes: at[i] is when frame i leaves, in order [ns since 1970].

    `make(numbers, rng)` gives the frames with these running numbers (their `at` is set by the caller).
    """

    at: Array
    make: Callable[[Array, np.random.Generator], Frames]

    @staticmethod
    def of(frames: Frames) -> Stream:
        """Frames that exist already, as those of a recording."""
        ordered = frames.in_order()
        return Stream(ordered.at, lambda numbers, _: ordered[numbers])


@dataclass(frozen=True, slots=True)
class Expected:
    """What must come of it. `band`: the highest, exactly; None: nothing may be said.

    When a verdict must come follows from the flood's own packets, the limits and the sustain
    (truth.py); `late` says what may come on top of that, and why.
    """

    band: Band | None = None
    rule: str | None = None
    kinds: tuple[Kind, ...] = ()  # any of these is right
    vm: str | None = None
    customer: str | None = None  # the verdict is about this customer's sum
    targets: tuple[str, ...] = ()  # as Target.place: every target of an action must be among them; (): any
    scopes: tuple[Scope, ...] = ()  # how the act is done, any of these; (): nothing may be null-routed
    forging: bool | None = None  # None: not asked
    also: tuple[str, ...] = ()  # rules that may find the same packets, too
    late: int = 0  # [ns]
    late_why: str = ""


@dataclass(frozen=True, slots=True)
class Loss:
    """The capture loses this share of all frames for a while [ns since START]."""

    since: int
    until: int
    share: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """See above."""

    name: str
    about: str
    sort: Sort
    machines: tuple[Vm, ...]
    seconds: float
    traffic: Callable[[np.random.Generator], tuple[Stream, ...]]
    expected: Expected
    indistinguishable: str = ""
    losses: tuple[Loss, ...] = ()
    group: str = ""  # of the table: 'syn', 'udp', 'quic', ...

    @property
    def seed(self) -> int:
        return number(self.name)

    @property
    def held_out(self) -> bool:
        """Never used for tuning: a fixed fifth, chosen by the name's hash and not by us."""
        return number(self.name) % HELD_OUT == 0


def number(name: str) -> int:
    """The same for the same name, on every machine."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=6).digest(), "big")
