"""The case database: what is recorded stays, whole, through crashes, full disks and readers."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import samples
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import (
    CASE,
    DECISION,
    ORDER,
    RELEASE,
    RELEASE_ORDER,
    SUM_DECISION,
    SUM_VERDICT,
    VERDICT,
    T,
    another,
    happened,
    notices,
)

from edgeguard.cases import codec, database
from edgeguard.cases.database import statements
from edgeguard.cases.packing import teach
from edgeguard.cases.reader import Reader
from edgeguard.cases.store import Store
from edgeguard.clock import SECOND
from edgeguard.errors import StoreError
from edgeguard.letters import Facts, Mail, Notice, Proof, Queued
from edgeguard.model import (
    CameBack,
    Decision,
    Happened,
    Order,
    Outcome,
    SafetyAnswer,
    Subject,
    Tap,
    Target,
    Verdict,
    Vm,
)
from edgeguard.reading import Health

VALUES = (
    Tap,
    Vm,
    Subject,
    Target,
    CameBack,
    Verdict,
    SafetyAnswer,
    Decision,
    Order,
    Outcome,
    Notice,
    Health,
    Facts,
    Queued,
    Mail,
)


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Store(tmp_path / "cases.sqlite") as opened:
        yield opened


def put(store: Store) -> None:
    """The one flood, narrowly null-routed."""
    store.record(CASE, VERDICT, DECISION, notices(), ORDER)


# ---- codec ----------------------------------------------------------------------------------

addresses = st.ip_addresses()
networks = st.one_of(
    st.builds(lambda a, n: IPv4Network((a, n), strict=False), st.ip_addresses(v=4), st.integers(0, 32)),
    st.builds(lambda a, n: IPv6Network((a, n), strict=False), st.ip_addresses(v=6), st.integers(0, 128)),
)
st.register_type_strategy(IPv4Address, st.ip_addresses(v=4))
st.register_type_strategy(IPv6Address, st.ip_addresses(v=6))
st.register_type_strategy(IPv4Network, networks.filter(lambda n: n.version == 4))
st.register_type_strategy(IPv6Network, networks.filter(lambda n: n.version == 6))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
floats = st.floats(allow_nan=False, allow_infinity=False)


def built(kind: type) -> st.SearchStrategy[Any]:
    """Any value of a class of model.py; a Notice's values are any JSON object."""
    if kind is Notice:
        text = st.text()
        return st.builds(Notice, text, text, text, text, st.none() | text, st.dictionaries(text, json_values))
    if kind is Queued:
        return st.builds(Queued, built(Notice), built(Facts), st.integers(), st.tuples(st.text()))
    if kind is Target:
        return st.builds(Target, share=floats)
    if kind is Verdict:
        return st.builds(Verdict, mean=floats, targets=st.lists(built(Target)).map(tuple))
    if kind in (Decision, Order):
        return st.builds(kind, targets=st.lists(built(Target)).map(tuple))
    return st.builds(kind)


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_codec_loses_nothing(kind: type) -> None:
    """Every value of model.py, written as JSON and read back, is the same value."""

    @settings(max_examples=40, deadline=None)
    @given(built(kind))
    def same(value: Any) -> None:
        text = codec.dumps(value)
        assert text.isascii() and "\n" not in text
        assert codec.loads(kind, text) == value

    same()


def test_codec_takes_numpy_numbers() -> None:
    """A count that comes straight from a numpy kernel is written as the number it is."""
    verdict = replace(VERDICT, measured=np.int64(7), mean=np.float64(1.5), peak=np.uint32(9))  # type: ignore[arg-type]
    assert codec.loads(Verdict, codec.dumps(verdict)) == replace(VERDICT, measured=7, mean=1.5, peak=9)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Subject, '{"vm":1,"tap":null,"source":null}'),
        (Subject, '{"vm":null,"tap":null,"source":null,"new":1}'),
        (Target, '{"address":"203.0.113.300","protocol":6,"port":1}'),
        (SafetyAnswer, '{"name":"a"}'),
    ],
)
def test_codec_refuses_what_is_no_such_value(kind: type, text: str) -> None:
    """JSON with a wrong type, an unknown or a missing field is an error, not a half-filled value."""
    with pytest.raises((ValueError, TypeError)):
        codec.loads(kind, text)


