"""What others report: checked, laid beside our own measurement, for the desk; it binds nothing and tells nobody."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from samples import CASE, DECISION, ORDER, VERDICT, VM, T, another, happened, notices
from test_outbox import settings

from edgeguard import clock, xarf
from edgeguard.cases.packing import unpack
from edgeguard.cases.store import Store
from edgeguard.cli import main
from edgeguard.clock import HOUR, MINUTE, SECOND
from edgeguard.control import ControlServer
from edgeguard.decision.recent import recall
from edgeguard.errors import UsageError
from edgeguard.inventory import Index
from edgeguard.model import Act, Happened, Vm
from edgeguard.outside import Outside
from edgeguard.request import Request, TakeSignal
from edgeguard.signals.report import KEPT, LARGEST, TYPES, again, read

MARK = "REPORTERS-WORDS"
WHO = {"org": f"{MARK} org", "contact": f"{MARK}@example.com", "domain": f"{MARK}.example.com"}
REPORT: dict[str, Any] = {
    "xarf_version": "4.2.0",
    "report_id": "550e8400-e29b-41d4-a716-446655440000",
    "timestamp": "2026-01-01T00:04:06Z",
    "reporter": WHO,
    "sender": WHO,
    "source_identifier": "192.0.2.10",
    "category": "connection",
    "type": "ddos",
    "description": f"{MARK}: your customer is a criminal",
    "tags": [f"attack:{MARK.lower()}"],
    "evidence": [{"content_type": "text/plain", "description": MARK, "payload": "c2VjcmV0"}],
    "our_own_field": {"ticket": MARK},
}
NOW = T + HOUR
OTHER = Vm("vm-9", "db9", "Other Ltd", "other@example.net", ("tap9",), (), (ip_network("198.51.100.9/32"),))
MAIL = settings(25)


def report(**changes: Any) -> bytes:
    document = {**REPORT, **changes}
    return json.dumps({name: value for name, value in document.items() if value is not ...}).encode()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A null route of VM vm-100 that stands."""
    with Store(tmp_path / "cases.sqlite") as opened:
        opened.record(CASE, VERDICT, DECISION, notices(), ORDER)
        opened.outcome(happened(Happened.ACKNOWLEDGED, T + 1))
        opened.outcome(happened(Happened.VERIFIED))
        yield opened


def take(store: Store, raw: bytes, at: int = NOW, vms: tuple[Vm, ...] = (VM, OTHER)) -> str:
    return Outside(store, Index(vms), "hv1.example.net", MAIL).take(read(raw, at), at, "alex")


def rows(store: Store, table: str) -> list[Any]:
    return sorted(store._db.execute(f"SELECT * FROM {table}"), key=repr)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"xarf_version": "3"}, "xarf_version is not 4.x.y"),
        ({"report_id": "7"}, "report_id is no UUID"),
        ({"timestamp": "yesterday"}, "timestamp is no time"),
        ({"timestamp": "2026-01-01T00:04:06"}, "timestamp is no time with its zone"),
        ({"timestamp": "2027-01-01T00:04:06Z"}, "timestamp lies ahead"),
        ({"first_seen": 7}, "first_seen is no time"),
        ({"reporter": {"org": "x"}}, "reporter lacks one of org, contact, domain"),
        ({"sender": {**WHO, "org": "x" * 201}}, "sender.org is no text of 1 to 200"),
        ({"source_identifier": ""}, "source_identifier is no text"),
        ({"category": MARK}, "category is none of messaging"),
        ({"type": "you are scum"}, "type is no word"),
        ({"destination_port": 0}, "destination_port is no port"),
        ({"source_port": True}, "source_port is no port"),
        ({"description": "x" * 1_001}, "description is no text of at most"),
        ({"evidence": "x"}, "evidence is no list"),
        ({"type": ..., "sender": ...}, "sender, type missing"),
        ({"more": "x" * KEPT}, "without its evidence it has"),
    ],
)
def test_a_wrong_report_is_one_line(changes: dict[str, Any], said: str) -> None:
    """What the standard demands and is not kept is named, all in one line, and never in the reporter's words."""
    with pytest.raises(UsageError, match="the report is refused") as refused:
        read(report(**changes), NOW)
    assert said in str(refused.value) and "\n" not in str(refused.value) and MARK not in str(refused.value)


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"7", b"{", b"\xff", b"[" * 100_000, b'{"a":NaN}', b'{"a":1e999}', b" " * (LARGEST + 1)]
)
def test_what_is_no_report_is_one_line(raw: bytes) -> None:
    """Whatever stands on standard input is refused in a line that says why."""
    with pytest.raises(UsageError, match="the report is refused: it is "):
        read(raw, NOW)


