"""What the database says of the daemon's work: times, outcomes, decisions, what is unsent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import CASE, DECISION, ORDER, RELEASE, RELEASE_ORDER, VERDICT, T, happened, notices

from edgeguard.cases.fresh import Unsent
from edgeguard.cases.news import News
from edgeguard.cases.store import Store
from edgeguard.cases.tally import NOTICED_S, Tally, Times
from edgeguard.clock import MILLISECOND, SECOND
from edgeguard.errors import StoreError
from edgeguard.letters import Mail
from edgeguard.model import Happened

MAIL = Mail("s", "t")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "cases.sqlite") as store:
        yield store


@pytest.fixture
def tally(store: Store) -> Iterator[Tally]:
    with Tally(store.news()) as tally:
        yield tally


def null_route(store: Store) -> None:
    store.record(CASE, VERDICT, DECISION, notices(), ORDER)


def test_the_three_clocks_of_a_null_route(store: Store, tally: Tally) -> None:
    """From the decision to the kernel, to the first proof and to each mail; a second proof is no news."""
    null_route(store)
    store.outcome(happened(Happened.ACKNOWLEDGED, T + 4 * MILLISECOND))
    tally.look()
    store.outcome(happened(Happened.VERIFIED, T + 1400 * MILLISECOND))
    store.outcome(happened(Happened.VERIFIED, T + 11 * SECOND))
    tally.look()
    store.outcome(happened(Happened.VERIFIED, T + 21 * SECOND))
    box = store.box()
    due = box.due(T + SECOND)
    for queued in due:
        box.sent(queued.notice.id, T + 7 * SECOND, MAIL)
    box.close()
    tally.look()
    tally.look()
    assert (sum(tally.null_routed.counts), tally.null_routed.total) == (1, 0.004)
    assert (sum(tally.verified.counts), tally.verified.total) == (1, 1.4)
    assert due and (sum(tally.noticed.counts), tally.noticed.total) == (len(due), 7.0 * len(due))
    assert tally.noticed.counts[NOTICED_S.index(10)] == len(due)
    assert dict(tally.outcomes) == {"acknowledged": 1, "verified": 3}
    assert dict(tally.decisions) == {("null-route", "narrow"): 1}


def test_a_release_and_its_mail_are_in_no_clock(store: Store, tally: Tally) -> None:
    """Only null routes are timed: what ends them is counted as a decision."""
    null_route(store)
    store.record(CASE, None, RELEASE, notices(RELEASE), RELEASE_ORDER)
    store.outcome(happened(Happened.RELEASED, T + 2 * SECOND))
    box = store.box()
    while due := box.due(T + 90 * SECOND):
        for queued in due:
            box.sent(queued.notice.id, T + 91 * SECOND, MAIL)
    box.close()
    tally.look()
    assert sum(tally.noticed.counts) == len(notices())
    assert tally.decisions["release", "narrow"] == 1


def test_what_was_before_is_not_counted(store: Store) -> None:
    """Counters begin with the daemon; a mail that waits over a restart is timed when it leaves."""
    null_route(store)
    store.outcome(happened(Happened.VERIFIED, T + SECOND))
    with Tally(store.news()) as tally:
        tally.look()
        assert not tally.outcomes and not tally.decisions and not sum(tally.verified.counts)
        box = store.box()
        (first, *_) = box.due(T + 2 * SECOND)
        box.sent(first.notice.id, T + 2 * SECOND, MAIL)
        box.close()
        tally.look()
        assert sum(tally.noticed.counts) == 1


def test_what_waits_is_told_by_carrier(store: Store, tally: Tally) -> None:
    """The number of unsent notices and when the oldest was written; none of a mail that was refused for good."""
    assert tally.unsent()["mail"] == Unsent(0, None)
    null_route(store)
    written = notices()
    assert tally.unsent()["mail"].number == len(written)
    assert tally.unsent()["mail"].oldest == DECISION.at
    box = store.box()
    box.refused(written[0].id, T, "no such user")
    box.close()
    assert tally.unsent()["mail"].number == len(written) - 1
    tally.look()
    assert not sum(tally.noticed.counts)


def test_a_database_that_cannot_be_read_is_one_sentence(tmp_path: Path, store: Store, tally: Tally) -> None:
    """A StoreError, and never another exception."""
    store._db.execute("DROP TABLE deliveries")
    with pytest.raises(StoreError, match="cannot count what is unsent"):
        tally.unsent()
    with pytest.raises(StoreError, match="no case database"):
        News(tmp_path / "missing.sqlite")


@given(st.lists(st.floats(-10, 1e6), max_size=20))
def test_every_time_is_in_one_bucket(taken: list[float]) -> None:
    """Counts add up to the number of times, and each bound holds what took at most as long."""
    times = Times.none((1, 2, 5)).adding(taken)
    assert sum(times.counts) == len(taken)
    for n, bound in enumerate(times.bounds):
        assert sum(times.counts[: n + 1]) == sum(seconds <= bound for seconds in taken)
    assert times.total == pytest.approx(sum(max(0.0, seconds) for seconds in taken))


def test_another_case_counts_too(store: Store, tally: Tally) -> None:
    """Several decisions between two looks are all counted, by act and scope."""
    null_route(store)
    other = replace(DECISION, id="decision-9", case=CASE.id)
    store.record(
        CASE,
        None,
        other,
        (replace(notices()[0], id="n-9", decision="decision-9"),),
        replace(ORDER, decision="decision-9"),
    )
    tally.look()
    assert tally.decisions["null-route", "narrow"] == 2
