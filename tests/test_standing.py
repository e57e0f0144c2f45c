"""Providers for real: files, an SQLite database, a web server that lies and hangs; and the process that asks them."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import astuple
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from misbehaving import Service, serving
from test_standing_answer import JSON, NEAR

from edgeguard import config
from edgeguard.clock import SECOND
from edgeguard.config.standing import StandingSettings
from edgeguard.context import Fact, Told
from edgeguard.exchange import NoAnswerError
from edgeguard.standing import child, wire
from edgeguard.standing.provider import provider

PATIENCE_S = 60  # the machine may be busy
CUSTOMER = "Example & Söhne/1"
NOW = time.time_ns()
AS_OF = NOW // SECOND - 3600
NIL = "the provider does not know this customer"


def settings_of(**values: Any) -> StandingSettings:
    return config.build({"standing": {"timeout": "1s", **values}}).standing


def asked(customer: str = CUSTOMER, **values: Any) -> Told:
    """What the configured provider says, in this process."""
    whom = wire.Whom.of(settings_of(**values))
    return child.ask(provider(whom), customer, whom.seconds)


def until(holds: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


# ---- a file --------------------------------------------------------------------------------------


def test_a_file_of_customers(tmp_path: Path) -> None:
    """TOML and JSON say the same; who is not in it is unknown; the file's own time is that of its answers."""
    toml, plain = tmp_path / "customers.toml", tmp_path / "customers.json"
    toml.write_text(
        f"as_of = {AS_OF}\n[customer.'{CUSTOMER}']\nstanding = 'good'\nfacts = {{ on_call = true }}\n"
        "[customer.other]\nstanding = 'unknown'\n"
    )
    entry = {"standing": "good", "facts": {"on_call": True}}
    plain.write_text(json.dumps({"as_of": AS_OF, "customer": {CUSTOMER: entry, "other": {"standing": "unknown"}}}))
    for file in (toml, plain):
        assert asked(file=str(file)) == Told(True, "", (Fact("on_call", True, AS_OF * SECOND),), AS_OF * SECOND)
        assert asked("other", file=str(file)).why == "the provider says so"
        assert asked("nobody", file=str(file)) == Told(False, NIL)
    plain.write_text(json.dumps({"customer": {CUSTOMER: entry}}))
    os.utime(plain, (AS_OF + 7, AS_OF + 7))
    assert asked(file=str(plain)).as_of == (AS_OF + 7) * SECOND


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    """The next question is answered from the new version, a wrong one is no answer, and the next good one is again."""
    file = tmp_path / "customers.json"
    whom = wire.Whom.of(settings_of(file=str(file)))
    one = provider(whom)
    for said in ("good", "unknown"):
        file.write_text(json.dumps({"customer": {CUSTOMER: {"standing": said}}, "as_of": AS_OF}))
        assert child.ask(one, CUSTOMER, 1).good is (said == "good")
    file.write_text("{")
    for _ in range(2):
        with pytest.raises(NoAnswerError, match="cannot be understood"):
            child.ask(one, CUSTOMER, 1)
    file.write_text(json.dumps({"customer": {}}))
    assert child.ask(one, CUSTOMER, 1) == Told(False, NIL)


WRONG_FILES = [
    ("x.json", "[" * 100_000, "cannot be understood"),
    ("x.json", '{"customer": []}', "has no table `customer`"),
    ("x.json", "[]", "holds something else than"),
    ("x.json", '{"customers": {}}', "holds something else than as_of and customer"),
    ("x.json", "{}", "has no table `customer`"),
    ("x.toml", "[customer\n", "cannot be understood"),
    ("x.toml", f"[customer]\n'{CUSTOMER}' = 'good'\n", "which is no table"),
    ("x.toml", f"[customer.'{CUSTOMER}']\nstanding = 'good'\nunpaid = 3\n", "'unpaid' is no part of an answer"),
    ("x.toml", f"as_of = 2999-01-01\n[customer.'{CUSTOMER}']\nstanding = 'good'\n", "in the future"),
    ("x.json", b"\xff\xfe", "cannot be understood"),
    (
        "x.json",
        f'{{"as_of": 1{"0" * 400}, "customer": {{"{CUSTOMER}": {{"standing": "good"}}}}}}',
        "which is no time since 1970",
    ),
]


@pytest.mark.parametrize(("name", "text", "why"), WRONG_FILES)
def test_a_wrong_file_is_no_answer(tmp_path: Path, name: str, text: str | bytes, why: str) -> None:
    """Each with its reason; nothing of it is believed."""
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(NoAnswerError) as caught:
        asked(file=str(file))
    assert why in str(caught.value)


def test_a_file_that_is_none_or_does_not_end(tmp_path: Path) -> None:
    """Missing, a folder, larger than may be, a pipe that nobody writes to: no answer, in time."""
    with pytest.raises(NoAnswerError, match="cannot be read: No such file"):
        asked(file=str(tmp_path / "none.toml"))
    with pytest.raises(NoAnswerError, match="cannot be read: Is a directory"):
        asked(file=str(tmp_path))
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate(16_777_217)
    with pytest.raises(NoAnswerError, match="longer than 16,777,216 bytes"):
        asked(file=str(large))
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(NoAnswerError, match="did not answer within 1000 ms"):
        asked(file=str(tmp_path / "pipe.toml"))