def test_a_deep_report_is_refused() -> None:
    """A document that is nested without end is not walked."""
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    with pytest.raises(UsageError, match="deeper than"):
        read(report(deep=deep), NOW)


def test_unknown_fields_are_kept_and_evidence_is_not() -> None:
    """What the standard does not know stays for the desk; of captured contents only hash and size are kept."""
    kept = json.loads(read(report(), NOW).document)
    assert kept["our_own_field"] == {"ticket": MARK}
    assert "payload" not in kept["evidence"][0] and len(kept["evidence"][0]["payload_sha256"]) == 64


def test_our_own_reports_are_taken() -> None:
    """What EdgeGuard itself writes as XARF for others is a report by its own check."""
    ours = xarf.report(xarf.Reporter("hv1", "abuse@example.net", "example.net"), DECISION, VERDICT, VM, 6, b"frames")
    signal = read(json.dumps(ours).encode(), NOW)
    assert (signal.source, signal.sort, signal.since) == ("192.0.2.10", "connection/ddos", VERDICT.since)


def test_a_zone_is_no_part_of_an_address() -> None:
    """Behind the '%' of an IPv6 address any word may stand: it is not repeated."""
    signal = read(report(source_identifier=f"fe80::1%{MARK}"), NOW)
    assert not signal.is_address and MARK not in signal.source


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted({*REPORT, "first_seen", "destination_port"})), JSON, max_size=4))
def test_any_report_is_read_or_refused(changes: dict[str, Any]) -> None:
    """Whatever stands in the fields, nothing but a refusal is raised, and what is repeated are the standard's words."""
    try:
        signal = read(report(**changes), NOW)
    except UsageError:
        return
    _, _, kind = signal.sort.partition("/")
    assert kind in (*TYPES, "other") and signal.since <= signal.until
    assert signal.source.isascii() and again(signal.document, NOW) == signal


# ---- what becomes of it --------------------------------------------------------------------------


def test_it_is_added_to_the_open_case(store: Store) -> None:
    """The owner's open case gets it, with our own measurement beside it; no case is opened and no decision made."""
    before = {table: rows(store, table) for table in ("cases", "decisions", "outbox", "outcomes", "releases", "notes")}
    standing = store.standing()
    said = take(store, report())
    assert said.startswith(
        f"{CASE.id}: has one report more, about 192.0.2.10; a case of that time says it was VM vm-100's"
    )
    assert "syn hard, at most 50,012 packets a second" in said
    assert {table: rows(store, table) for table in before} == before and store.standing() == standing
    (entry,) = [entry for entry in store.timeline(CASE.id) if entry.what == "signal"]
    assert entry.text.startswith("an outside report of connection/ddos from 192.0.2.10: measured here from")
    assert "known already" in take(store, report())


def test_it_opens_a_case_that_does_nothing(store: Store) -> None:
    """Without an open case there is one that is observed: one decision that does nothing, no mail, no null route."""
    outbox, standing = rows(store, "outbox"), store.standing()
    said = take(store, report(source_identifier="198.51.100.9"))
    assert ": opened for 198.51.100.9; the inventory says it is VM vm-9's; nothing passed a warn limit here" in said
    (case,) = store.find("vm-9")
    assert (case.state, case.customer, case.closed) == ("observed", "Other Ltd", None)
    (decision,) = store.decisions(case.id)
    assert (decision.act, decision.scope, decision.enforced, decision.until) == (Act.NONE, "observe", False, None)
    assert rows(store, "outbox") == outbox and store.standing() == standing
    second = report(source_identifier="198.51.100.9", report_id="550e8400-e29b-41d4-a716-446655440001")
    assert take(store, second).startswith(f"{case.id}: has one report more")
    assert len(store.decisions(case.id)) == 1


