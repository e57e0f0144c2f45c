"""No person's release without a disposition, whoever writes; exemptions with an end, and two people for long ones."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest
from samples import BY_PERSON, CASE, DECISION, ORDER, RELEASE, RELEASE_ORDER, VERDICT, T, notices

from edgeguard.cases import codec
from edgeguard.cases.store import Store
from edgeguard.clock import HOUR, SECOND
from edgeguard.errors import StoreError
from edgeguard.grace import LONGEST, Disposition, Exemption, Grace, Rate

EXEMPTION = Exemption(
    "x-1", "vm-100", 6, ip_network("203.0.113.5/32"), 80, Rate(9_000, None), T, T + LONGEST, "alex", "load test"
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "cases.sqlite") as made:
        made.record(CASE, VERDICT, DECISION, notices(), ORDER)
        yield made


@pytest.fixture
def raw(store: Store) -> Iterator[sqlite3.Connection]:
    """Another writer, that knows nothing of our code; not even foreign keys are asked for."""
    db = sqlite3.connect(store.path, isolation_level=None)
    yield db
    db.close()


def test_a_persons_release_without_a_disposition_is_refused(store: Store) -> None:
    """Nothing of it is written, and so nothing is ordered; automation's own needs none."""
    with pytest.raises(StoreError, match="a person's release without a disposition"):
        store.record(CASE, None, replace(RELEASE, by="alex"), (), RELEASE_ORDER)
    assert [d.id for d in store.decisions(CASE.id)] == [DECISION.id]
    store.record(CASE, None, RELEASE, (), RELEASE_ORDER)
    assert store.standing()[0].releasing == RELEASE.id


@pytest.mark.parametrize("disposition", [one for one in Disposition if one is not Disposition.EXEMPT])
def test_each_disposition_is_kept_and_told(store: Store, disposition: Disposition) -> None:
    """What the person found stands in the decision, in the table and in the case's story."""
    release = replace(BY_PERSON, grace=Grace(disposition))
    store.record(CASE, None, release, (), RELEASE_ORDER)
    assert store.decisions(CASE.id)[-1] == release
    assert f"by alex as {disposition}: quiet" in next(e for e in store.timeline(CASE.id) if e.id == release.id).text


def test_no_writer_gets_past_it(store: Store, raw: sqlite3.Connection) -> None:
    """The database itself refuses: an insert, a decision turned into a release, a disposition unknown or taken back."""
    body = codec.dumps(replace(RELEASE, by="alex"))
    row = "INSERT INTO decisions (id, case_id, at, act, enforced, body) VALUES (?, ?, 1, ?, 1, ?)"
    with pytest.raises(sqlite3.IntegrityError, match="without a disposition"):
        raw.execute(row, ("d-x", CASE.id, "release", body))
    raw.execute(row, ("d-y", CASE.id, "none", body))
    with pytest.raises(sqlite3.IntegrityError, match="without a disposition"):
        raw.execute("UPDATE decisions SET act = 'release' WHERE id = 'd-y'")
    raw.execute(row, ("d-z", CASE.id, "release", json.dumps({"by": "automation"})))
    with pytest.raises(sqlite3.IntegrityError, match="without a disposition"):
        raw.execute("UPDATE decisions SET body = ? WHERE id = 'd-z'", (body,))
    put = "INSERT INTO dispositions VALUES (?, ?, ?, ?)"
    for wrong in (
        ("d", None, "alex", "w"),
        ("d", "bored", "alex", "w"),
        ("d", "fixed", "automation", "w"),
        ("d", "fixed", "alex", " "),
    ):
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute(put, wrong)
    store.record(CASE, None, BY_PERSON, (), RELEASE_ORDER)
    with pytest.raises(sqlite3.IntegrityError, match="never taken back"):
        raw.execute("DELETE FROM dispositions")


def test_exempt_needs_its_exemption(store: Store) -> None:
    """Released as exempt, the exemption is written with it or nothing is."""
    with pytest.raises(StoreError, match="without an exemption"):
        store.record(CASE, None, replace(BY_PERSON, grace=Grace(Disposition.EXEMPT)), (), RELEASE_ORDER)
    grace = Grace(Disposition.EXEMPT, exempts=(EXEMPTION,))
    store.record(CASE, None, replace(BY_PERSON, grace=grace), (), RELEASE_ORDER)
    (granted,) = store.exemptions("vm-100")
    assert granted.exemption == EXEMPTION and store.exemptions("vm-7") == []
    assert (granted.holds(T - 1), granted.holds(T), granted.holds(T + LONGEST)) == (False, True, False)


@pytest.mark.parametrize(
    ("until", "second", "taken"),
    [
        (T + LONGEST, None, True),
        (T + LONGEST + 1, None, False),
        (T + LONGEST + 1, "alex", False),
        (T + LONGEST + 1, "robin", True),
        (T, None, False),
    ],
)
def test_an_exemption_has_an_end_and_a_long_one_two_people(
    store: Store, until: int, second: str | None, taken: bool
) -> None:
    """30 days by one person; more only by two different ones; never without an end."""
    one = replace(EXEMPTION, until=until, second=second)
    if taken:
        store.exempt(one)
    else:
        with pytest.raises(StoreError):
            store.exempt(one)
    assert len(store.exemptions()) == taken


def test_an_exemption_is_ended_once_and_lengthened_by_another(store: Store) -> None:
    """Its end says who and why; what is over stays over; the first person cannot agree with themselves."""
    store.exempt(EXEMPTION)
    with pytest.raises(StoreError):
        store.lengthen(EXEMPTION, T + 2 * LONGEST, "alex")
    store.lengthen(EXEMPTION, T + 2 * LONGEST, "robin")
    (granted,) = store.exemptions()
    assert (granted.exemption.until, granted.exemption.second) == (T + 2 * LONGEST, "robin")
    assert store.end_exemption("x-1", T + HOUR, "sam", "over")
    assert not store.end_exemption("x-1", T + HOUR + SECOND, "sam", "again")
    assert not store.end_exemption("x-2", T, "sam", "none")
    (granted,) = store.exemptions()
    assert (granted.ended, granted.ended_by, granted.ended_why) == (T + HOUR, "sam", "over")
    assert not granted.holds(T + 2 * HOUR)
