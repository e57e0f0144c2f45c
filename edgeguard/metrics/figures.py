"""The daemon's figures of one moment, frozen: the loop takes them, any thread may read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgeguard.cases.fresh import Unsent
from edgeguard.cases.tally import Times

CAUSES = (  # of what may be wrong, what matters most first
    *("kill file", "capture", "not stopped", "fleet", "standing", "configuration", "rules", "inventory", "uplinks"),
    *("host", "mail", "hooks", "replies", "database", "metrics"),
)


@dataclass(frozen=True, slots=True)
class Busy:
    """One of the busiest VMs of a rule, at one of its taps, in the last second."""

    vm: str  # "": not in the inventory
    tap: str
    rule: str
    packets: int
    bits: int  # of IP


@dataclass(frozen=True, slots=True)
class Memory:
    """The flow memory."""

    limits: Mapping[str, int]  # in force, by class
    entries: int
    capacity: int
    admitted: int
    refused: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Running totals are since the daemon's start."""

    taken: float  # time.monotonic() of the loop's turn that took them
    at: int  # the same moment, ns since 1970
    started: int
    version: str
    received: int
    lost: int
    passed_over: int
    lag_ns: int
    clock_steps: int
    late: int
    untabled: int
    totals: Mapping[str, int]  # of the decoder, by name
    taps: int
    taps_unknown: int
    taps_refused: int
    memory: Memory | None
    busy: tuple[Busy, ...]
    standing: Mapping[tuple[str, str], int]  # null routes by scope and proof
    decisions: Mapping[tuple[str, str], int]  # by act and scope
    outcomes: Mapping[str, int]
    null_routed: Times  # from the decision on, as the next two
    verified: Times
    noticed: Times
    unsent: Mapping[str, Unsent]
    mails_sent: int
    lines: Mapping[str, int]  # of the log, by level
    troubles: frozenset[str] = field(default_factory=frozenset)  # causes