def test_no_number_of_reports_binds(store: Store) -> None:
    """Hundreds of reports null-route nothing, lengthen nothing, and count for nothing where automation looks back."""
    ends = "SELECT id, until, ended FROM decisions WHERE until NOT NULL"
    standing, until = store.standing(), store._db.execute(ends).fetchall()
    for n in range(250):
        vm = replace(OTHER, id=f"guest-{n}", customer=f"C-{n}", addresses=(ip_network(f"198.51.100.{n}"),))
        raw = report(report_id=f"550e8400-e29b-41d4-a716-{n:012x}", source_identifier=f"198.51.100.{n}")
        take(store, raw, vms=(vm,))
    assert store.standing() == standing and store._db.execute(ends).fetchall() == until
    assert store._db.execute("SELECT count(*) FROM decisions WHERE act = 'null-route'").fetchone() == (1,)
    lately = [(decision, customer) for decision, customer in store.lately(NOW, 2 * HOUR) if decision.id != DECISION.id]
    assert len(lately) == 250 and recall(lately).null_routed == {} and recall(lately).last is None


def test_no_word_of_the_reporter_reaches_the_customer(store: Store, run: Callable[..., Result]) -> None:
    """Neither mails nor the story nor `explain`, which a customer may be sent, hold anything that a reporter wrote."""
    hostile = {"type": MARK.lower().replace("-", "_"), "category": "reputation"}
    ids = (f"550e8400-e29b-41d4-a716-{n:012x}" for n in range(9))
    for changes in ({}, hostile, {"source_identifier": "198.51.100.9"}, {"source_identifier": f"fe80::1%{MARK}"}):
        take(store, report(report_id=next(ids), **changes))
    every = (cell for table in ("outbox", "notes", "cases", "decisions") for row in rows(store, table) for cell in row)
    told = "".join(unpack(cell) if isinstance(cell, bytes) else str(cell) for cell in every)
    told += "".join(entry.text for case in store.cases() for entry in store.timeline(case.id))
    for case in store.cases():
        for words in (["explain", case.id], ["explain", case.id, "--json"], ["case", "show", case.id]):
            told += run(words).output
    assert MARK.lower() not in told.lower() and "reporters_words" not in told
    assert "an outside report of" in told


def test_the_desk_gets_the_reporters_words(store: Store, run: Callable[..., Result]) -> None:
    """One mail to the desk, of no other channel, has what the reporter wrote; `signal --show` has all of it."""
    take(store, report())
    ((channel, body),) = store._db.execute("SELECT channel, whole(body, packed) FROM deliveries").fetchall()
    assert channel == "desk" and f"{MARK}: your customer" in json.loads(body)["text"]
    assert json.loads(run(["signal", "--show", "192.0.2.10"]).stdout)["document"]["our_own_field"] == {"ticket": MARK}
    take(store, report(timestamp="1990-01-01T00:00:00Z", report_id="550e8400-e29b-41d4-a716-446655440001"))
    for term, lines in (("vm-100", 2), ("web1", 1), (CASE.id, 1), ("tap100b", 2), ("192.0.2.10", 2)):
        assert len(run(["signal", "--show", term]).stdout.splitlines()) == lines, term
    assert "connection/ddos" in run(["signal", "--list"]).stdout
    assert run(["signal", "--show", "nobody"]).exit_code == 1


def test_the_owner_is_whose_it_was_then(store: Store) -> None:
    """A case of that time outweighs today's inventory, in which the address is another's by now."""
    store.close_case(CASE.id, T + MINUTE, "quiet")
    now = replace(OTHER, addresses=VM.addresses)
    said = take(store, report(), at=T + 40 * 24 * HOUR, vms=(now,))
    assert "opened for 192.0.2.10; a case of that time says it was VM vm-100's" in said
    (case,) = [case for case in store.cases() if case.closed is None]
    assert (case.vm, case.customer) == ("vm-100", "Example Ltd")
    late = report(timestamp="2025-11-01T00:00:00Z", report_id="550e8400-e29b-41d4-a716-446655440009")
    assert "whose it was then is not known" in take(store, late, at=T + 40 * 24 * HOUR, vms=(now,))


