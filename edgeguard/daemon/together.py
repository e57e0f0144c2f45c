"""What a person says of all cases that go together is said of each by itself; what fails of one stops no other.

Each has its own decision, its own word and its own two people; a matter has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from edgeguard.cases.case import Case
from edgeguard.cases.matter import head
from edgeguard.cases.protocol import CaseStore
from edgeguard.config import Config
from edgeguard.engine import Engine
from edgeguard.errors import EdgeGuardError, StoreError, UsageError
from edgeguard.inventory.protocol import Inventory
from edgeguard.model import Order

T = TypeVar("T")


class Desk(Protocol):
    """What is asked of a daemon by those who release; the lab's hosts in virtual time have it, too."""

    store: CaseStore
    engine: Engine

    @property
    def inventory(self) -> Inventory: ...


class Ordered(Protocol):
    """A kernel that is told of later ends."""

    def order(self, order: Order) -> None: ...


class Mailed(Protocol):
    """Mails that may be due."""

    def wake(self) -> None: ...


class Office(Desk, Protocol):
    """What is asked of it by those who work a case, and keep or contest a null route."""

    config: Config

    @property
    def enforcer(self) -> Ordered: ...
    @property
    def outbox(self) -> Mailed: ...


def with_others(store: CaseStore, cases: Iterable[Case]) -> list[Case]:
    """All cases of the matters that these are part of; each matter's in the order in which they began."""
    return [case for matter in store.matters([head(case) for case in cases]) for case in matter.cases]


def each(cases: Iterable[str], do: Callable[[str], T]) -> tuple[list[T], dict[str, str]]:
    """What came of it, and why it failed, by case. The first error where it could be done to none."""
    done: list[T] = []
    failed: dict[str, EdgeGuardError] = {}
    for case in cases:
        try:
            done.append(do(case))
        except (UsageError, StoreError) as error:
            failed[case] = error
    if failed and not done:
        raise next(iter(failed.values()))
    return done, {case: str(error) for case, error in failed.items()}


def standing_with(live: Desk, cases: Sequence[Case]) -> list[str]:
    """Which of the cases that go with these, and of these, are null-routed."""
    return [case.id for case in with_others(live.store, cases) if live.engine.ledger.of_case(case.id)]


def elsewhere(live: Desk, cases: Sequence[Case]) -> str:
    """For who asks for what is not null-routed, by the id in a customer's subject, say: what goes with it and is."""
    stands = standing_with(live, cases)
    if not stands or {case.id for case in cases} & {*stands}:
        return ""
    return f"; {', '.join(stands)}, of the same customer, {'is' if len(stands) == 1 else 'are'}: say it with --together"


def answer(live: Desk, done: Sequence[str], failed: dict[str, str], alone: bool) -> dict[str, Any]:
    """What an answer says of more. others: it was asked of one `alone`, and these are null-routed, too; leader: the id
    to ask for all by."""
    try:
        known = [case for case in map(live.store.case, [*done, *failed]) if case is not None]
        leader, stands = head(known[0]) if known else done[0], standing_with(live, known)
    except StoreError:  # what was done is done, and is the answer
        leader, stands = done[0], []
    return {
        "leader": leader,
        "others": [id for id in stands if alone and id not in (*done, *failed)],
        "failed": [{"case": case, "why": why} for case, why in failed.items()],
    }