# ---- recording and reading ------------------------------------------------------------------


def test_recorded_is_read_back(store: Store) -> None:
    """A decision, its verdict, its case and its notice come back as they were given."""
    put(store)
    assert store.case(CASE.id) == CASE
    assert store.verdicts(CASE.id) == [VERDICT]
    assert store.decisions(CASE.id) == [DECISION]
    letters = store.letters(CASE.id)
    assert [(x.kind, x.to, x.state, x.subject) for x in letters] == [("narrow", "ops@example.net", "waiting", None)]


def test_recorded_survives_the_process(tmp_path: Path) -> None:
    """What record() returned from is there after SIGKILL, without the log being closed."""
    path = tmp_path / "cases.sqlite"
    script = (
        "import os, signal, sys; sys.path.insert(0, sys.argv[2]); import samples as s\n"
        "from edgeguard.cases.store import Store\n"
        "Store(sys.argv[1]).record(s.CASE, s.VERDICT, s.DECISION, s.notices(), s.ORDER)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    here = Path(__file__).parent
    done = subprocess.run([sys.executable, "-c", script, path, here], check=False, cwd=here.parent)
    assert done.returncode == -signal.SIGKILL
    with Store(path) as store:
        assert store.decisions(CASE.id) == [DECISION]
        assert [one.order for one in store.standing()] == [ORDER]
        assert len(store.letters(CASE.id)) == 1


def test_a_decision_is_recorded_whole_or_not_at_all(tmp_path: Path) -> None:
    """Killed at any moment while it writes, the database never holds a decision without its verdict and notice."""
    path = tmp_path / "cases.sqlite"
    script = (
        "import sys; sys.path.insert(0, sys.argv[2]); import samples as s\n"
        "from edgeguard.cases.store import Store\n"
        "store = Store(sys.argv[1])\n"
        "for n in range(100_000):\n"
        "    case, verdict, decision, order = s.another(n)\n"
        "    store.record(case, verdict, decision, s.notices(decision), order)\n"
        "    print(n, flush=True)\n"
    )
    here = Path(__file__).parent
    with subprocess.Popen(
        [sys.executable, "-c", script, path, here], stdout=subprocess.PIPE, text=True, cwd=here.parent
    ) as child:
        assert child.stdout is not None
        said = [child.stdout.readline() for _ in range(25)]
        child.kill()
        said += child.stdout.readlines()
    acknowledged = sum(line.endswith("\n") for line in said)
    with Store(path) as store:
        standing = store.standing()
        assert acknowledged <= len(standing) <= acknowledged + 1
        for one in standing:
            assert one.verdict is not None and one.verdict.id == one.decision.verdict
            assert len(store.letters(one.case.id)) == 1


def test_a_failed_record_writes_nothing(store: Store) -> None:
    """When one row of a record is refused, none of the others is written."""
    put(store)
    case, verdict, decision, order = another(2)
    with pytest.raises(StoreError):
        store.record(case, verdict, decision, [*notices(decision), *notices()], order)  # the second id is taken
    assert store.case(case.id) is None
    assert [one.decision for one in store.standing()] == [DECISION]


def test_nothing_is_null_routed_without_a_notice(store: Store) -> None:
    """An enforced null route in a case that has no notice at all is refused, and nothing of it written."""
    with pytest.raises(StoreError, match="without any notice"):
        store.record(CASE, VERDICT, DECISION, [], ORDER)
    assert store.open_cases() == []


def test_every_null_route_has_an_end_and_an_order(store: Store) -> None:
    """The database itself refuses a null route without an end, and an enforced one without its order."""
    with pytest.raises(StoreError):
        store.record(CASE, VERDICT, replace(DECISION, until=None), notices(), ORDER)
    with pytest.raises(StoreError):
        store.record(CASE, VERDICT, DECISION, notices(), None)


def test_one_verdict_may_lead_to_two_decisions(store: Store) -> None:
    """Narrow and then full from the same verdict: the verdict is stored once, both decisions stand."""
    put(store)
    wider = replace(DECISION, id="decision-9")
    store.record(CASE, VERDICT, wider, notices(wider), replace(ORDER, decision="decision-9"))
    assert len(store.verdicts(CASE.id)) == 1
    assert [one.decision.id for one in store.standing()] == ["decision-1", "decision-9"]


def test_standing_after_restart(tmp_path: Path) -> None:
    """After a restart every null route that has not ended is there with order, verdict, facts and release."""
    path = tmp_path / "cases.sqlite"
    with Store(path) as store:
        put(store)
        store.outcome(happened(Happened.ACKNOWLEDGED, T + 1))
        store.outcome(happened(Happened.VERIFIED))
    with Store(path) as store:
        (one,) = store.standing()
        assert (one.case, one.decision, one.verdict, one.order) == (CASE, DECISION, VERDICT, ORDER)
        assert (one.facts.proof, one.facts.acted, one.releasing) == (Proof.VERIFIED, T + 1, None)
        store.record(CASE, None, RELEASE, notices(RELEASE), RELEASE_ORDER)
    with Store(path) as store:
        assert [one.releasing for one in store.standing()] == [RELEASE.id]
        store.outcome(happened(Happened.RELEASED, T + 61 * SECOND))
        assert store.standing() == []


@pytest.mark.parametrize(
    ("outcomes", "stands"),
    [
        ([], True),
        ([Happened.ACKNOWLEDGED], True),
        ([Happened.ACKNOWLEDGED, Happened.NOT_STOPPED], True),
        ([Happened.ACKNOWLEDGED, Happened.FAILED], True),  # it had been put in place: the failure is the release's
        ([Happened.FAILED], False),  # never put in place
        ([Happened.ACKNOWLEDGED, Happened.VERIFIED, Happened.RELEASED], False),
        ([Happened.ACKNOWLEDGED, Happened.LINK_GONE], False),
        ([Happened.LINK_GONE], False),
        ([Happened.RECONCILED], True),
        ([Happened.RECONCILED, Happened.FAILED], True),
    ],
)
def test_what_ends_a_null_route(store: Store, outcomes: list[Happened], stands: bool) -> None:
    """A null route stands until an outcome says that the kernel no longer has it."""
    put(store)
    for number, what in enumerate(outcomes):
        store.outcome(happened(what, T + number))
    assert bool(store.standing()) is stands


def test_an_outcome_of_an_unknown_decision_is_kept(store: Store) -> None:
    """What the kernel still held from a lost database is recorded too."""
    store.outcome(happened(Happened.RECONCILED, decision="decision-of-old"))
    assert [o.happened for o in store.outcomes("decision-of-old")] == [Happened.RECONCILED]


@pytest.mark.parametrize(
    "term", [CASE.id, "vm-100", "web1", "WEB1", "tap100", "192.0.2.10", "192.0.2.10/32", "2001:db8:1::77"]
)
def test_find(store: Store, term: str) -> None:
    """A case is found by its id, its VM's id or name, its tap, and every address of the VM, routed prefixes too."""
    put(store)
    assert store.find(term) == [CASE]


@pytest.mark.parametrize("term", ["192.0.2.11", "2001:db8:2::1", "203.0.113.5", "web", "", "%", "::ffff:192.0.2.11"])
def test_find_nothing_else(store: Store, term: str) -> None:
    """Neighbours, targets and parts of names find nothing."""
    put(store)
    assert store.find(term) == []


@settings(max_examples=60, deadline=None)
@given(networks, st.ip_addresses())
def test_find_by_address_agrees_with_ipaddress(prefix: Any, address: Any) -> None:
    """An address finds the case exactly when Python's ipaddress says it lies in the VM's prefix."""
    with InMemory() as store:
        store.put_case(replace(CASE, addresses=(prefix,)))
        assert bool(store.find(str(address))) is (address.version == prefix.version and address in prefix)
        assert store.find(str(prefix[0])) and store.find(str(prefix[-1]))


class InMemory(Store):
    """A store without a file: dozens of them with their fsyncs would be slow."""

    def __init__(self) -> None:
        super().__init__("memory")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:", isolation_level=None)
        teach(connection)
        for script in database.MIGRATIONS:
            for statement in statements(script.read_text()):
                connection.execute(statement)
        return connection


def test_find_puts_open_cases_first(store: Store) -> None:
    """Of several cases of one VM the open one comes first, then the youngest."""
    for number, opened in enumerate((T, T + 1, T + 2)):
        store.put_case(replace(CASE, id=f"case-{number}", opened=opened))
    store.close_case("case-1", T + 3, "fixed")
    store.close_case("case-2", T + 3, "fixed")
    assert [case.id for case in store.find("web1")] == ["case-0", "case-2", "case-1"]
    assert [case.id for case in store.cases(2)] == ["case-2", "case-1"]


def test_a_closed_case_keeps_its_end(store: Store) -> None:
    """A case is closed once, with an outcome, and no later record opens it again."""
    put(store)
    store.close_case(CASE.id, T + 9, "fixed")
    store.close_case(CASE.id, T + 99, "other")
    store.put_case(replace(CASE, state="full"))
    closed = store.case(CASE.id)
    assert closed is not None and (closed.state, closed.closed, closed.outcome) == ("closed", T + 9, "fixed")
    other = another(5)[0]
    store.put_case(other)
    with pytest.raises(StoreError):
        store.close_case(other.id, T, None)  # type: ignore[arg-type]
    assert store.open_cases() == [other]


def test_the_story_is_told_in_order(store: Store) -> None:
    """The timeline has every verdict, decision, outcome, notice and note, in the order of time."""
    put(store)
    store.outcome(happened(Happened.ACKNOWLEDGED, T + 1))
    store.outcome(happened(Happened.VERIFIED, T + 2))
    store.note(CASE.id, T + 3, "desk", "customer called")
    store.box().sent(notices()[0].id, T + 4, Mail("subject", "text", (), "<id@example.net>"))
    store.close_case(CASE.id, T + 5, "fixed")
    story = store.timeline(CASE.id)
    assert [entry.at for entry in story] == sorted(entry.at for entry in story)
    assert [entry.what for entry in story] == [
        *("opened", "verdict", "decision", "notice", "outcome", "outcome", "note", "notice", "closed")
    ]
    assert "50,012 packets in 1 s, limit 50,000" in story[1].text
    assert "customer called" in story[6].text


def test_names_that_are_no_text_are_kept_with_their_escapes(store: Store) -> None:
    """A lone surrogate or a NUL in a VM's name, as JSON files and kernels may bring, does not stop a record."""
    store.record(replace(CASE, vm_name="web\udc80\0x"), VERDICT, DECISION, notices(), ORDER)
    found = store.case(CASE.id)
    assert found is not None and found.vm_name is not None and found.vm_name.startswith("web\\udc80")


def test_two_threads_may_write(store: Store) -> None:
    """Records of the control thread and of the engine do not lose each other."""

    def work(first: int) -> None:
        for number in range(first, first + 20):
            case, verdict, decision, order = another(number)
            store.record(case, verdict, decision, notices(decision), order)
            store.standing()

    threads = [threading.Thread(target=work, args=(first,)) for first in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.standing()) == 60


# ---- the file -------------------------------------------------------------------------------


def test_the_file_is_the_operators_alone(store: Store) -> None:
    """The database and its log hold customers' names: only the owner may read them."""
    put(store)
    modes = {path.name: path.stat().st_mode & 0o777 for path in store.path.parent.iterdir()}
    assert set(modes) == {"cases.sqlite", "cases.sqlite-wal", "cases.sqlite-shm"} and set(modes.values()) == {0o600}


def test_full_commits(store: Store) -> None:
    """The log is write-ahead and every commit waits for the disk."""
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert store.box()._db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_reader_in_another_process_sees_what_is_written(store: Store) -> None:
    """The command line reads while the daemon writes, and cannot write itself."""
    put(store)
    script = (
        "import sys\nfrom edgeguard.cases.reader import Reader\n"
        "with Reader(sys.argv[1]) as r:\n"
        "    print(r.find('web1')[0].id, len(r.standing()), len(r.timeline(r.cases()[0].id)))\n"
        "    r._db.execute('DELETE FROM notes')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, store.path],
        check=False,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert done.stdout.split()[:2] == [CASE.id, "1"]
    assert "readonly" in done.stderr


def test_a_reader_does_not_hinder_the_writer(store: Store) -> None:
    """A command that holds a read open never makes the daemon wait."""
    put(store)
    with Reader(store.path) as reader:
        reader._db.execute("BEGIN")
        assert reader.cases()
        case, verdict, decision, order = another(3)
        store.record(case, verdict, decision, notices(decision), order)
        assert len(reader.cases()) == 1  # its own moment
        reader._db.execute("COMMIT")
        assert len(reader.cases()) == 2


def test_reading_after_the_daemon_has_ended(tmp_path: Path) -> None:
    """A database that was closed cleanly, its log gone, is read all the same."""
    path = tmp_path / "cases.sqlite"
    with Store(path) as store:
        put(store)
    assert [p.name for p in tmp_path.iterdir()] == ["cases.sqlite"]
    with Reader(path) as reader:
        assert reader.cases() == [CASE]


def one_line(error: pytest.ExceptionInfo[StoreError], *words: str) -> None:
    """The error is one line that names the file and what it should."""
    text = str(error.value)
    assert "\n" not in text and all(word in text for word in words), text


def test_no_database_to_read(tmp_path: Path) -> None:
    """Reading where no daemon ever ran says so in one line, and creates nothing."""
    with pytest.raises(StoreError) as error:
        Reader(tmp_path / "none.sqlite")
    one_line(error, "none.sqlite", "no case database", "daemon")
    assert list(tmp_path.iterdir()) == []


def test_what_was_decided_lately_is_read_for_a_restart(store: Store) -> None:
    """The decisions near a time, oldest first, with the customer of its case; none of years to come."""
    for number, at in ((1, T), (2, T + 60 * SECOND), (3, T - 60 * SECOND), (4, T - 61 * SECOND), (5, T + 10**17)):
        case, verdict, decision, order = another(number)
        case = replace(case, customer=None if number == 3 else f"customer {number}")
        decision = replace(decision, at=at)
        store.record(case, verdict, decision, notices(decision), order)
    found = [(decision.id, customer) for decision, customer in store.lately(T, 60 * SECOND)]
    assert found == [("decision-n3", None), ("decision-n1", "customer 1"), ("decision-n2", "customer 2")]


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    """A database of a newer EdgeGuard is refused in one line, by writer and reader, and left as it is."""
    path = tmp_path / "cases.sqlite"
    with Store(path) as store:
        put(store)
        store._db.execute(f"PRAGMA user_version = {database.VERSION + 1}")
    for opener in (Store, Reader):
        with pytest.raises(StoreError) as error:
            opener(path)
        one_line(error, str(path), f"version {database.VERSION + 1}", "newer EdgeGuard")


def test_migrations_are_applied_in_order_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older database is brought up by the missing scripts alone; a script that fails leaves it as it was."""
    path = tmp_path / "cases.sqlite"
    with Store(path) as store:
        put(store)
    second, third = tmp_path / "2.sql", tmp_path / "3.sql"
    second.write_text("-- two\nALTER TABLE cases ADD COLUMN two TEXT;\nCREATE TABLE extra (x TEXT);\n")
    third.write_text("ALTER TABLE cases ADD COLUMN three TEXT;\nINSERT INTO nowhere VALUES (1);\n")
    monkeypatch.setattr(database, "MIGRATIONS", (*database.MIGRATIONS, second, third))
    monkeypatch.setattr(database, "VERSION", len(database.MIGRATIONS))
    with pytest.raises(StoreError):
        Store(path)
    with pytest.raises(StoreError, match="start the daemon to upgrade"):
        Reader(path)
    third.write_text("ALTER TABLE cases ADD COLUMN three TEXT;\n")
    with Store(path) as store:
        assert store._db.execute("PRAGMA user_version").fetchone() == (len(database.MIGRATIONS),)
        assert store._db.execute("SELECT two, three FROM cases").fetchall() == [(None, None)]
        assert store.case(CASE.id) == CASE


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    """A SQLite file that is not ours is refused and not written to."""
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(StoreError) as error:
        Store(path)
    one_line(error, str(path), "another program's")
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"garbage " * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    """Garbage where the database should be is said in one line, and kept."""
    path = tmp_path / "cases.sqlite"
    path.write_bytes(content)
    with pytest.raises(StoreError) as error:
        Store(path)
    one_line(error, str(path))
    assert path.read_bytes() == content


def test_a_damaged_database(tmp_path: Path) -> None:
    """Overwritten pages are reported as damage with what to do, never as a traceback."""
    path = tmp_path / "cases.sqlite"
    with Store(path) as store:
        for number in range(30):
            case, verdict, decision, order = another(number)
            store.record(case, verdict, decision, notices(decision), order)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(bytes(content))
    with pytest.raises(StoreError) as error, Store(path) as store:
        store.standing()
    one_line(error, str(path), "damaged", ".recover")


def test_a_database_locked_by_another_process(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that keeps the lock makes a record fail in one line; what stood before stands, and later it works."""
    put(store)
    store._db.execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    case, verdict, decision, order = another(3)
    with pytest.raises(StoreError) as error:
        store.record(case, verdict, decision, notices(decision), order)
    one_line(error, str(store.path), decision.id, "lock")
    other.execute("ROLLBACK")
    other.close()
    store.record(case, verdict, decision, notices(decision), order)
    assert len(store.standing()) == 2


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    """A path below a file is said in one line."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as error:
        Store(tmp_path / "file" / "cases.sqlite")
    one_line(error, "file/cases.sqlite", "check the path")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_an_unwritable_directory(tmp_path: Path) -> None:
    """A directory without the right to write is said in one line."""
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError) as error:
        Store(tmp_path / "cases.sqlite")
    one_line(error, "check the path, its owner and its mode")


def test_a_full_database_keeps_what_it_has(store: Store) -> None:
    """When SQLite may not grow the file, the record fails in one line and all before it stays."""
    put(store)
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    written = 0
    with pytest.raises(StoreError) as error:
        for number in range(200):
            case, verdict, decision, order = another(number + 10)
            store.record(case, verdict, decision, notices(decision), order)
            written += 1
    one_line(error, str(store.path), "disk is full", "what was recorded before stands")
    store._db.execute("PRAGMA max_page_count = 100000")
    assert len(store.standing()) == written + 1
    store.outcome(happened(Happened.VERIFIED))


FULL_DISK = """
import pathlib, sys
sys.path.insert(0, sys.argv[2])
import samples as s
from edgeguard.cases.store import Store
from edgeguard.errors import StoreError
folder = pathlib.Path(sys.argv[1])
store = Store(folder / "cases.sqlite")
store.record(s.CASE, s.VERDICT, s.DECISION, s.notices(), s.ORDER)
filler = folder / "filler"
with filler.open("wb", buffering=0) as file:
    try:
        while True:
            file.write(bytes(4096))
    except OSError:
        pass
failed = 0
for number in range(50):
    case, verdict, decision, order = s.another(number)
    try:
        store.record(case, verdict, decision, s.notices(decision), order)
    except StoreError as error:
        failed += 1
        last = str(error)
filler.unlink()
case, verdict, decision, order = s.another(99)
store.record(case, verdict, decision, s.notices(decision), order)
store.close()
store = Store(folder / "cases.sqlite")
assert failed, "the disk was never full"
assert len(store.standing()) == 50 - failed + 2
assert store.decisions(s.CASE.id) == [s.DECISION]
print(last)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_loses_nothing_recorded(tmp_path: Path) -> None:
    """On a file system without room a record fails in one line; what stood stays, and it goes on when there is room."""
    here = Path(__file__).parent
    mount = f'mount -t tmpfs -o size=512k none "{tmp_path}" && exec "$0" -c "$1" "$2" "$3"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", mount, sys.executable, FULL_DISK, tmp_path, here],
        check=False,
        capture_output=True,
        text=True,
        cwd=here.parent,
    )
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(f"no mount of our own here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert "disk is full" in done.stdout and done.stdout.count("\n") == 1


# ---- the outbox's side ----------------------------------------------------------------------


def due(store: Store, now: int) -> list[str]:
    return [queued.notice.kind for queued in store.box().due(now)]


def test_a_notice_waits_for_the_proof_or_five_seconds(store: Store) -> None:
    """The mail about a null route is due when it is verified, or five seconds after the decision without that."""
    put(store)
    assert due(store, T + 4 * SECOND) == []
    assert due(store, T + 5 * SECOND) == ["narrow"]
    store.outcome(happened(Happened.ACKNOWLEDGED, T + 1))
    assert due(store, T + 1 * SECOND) == []
    store.outcome(happened(Happened.VERIFIED, T + 2 * SECOND))
    (queued,) = store.box().due(T + 2 * SECOND)
    assert queued.notice == notices()[0]
    assert (queued.facts.proof, queued.facts.acted, queued.facts.proved) == (Proof.VERIFIED, T + 1, T + 2 * SECOND)


@pytest.mark.parametrize(
    ("what", "proof"),
    [
        (Happened.NO_ATTEMPTS, Proof.NO_ATTEMPTS),
        (Happened.NOT_STOPPED, Proof.NOT_STOPPED),
        (Happened.FAILED, Proof.FAILED),
    ],
)
def test_every_answer_ends_the_wait(store: Store, what: Happened, proof: Proof) -> None:
    """Once it is known how the null route came out, the mail has nothing left to wait for and says that."""
    put(store)
    store.outcome(happened(what))
    (queued,) = store.box().due(T + SECOND)
    assert queued.facts.proof is proof


@pytest.mark.parametrize(("leaving", "seen"), [(None, False), (0, False), (12, True)])
def test_what_leaves_is_said_where_it_was_counted(store: Store, leaving: int | None, seen: bool) -> None:
    """Of what is not proved, only a count of the uplinks says that it still leaves."""
    put(store)
    store.outcome(replace(happened(Happened.NOT_STOPPED), leaving=leaving))
    (queued,) = store.box().due(T + SECOND)
    assert (queued.facts.proof, queued.facts.leaving) == (Proof.NOT_STOPPED, seen)


def test_a_notice_without_an_order_is_due_at_once(store: Store) -> None:
    """Where nothing was ordered there is nothing to wait for."""
    watched = replace(DECISION, enforced=False)
    store.record(CASE, VERDICT, watched, notices(watched), None)
    (queued,) = store.box().due(T)
    assert queued.facts == Facts(leader=CASE.id)


def test_a_release_is_told_when_all_of_it_has_ended(store: Store) -> None:
    """The mail about a release is due when every null route it ends has ended, with their drops added up."""
    put(store)
    second = replace(DECISION, id="decision-3")
    store.record(CASE, VERDICT, second, [], replace(ORDER, decision="decision-3"))
    store.box().sent(notices()[0].id, T, Mail("s", "t"))
    both = replace(RELEASE, releases=("decision-1", "decision-3"))
    store.record(CASE, None, both, notices(both), RELEASE_ORDER)
    store.outcome(happened(Happened.RELEASED, T + 61 * SECOND, dropped=5))
    assert due(store, both.at) == []
    store.outcome(happened(Happened.RELEASED, T + 62 * SECOND, "decision-3", dropped=7))
    (queued,) = store.box().due(T + 62 * SECOND)
    assert (queued.facts.proof, queued.facts.ended, queued.facts.dropped) == (Proof.RELEASED, T + 62 * SECOND, 12)


def test_a_refused_release_is_told_as_such(store: Store) -> None:
    """When the kernel refuses a release, its mail goes out at once and says so; the null route still stands."""
    put(store)
    store.outcome(happened(Happened.VERIFIED, T))
    store.box().sent(notices()[0].id, T, Mail("s", "t"))
    store.record(CASE, None, RELEASE, notices(RELEASE), RELEASE_ORDER)
    store.outcome(happened(Happened.FAILED, RELEASE.at + 1))
    (queued,) = store.box().due(RELEASE.at + 1)
    assert queued.facts.proof is Proof.FAILED
    assert [one.releasing for one in store.standing()] == [RELEASE.id]


def test_a_release_never_overtakes_its_null_route(store: Store) -> None:
    """Of one thread only the oldest unsent mail is due, whatever became of the younger ones."""
    put(store)
    store.record(CASE, None, RELEASE, notices(RELEASE), RELEASE_ORDER)
    store.outcome(happened(Happened.RELEASED, RELEASE.at))
    late = RELEASE.at + 60 * SECOND
    (queued,) = store.box().due(late)
    assert (queued.notice.kind, queued.facts.ended) == ("narrow", RELEASE.at)
    box = store.box()
    box.postponed([(queued.notice.id, late + SECOND)], "server is down")
    assert box.due(late) == []
    assert box.next_due() == late + SECOND
    box.sent(queued.notice.id, late + SECOND, Mail("s", "t"))
    (queued,) = box.due(late + SECOND)
    assert queued.notice.kind == "released" and queued.earlier == (notices()[0].id,)


def test_a_postponed_notice_waits_and_is_hastened(store: Store) -> None:
    """A failed attempt is counted and pauses the row; the server's return makes it due at once."""
    put(store)
    box = store.box()
    (queued,) = box.due(T + 5 * SECOND)
    box.postponed([(queued.notice.id, T + 100 * SECOND)], "connection refused")
    store.outcome(happened(Happened.VERIFIED))
    assert box.due(T + 99 * SECOND) == []
    box.hasten(T + 50 * SECOND)
    (again,) = box.due(T + 50 * SECOND)
    assert again.attempts == 1
    assert store.letters(CASE.id)[0].last_error == "connection refused"


def test_a_refused_notice_is_failed_and_the_desk_told(store: Store) -> None:
    """A refusal for good ends the row and puts a row for the desk beside it, in one transaction."""
    put(store)
    told = Notice("notice-desk", CASE.id, DECISION.id, "desk-undelivered", None, {"a": 1})
    store.box().refused(notices()[0].id, T + 9, "550 no such user", (told,))
    states = [(x.kind, x.state, x.last_error) for x in store.letters(CASE.id)]
    assert states == [("narrow", "failed", "550 no such user"), ("desk-undelivered", "ready", None)]
    (queued,) = store.box().due(T + 9)
    assert queued.notice == told


def test_letters_that_have_not_left(store: Store) -> None:
    """Without a case, letters() lists what has not left, and no more."""
    put(store)
    case, verdict, decision, order = another(2)
    store.record(case, verdict, decision, notices(decision), order)
    store.box().sent(notices()[0].id, T, Mail("subject", "text", (("To", "ops@example.net"),), "<1@example.net>"))
    assert [x.case for x in store.letters()] == [case.id]
    (left,) = store.letters(CASE.id)
    assert (left.state, left.subject, left.text, left.headers) == (
        "sent",
        "subject",
        "text",
        (("To", "ops@example.net"),),
    )


def test_samples_agree_with_the_model() -> None:
    """The sample order belongs to the sample decision."""
    assert (ORDER.decision, ORDER.until) == (DECISION.id, DECISION.until)
    assert samples.VM.addresses == (ip_network("192.0.2.10/32"), ip_network("2001:db8:1::/64"))


def test_a_customers_sum_is_found_by_the_customer(store: Store) -> None:
    """The case of a sum is found by the customer's name; those of its single VMs are not, and it tells its story."""
    summed = replace(CASE, id="EG-sum", vm=None, vm_name=None, tap=None, ifindex=None, mac=None, addresses=())
    put(store)
    store.record(summed, SUM_VERDICT, replace(SUM_DECISION, case=summed.id), (), None)
    assert store.find("Example Ltd") == [summed]
    assert store.verdicts(summed.id) == [SUM_VERDICT]
    assert store.timeline(summed.id)[0].text == "case opened for all VMs of customer Example Ltd"
