"""Databases asked through a DB-API 2.0 module: every way to write the parameter, every lie and death."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from drivers import pyformat
from hypothesis import given, settings
from hypothesis import strategies as st
from test_standing import AS_OF, CUSTOMER, NIL, NOW, asked, database, settings_of, until  # noqa: F401
from test_standing_asker import VMS

from edgeguard import config
from edgeguard.check.standing import standing
from edgeguard.clock import SECOND
from edgeguard.config.query import check_for_driver, parts
from edgeguard.context import Fact, Told
from edgeguard.errors import ConfigError, EdgeGuardError
from edgeguard.exchange import NoAnswerError
from edgeguard.standing.asker import RETRY, Asker

# A percent sign, a colon and the parameter's own name stand in quotes and comments; the parameter stands twice.
QUERY = """SELECT standing, checked AS as_of, verified AS contact_verified -- it's :customer, 100 %
FROM customers WHERE name = :customer AND '5 % :customer' LIKE '5 \u0025%' AND :customer <> ''"""
GOOD = Told(True, "", (Fact("contact_verified", True, AS_OF * SECOND),), AS_OF * SECOND)


def lying(expression: str, **values: Any) -> Told:
    query = "SELECT 1 WHERE :customer"
    return asked("C-1", **{"driver": "drivers.lying", "database": expression, "query": query, **values})


def refused(expression: str, **values: Any) -> str:
    with pytest.raises(NoAnswerError) as caught:
        lying(expression, **values)
    told = str(caught.value)
    assert told.isprintable() and len(told) < 400
    return told


@pytest.mark.parametrize(
    "driver", ["sqlite3", "drivers.format", "drivers.pyformat", "drivers.numeric", "drivers.named"]
)
def test_every_paramstyle(database: Path, driver: str) -> None:  # noqa: F811
    """One query is asked by modules of all five kinds, with a customer that would be SQL, and gives what SQLite's own
    provider gives of it; and no module can write."""
    table = {"host": str(database.parent), "dbname": database.name}
    where: dict[str, Any] = {"driver": driver, "database": table if driver == "drivers.pyformat" else str(database)}
    assert asked(**where, query=QUERY) == asked(database=str(database), query=QUERY) == GOOD
    assert asked("new", **where, query=QUERY).why == "the provider says so"
    for name in ("nobody", "' OR 1=1 --", "%s", "%(customer)s", ":customer", "?"):
        assert asked(name, **where, query=QUERY) == Told(False, NIL)
    before = database.read_bytes()
    for query, customer, why in (
        (QUERY, "twice", "more than one row"),
        (QUERY.replace("customers", "clients"), CUSTOMER, f"{driver}: no such table: clients"),
        (QUERY, "\ud800", "a name that is no text"),
        ("WITH x AS (SELECT :customer) DELETE FROM customers", CUSTOMER, "readonly database"),
    ):
        with pytest.raises(NoAnswerError, match=why):
            asked(customer, **where, query=query)
    assert database.read_bytes() == before


def test_the_password_of_a_file(database: Path, tmp_path: Path) -> None:  # noqa: F811
    """It is given to connect(), read anew each time; a driver that says it again is not believed, nor quoted."""
    file = tmp_path / "password"
    where = {"host": str(database.parent), "dbname": database.name, "port": 1}
    values = {"driver": "drivers.pyformat", "database": where, "query": QUERY, "password_file": str(file)}
    for text, why in ((None, "cannot be read: No such file"), ("\n", "is empty"), (b"\xff", "is no text")):
        if text is not None:
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(NoAnswerError, match=why):
            asked(**values)
    file.write_text("opens nothing\n")
    with pytest.raises(NoAnswerError, match="Error, whose words repeat the password") as caught:
        asked(**values)
    assert "opens" not in str(caught.value)
    file.write_text(f"{pyformat.PASSWORD}\n")
    assert asked(**values) == GOOD
    for row in ("['standing'], [(password,)]", "[password], [(1,)]"):
        assert "repeats the password" in refused(row, password_file=str(file))
        assert "opens" not in refused(row, password_file=str(file))


TOLD = [
    ("['standing', 'as_of'], [('good', datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC))]", "2026-01-31T00:00:00"),
    ("['standing', 'as_of'], [('good', datetime.date(2026, 1, 31))]", "2026-01-31T00:00:00"),
    ("['standing', 'as_of'], [('good', decimal.Decimal('1769817600'))]", "2026-01-31T00:00:00"),
    ("['STANDING', 'As_Of'], (row for row in [['good', 1769817600.0]])", "2026-01-31T00:00:00"),
]


@pytest.mark.parametrize(("expression", "as_of"), TOLD)
def test_what_drivers_give_for_a_time(expression: str, as_of: str) -> None:
    """Times and numbers of every type, and columns in any case, are understood."""
    told = lying(expression)
    assert told.good and time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime((told.as_of or 0) / SECOND)) == as_of


LIES = [
    ("None, []", "NoneType"),
    ("['standing'], [('good',), ('good',)]", "more than one row"),
    ("['standing', 'standing'], [('good', 'unknown')]", "2 columns 'standing'"),
    ("['standing', 'Standing'], [('good', 'unknown')]", "2 columns 'standing'"),
    ("['standing', 'as_of'], [('good',)]", "cannot be understood: ValueError"),
    ("[None], [('good',)]", "a column without a name"),
    ("['standing', 'as_of', 'unpaid'], [('good', 1, 1)]", "'unpaid' may not be a ground"),
    ("['standing', 'on_call'], [('good', [1])]", "column 'on_call' is of type list"),
    ("['standing', 'as_of', 'on_call'], [('good', 1, 'yes')]", "neither true nor false"),
    ("['standing', 'as_of'], [('good', b'1')]", "column 'as_of' is of type bytes"),
    ("['standing', 'as_of'], [('good', decimal.Decimal('sNaN'))]", "cannot be understood: ValueError"),
    ("['standing', 'as_of'], [('good', decimal.Decimal('1e999'))]", "no time since 1970"),
    ("['standing', 'as_of'], [('good', 10 ** 400)]", "no time since 1970"),
    ("['standing', 'as_of'], [('good', 10 ** 5000)]", "cannot be understood: ValueError"),
    ("['standing', 'as_of'], [('good', datetime.datetime(2026, 1, 31))]", "without a time zone"),
    ("['standing'], [('good',)]", "does not say as of when"),
    ("['standing'], [(None,)]", "standing is None"),
    ("['standing'], [('x' * 20_000,)]", "longer than 16,384 characters"),
    ("['standing'], [('x' * 2 ** 30,)]", "268,435,456 bytes of memory"),
    ("fail(SaidError('a\\n\\x1b[31mb\\0' + 'c' * 9_999))", "a ?[31mb?ccc"),
    ("fail(SaidError())", "SaidError"),
    ("fail(MuteError())", "cannot be understood: RuntimeError"),
    ("fail(OSError(111, 'Connection refused'))", "Connection refused"),
    ("fail(TimeoutError())", "TimeoutError"),
    ("fail(MemoryError())", "bytes of memory"),
    ("fail(RecursionError())", "RecursionError"),
    ("fail(KeyboardInterrupt())", "ended without an answer: it ended itself"),
    ("sys.exit(0)", "ended without an answer: it ended itself"),
    ("os._exit(0)", "ended without an answer: it ended itself"),
    ("crash()", "ended without an answer: Aborted"),
    ("os.kill(os.getpid(), signal.SIGKILL)", "ended without an answer: Killed"),
    ("hang()", "did not answer within 1000 ms"),
    ("time.sleep(9999)", "did not answer within 1000 ms"),
    ("threading.Thread(target=hang).start()", "did not answer within 1000 ms"),
    ("[signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64)), hang()]", "did not answer within 1000 ms"),
]


@pytest.mark.parametrize(("expression", "why"), LIES)
def test_a_driver_that_lies_hangs_or_dies(expression: str, why: str) -> None:
    """No answer, with the reason on one line, in time; nothing else is raised, and no process of it is left."""
    assert why in refused(expression)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.binary(max_size=9)
VALUES |= st.decimals() | st.datetimes() | st.dates() | st.sampled_from(["good", AS_OF, 0, 1])
NAMES = st.sampled_from(["standing", "as_of", "valid_until", "on_call", "unpaid", ""]) | st.text(max_size=5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NAMES, VALUES), max_size=4, unique_by=lambda pair: pair[0].lower()))
def test_any_row_is_good_unknown_or_no_answer(row: list[tuple[str, Any]]) -> None:
    """Whatever a driver gives, nothing else is raised, and only what says so is good."""
    names, values = [name for name, _ in row], tuple(value for _, value in row)
    text = repr((names, [values])).replace("Decimal", "decimal.Decimal")
    text = text.replace("nan,", "float('nan'),").replace("nan)", "float('nan'))").replace("inf", "float('inf')")
    try:
        told = lying(text) if "decimal.Decimal('-float" not in text else None
    except NoAnswerError:
        return
    assert told is None or not told.good or ("standing", "good") in [(name.lower(), value) for name, value in row]


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The drivers beside this file, by a process of its own, too."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


@pytest.mark.usefixtures("importable")
def test_nobody_is_left_who_asks_for_nobody() -> None:
    """The process that a driver hangs in ends in its time, though who asked was killed and cannot end it."""
    made = Asker.start(settings_of(driver="drivers.lying", database="hang()", query="SELECT :customer", timeout="3s"))
    try:
        made.of("C-1", NOW)
        children = Path(f"/proc/{made.pid}/task/{made.pid}/children")
        (pid,) = until(lambda: children.read_text().split())
        os.kill(made.pid, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{pid}").exists() or Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z")
    finally:
        made.close()


# ---- configuration, start and check --------------------------------------------------------------

SQL = "SELECT 1 AS standing WHERE name = :customer"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"driver": "psycopg"}, "driver: name the database"),
        ({"driver": "psycopg", "query": SQL}, "belong together"),
        ({"driver": "psycopg", "database": {"host": "a"}}, "belong together"),
        ({"database": {"host": "a"}, "query": SQL}, "a table of parameters is for a `driver`"),
        ({"database": "/a", "query": SQL, "password_file": "/b"}, "password_file is for a `driver`"),
        ({"driver": "psycopg; import os", "database": "a", "query": SQL}, "no name of a Python module"),
        ({"driver": "a" * 101, "database": "a", "query": SQL}, "no name of a Python module"),
        ({"driver": "psycopg", "database": ["a"], "query": SQL}, "must be text in quotes, or a table"),
        ({"driver": "psycopg", "database": {"at": AS_OF * 1.0e308 * 10}, "query": SQL}, "holds text, numbers"),
        ({"driver": "psycopg", "database": {"host": "a" * 5_000}, "query": SQL}, "longer than 4,096 characters"),
        (
            {"driver": "psycopg", "database": {"host": "a"}, "query": "DELETE FROM a WHERE :customer"},
            "must be a SELECT",
        ),
        ({"driver": "a", "database": "a", "query": "SELECT ':customer'"}, "outside of quotes and comments"),
        ({"driver": "a", "database": "a", "query": "SELECT 1 -- :customer"}, "outside of quotes and comments"),
        ({"driver": "a", "database": "a", "query": "SELECT :customer, :other"}, "the one named parameter"),
        ({"driver": "a", "database": "a", "query": "SELECT @customer"}, "the one named parameter"),
        ({"driver": "a", "database": "a", "query": "SELECT :customer, @customer"}, "the one named parameter"),
        ({"driver": "a", "database": "a", "query": "SELECT $t$, :customer, $t$"}, "the one named parameter"),
        ({"driver": "a", "database": "a", "query": "SELECT $$, :customer, $$"}, "without backslashes"),
        ({"driver": "a", "database": "a", "query": "SELECT 'it\\'s :customer'"}, "without backslashes"),
        ({"driver": "a", "database": "a", "query": "SELECT :customer, 'a"}, "a quote is not closed"),
        ({"driver": "a", "database": "a", "query": "SELECT :customer /* a */"}, "without backslashes"),
        ({"driver": "a", "database": "a", "query": "SELECT :customer; DROP TABLE a"}, "must be one statement"),
    ],
)
def test_what_the_configuration_refuses(values: dict[str, Any], why: str) -> None:
    """In one line each that says what is wrong."""
    with pytest.raises(ConfigError) as caught:
        config.build({"standing": values})
    (finding,) = caught.value.findings
    assert why in finding


@pytest.mark.parametrize(
    "place",
    [
        "host=192.0.2.5 password=s3cret",
        "host=192.0.2.5 sslpassword = s3cret",
        "postgresql://edge:s3cret@db.example.net/crm",
        "DRIVER=x;PWD=s3cret",
        {"password": "s3cret"},
        {"PASSWD": "s3cret"},
        {"ssl": [{"passphrase": "s3cret"}]},
    ],
)
def test_a_password_stands_in_no_configuration(place: object) -> None:
    """It is refused, without being shown; a file of passwords, or a user of that name, is none."""
    with pytest.raises(ConfigError, match="holds a password; write it into a file") as caught:
        settings_of(driver="psycopg", database=place, query=SQL)
    assert "s3cret" not in str(caught.value)


def test_what_is_no_password() -> None:
    """A host, a user, a URI without one, the file that holds one, and how it is kept."""
    for place in ("postgresql://edge@db.example.net:5432/crm?sslmode=require", "host=a passfile=/etc/pgpass user=b"):
        assert settings_of(driver="psycopg", database=place, query=SQL).database == place
    table = {
        "host": "db.example.net",
        "port": 3306,
        "ssl": {"ca": "/etc/ca.pem"},
        "charset": "utf8mb4",
        "compress": True,
    }
    assert settings_of(driver="pymysql", database=table, query=SQL).database == table


@given(st.lists(st.sampled_from([":customer", "'", '"', "`", "--", "\n", "::text", "a", " ", "%", "?"])))
def test_the_parts_of_a_query(pieces: list[str]) -> None:
    """With the parameter between them they are the query; where it may be asked, none is inside quotes."""
    query = "SELECT " + "".join(pieces)
    assert ":customer".join(parts(query)) == query
    try:
        check_for_driver(query)
    except ValueError:
        return
    marked = "\0".join(parts(query))
    outside, end, n = 0, "", 0  # plainly, sign by sign
    while n < len(marked):
        if end:
            end = "" if marked[n] == end else end
        elif marked[n : n + 2] == "--":
            end = "\n"
        elif marked[n] in "'\"`":
            end = marked[n]
        else:
            outside += marked[n] == "\0"
        n += 1
    assert outside == marked.count("\0") > 0


DRIVERS = [
    ("no_such_driver", "cannot be imported: No module named 'no_such_driver'; install it: ", "no_such_driver"),
    ("MySQLdb.none", "cannot be imported: No module named 'MySQLdb", "mysqlclient"),
    ("drivers.broken", "cannot be imported: no client library", "drivers"),
    ("json", "is no DB-API 2.0 module", "name one"),
    ("sqlite3.dbapi2.Connection", "cannot be imported", "sqlite3"),
]


@pytest.mark.parametrize(("driver", "why", "hint"), DRIVERS)
@pytest.mark.usefixtures("importable")
def test_a_driver_that_is_none_is_refused_at_the_start(driver: str, why: str, hint: str) -> None:
    """One line says which, why and what to install, at the start and by `check`, before anybody is asked."""
    values = {"driver": driver, "database": {"host": "192.0.2.5"}, "query": SQL}
    with pytest.raises(EdgeGuardError) as caught:
        Asker.start(settings_of(**values))
    built = config.build({"standing": values})
    (finding,) = standing(built, VMS)
    (unasked,) = standing(built, ())
    assert str(caught.value).startswith(f"[standing] driver {driver!r}: {why}")
    assert (finding.grade, finding.what, finding) == ("wrong", "driver", unasked)
    for told in (str(caught.value), finding.text):
        assert why in told and hint in told and told.isprintable()
        if "install" in told:
            assert f"{sys.executable} -m pip install" in told


def test_check_asks_through_the_driver(database: Path, tmp_path: Path) -> None:  # noqa: F811
    """Whether it answers, of the first customer, and whether others may read the password; wrong where it does not."""
    file = tmp_path / "password"
    file.write_text(pyformat.PASSWORD)

    def found(port: int) -> list[tuple[str, str, str]]:
        where = {"host": str(database.parent), "dbname": database.name, "port": port}
        values = {"driver": "drivers.pyformat", "database": where, "query": QUERY, "password_file": str(file)}
        built = config.build({"standing": values})
        return [(one.grade, one.what, one.text) for one in standing(built, VMS)]

    file.chmod(0o644)
    assert [(grade, what) for grade, what, _ in found(1)] == [("warning", "password_file"), ("ok", "database")]
    file.chmod(0o600)
    (first, second) = found(1)
    assert (
        first[0] == "ok" and second[2] == f"drivers.pyformat: answers; customer a is unknown, which is not bad: {NIL}"
    )
    file.write_text("s3cret")
    ((_, _, _), (grade, what, text)) = found(1)
    assert (grade, what) == ("wrong", "database") and "s3cret" not in text
    assert text.startswith("drivers.pyformat: asked for customer a: Error, whose words repeat the password;")


@pytest.mark.usefixtures("importable")
def test_the_process_asks_on_after_every_death(database: Path, tmp_path: Path) -> None:  # noqa: F811
    """A driver that crashes or hangs for one customer answers for the next; a database that was away is asked again."""
    answer = f"['standing', 'as_of'], [('good', {AS_OF})]"
    expression = f"crash() if customer == 'a' else hang() if customer == 'b' else ({answer})"
    made = Asker.start(settings_of(driver="drivers.lying", database=expression, query="SELECT :customer"))
    try:
        assert "without an answer: Aborted" in until(lambda: _why(made.of("a", NOW)))
        assert "did not answer within 1000 ms" in until(lambda: _why(made.of("b", NOW)))
        assert until(lambda: made.of("c", NOW).good)
        assert made.of("a", NOW).why.startswith("no answer: ")  # which is no bad word of it
    finally:
        made.close()
    away = tmp_path / "away.sqlite"
    made = Asker.start(settings_of(driver="drivers.format", database=str(away), query=QUERY))
    try:
        assert "no such table" in until(lambda: _why(made.of(CUSTOMER, NOW)))
        away.write_bytes(database.read_bytes())
        ticks = time.monotonic_ns() + RETRY
        made._ticks = lambda: ticks
        assert until(lambda: made.of(CUSTOMER, NOW).good)
    finally:
        made.close()


def _why(told: Told) -> str:
    return told.why if told.why.startswith("no answer: ") else ""
