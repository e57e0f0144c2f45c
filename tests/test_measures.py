"""A month's measures: what is counted, in which month, and how long all took, against plain sums over stories."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import CASE, DECISION, ORDER, RELEASE_ORDER, another, notices

from edgeguard import __version__
from edgeguard.cases.measures import Measures, Took, measures
from edgeguard.cases.month import Month
from edgeguard.cases.reader import Reader
from edgeguard.cases.received import Taken
from edgeguard.cases.store import Store
from edgeguard.clock import SECOND
from edgeguard.errors import StoreError
from edgeguard.grace import Disposition, Grace
from edgeguard.incoming import Reply, Sort
from edgeguard.letters import Mail
from edgeguard.model import Act, Happened, Outcome, Scope

MAIL = Mail("s", "t")
NOVEMBER = Month(2026, 11)
DAY = 86_400
MIDDLE = int(datetime(2026, 11, 12, 3, tzinfo=UTC).timestamp())  # s


@dataclass(frozen=True)
class Story:
    """One case: seconds from the first of November, and seconds since then; None: it did not come to that."""

    at: int
    scope: Scope = Scope.NARROW  # WARN: only told; OBSERVE: the desk only
    rule: str = "syn"
    refused: bool = False
    mail: int | None = None
    person: int | None = None
    reply: int | None = None
    end: int | None = None
    by: Disposition | None = None  # None: ended by itself
    judged: str | None = None

    @property
    def start(self) -> int:
        return NOVEMBER.first // SECOND + self.at

    @property
    def routed(self) -> bool:
        return self.scope in (Scope.NARROW, Scope.OWN_ONLY, Scope.FULL)


def write(store: Store, number: int, story: Story) -> None:
    """Through the store's own verbs, as the daemon and people use them."""
    case, verdict, decision, order = another(number)
    at = story.start * SECOND
    act = Act.NULL_ROUTE if story.routed else Act.NONE
    verdict = replace(verdict, at=at, rule=story.rule)
    decision = replace(decision, at=at, act=act, scope=story.scope, enforced=story.routed, until=at + 9 * DAY * SECOND)
    store.record(
        replace(case, opened=at), verdict, decision, notices(decision), order if story.routed else None
    )  # fmt: skip
    if story.routed:
        store.outcome(Outcome(decision.id, at, Happened.FAILED if story.refused else Happened.ACKNOWLEDGED, "so"))
    if story.mail is not None:
        box = store.box()
        for queued in box.due(2**62, 10_000):
            if queued.notice.decision == decision.id:
                box.sent(queued.notice.id, at + story.mail * SECOND, MAIL)
        box.close()
    if story.reply is not None:
        reply = Reply(f"r-{number}", Sort.REPLY, "ops@example.net")
        store.replies.take(Taken(reply, at + story.reply * SECOND, case.id), ())
    if story.person is not None:
        store.note(case.id, at + story.person * SECOND, "alex", "claimed: looking")
    if story.end is not None and story.routed and not story.refused:
        grace = Grace(story.by) if story.by else None
        release = replace(
            decision, id=f"release-{number}", verdict=None, at=at + story.end * SECOND, act=Act.RELEASE, until=None,
            releases=(decision.id,), by="alex" if grace else "automation", grace=grace, silent=True,
        )  # fmt: skip
        store.record(case, None, release, (), replace(RELEASE_ORDER, decision=release.id))
        store.outcome(Outcome(release.id, at + story.end * SECOND, Happened.RELEASED, "so"))
    if story.judged is not None:
        store.judge_case(case.id, at + 20 * DAY * SECOND, story.judged, "kim", "as it turned out")


def found(path: Path, month: Month = NOVEMBER) -> Measures:
    with Reader(path) as reader:
        return measures(reader.account(month))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "cases.sqlite") as store:
        yield store


