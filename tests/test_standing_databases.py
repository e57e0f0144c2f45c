"""Customers in a real PostgreSQL and a real MariaDB, by the modules that operators use; what is missing is skipped."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import databases
import pytest
from databases import PASSWORD, Server
from test_standing import AS_OF, CUSTOMER, NIL, NOW, PATIENCE_S, asked, settings_of, until
from test_standing_asker import VMS

from edgeguard import config
from edgeguard.check.standing import standing
from edgeguard.clock import SECOND
from edgeguard.context import Fact, Told
from edgeguard.exchange import NoAnswerError
from edgeguard.standing.asker import RETRY, Asker

GOOD = Told(True, "", (Fact("contact_verified", True, AS_OF * SECOND),), AS_OF * SECOND)
ROWS = f"""
INSERT INTO customers VALUES ('{CUSTOMER}', 'good', %s, true, 3), ('new', 'unknown', %s, NULL, 0),
  ('twice', 'good', %s, true, 0), ('twice', 'good', %s, true, 0), ('50 %% off', 'good', %s, false, 0);
"""
POSTGRES = f"""
CREATE TABLE customers (name text, standing text, checked timestamptz, verified boolean, unpaid integer);
{ROWS.replace("%s", f"to_timestamp({AS_OF})").replace("%%", "%")}
CREATE FUNCTION counted() RETURNS text LANGUAGE sql AS 'UPDATE customers SET unpaid = unpaid + 1; SELECT ''good''';
CREATE ROLE edge LOGIN PASSWORD '{PASSWORD}'; GRANT ALL ON customers TO edge;
CREATE ROLE mute PASSWORD '{PASSWORD}';
"""
MARIADB = f"""
CREATE TABLE customers (name varchar(99), standing varchar(9), checked datetime, verified boolean, unpaid integer);
SET time_zone = '+00:00';
{ROWS.replace("%s", f"FROM_UNIXTIME({AS_OF})").replace("%%", "%")}
CREATE SEQUENCE counter;
CREATE USER edge@localhost IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON crm.* TO edge@localhost;
"""


@dataclass(frozen=True)
class Database:
    """A server, and how a module asks it."""

    server: Server
    driver: str
    place: Any
    query: str
    sleeps: str  # a condition that takes ten minutes
    password: Path
    sleepers: str  # the table and the condition that give who does so now

    def values(self, **changes: Any) -> dict[str, Any]:
        where = {"driver": self.driver, "database": self.place, "query": self.query}
        return {**where, "password_file": str(self.password), "timeout": "5s", **changes}

    def ask(self, customer: str = CUSTOMER, **changes: Any) -> Told:
        return asked(customer, **self.values(**changes))

    def refuses(self, **changes: Any) -> str:
        with pytest.raises(NoAnswerError) as caught:
            self.ask(**changes)
        told = str(caught.value)
        assert told.isprintable() and len(told) < 400 and PASSWORD not in told
        return told


def _needs(driver: str, missing: str) -> None:
    if missing:
        pytest.skip(missing)
    if importlib.util.find_spec(driver.partition(".")[0]) is None:
        pytest.skip(f"{driver} is not installed")


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    with databases.postgres(POSTGRES) as server:
        yield server


@pytest.fixture(scope="module")
def mariadb() -> Iterator[Server]:
    with databases.mariadb(MARIADB) as server:
        yield server


DRIVERS = ["psycopg", "psycopg2", "pg8000.dbapi", "pymysql", "MySQLdb", "mysql.connector"]
SQL = "SELECT standing, {} AS as_of, verified AS contact_verified FROM customers WHERE name = :customer AND 7 % 4 = 3"


@pytest.fixture(params=DRIVERS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """Each module with its own server's."""
    driver = request.param
    if driver in ("pymysql", "MySQLdb", "mysql.connector"):
        _needs(driver, databases.missing_mariadb())
        server = request.getfixturevalue("mariadb")
        place: Any = {"unix_socket": str(server.folder / "socket"), "database": "crm", "user": "edge"}
        sql, sleeps = SQL.format("UNIX_TIMESTAMP(checked)"), "SLEEP(600) = 0"
        sleepers = "information_schema.processlist WHERE info LIKE '%SLEEP(600)%'"
    else:
        _needs(driver, databases.missing_postgres())
        server = request.getfixturevalue("postgres")
        folder = str(server.folder)
        place = {"host": folder, "dbname": "crm", "user": "edge"}
        if driver == "psycopg2":
            place = f"host={folder} dbname=crm user=edge"
        if driver == "pg8000.dbapi":
            place = {"unix_sock": f"{folder}/.s.PGSQL.5432", "database": "crm", "user": "edge"}
        sql, sleeps = SQL.format("checked"), "pg_sleep(600) IS NOT NULL"
        sleepers = "pg_stat_activity WHERE query LIKE '%pg_sleep(600)%'"
    made = Database(server, driver, place, sql, sleeps, tmp_path / "password", sleepers)
    made.password.write_text(f"{PASSWORD}\n")
    return made


def test_a_customer_is_asked_for(database: Database) -> None:
    """Text, times with a zone, truth values and null are what they are; a customer is bound, whatever its name."""
    assert database.ask() == GOOD
    assert database.ask("new").why == "the provider says so"
    (fact,) = database.ask("50 % off").facts
    assert not fact.holds
    for name in ("nobody", "' OR '1'='1", "\\' OR 1=1 -- ", "%s", "%(customer)s", ":customer", "?", "$1"):
        assert database.ask(name) == Told(False, NIL)


