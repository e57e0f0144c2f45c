"""What was sent is kept small, and whole: packed when it leaves, read as if it had never been."""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import CASE, DECISION, ORDER, VERDICT, T, notices

from edgeguard.cases import codec
from edgeguard.cases.intray import Intray
from edgeguard.cases.packing import DICTIONARIES, YOUNGEST, pack, unpack
from edgeguard.cases.reader import Reader
from edgeguard.cases.store import Store
from edgeguard.clock import SECOND
from edgeguard.errors import StoreError
from edgeguard.letters import Channel, Delivery, Facts, Mail
from edgeguard.notice.render import render

RELEASED = {1: "0ecddbf173e1f4b07985f3cd56602a1f2d15fd0b042036a36e93f6e3b7e3bbdd"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "cases.sqlite") as store:
        store.record(CASE, VERDICT, DECISION, notices(), ORDER)
        yield store


def sent(store: Store) -> Mail:
    """The one notice as its thread writes it, marked as gone."""
    box = store.box()
    (queued,) = box.due(T + 60 * SECOND)
    rendered = render(queued.notice.kind, queued.notice.values, Facts(), T + 6 * SECOND)
    mail = Mail(rendered.subject, rendered.text, (("To", "ops@example.net"),), "<n@example.net>")
    box.sent(queued.notice.id, T + 7 * SECOND, mail)
    box.close()
    return mail


def row(store: Store, table: str) -> dict[str, object]:
    cursor = store._db.execute(f"SELECT * FROM {table}")
    return dict(zip([column[0] for column in cursor.description], cursor.fetchone(), strict=True))


@given(text=st.text())
def test_what_is_packed_comes_back(text: str) -> None:
    """Whatever was written, byte for byte."""
    assert unpack(pack(text)) == text


@given(blob=st.binary(max_size=60))
def test_what_was_never_packed_is_refused(blob: bytes) -> None:
    """Any bytes give a text or a ValueError, never another error."""
    try:
        assert isinstance(unpack(blob), str)
    except ValueError as error:
        assert str(error)


@given(text=st.text(min_size=1), cut=st.integers(1, 20))
def test_a_part_of_it_is_refused(text: str, cut: int) -> None:
    """A text that lost its end is not taken for a shorter one."""
    blob = pack(text)
    with pytest.raises(ValueError, match=r"packed|codec"):
        unpack(blob[: max(0, len(blob) - cut)])


def test_dictionaries_are_never_changed() -> None:
    """Databases hold what was packed with them: a changed one would make old mails unreadable."""
    assert {n: hashlib.sha256(file.read_bytes()).hexdigest() for n, file in DICTIONARIES.items()} == RELEASED
    assert max(DICTIONARIES) == YOUNGEST


def test_a_mail_is_kept_small_and_read_whole(store: Store) -> None:
    """A mail that left takes at most half of what plain deflate makes of it, a fourth of its text; readers see all."""
    values = notices()[0].values
    mail = sent(store)
    kept = row(store, "outbox")
    assert (kept["body"], kept["mail"]) == ("", None)
    for blob, text in ((kept["packed"], codec.dumps(values)), (kept["packed_mail"], codec.dumps(mail))):
        assert isinstance(blob, bytes)
        assert 2 * len(blob) < len(zlib.compress(text.encode())), len(blob)
        assert 4 * len(blob) < len(text)
    with Reader(store.path) as reader:
        (letter,) = reader.letters(CASE.id)
        assert (letter.subject, letter.text, letter.headers) == (mail.subject, mail.text, mail.headers)
        assert [entry.what for entry in reader.timeline(CASE.id)].count("notice") == 2
    notice = Intray(store).sent([letter.id])
    assert notice is not None and codec.dumps(notice.values) == codec.dumps(values)


def test_a_mail_marked_twice_keeps_its_values(store: Store) -> None:
    """The mark is tried again after a full disk: the second must not pack the nothing that the first left."""
    mail = sent(store)
    first = row(store, "outbox")
    box = store.box()
    box.sent(str(first["id"]), T + 8 * SECOND, mail)
    box.close()
    assert row(store, "outbox")["packed"] == first["packed"]


def test_what_waits_is_not_packed(store: Store) -> None:
    """Only what left: the database refuses a packed row that is still to be sent."""
    assert row(store, "outbox")["packed"] is None
    with pytest.raises(sqlite3.IntegrityError):
        store._db.execute("UPDATE outbox SET packed = pack(body), body = ''")


def test_a_delivery_is_packed_when_it_left(store: Store) -> None:
    """A document that was handed over is kept, small; one that waits is as it was."""
    document = codec.dumps({"kind": "decision", "safeties": ["one"] * 40})
    store.deliver([Delivery(f"d-{n}", Channel.WEBHOOK, CASE.id, DECISION.id, T, document) for n in (1, 2)])
    tray = store.tray()
    tray.sent("d-1", T)
    assert [one.delivery.body for one in tray.due([Channel.WEBHOOK], T)] == [document]
    tray.close()
    kept = row(store, "deliveries")
    assert (kept["body"], unpack(kept["packed"])) == ("", document)  # type: ignore[arg-type]


def test_what_left_before_is_read_as_it_is(store: Store) -> None:
    """A row of an earlier version, sent and not packed, is read like any other."""
    mail = sent(store)
    store._db.execute(
        "UPDATE outbox SET body = unpack(packed), mail = unpack(packed_mail), packed = NULL, packed_mail = NULL"
    )
    (letter,) = store.letters(CASE.id)
    assert letter.text == mail.text
    assert Intray(store).sent([letter.id]) is not None


def test_a_damaged_mail_is_one_line(store: Store) -> None:
    """What cannot be unpacked is told as an error of the database."""
    sent(store)
    store._db.execute("UPDATE outbox SET packed_mail = x'0100'")
    with pytest.raises(StoreError, match="cannot read it"):
        store.letters(CASE.id)