def test_an_old_report_is_not_put_into_the_open_case(store: Store) -> None:
    """What was seen long before a flood is not of its case: it goes to the case of that time, else to nobody's; a case
    that others' reports opened takes all of them."""
    number, day = "550e8400-e29b-41d4-a716-44665544001", 24 * HOUR
    said = take(store, report(timestamp="1990-01-01T00:00:00Z", report_id=f"{number}0"))
    assert said.endswith(f"; it was seen long before {CASE.id} began; kept for the desk")
    old = replace(CASE, id="EG-20251101-aaaaaaaaaaaa", opened=T - 61 * day)
    store.put_case(old)
    store.close_case(old.id, T - 60 * day, "quiet")
    said = take(store, report(timestamp="2025-11-01T12:00:00Z", report_id=f"{number}1"))
    assert said.startswith(f"{old.id}: has one report more, about 192.0.2.10; a case of that time says")
    assert [(one.id[-1], one.case) for one in store.signals.youngest()] == [("1", old.id), ("0", None)]
    assert not [entry for entry in store.timeline(CASE.id) if entry.what == "signal"]
    seen_yesterday = report(timestamp="2025-12-31T12:00:00Z", report_id=f"{number}2")
    assert take(store, seen_yesterday).startswith(f"{CASE.id}: has one report more")
    for last in "34":
        take(
            store,
            report(timestamp="1990-01-01T00:00:00Z", report_id=f"{number}{last}", source_identifier="198.51.100.9"),
        )
    third, fourth = store.signals.youngest()[:2]
    assert third.case == fourth.case is not None


def test_the_case_of_who_has_the_address_later_is_left_alone(store: Store) -> None:
    """An old report about an address that another VM has a case with now is not put into that case."""
    said = take(store, report(timestamp="2025-12-01T00:00:00Z"), vms=(replace(OTHER, addresses=VM.addresses),))
    assert ": opened for 192.0.2.10; the inventory says it is VM vm-9's" in said and CASE.id not in said


@pytest.mark.parametrize(
    ("source", "why"), [("203.0.113.99", "no VM of ours"), ("www.example.com", "names no address")]
)
def test_what_is_not_ours_is_kept_for_the_desk(store: Store, source: str, why: str) -> None:
    """A report about an address of nobody here opens no case, and is not lost."""
    before = rows(store, "cases")
    assert why in take(store, report(source_identifier=source))
    assert rows(store, "cases") == before and store.signals.youngest()[0].case is None


def test_another_vms_case_is_left_alone(store: Store) -> None:
    """What is reported of one VM is never put into the case of its neighbour."""
    other = another(9)
    store.record(replace(other[0], vm="vm-9"), other[1], other[2], notices(other[2]), other[3])
    take(store, report(source_identifier="198.51.100.9"))
    assert store.signals.youngest()[0].case == other[0].id != CASE.id


# ---- the command ---------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Result]:
    file = tmp_path / "edgeguard.toml"
    inventory = '[[inventory.vm]]\nid = "vm-100"\ncustomer = "Example Ltd"\naddresses = ["192.0.2.10"]\n'
    inventory += 'taps = ["tap100b"]\n'
    file.write_text(f'[paths]\nsocket = "{tmp_path}/sock"\ndatabase = "{tmp_path}/cases.sqlite"\n{inventory}')

    def invoke(words: list[str], given: bytes = b"") -> Result:
        return CliRunner().invoke(main, [*words, "-c", str(file)], input=given, prog_name="edgeguard")

    return invoke


def test_the_command_writes_where_no_daemon_runs(store: Store, run: Callable[..., Result]) -> None:
    """`edgeguard signal < FILE` finds the owner in the inventory and writes the database."""
    told = run(["signal"], report())
    assert told.exit_code == 0 and told.stdout.startswith(f"{CASE.id}: has one report more"), told.output
    refused = run(["signal"], b"{}")
    assert refused.exit_code == 2 and refused.stderr.startswith("edgeguard: the report is refused")


def test_the_command_without_a_database_says_so(run: Callable[..., Result]) -> None:
    """Where neither daemon nor database is, one line says it."""
    told = run(["signal"], report())
    assert told.exit_code == 1 and "there is no case database" in told.stderr


def test_the_command_asks_the_daemon_that_runs(store: Store, run: Callable[..., Result], tmp_path: Path) -> None:
    """Where a daemon lives the report goes through its socket, and is checked there once more."""
    seen: list[Any] = []

    def answer(request: Request) -> dict[str, str]:
        assert isinstance(request.ask, TakeSignal)
        now = clock.now()
        seen.append(again(request.ask.body, now))
        outside = Outside(store, Index((VM,)), "hv1", MAIL)
        return {"text": outside.take(seen[-1], now, request.by)}

    server = ControlServer(tmp_path / "sock", patience_s=120)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            server.poll(answer)
            stop.wait(0.01)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        told = run(["signal"], report(more='"\\' * (KEPT // 5)))
    finally:
        stop.set()
        thread.join()
        server.close()
    assert told.exit_code == 0 and told.stdout.startswith(CASE.id), told.output
    assert len(seen) == 1 and seen[0].until == T - T % SECOND + SECOND
