"""What was sent is kept small, and whole: packed when it leaves, read as if it had never been."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import CASE, DECISION, ORDER, VERDICT, T, notices

from edgeguard.cases import codec
from edgeguard.cases.packing import DICTIONARIES, SEARCHED, YOUNGEST, pack, unpack, whole
from edgeguard.cases.reader import Reader
from edgeguard.cases.store import Store
from edgeguard.clock import SECOND
from edgeguard.errors import StoreError
from edgeguard.letters import Channel, Delivery, Facts, Mail
from edgeguard.model import Decision, Verdict
from edgeguard.notice.render import render

PACKAGE = Path(__file__).parents[1] / "edgeguard"
RELEASED = {1: "d4c9f9df83d837c7c6c8d839f571b5874eee43cbd897d2be5648116d38dd14b2"}


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


def small(blob: object, text: str) -> bool:
    """A fourth of the text, and two thirds of what plain deflate makes of it."""
    assert isinstance(blob, bytes) and unpack(blob) == text
    return 4 * len(blob) < len(text) and 3 * len(blob) < 2 * len(zlib.compress(text.encode()))


def test_a_mail_is_kept_small_and_read_whole(store: Store) -> None:
    """Values and mail are packed; every reader sees all of them."""
    values = notices()[0].values
    mail = sent(store)
    kept = row(store, "outbox")
    assert (kept["body"], kept["mail"]) == ("", None)
    assert small(kept["packed"], codec.dumps(values)) and small(kept["packed_mail"], codec.dumps(mail))
    with Reader(store.path) as reader:
        (letter,) = reader.letters(CASE.id)
        assert (letter.subject, letter.text, letter.headers) == (mail.subject, mail.text, mail.headers)
        assert [entry.what for entry in reader.timeline(CASE.id)].count("notice") == 2
    notice = store.replies.sent([letter.id])
    assert notice is not None and codec.dumps(notice.values) == codec.dumps(values)


def test_verdicts_and_decisions_are_read_whole(store: Store) -> None:
    """What is packed is all of it; what stays beside is what is searched."""
    assert (store.verdicts(CASE.id), store.decisions(CASE.id)) == ([VERDICT], [DECISION])
    assert json.loads(str(row(store, "verdicts")["body"])) == {"rule": "syn", "band": "hard", "kind": "flood"}
    kept = json.loads(str(row(store, "decisions")["body"]))
    assert kept == {"scope": "narrow", "by": "automation", "silent": False, "against": [], "beside": None}


def statements() -> Iterator[str]:
    for file in [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.sql")]:
        yield file.read_text(encoding="utf-8")


def test_statements_look_for_nothing_that_is_packed() -> None:
    """json_extract finds NULL where a key is packed: every key that code or schema asks for must stay in `body`."""
    asked = set()
    for text in statements():
        found = re.findall(r"json_\w+\((?:(\w+)\.)?body, '\$\.(\w+)", text)
        asked |= {key for alias, key in found if alias != "r"}  # r: replies are not packed
    assert {"by", "scope", "rule"} <= asked <= {key for keys in SEARCHED.values() for key in keys}


def test_statements_read_no_body_as_if_it_were_whole() -> None:
    """Of decisions (d), verdicts (v), notices and deliveries a statement must take whole(body, packed)."""
    bare = re.compile(r"(?<!whole\()(?<!json_extract\()(?<!json_valid\()(?<!json_array_length\()\b[dv]\.body\b")
    alone = re.compile(r"SELECT body[^\"]* FROM (?:decisions|verdicts|outbox|deliveries)\b")
    assert [found for text in statements() for one in (bare, alone) for found in one.findall(text)] == []
    assert bare.findall("SELECT d.body, v.body") and alone.findall("SELECT body FROM decisions")


def test_keys_that_are_searched_are_keys() -> None:
    """A key that is renamed in the model must be renamed here."""
    for kind, table in ((Decision, "decisions"), (Verdict, "verdicts")):
        assert set(SEARCHED[table]) <= {field.name for field in fields(kind)}


@pytest.mark.parametrize("table", ["outbox", "deliveries"])
def test_a_packed_row_says_nothing_twice(store: Store, table: str) -> None:
    """Where a text is packed nothing may stand beside it: which of the two held would be anybody's guess."""
    store.deliver([Delivery("d-1", Channel.WEBHOOK, CASE.id, DECISION.id, T, "{}")])
    with pytest.raises(sqlite3.IntegrityError):
        store._db.execute(f"UPDATE {table} SET body = 'x'")


def test_a_delivery_is_kept_whole(store: Store) -> None:
    """What a program is handed is byte for byte what was written, and is kept after it left."""
    document = codec.dumps({"kind": "decision", "safeties": ["one"] * 40})
    store.deliver([Delivery(f"d-{n}", Channel.WEBHOOK, CASE.id, DECISION.id, T, document) for n in (1, 2)])
    tray = store.tray()
    tray.sent("d-1", T)
    assert [one.delivery.body for one in tray.due([Channel.WEBHOOK], T)] == [document]
    tray.close()
    kept = row(store, "deliveries")
    assert kept["state"] == "sent" and whole(str(kept["body"]), kept["packed"]) == document  # type: ignore[arg-type]


def test_what_was_written_before_is_read_as_it_is(store: Store) -> None:
    """Rows of an earlier version hold everything in `body`, and are read like any other."""
    mail = sent(store)
    store._db.execute("UPDATE outbox SET mail = whole(mail, packed_mail), packed_mail = NULL")
    for table in ("outbox", "verdicts", "decisions"):
        text = str(store._db.execute(f"SELECT whole(body, packed) FROM {table}").fetchone()[0])
        store._db.execute(f"UPDATE {table} SET packed = NULL, body = ?", (text,))
    (letter,) = store.letters(CASE.id)
    assert letter.text == mail.text
    assert store.replies.sent([letter.id]) is not None
    assert (store.verdicts(CASE.id), store.decisions(CASE.id)) == ([VERDICT], [DECISION])
    assert len(store.standing()) == 1


def test_a_damaged_mail_is_one_line(store: Store) -> None:
    """What cannot be unpacked is told as an error of the database."""
    sent(store)
    store._db.execute("UPDATE outbox SET packed_mail = x'0100'")
    with pytest.raises(StoreError, match="cannot read it"):
        store.letters(CASE.id)