def test_what_lies_or_writes_is_no_answer(database: Database) -> None:
    """More rows, other columns, missing ones, other types, a text without end: the reason; and nothing is changed."""
    query, zone = database.query, "without a time zone"
    assert "more than one row" in database.refuses(customer="twice")
    assert "clients" in database.refuses(query=query.replace("customers", "clients"))
    assert "'unpaid' may not be a ground" in database.refuses(query=query.replace("contact_verified", "unpaid"))
    assert "neither true nor false" in database.refuses(query=query.replace("verified AS", "unpaid AS"))
    assert "2 columns" in database.refuses(query=query.replace("SELECT", "SELECT verified AS contact_verified,"))
    large = query.replace("standing,", "repeat('x', 100000) AS standing,", 1)
    assert "longer than 16,384 characters" in database.refuses(query=large)
    if "mysql" in database.driver.lower():
        assert zone in database.refuses(query=query.replace("UNIX_TIMESTAMP(checked)", "checked"))
        changes = ["SELECT NEXTVAL(counter) AS standing FROM customers WHERE name = :customer"]
    else:
        assert zone in database.refuses(query=query.replace("checked AS", "checked AT TIME ZONE 'UTC' AS"))
        changes = ["WITH x AS (DELETE FROM customers RETURNING name) SELECT name FROM x WHERE name = :customer"]
        changes.append("SELECT counted() AS standing WHERE :customer <> ''")
    for change in changes:
        said = database.refuses(query=change).lower()
        assert "read-only" in said or "read only" in said
    assert database.ask() == GOOD


def test_an_answer_that_takes_all_memory(database: Database) -> None:
    """Some hundred rows of a megabyte, which most modules fetch whole, end with their process; the next question is
    answered. A test's process may have grown, and freed, more than that: there they fit, and are no answer either."""
    series = "seq_1_to_400" if "mysql" in database.driver.lower() else "generate_series(1, 400) AS n"
    query = f"SELECT repeat('x', 1000000) AS standing FROM {series} WHERE :customer <> ''"
    said = database.refuses(query=query, timeout="30s").lower()
    assert "memory" in said or "more than one row" in said
    assert database.ask() == GOOD


def test_who_may_not_ask(database: Database) -> None:
    """A wrong password, a role that may not log in, nobody who listens: unknown, in words that hold no password."""
    database.password.write_text("opens nothing")
    lost = ("network error",) if database.driver == "pg8000.dbapi" else ()  # where it was hung up on before it read why
    said = database.refuses()
    assert "opens nothing" not in said
    assert any(why in said for why in ("denied", "password authentication failed", *lost))
    database.password.write_text(PASSWORD)
    if isinstance(database.place, dict):
        place = {key: str(value).replace("/eg-db-", "/nowhere-") for key, value in database.place.items()}
        assert database.driver in database.refuses(database=place)
        said = database.refuses(database={**database.place, "user": "mute"})
        assert any(why in said for why in ("mute", *lost))
        assert database.driver in database.refuses(database={**database.place, "no_such_parameter": "x"})
    assert database.ask() == GOOD


def test_a_query_that_hangs(database: Database) -> None:
    """It is ended in time, here and in the server; a server that does not say a word is, too."""
    began = time.monotonic()
    for customer in ("nobody", CUSTOMER):  # on a table, or an optimizer would not ask at all
        query = f"SELECT standing FROM customers WHERE {database.sleeps} AND name <> :customer"
        said = database.refuses(customer=customer, query=query, timeout="2s")
        assert "did not answer within 2000 ms" in said or "time" in said
    assert time.monotonic() - began < PATIENCE_S / 2
    assert until(lambda: _is_idle(database))
    with database.server.frozen():
        assert "did not answer within 2000 ms" in database.refuses(timeout="2s")
    assert until(lambda: _answer(database)) == GOOD


def _is_idle(database: Database) -> bool:
    """Nobody sleeps in the server any more: its own question is the one that it sees."""
    count = f"SELECT 'good' AS standing, {AS_OF} AS as_of, count(*) > 1 AS on_call FROM {database.sleepers}"
    return not database.ask(query=f"{count} AND :customer <> ''").facts[0].holds


def _answer(database: Database) -> Told | None:
    try:
        return database.ask()
    except NoAnswerError:
        return None


def test_a_server_that_is_restarted(database: Database) -> None:
    """The process that asks goes on: what is away is unknown, with the reason; what is back is asked as before. So with
    `check`."""
    made = Asker.start(settings_of(**database.values()))
    built = config.build({"standing": database.values()})
    now = time.monotonic_ns()
    made._ticks = lambda: now

    def later(customer: str) -> Told:
        nonlocal now
        now += RETRY
        return made.of(customer, NOW)

    try:
        assert until(lambda: made.of(CUSTOMER, NOW).good)
        assert [one.grade for one in standing(built, VMS)][-1] == "ok"
        database.server.stop()
        assert until(lambda: later("new").why.startswith(f"no answer: {database.driver}: "))
        assert str(made.trouble).startswith("no standing of 1 customers, who are unknown: ")
        assert [one.grade for one in standing(built, VMS)][-1] == "wrong"
        database.server.start()
        assert until(lambda: later("new").why == "the provider says so")
        assert made.trouble is None
    finally:
        made.close()
        database.server.stop()
        database.server.start()
