"""Providers for real: files, an SQLite database, a web server that lies and hangs; and the process that asks them."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

import pytest

from edgeguard import config
from edgeguard.check.standing import standing
from edgeguard.clock import HOUR, SECOND
from edgeguard.config.standing import StandingSettings
from edgeguard.context import Fact, Told
from edgeguard.errors import ConfigError
from edgeguard.exchange import NoAnswerError
from edgeguard.inventory import configured
from edgeguard.inventory.entries import parse
from edgeguard.lab.scenario import SCENARIOS
from edgeguard.lab.write import write
from edgeguard.model import Act, Decision, Scope
from edgeguard.replay import Replay
from edgeguard.standing import asker, child, wire
from edgeguard.standing.asker import Asker
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


class Service(BaseHTTPRequestHandler):
    """Does what the first part of the path says."""

    told: ClassVar[list[tuple[str, str, bytes, str | None]]] = []
    over = threading.Event()

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        Service.told.append((self.command, self.path, body, self.headers["Authorization"]))
        getattr(self, f"_{self.path.split('/')[1]}")()

    def do_POST(self) -> None:
        self.do_GET()

    def _say(self, text: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text)

    def _good(self) -> None:
        self._say(json.dumps(SAYS).encode())

    def _pays(self) -> None:
        self._say(json.dumps({**SAYS, "facts": {"payment_overdue": False}}).encode())

    def _bad(self) -> None:
        self._say(json.dumps({**SAYS, "standing": "bad"}).encode())

    def _null(self) -> None:
        self._say(b"null")

    def _page(self) -> None:
        self._say(b"<html>it works</html>")

    def _deep(self) -> None:
        self._say(b"[" * 16_000)

    def _huge(self) -> None:
        self._say(json.dumps(SAYS).encode() + b" " * 1_000_000)

    def _missing(self) -> None:
        self._say(b"no such customer", 404)

    def _fails(self) -> None:
        self._say(json.dumps(SAYS).encode(), 500)

    def _elsewhere(self) -> None:
        self.send_response(302)
        self.send_header("Location", "/good/x")
        self.end_headers()

    def _hangs(self) -> None:
        self.over.wait()

    def _drips(self) -> None:
        self.send_response(200)
        self.end_headers()
        while not self.over.wait(0.05):
            self.wfile.write(b" ")

    def _breaks(self) -> None:
        self.connection.close()

    def log_message(self, *_: Any) -> None:
        """The test says enough."""


@pytest.fixture
def service() -> Iterator[str]:
    """The URL of a server on this host."""
    Service.told, Service.over = [], threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    Service.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_url_is_asked(service: str, tmp_path: Path) -> None:
    """A GET has the customer in its path, whatever its name; a POST in its document; a token is sent from its file."""
    expected = Told(True, "", (Fact("reviewed", True, AS_OF * SECOND),), AS_OF * SECOND)
    assert asked(url=f"{service}/good/{{customer}}?v=1") == expected
    (tmp_path / "token").write_text("t0ken\nsecond line\n")
    assert asked(url=f"{service}/good", method="POST", token_file=str(tmp_path / "token")) == expected
    (verb, path, body, token), (verb2, path2, body2, token2) = Service.told
    assert (verb, unquote(path), body, token) == ("GET", f"/good/{CUSTOMER}?v=1", b"", None)
    assert path.count("/") == 2
    assert (verb2, path2, json.loads(body2), token2) == ("POST", "/good", {"customer": CUSTOMER}, "Bearer t0ken")
    assert asked(url=f"{service}/missing/{{customer}}") == Told(False, NIL)


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
    assert len(Service.told) == 1


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
    assert Service.told == []


# ---- the process beside the daemon ---------------------------------------------------------------


class Ticks:
    """A clock that never goes back, moved by the test."""

    def __init__(self) -> None:
        self.now = 1_000 * SECOND

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def start() -> Iterator[Callable[..., tuple[Asker, Ticks]]]:
    """Starts processes that ask; they are ended with the test."""
    started = []

    def begin(**values: Any) -> tuple[Asker, Ticks]:
        made, ticks = Asker.start(settings_of(**values)), Ticks()
        made._ticks = ticks
        started.append(made)
        return made, ticks

    yield begin
    for one in started:
        one.close()


@pytest.fixture
def listed(tmp_path: Path) -> Callable[..., str]:
    """A file of customers in good standing."""

    def write(*customers: str, **entry: Any) -> str:
        document = {"as_of": AS_OF, "customer": {name: {"standing": "good", **entry} for name in customers}}
        new, file = tmp_path / "new.json", tmp_path / "customers.json"
        new.write_text(json.dumps(document))
        new.rename(file)
        return str(file)

    return write


Start = Callable[..., tuple[Asker, Ticks]]
Listed = Callable[..., str]


def test_it_never_waits_and_is_unknown_until_it_knows(start: Start, listed: Listed) -> None:
    """The first question is answered at once: unknown, not yet answered; a later one as the provider said."""
    made, _ = start(file=listed("a"))
    os.kill(made.pid, signal.SIGSTOP)  # nothing can answer now
    try:
        assert [made.of("a", NOW) for _ in range(3)] == [Told(False, "the provider has not answered yet")] * 3
        assert made.trouble is None
    finally:
        os.kill(made.pid, signal.SIGCONT)
    assert until(lambda: made.of("a", NOW).good)
    assert made.of("a", AS_OF * SECOND + 7 * 24 * HOUR).why.startswith("the provider's answer is of")


def test_customers_are_known_before_they_are_needed(start: Start, listed: Listed) -> None:
    """Looked at every second, everybody here is asked for, whoever is named first before the others."""
    names = [f"c{n}" for n in range(40)]
    made, _ = start(file=listed(*names))
    made.customers = lambda: names
    until(lambda: made.look() or len(made._kept) == 40)
    assert all(made._kept[name].told.good for name in names)
    made.customers = lambda: names[:3]
    made.look()
    assert sorted(made._kept) == names[:3]


def test_an_answer_is_asked_for_anew(start: Start, listed: Listed) -> None:
    """At half of `keep` it is asked for again, beside; at the whole of it it holds no more."""
    made, ticks = start(file=listed("a"), keep="100s")
    made.customers = lambda: ["a"]
    until(lambda: made.of("a", NOW).good)
    listed("a", standing="unknown")
    ticks.now += 49 * SECOND
    made.look()
    assert made._asked == {} and made.of("a", NOW).good
    ticks.now += SECOND
    made.look()
    assert until(lambda: not made.of("a", NOW).good)
    os.kill(made.pid, signal.SIGSTOP)
    try:
        ticks.now += 100 * SECOND
        assert made.of("a", NOW) == Told(False, "the provider has not answered yet")
        ticks.now += asker.STUCK
        assert made.of("a", NOW) == Told(False, "the process that asks for it does not answer")
        assert "does not answer" in str(made.trouble)
    finally:
        os.kill(made.pid, signal.SIGCONT)


def test_a_provider_that_stops_answering(start: Start, listed: Listed, caplog: pytest.LogCaptureFixture) -> None:
    """What it said holds as long as it may; then unknown with the reason; one line in the log, one when it is back."""
    caplog.set_level(logging.INFO)
    file = Path(listed("a"))
    made, ticks = start(file=str(file), keep="100s")
    made.customers = lambda: ["a"]
    until(lambda: made.of("a", NOW).good)
    file.write_text("{")
    ticks.now += 60 * SECOND
    until(lambda: made.look() or made.trouble)
    assert made.of("a", NOW).good
    ticks.now += 40 * SECOND
    until(lambda: made.look() or "cannot be understood" in made.of("a", NOW).why)
    assert not made.of("a", NOW).good
    listed("a")
    ticks.now += 2 * asker.RETRY
    until(lambda: made.look() or made.of("a", NOW).good)
    made.look()
    assert made.trouble is None
    told = [record.getMessage() for record in caplog.records]
    assert [line.partition(":")[0] for line in told] == [
        "no standing of 1 customers, who are unknown",
        "the provider of standings answers",
    ]


def test_a_name_that_is_too_long_is_asked_of_nobody(start: Start, listed: Listed) -> None:
    """It is unknown, with the reason, and nothing is sent."""
    made, _ = start(file=listed("a"))
    assert made.of("x" * 1_025, NOW) == Told(False, "no answer: a name of 1,025 characters cannot be asked for")
    assert made._asked == {}


def test_its_end_makes_everybody_unknown(start: Start, listed: Listed, caplog: pytest.LogCaptureFixture) -> None:
    """Killed, it answers nothing any more, without waiting; the log says so once."""
    made, _ = start(file=listed("a"))
    until(lambda: made.of("a", NOW).good)
    os.kill(made.pid, signal.SIGKILL)
    until(lambda: not made.of("a", NOW).good)
    for _ in range(5):
        made.look()
        assert made.of("b", NOW) == Told(False, "the process that asks for it does not answer")
    assert sum("has ended" in record.getMessage() for record in caplog.records) == 1


def test_the_process_has_no_rights_and_shows_no_secret(start: Start, service: str) -> None:
    """It holds no capability, and the URL's path stands in no argument."""
    made, _ = start(url=f"{service}/good/s3cret/{{customer}}")
    status = Path(f"/proc/{made.pid}/status").read_text()
    rights = dict(line.split(":\t") for line in status.splitlines() if ":\t" in line)
    assert {int(rights[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {0}
    assert rights["NoNewPrivs"].strip() == "1"
    assert b"s3cret" not in Path(f"/proc/{made.pid}/cmdline").read_bytes()
    assert until(lambda: made.of(CUSTOMER, NOW).good)
    made.close()
    assert made._companion.process.returncode == 0


def test_a_url_that_hangs_holds_up_nothing_but_itself(start: Start, service: str) -> None:
    """Answers keep coming, one timeout apart, and the daemon's end never waits: a thousand questions in no time."""
    made, _ = start(url=f"{service}/hangs/{{customer}}", timeout="100ms")
    made.customers = lambda: [CUSTOMER]
    began = time.monotonic()
    assert all(not made.of(CUSTOMER, NOW).good for _ in range(1_000))
    assert time.monotonic() - began < PATIENCE_S / 2
    assert until(lambda: "did not answer within 100 ms" in made.of(CUSTOMER, NOW).why)


# ---- configuration and check ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"file": "/a", "url": "http://crm.example.net/{customer}"}, "one of the three"),
        ({"database": "/a"}, "belong together"),
        ({"query": QUERY}, "belong together"),
        ({"database": "/a", "query": "DELETE FROM a WHERE b = :customer"}, "must be a SELECT"),
        ({"database": "/a", "query": "SELECT 1 WHERE a = :name"}, "the one named parameter :customer"),
        ({"database": "/a", "query": "SELECT :customer, :other"}, "the one named parameter :customer"),
        ({"url": "http://crm.example.net/"}, "a GET has {customer}"),
        ({"url": "http://crm.example.net/{customer}", "method": "POST"}, "a POST has not"),
        ({"url": "ftp://crm.example.net/{customer}"}, "[standing] url"),
        ({"method": "PUT"}, "[standing] method"),
        ({"token_file": "/a"}, "is sent to `url`, which is empty"),
        ({"timeout": "31s"}, "timeout: 30s at most"),
        ({"patience": "11m"}, "patience: 10m at most"),
        ({"patience": "5s"}, "patience_fast: no longer than patience"),
        ({"patience_hard": "6s"}, "patience_hard: 5s at most"),
        ({"payment": "x"}, "[standing] payment: unknown key"),
    ],
)
def test_what_the_configuration_refuses(values: dict[str, Any], why: str) -> None:
    """In one line each that says what is wrong."""
    with pytest.raises(ConfigError) as caught:
        config.build({"standing": values})
    (finding,) = caught.value.findings
    assert why in finding


VMS = parse("[[vm]]\nid = 'vm-1'\ncustomer = 'a'\ntaps = ['tap1']\n", "inventory.toml")


def test_check_asks_the_provider(listed: Listed, tmp_path: Path, service: str) -> None:
    """Whether it answers, and what of the first customer; wrong where it does not; nothing where none is configured."""

    def found(**values: Any) -> list[tuple[str, str]]:
        built = config.build({"standing": {"timeout": "1s", **values}})
        return [(one.grade, one.text) for one in standing(built, VMS)]

    assert found() == []
    ((grade, text),) = found(file=listed("a"))
    assert grade == "ok" and "answers; customer a is good by the provider" in text
    ((grade, text),) = found(file=listed("b"))
    assert (grade, text.partition("; ")[2]) == ("ok", f"customer a is unknown, which is not bad: {NIL}")
    ((grade, text),) = found(file=str(tmp_path / "none.json"))
    assert grade == "wrong" and "none.json: asked for customer a: cannot be read: No such file" in text
    ((grade, text),) = found(url=f"{service}/fails/s3cret/{{customer}}")
    assert grade == "wrong" and "status 500" in text and "s3cret" not in text
    built = config.build({"standing": {"file": listed("a")}})
    assert [one.grade for one in standing(built, ())] == ["warning"]


def test_a_replay_asks_nobody(service: str, tmp_path: Path) -> None:
    """With a provider configured a savefile is judged as ever: no question leaves, and the answer says why."""
    beside = write(SCENARIOS["syn-flood"], tmp_path / "flood.pcap")[0]
    text = beside.read_text() + f'\n[standing]\nurl = "{service}/good/{{customer}}"\n'
    beside.write_text(text)
    settings, told = config.load(beside), []
    Replay(tmp_path / "flood.pcap", settings, configured(settings.inventory), told.append).run()
    (decision,) = (one for one in told if isinstance(one, Decision) and one.act is Act.NULL_ROUTE)
    (said,) = (one for one in decision.safeties if one.name == "standing")
    assert (decision.scope, said.answer) == (Scope.NARROW, "unknown")
    assert said.reason == "unknown, which is not bad: a replay asks nobody, and knows no history"
    assert Service.told == []