# ---- the month --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["2026-11", "2024-02", "1999-12", "1970-01"])
def test_a_month_ends_where_the_next_begins(text: str) -> None:
    """Its first and last moments are its own, in UTC; the days are those of the calendar."""
    month = Month.read(text)
    assert str(month) == text
    assert Month.of(month.first) == Month.of(month.end - 1) == month
    assert Month.of(month.end) == month.next != month
    assert datetime.fromtimestamp(month.first // SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S") == f"{text}-01 00:00:00"
    assert (month.day(month.first), month.day(month.end - 1)) == (1, month.days)
    assert month.days in (29, 30, 31)


@pytest.mark.parametrize("text", ["2026-13", "2026-00", "2026", "2026-1", "1969-12", "9999-01", "２０２６-11", "x", ""])
def test_what_is_no_month_is_said(text: str) -> None:
    """The sentence must quote what was given and show what is accepted."""
    with pytest.raises(ValueError, match="is no month: write year and month, like 2026-11"):
        Month.read(text)


# ---- one story at a time ----------------------------------------------------------------------------


def test_a_null_route_in_all_its_clocks(store: Store) -> None:
    """Mail, reply, person and end must be timed from where each begins."""
    write(store, 1, Story(5 * DAY, mail=7, reply=60, person=600, end=900, by=Disposition.FIXED, judged="confirmed"))
    one = found(store.path)
    assert (one.opened, one.still_open, one.null_routes, one.warnings, one.refused) == (1, 0, 1, 0, 0)
    assert one.scopes == {"narrow": 1, "own-only": 0, "full": 0}
    times = {key: took.seconds for key, took in one.times.items()}
    assert times == {
        "notice": (7.0,), "warning": (), "person": (600.0,), "reply": (540.0,), "release": (900.0,),
        "release_by_person": (900.0,), "release_by_itself": (),
    }  # fmt: skip
    assert [(r.rule, r.version, r.cases, r.judged, r.overturned_share) for r in one.rulings] == [
        ("syn", __version__, 1, 1, 0.0)
    ]
    assert [(day.day, day.null_routes) for day in one.days if day.null_routes] == [(6, 1)]


def test_what_nobody_did_is_counted_beside(store: Store) -> None:
    """A mail that did not leave, a person who did not come and a null route that stands are no times: they are told."""
    write(store, 1, Story(DAY, reply=60))
    times = found(store.path).times
    assert {key: took.without for key, took in times.items()} == {
        "notice": 1, "warning": 0, "person": 1, "reply": 1, "release": 1,
        "release_by_person": 0, "release_by_itself": 0,
    }  # fmt: skip
    assert not any(took.seconds for took in times.values())


def test_our_fault_is_overturned_unless_somebody_says_otherwise(store: Store) -> None:
    """A release as our own fault counts against the rule; a person's word on the whole case outweighs it."""
    write(store, 1, Story(DAY, end=60, by=Disposition.OUR_FAULT))
    write(store, 2, Story(DAY, end=60, by=Disposition.OUR_FAULT, judged="confirmed"))
    write(store, 3, Story(DAY, end=60))
    (ruling,) = found(store.path).rulings
    assert (ruling.cases, ruling.judged, dict(ruling.outcomes)) == (
        3, 2, {"confirmed": 1, "undetermined": 0, "overturned": 1},
    )  # fmt: skip
    assert ruling.overturned_share == 0.5


def test_a_refused_null_route_is_none(store: Store) -> None:
    """What the kernel did not take is no null route, and its end is no release; its rule has told the owner all the
    same."""
    write(store, 1, Story(DAY, refused=True, mail=3))
    one = found(store.path)
    assert (one.null_routes, one.refused, one.times["release"]) == (0, 1, Took())
    assert [ruling.cases for ruling in one.rulings] == [1]


def test_the_customers_mail_counts_not_the_desks_copy(store: Store) -> None:
    """A null route by hand writes to both: the desk's, which left first, must not shorten the customer's time."""
    at = MIDDLE * SECOND
    by_hand = replace(DECISION, verdict=None, by="alex", at=at)
    store.record(replace(CASE, opened=at), None, by_hand, notices(by_hand), ORDER)
    store.outcome(Outcome(by_hand.id, at + SECOND, Happened.ACKNOWLEDGED, "so"))
    box = store.box()
    for queued in box.due(2**62):
        box.sent(queued.notice.id, at + (2 if queued.notice.to is None else 40) * SECOND, MAIL)
    box.close()
    one = found(store.path)
    assert len(notices(by_hand)) == 2
    assert one.times["notice"].seconds == (40.0,)
    assert one.times["person"] == Took(), "a person's own null route waits for nobody"
    assert (one.by_people, [ruling.rule for ruling in one.rulings]) == (1, ["by a person"])


def test_other_taps_of_one_vm_are_one_null_route(store: Store) -> None:
    """What stands at another tap of the same VM belongs to its null route, and is not counted again."""
    write(store, 1, Story(DAY, Scope.FULL))
    case, _, decision, order = another(1)
    beside = replace(decision, id="d-beside", at=(NOVEMBER.first + DAY * SECOND), verdict=None, beside=decision.id)
    store.record(case, None, beside, (), replace(order, decision=beside.id))
    assert found(store.path).null_routes == 1


def test_a_verdict_of_before_has_no_version(store: Store) -> None:
    """Rows of an earlier schema must be shown as what they are."""
    write(store, 1, Story(DAY))
    store._db.execute("UPDATE verdicts SET version = NULL")
    assert [ruling.version for ruling in found(store.path).rulings] == ["unknown"]


def test_an_empty_month_is_empty(store: Store) -> None:
    """Neighbours of a month with cases must have nothing of them."""
    write(store, 1, Story(0, end=40 * DAY))
    write(store, 2, Story(30 * DAY - 1, end=40 * DAY))
    assert not found(store.path).is_empty
    assert found(store.path, Month(2026, 10)).is_empty
    assert found(store.path, Month(2026, 12)).is_empty
    assert found(store.path).null_routes == len(found(store.path).times["release"].seconds) == 2


def test_nothing_is_written(store: Store) -> None:
    """The report must open the database read-only, whatever it is asked."""
    write(store, 1, Story(DAY))
    with Reader(store.path) as reader:
        measures(reader.account(NOVEMBER))
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader._db.execute("DELETE FROM cases")


def test_a_database_that_breaks_is_one_line(store: Store) -> None:
    """What SQLite says must come as our own error."""
    with Reader(store.path) as reader:
        store._db.execute("DROP TABLE judgements")
        with pytest.raises(StoreError, match="cannot read it"):
            measures(reader.account(NOVEMBER))


# ---- many stories against plain sums ----------------------------------------------------------------

SPAN = st.none() | st.integers(0, 40 * DAY)
STORIES = st.builds(
    Story,
    at=st.integers(-2 * DAY, 32 * DAY),
    scope=st.sampled_from([Scope.OBSERVE, Scope.WARN, Scope.NARROW, Scope.OWN_ONLY, Scope.FULL]),
    rule=st.sampled_from(["syn", "udp"]),
    refused=st.booleans(),
    mail=SPAN,
    person=SPAN,
    reply=SPAN,
    end=SPAN,
    by=st.none() | st.sampled_from([one for one in Disposition if one is not Disposition.EXEMPT]),
    judged=st.none() | st.sampled_from(["confirmed", "undetermined", "overturned"]),
)


def in_month(seconds: int) -> bool:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m") == "2026-11"


def until_person(story: Story, since: int) -> int | None:
    """Notes, people's releases and judgements are what a person leaves behind."""
    released = story.end if story.by and story.routed and not story.refused else None
    acts = [story.person, released, 20 * DAY if story.judged else None]
    return min((act - since for act in acts if act is not None and act >= since), default=None)


def sorted_seconds(spans: list[int | None]) -> tuple[tuple[float, ...], int]:
    return tuple(sorted(float(span) for span in spans if span is not None)), spans.count(None)


@settings(max_examples=40)
@given(stories=st.lists(STORIES, max_size=8))
def test_every_figure_is_the_sum_of_its_stories(stories: list[Story], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever happened, each count and each time must be what a plain walk over the stories says."""
    path = tmp_path_factory.mktemp("month") / "cases.sqlite"
    with Store(path) as store:
        for number, story in enumerate(stories):
            write(store, number, story)
        one = found(path)
    ours = [story for story in stories if in_month(story.start)]
    warned = [story for story in ours if story.scope is Scope.WARN]
    stood = [story for story in ours if story.routed and not story.refused]
    assert one.opened == len(ours)
    assert one.still_open == sum(story.judged is None for story in ours)
    assert one.observed == sum(story.scope is Scope.OBSERVE for story in ours)
    assert (one.warnings, one.null_routes) == (len(warned), len(stood))
    assert one.refused == sum(story.routed and story.refused for story in ours)
    assert sum(one.scopes.values()) == len(stood)
    written = [story for story in stories if in_month(story.start + (story.reply or 0)) and story.reply is not None]
    by_person = [story for story in stood if story.by]
    by_itself = [story for story in stood if not story.by]
    expected = {
        "notice": sorted_seconds([story.mail for story in stood]),
        "warning": sorted_seconds([story.mail for story in warned]),
        "person": sorted_seconds([until_person(story, 0) for story in stood]),
        "reply": sorted_seconds([until_person(story, story.reply or 0) for story in written]),
        "release": sorted_seconds([story.end for story in stood]),
        "release_by_person": (sorted_seconds([story.end for story in by_person])[0], 0),
        "release_by_itself": (sorted_seconds([story.end for story in by_itself])[0], 0),
    }
    assert {key: (took.seconds, took.without) for key, took in one.times.items()} == expected
    for rule in ("syn", "udp"):
        told = [story for story in ours if story.rule == rule and (story.routed or story.scope is Scope.WARN)]
        (ruling,) = [ruling for ruling in one.rulings if ruling.rule == rule] or [None]
        assert (ruling.cases if ruling else 0) == len(told)
        if ruling:
            said = [outcome(story) for story in told]
            assert dict(ruling.outcomes) == {name: said.count(name) for name in ruling.outcomes}
    assert sum(day.warnings for day in one.days) == len(warned)
    assert sum(day.null_routes for day in one.days) == len(stood)


def outcome(story: Story) -> str | None:
    fault = story.by is Disposition.OUR_FAULT and story.end is not None and story.routed and not story.refused
    return story.judged or ("overturned" if fault else None)


@given(values=st.lists(st.floats(0, 1e6), min_size=1), share=st.sampled_from([0.5, 0.95, 1.0]))
def test_percentiles_are_nearest_ranks(values: list[float], share: float) -> None:
    """At least that share of the values is no larger, and fewer are smaller."""
    value = Took(tuple(sorted(values))).percentile(share)
    assert value in values
    assert sum(one <= value for one in values) >= share * len(values)
    assert sum(one < value for one in values) < math.ceil(share * len(values))