@settings(max_examples=150, deadline=None)
@given(
    JSON
    | st.fixed_dictionaries({"customer": st.dictionaries(st.just(CUSTOMER), NEAR | JSON)}, optional={"as_of": JSON})
)
def test_any_file_is_good_unknown_or_no_answer(document: Any) -> None:
    """Whatever an export writes, nothing else is raised, and only what says so is good."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(document, file)
        file.flush()
        try:
            told = asked(file=file.name)
        except NoAnswerError:
            return
        assert not told.good or document["customer"][CUSTOMER]["standing"] == "good"


VALUES = st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=9) | st.binary(max_size=9)
COLUMNS = st.sampled_from(["standing", "as_of", "valid_until", "on_call", "unpaid", ""])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(COLUMNS, VALUES | st.sampled_from(["good", AS_OF])), max_size=5))
def test_any_row_is_good_unknown_or_no_answer(columns: list[tuple[str, Any]]) -> None:
    """Whatever a query gives, of any names and values, nothing else is raised, and only what says so is good."""
    with tempfile.TemporaryDirectory() as folder, closing(sqlite3.connect(f"{folder}/crm.sqlite")) as db:
        db.execute(f"CREATE TABLE row ({', '.join(f'v{n}' for n in range(len(columns) + 1))})")
        db.execute(f"INSERT INTO row VALUES ({', '.join('?' * (len(columns) + 1))})", [1, *(v for _, v in columns)])
        db.commit()
        named = ", ".join(f'v{n + 1} AS "{name}"' for n, (name, _) in enumerate(columns)) or "1"
        try:
            told = asked(database=f"{folder}/crm.sqlite", query=f"SELECT {named} FROM row WHERE :customer != ''")
        except NoAnswerError:
            return
        assert not told.good or ("standing", "good") in columns


# ---- a query -------------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Customers as a billing system might keep them."""
    path = tmp_path / "crm.sqlite"
    with sqlite3.connect(path) as db:
        db.execute(
            "CREATE TABLE customers (name TEXT, standing TEXT, checked INTEGER, verified INTEGER, unpaid INTEGER)"
        )
        rows = [(CUSTOMER, "good", AS_OF, 1, 3), ("new", "unknown", AS_OF, None, 0), ("twice", "good", AS_OF, 1, 0)]
        db.executemany("INSERT INTO customers VALUES (?, ?, ?, ?, ?)", [*rows, rows[-1]])
    db.close()
    return path


QUERY = "SELECT standing, checked AS as_of, verified AS contact_verified FROM customers WHERE name = :customer"


def test_a_query_is_asked(database: Path) -> None:
    """One row is the answer, its other columns are facts, null is left out; no row is a customer not known."""
    where = {"database": str(database), "query": QUERY}
    assert asked(**where) == Told(True, "", (Fact("contact_verified", True, AS_OF * SECOND),), AS_OF * SECOND)
    assert asked("new", **where) == Told(False, "the provider says so", (), AS_OF * SECOND)
    assert asked("nobody", **where) == Told(False, NIL)
    assert asked("' OR 1=1 --", **where) == Told(False, NIL)


@pytest.mark.parametrize(
    ("query", "customer", "why"),
    [
        (QUERY, "twice", "more than one row"),
        (QUERY.replace("verified AS", "unpaid AS"), CUSTOMER, "neither true nor false"),
        (QUERY.replace("contact_verified", "unpaid"), CUSTOMER, "'unpaid' may not be a ground"),
        (QUERY.replace("customers", "clients"), CUSTOMER, "no such table: clients"),
        (QUERY.replace("standing,", "hex(zeroblob(90000)) AS standing,"), CUSTOMER, "too big"),
        ("SELECT 'good' AS standing, x'00' AS as_of WHERE :customer != ''", CUSTOMER, "as_of is bytes"),
        ("SELECT 'good' AS standing WHERE :customer != ''; DROP TABLE customers", CUSTOMER, "one statement at a time"),
        ("WITH x AS (SELECT :customer) DELETE FROM customers", CUSTOMER, "readonly database"),
        (QUERY, "\ud800", "a name that is no text"),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS standing FROM n"
            " WHERE :customer != ''",
            CUSTOMER,
            "did not answer within 1000 ms",
        ),
    ],
)
def test_a_query_that_lies_hangs_or_writes(database: Path, query: str, customer: str, why: str) -> None:
    """No answer, with the reason, in time; and the database is what it was."""
    before = database.read_bytes()
    with pytest.raises(NoAnswerError) as caught:
        asked(customer, database=str(database), query=query)
    assert why in str(caught.value)
    assert database.read_bytes() == before


