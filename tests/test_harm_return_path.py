"""The way back: told by the other customers' connections, and no shield for whoever is judged."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard.harm.return_path import HELD, ReturnPath
from edgeguard.harm.sender import Sender

SECOND = 1_000_000_000
T = 1_767_225_600 * SECOND
Rates = tuple[int, int]  # SYNs a second, handshakes completed


class Fleet:
    """VMs that send and complete so many a second, in virtual time."""

    def __init__(self, customers: Iterable[str | None], path: ReturnPath | None = None) -> None:
        self.customers = list(customers)
        self.path = path or ReturnPath()
        self.now = T
        self.totals = [[0, 0, 0, 0] for _ in self.customers]

    def run(self, seconds: int, rates: Callable[[int], Rates], *, into: bool = True) -> None:
        for _ in range(seconds):
            self.now += SECOND
            for number, total in enumerate(self.totals):
                syns, completed = rates(number)
                total[0] += syns
                total[1] += completed
                total[2] += syns + 2 * completed + 50
                total[3] += (2 * completed + 50) if into else 0
            self.path.take(self.now, self.senders())

    def senders(self) -> list[Sender]:
        return [Sender(n, f"vm-{n}", self.customers[n], *total) for n, total in enumerate(self.totals)]


def healthy(_: int) -> Rates:
    return 20, 18


def cut(_: int) -> Rates:
    return 30, 0


def test_a_cut_way_back_is_in_doubt_within_three_seconds() -> None:
    """Incident 8: twenty busy clients stop completing; before a flood could last its five seconds, all are in doubt."""
    fleet = Fleet(f"c-{n}" for n in range(20))
    fleet.run(120, healthy)
    assert all(fleet.path.doubt(customer) is None for customer in fleet.customers)
    fleet.run(3, cut)
    assert all(fleet.path.doubt(customer) is not None for customer in fleet.customers)
    assert fleet.path.doubt("c-0") == (
        "the way back is in doubt: 19 of 19 other customers on this host stopped completing their connections: "
        "684 of 2,470 in the last 5 s, 90 % in the minutes before"
    )
    assert fleet.path.told()["failing"] == 20


def test_it_ends_when_connections_complete_again() -> None:
    """Seconds after the way back is there again, nothing is in doubt, however long it was cut (up to an hour)."""
    fleet = Fleet("abcd")
    fleet.run(120, healthy)
    fleet.run(1_800, cut)
    assert fleet.path.doubt("a") is not None
    fleet.run(5, healthy)
    assert fleet.path.doubt("a") is None


def test_after_an_hour_the_new_is_the_usual() -> None:
    """VMs that never complete again are compared with their last good minutes for an hour, then with what they do."""
    fleet = Fleet("abcd")
    fleet.run(120, healthy)
    fleet.run(HELD // SECOND - 60, cut)
    assert fleet.path.doubt("a") is not None
    fleet.run(60 * 7, cut)
    assert fleet.path.doubt("a") is None


def test_it_is_the_others_who_testify() -> None:
    """The attacker's own VMs, however many, are one customer: their failing says nothing for them."""
    fleet = Fleet(["evil"] * 10 + ["a", "b", "c"])
    fleet.run(120, healthy)
    fleet.run(10, lambda n: cut(n) if n < 10 else healthy(n))
    assert fleet.path.doubt("evil") is None
    assert fleet.path.doubt("a") is None
    fleet.run(10, cut)
    assert fleet.path.doubt("evil") is not None


def test_three_other_customers_are_needed() -> None:
    """Two others are too few to speak for the network; unknown customers are one."""
    for others, enough in ((["b", "c"], False), (["b", "c", "d"], True), (["b", None, None, None], False)):
        fleet = Fleet(["a", *others])
        fleet.run(120, healthy)
        fleet.run(10, cut)
        assert (fleet.path.doubt("a") is not None) == enough, others


def test_accounts_that_flood_together_do_not_vouch_for_each_other() -> None:
    """Six accounts that completed their connections until they began to flood are no witnesses: they try too much."""
    fleet = Fleet([f"evil-{n}" for n in range(6)])
    fleet.run(120, healthy)
    fleet.run(10, lambda _: (10_000, 0))
    assert all(fleet.path.doubt(customer) is None for customer in fleet.customers)


