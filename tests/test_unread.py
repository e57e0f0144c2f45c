"""Replies that wait for a person are told of: before a promise breaks, and while one names no case."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from samples import CASE, DECISION, ORDER, VERDICT, T, notices
from test_outbox import settings

from edgeguard import config
from edgeguard.cases.store import Store
from edgeguard.clock import MINUTE, SECOND
from edgeguard.daemon.unread import Unread
from edgeguard.incoming import Reply, Sort
from edgeguard.intake import Intake

ROSTER = config.build({}).roster
MAIL = settings(25, read_within="30m")
REPLY = Reply("reply-1", Sort.REPLY, "ops@example.net", (CASE.id,), text="HELP", answerable=True)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "cases.sqlite") as opened:
        opened.record(CASE, VERDICT, DECISION, notices(), ORDER)
        yield opened


@pytest.fixture
def unread(store: Store) -> Unread:
    return Unread(store, "hv1", lambda: None)


def told(store: Store) -> list[str]:
    """Of promises: that an answer came in is told by itself (test_intake.py)."""
    rows = store._db.execute("SELECT whole(body, packed) FROM deliveries ORDER BY seq")
    texts = [json.loads(body)["text"] for (body,) in rows]
    return [text for text in texts if not text.startswith("ops@example.net answered")]


def test_a_promise_has_a_clock(store: Store, unread: Unread) -> None:
    """The desk hears of it ten minutes before it breaks, once; afterwards it is a trouble until a person was there."""
    Intake(store, MAIL, ROSTER).take(REPLY, T)
    unread.look(T + 19 * MINUTE)
    assert told(store) == [] and unread.trouble is None
    for minute in (21, 25, 29):
        unread.look(T + minute * MINUTE)
    (text,) = told(store)
    assert f"edgeguard case show {CASE.id}" in text and unread.trouble is None
    unread.look(T + 31 * MINUTE)
    assert unread.trouble == f"{CASE.id}: a reply was promised to be read by now"
    store.note(CASE.id, T + 32 * MINUTE, "automation", "evidence kept")
    unread.look(T + 33 * MINUTE)
    assert unread.trouble is not None, "a line of the program's own is nobody's reading"
    store.note(CASE.id, T + 34 * MINUTE, "alex", "read, asked for the log")
    unread.look(T + 35 * MINUTE)
    assert unread.trouble is None and len(told(store)) == 1


def test_without_a_promise_nobody_is_late(store: Store, unread: Unread) -> None:
    """What was not promised breaks no promise, and a case that is closed keeps no promise."""
    Intake(store, settings(25), ROSTER).take(REPLY, T)
    unread.look(T + 60 * MINUTE)
    assert told(store) == [] and unread.trouble is None
    Intake(store, MAIL, ROSTER).take(Reply("reply-2", Sort.REPLY, "b@example.net", (CASE.id,), answerable=True), T)
    store.close_case(CASE.id, T + MINUTE, "quiet")
    unread.look(T + 62 * MINUTE)
    assert told(store) == [] and unread.trouble is None


def test_what_names_no_case_is_a_trouble_until_it_is_filed(store: Store, unread: Unread) -> None:
    """The queue of unmatched replies is watched: its length stands in the troubles, and bounces are not in it."""
    intake = Intake(store, MAIL, ROSTER)
    for n, sort in enumerate((Sort.REPLY, Sort.UNREADABLE, Sort.AUTOMATIC, Sort.BOUNCE)):
        intake.take(Reply(f"reply-{n}", sort, "ops@example.net", status="5.0.0"), T)
    unread.look(T)
    assert unread.trouble == "replies that name no case: 2; see 'edgeguard reply --unmatched'"
    for waiting in store.replies.unmatched():
        assert store.replies.file(waiting.seq, None, T, "alex")
    unread.look(T + SECOND)
    assert unread.trouble is not None, "it looks twice a minute, no oftener"
    unread.look(T + MINUTE)
    assert unread.trouble is None


def test_a_clock_that_went_back_blinds_nobody(store: Store, unread: Unread) -> None:
    """After the wall clock was set back the next look is not hours away."""
    unread.look(T + 300 * MINUTE)
    Intake(store, MAIL, ROSTER).take(Reply("reply-1", Sort.REPLY, "ops@example.net"), T)
    unread.look(T)
    assert unread.trouble is not None