def test_a_database_that_is_none_or_is_locked(tmp_path: Path, database: Path) -> None:
    """A missing one is not made; garbage is none; one that is being written to is waited for as long as configured."""
    missing = tmp_path / "none.sqlite"
    with pytest.raises(NoAnswerError, match="unable to open database file"):
        asked(database=str(missing), query=QUERY)
    assert not missing.exists()
    (tmp_path / "text.sqlite").write_text("hello " * 100)
    with pytest.raises(NoAnswerError, match="not a database"):
        asked(database=str(tmp_path / "text.sqlite"), query=QUERY)
    with sqlite3.connect(database, isolation_level=None) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(NoAnswerError, match="did not answer within 1000 ms"):
            asked(database=str(database), query=QUERY)
    writer.close()


# ---- a URL ---------------------------------------------------------------------------------------

SAYS = {"standing": "good", "as_of": AS_OF, "facts": {"reviewed": True}}


class Answering(Service):
    """Does what the first part of the path says."""

    def _good(self) -> None:
        self.say(json.dumps(SAYS).encode())

    def _pays(self) -> None:
        self.say(json.dumps({**SAYS, "facts": {"payment_overdue": False}}).encode())

    def _bad(self) -> None:
        self.say(json.dumps({**SAYS, "standing": "bad"}).encode())

    def _echo(self) -> None:
        said = json.dumps({**SAYS, "standing": self.headers["Authorization"]})
        self.say(said.replace("t0ken", "\\u00740ken").encode())

    def _null(self) -> None:
        self.say(b"null")

    def _page(self) -> None:
        self.say(b"<html>it works</html>")

    def _deep(self) -> None:
        self.say(b"[" * 16_000)

    def _huge(self) -> None:
        self.say(json.dumps(SAYS).encode() + b" " * 1_000_000)

    def _missing(self) -> None:
        self.say(b"no such customer", 404)

    def _fails(self) -> None:
        self.say(json.dumps(SAYS).encode(), 500)

    def _other(self) -> None:
        self._good()


@pytest.fixture
def service() -> Iterator[str]:
    """The URL of a server on this host."""
    with serving(Answering) as url:
        yield url


def test_a_url_is_asked(service: str, tmp_path: Path) -> None:
    """A GET has the customer in its path, whatever its name; a POST in its document; a token is sent from its file."""
    expected = Told(True, "", (Fact("reviewed", True, AS_OF * SECOND),), AS_OF * SECOND)
    assert asked(url=f"{service}/good/{{customer}}?v=1") == expected
    (tmp_path / "token").write_text("t0ken\nsecond line\n")
    assert asked(url=f"{service}/good", method="POST", token_file=str(tmp_path / "token")) == expected
    (verb, path, body, token), (verb2, path2, body2, token2) = map(astuple, Answering.heard)
    assert (verb, unquote(path), body, token) == ("GET", f"/good/{CUSTOMER}?v=1", b"", None)
    assert path.count("/") == 2
    assert (verb2, path2, json.loads(body2), token2) == ("POST", "/good", {"customer": CUSTOMER}, "Bearer t0ken")
    assert asked(url=f"{service}/missing/{{customer}}") == Told(False, NIL)


def test_a_service_that_echoes_the_token(service: str, tmp_path: Path) -> None:
    """It is not believed, and the token stands in no reason, even where the answer hides it in an escape."""
    (tmp_path / "token").write_text("t0ken-hidden\n")
    with pytest.raises(NoAnswerError, match="its answer repeats the token") as caught:
        asked(url=f"{service}/echo/{{customer}}", token_file=str(tmp_path / "token"))
    assert "t0ken" not in str(caught.value)


URLS = [
    ("pays", "'payment_overdue' may not be a ground"),
    ("bad", "standing is 'bad', which is neither"),
    ("null", "standing is None"),
    ("page", "its answer is no JSON"),
    ("deep", "its answer is no JSON"),
    ("huge", "its answer is longer than 16,384 bytes"),
    ("fails", "answered with status 500"),
    ("elsewhere", "answered with status 302"),
    ("hangs", "did not answer within 1000 ms"),
    ("drips", "did not answer within 1000 ms"),
    ("breaks", "http://127.0.0.1:"),
]


@pytest.mark.parametrize(("path", "why"), URLS)
def test_a_url_that_lies_or_hangs(service: str, path: str, why: str) -> None:
    """No answer, in time, with a reason that shows nothing of the path; no redirect is followed."""
    began = time.monotonic()
    with pytest.raises(NoAnswerError) as caught:
        asked(url=f"{service}/{path}/s3cret/{{customer}}")
    assert why in str(caught.value) and "s3cret" not in str(caught.value)
    assert time.monotonic() - began < PATIENCE_S / 2
    assert len(Answering.heard) == 1


def test_nobody_listens_and_no_token(service: str, tmp_path: Path) -> None:
    """A refused connection and an unreadable token are no answer; without the token nobody is asked."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(NoAnswerError, match="Connection refused"):
            asked(url=f"http://127.0.0.1:{free.getsockname()[1]}/{{customer}}")
    for text, why in ((None, "No such file"), ("", "is no token"), ("a\x00b", "is no token"), ("ü", "no ASCII text")):
        if text is not None:
            (tmp_path / "token").write_text(text)
        with pytest.raises(NoAnswerError, match=why):
            asked(url=f"{service}/good/{{customer}}", token_file=str(tmp_path / "token"))
    assert Answering.heard == []