def test_some_failing_customers_are_their_own_trouble() -> None:
    """Where every second customer still completes, the way back is not in doubt."""
    fleet = Fleet(f"c-{n}" for n in range(10))
    fleet.run(120, healthy)
    fleet.run(20, lambda n: cut(n) if n % 2 else healthy(n))
    assert fleet.path.doubt("c-0") is None


@pytest.mark.parametrize(
    "rates",
    [
        lambda _: (20, 4),  # scanners: never completed half
        lambda _: (0, 0),  # quiet
    ],
)
def test_who_never_completed_is_no_witness(rates: Callable[[int], Rates]) -> None:
    """Stopping what was never done proves nothing."""
    fleet = Fleet("abcdef")
    fleet.run(120, rates)
    fleet.run(20, cut)
    assert fleet.path.doubt("a") is None
    assert fleet.path.told()["witnesses"] == 0


def test_before_a_minute_nothing_is_known() -> None:
    """Right after the start nobody can testify: not in doubt, so that a restart shields nobody."""
    fleet = Fleet("abcdef")
    fleet.run(50, healthy)
    fleet.run(10, cut)
    assert fleet.path.doubt("a") is None


def test_another_vm_in_a_row_begins_anew() -> None:
    """A row that is another VM's now, or another customer's, inherits no testimony; nor does a count begun anew."""
    fleet = Fleet("abcdef")
    fleet.run(120, healthy)
    fleet.customers = [f"{customer}2" for customer in "abcdef"]
    fleet.run(10, cut)
    assert fleet.path.told()["witnesses"] == 0
    fleet.run(120, healthy)
    fleet.totals = [[0, 0, 0, 0] for _ in fleet.customers]
    fleet.run(10, cut)
    assert fleet.path.told()["witnesses"] == 0


def test_one_direction_is_told_from_the_others() -> None:
    """Frames out of the others and none into them: only one direction is visible; a single frame in, and both are."""
    fleet = Fleet("abcde")
    fleet.run(10, lambda _: (20, 0), into=False)
    assert str(fleet.path.doubt("a")).startswith("only one direction is visible: 1,400 frames out of the other")
    fleet.totals[4][3] += 1
    fleet.run(1, lambda _: (20, 0), into=False)
    assert fleet.path.doubt("a") is None
    assert fleet.path.doubt("e") is not None, "of whom alone something was seen"


def test_a_clock_that_stepped_says_nothing_for_a_moment() -> None:
    """Spans across a step, in either direction, are never used."""
    for step in (-3_600, 3_600):
        fleet = Fleet("abcdef")
        fleet.run(120, healthy)
        fleet.now += step * SECOND
        fleet.run(1, cut)
        assert fleet.path.doubt("a") is None
        fleet.run(5, cut)
        assert fleet.path.doubt("a") is not None


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 40), st.sampled_from(["healthy", "cut", "quiet"])), min_size=1, max_size=6),
    st.integers(0, 2**32),
)
def test_whoever_is_judged_is_not_asked(phases: list[tuple[int, str]], seed: int) -> None:
    """Two worlds that differ only in what one customer's VMs do hold the same in doubt for it, always: nothing it sends
    can shield it."""
    chance = random.Random(seed)
    customers = ["judged", "judged", *(f"c-{n}" for n in range(5))]
    worlds = Fleet(customers), Fleet(customers)
    kinds = {"healthy": healthy, "cut": cut, "quiet": lambda _: (0, 0)}

    def others(n: int, kind: str) -> Rates:
        return kinds[kind](n)

    for seconds, kind in [(65, "healthy"), *phases]:
        for _ in range(seconds):
            for world in worlds:
                own = chance.randrange(20_000), chance.randrange(500)
                world.run(1, lambda n, own=own, kind=kind: own if n < 2 else others(n, kind))
            assert worlds[0].path.doubt("judged") == worlds[1].path.doubt("judged")
