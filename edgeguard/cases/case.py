"""The case and what is read of it: values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from edgeguard.clock import SECOND
from edgeguard.grace import Exemption
from edgeguard.letters import Facts
from edgeguard.model import Decision, Network, Order, Verdict, identity


@dataclass(frozen=True, slots=True)
class Case:
    """One VM and one episode. vm, tap and customer are None where they are not known."""

    id: str
    vm: str | None
    vm_name: str | None
    tap: str | None
    ifindex: int | None
    mac: str | None
    customer: str | None
    opened: int
    state: str
    source: str | None = None
    addresses: tuple[Network, ...] = ()
    closed: int | None = None
    outcome: str | None = None  # set with `closed`, never without
    # The case that names the matter which this one is part of (matter.py). The store finds it, so two values of one
    # case, made before and after that, are the same.
    leader: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Standing:
    """A null route that was decided and has not ended: what a restart rebuilds ledger and kernel from."""

    case: Case
    decision: Decision
    verdict: Verdict | None
    order: Order
    facts: Facts
    releasing: str | None  # the release already decided for it, whose outcome never came


@dataclass(frozen=True, slots=True)
class Recorded:
    """A decision as it stands in the database, for who hears what became of it."""

    case: Case
    decision: Decision
    verdict: Verdict | None
    stood: bool  # the kernel once held it
    ended: bool
    releasing: bool  # its release has been decided


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a case's story. `what` is opened, verdict, decision, outcome, notice, hook, note, word, reply, signal
    or closed."""

    at: int
    what: str
    id: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A row of the outbox, for people: where a notice stands, and the text once it left."""

    id: str
    case: str
    decision: str
    kind: str
    to: str | None  # None: the desk
    state: str  # waiting, ready, sent, failed
    created: int
    attempts: int
    next_try: int
    last_error: str | None
    sent_at: int | None
    subject: str | None
    text: str | None
    headers: tuple[tuple[str, str], ...] = ()
    undelivered: str | None = None  # it came back, with this status of RFC 3463


@dataclass(frozen=True, slots=True)
class Granted:
    """An exemption as it stands: with its end, where a person ended it before its time."""

    exemption: Exemption
    ended: int | None = None
    ended_by: str | None = None
    ended_why: str | None = None

    def holds(self, at: int) -> bool:
        return self.ended is None and self.exemption.holds(at)


def case_id(at: int, host: str, *parts: object) -> str:
    """'EG-20260131-1f0c2ab9d44e': the day it was opened, four digits of its host, and eight of what it is about."""
    day = datetime.fromtimestamp(at // SECOND, UTC)
    return f"EG-{day:%Y%m%d}-{host_digits(host)}{identity('case', host, *parts)[-8:]}"


def host_digits(host: str) -> str:
    """What all cases of a host have in their ids, so that a desk of many hosts knows where one comes from."""
    return identity("host", host)[-4:]
