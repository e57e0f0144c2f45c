"""What holds wherever cases are kept: one suite for every store, said in the words of cases/protocol.py alone.

A store of another database is one more line in KEPT. Nothing here looks at tables, files or locks.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import (
    BY_PERSON,
    CASE,
    DECISION,
    ORDER,
    RELEASE,
    RELEASE_ORDER,
    VERDICT,
    T,
    another,
    happened,
    notices,
)

from edgeguard.cases import protocol
from edgeguard.cases.box import Box
from edgeguard.cases.protocol import Cases, CaseStore
from edgeguard.cases.reader import Reader
from edgeguard.cases.store import Store
from edgeguard.cases.tray import Tray
from edgeguard.clock import HOUR, MINUTE, SECOND
from edgeguard.errors import StoreError
from edgeguard.grace import LONGEST, Disposition, Exemption, Grace, Rate
from edgeguard.letters import Channel, Delivery, Mail, Notice, Proof
from edgeguard.model import Act, Happened, Scope

WAIT = 5 * SECOND  # a notice's, for the proof
MAIL = Mail("subject", "text", (("To", "ops@example.net"),), "<n@example.net>")
WEBHOOK, PAGE = [Channel.WEBHOOK], [Channel.PAGE]


class Kept(Protocol):
    """One place, as often as it is opened."""

    def store(self) -> CaseStore: ...
    def reader(self) -> Cases: ...


class File:
    """SQLite."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "cases.sqlite"

    def store(self) -> CaseStore:
        return Store(self._path, WAIT)

    def reader(self) -> Cases:
        return Reader(self._path)


KEPT: dict[str, Callable[[Path], Kept]] = {"sqlite": File}


@pytest.fixture(params=KEPT)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    return KEPT[request.param](tmp_path)


@pytest.fixture
def store(kept: Kept) -> Iterator[CaseStore]:
    opened = kept.store()
    yield opened
    opened.close()


def put(store: CaseStore) -> None:
    """The one flood, narrowly null-routed."""
    store.record(CASE, VERDICT, DECISION, notices(), ORDER)


def released(store: CaseStore) -> None:
    store.record(CASE, None, RELEASE, notices(RELEASE), RELEASE_ORDER)


def document(id: str, channel: Channel = Channel.WEBHOOK, created: int = T, cause: str | None = None) -> Delivery:
    return Delivery(id, channel, CASE.id, DECISION.id, created, f'{{"id":"{id}"}}', cause)


def exemption(until: int = T + HOUR, second: str | None = None, id: str = "x-1") -> Exemption:
    target = ip_network("203.0.113.5/32")
    return Exemption(id, "vm-100", 6, target, 80, Rate(75_000, None), T, until, "alex", "a load test", second=second)


# ---- the words themselves ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "kind"),
    [(Cases, Reader), (CaseStore, Store), (protocol.Box, Box), (protocol.Tray, Tray)],
    ids=lambda kind: kind.__module__,
)
def test_sqlite_speaks_the_protocol(words: type, kind: type) -> None:
    """Every word of a protocol must be a method with the same parameters and the same defaults."""
    names = [name for name in dir(words) if not name.startswith("_")]
    assert names
    for name in names:
        wanted, found = (inspect.signature(getattr(one, name)) for one in (words, kind))
        assert [(p.name, p.kind, p.default) for p in wanted.parameters.values()] == [
            (p.name, p.kind, p.default) for p in found.parameters.values()
        ], name


# ---- what is recorded is there ----------------------------------------------------------------------


def test_all_of_a_decision_is_there_after_a_restart(kept: Kept) -> None:
    """Case, verdict, decision, order, notice and delivery must be what was handed in, read by whoever opens it next."""
    store = kept.store()
    store.record(CASE, VERDICT, DECISION, notices(), ORDER, [document("d-1")])
    store.close()
    store = kept.store()
    assert store.case(CASE.id) == CASE
    assert (store.verdicts(CASE.id), store.decisions(CASE.id)) == ([VERDICT], [DECISION])
    (standing,) = store.standing()
    assert (standing.case, standing.decision, standing.verdict, standing.order) == (CASE, DECISION, VERDICT, ORDER)
    box, tray = store.box(), store.tray()
    (queued,) = box.due(T + WAIT)
    assert queued.notice == notices()[0]
    assert [one.delivery for one in tray.due(WEBHOOK, T)] == [document("d-1")]
    for part in (box, tray, store):
        part.close()


def test_a_reader_sees_what_the_writer_finished(kept: Kept, store: CaseStore) -> None:
    """From another connection, while the store is open, right after each call."""
    put(store)
    reader = kept.reader()
    assert reader.case(CASE.id) == CASE
    store.note(CASE.id, T + SECOND, "alex", "looking")
    assert "alex: looking" in [entry.text for entry in reader.timeline(CASE.id)]
    store.outcome(happened(Happened.VERIFIED))
    assert [outcome.happened for outcome in reader.outcomes(DECISION.id)] == [Happened.VERIFIED]
    reader.close()


def test_a_decision_is_written_whole_or_not_at_all(store: CaseStore) -> None:
    """Where one part is refused, nothing of the others may be there."""
    put(store)
    case, verdict, _, order = another(1)
    with pytest.raises(StoreError):
        store.record(case, verdict, DECISION, (), order, [document("d-9")])  # the decision's id is taken
    assert store.case(case.id) is None and store.verdicts(case.id) == []
    tray = store.tray()
    assert tray.due(WEBHOOK, T + HOUR) == []
    tray.close()


def test_nothing_is_null_routed_in_silence(store: CaseStore) -> None:
    """A null route without any notice is refused; with one written earlier in the case it is not."""
    with pytest.raises(StoreError, match="without any notice"):
        store.record(CASE, VERDICT, DECISION, (), ORDER)
    assert store.case(CASE.id) is None
    put(store)
    again = replace(DECISION, id="decision-3", silent=True)
    store.record(CASE, VERDICT, again, (), replace(ORDER, decision=again.id))
    assert len(store.standing()) == 2


def test_threads_write_side_by_side(store: CaseStore) -> None:
    """Decisions recorded by several threads at once must all be there, each whole."""
    failed: list[Exception] = []

    def write(first: int) -> None:
        try:
            for number in range(first, first + 10):
                case, verdict, decision, order = another(number)
                store.record(case, verdict, decision, notices(decision), order)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(100 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(store.standing()) == len(store.cases(100)) == 40


# ---- what stands ------------------------------------------------------------------------------------


def test_a_null_route_stands_until_its_end_is_reported(store: CaseStore) -> None:
    """Deciding a release ends nothing: the outcome does. Until then a restart must know of both."""
    put(store)
    store.outcome(happened(Happened.ACKNOWLEDGED))
    released(store)
    (standing,) = store.standing()
    assert (standing.releasing, standing.facts.proof) == (RELEASE.id, Proof.NOT_YET)
    assert store.standing_beside(CASE) == 0, "its end has been decided"
    store.outcome(happened(Happened.RELEASED, T + MINUTE, RELEASE.id))
    assert store.standing() == []
    recorded = store.recorded(DECISION.id)
    assert recorded is not None and (recorded.stood, recorded.ended, recorded.releasing) == (True, True, True)


def test_a_null_route_that_never_stood_leaves_a_warned_case(store: CaseStore) -> None:
    """The kernel refused the only one: its owner was told, and nothing more happened."""
    put(store)
    store.outcome(happened(Happened.FAILED))
    case = store.case(CASE.id)
    assert case is not None and (case.state, store.standing()) == ("warned", [])


def test_a_failed_release_ends_nothing(store: CaseStore) -> None:
    """What the kernel holds goes on standing, whatever was decided."""
    put(store)
    store.outcome(happened(Happened.ACKNOWLEDGED))
    released(store)
    store.outcome(happened(Happened.FAILED, T + MINUTE, RELEASE.id))
    assert [standing.decision.id for standing in store.standing()] == [DECISION.id]


def test_what_was_decided_lately_comes_with_its_customer(store: CaseStore) -> None:
    """Within the span on both sides, the oldest first, and nothing beyond."""
    for number, at in enumerate((T - HOUR - 1, T - HOUR, T, T + HOUR, T + HOUR + 1)):
        case, verdict, decision, order = another(number)
        store.record(case, verdict, replace(decision, at=at), notices(decision), order)
    found = store.lately(T, HOUR)
    assert [(decision.id, customer) for decision, customer in found] == [
        (f"decision-n{number}", "Example Ltd") for number in (1, 2, 3)
    ]


# ---- cases ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "term", [CASE.id, "vm-100", "web1", "WEB1", "tap100", "192.0.2.10", "2001:db8:1::7", DECISION.id, VERDICT.id]
)
def test_a_case_is_found_by_whatever_is_at_hand(store: CaseStore, term: str) -> None:
    """Id, VM, name, tap, an address or one of its prefix, a decision, a verdict."""
    put(store)
    assert [case.id for case in store.find(term)] == [CASE.id]
    assert store.find("192.0.2.11") == store.find("2001:db8:2::7") == store.find("nobody") == []


@given(ends=st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=12))
def test_lists_are_in_order(ends: list[tuple[int, bool]], tmp_path_factory: pytest.TempPathFactory) -> None:
    """All: the youngest first; open ones: the oldest first; of a term: open ones first, then the youngest."""
    for make in KEPT.values():
        store = make(tmp_path_factory.mktemp("kept")).store()
        cases = [replace(CASE, id=f"EG-{n:02}", opened=T + at) for n, (at, _) in enumerate(ends)]
        for case, (_, is_closed) in zip(cases, ends, strict=True):
            store.put_case(case)
            if is_closed:
                store.close_case(case.id, T + HOUR, "quiet")
        left = [case.id for case, (_, is_closed) in zip(cases, ends, strict=True) if not is_closed]
        young = [case.id for case in sorted(cases, key=lambda case: (-case.opened, case.id))]
        assert [case.id for case in store.cases(100)] == young
        assert [case.id for case in store.cases(3)] == young[:3]
        old = [case.id for case in sorted(cases, key=lambda case: (case.opened, case.id))]
        still = [id for id in old if id in left]
        assert [case.id for case in store.open_cases()] == still
        assert [case.id for case in store.open_cases(2)] == still[-2:]
        assert [case.id for case in store.find("web1")] == [id for id in young if id in left] + [
            id for id in young if id not in left
        ]
        store.close()


@given(opened=st.lists(st.tuples(st.integers(0, 40), st.sampled_from("ab"), st.booleans()), max_size=12))
def test_matters_are_whole_and_in_order(
    opened: list[tuple[int, str, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each case is in one, with others of its customer, less than ten minutes from its leader; the youngest first."""
    for make in KEPT.values():
        store = make(tmp_path_factory.mktemp("kept")).store()
        leaders: dict[str, tuple[str, int]] = {}
        mine: dict[str, str] = {}
        for n, (minute, customer, is_closed) in enumerate(sorted(opened)):
            case = replace(CASE, id=f"EG-{n:02}", vm=f"vm-{n}", opened=T + minute * MINUTE, customer=customer)
            store.put_case(case)
            if is_closed:
                store.close_case(case.id, T + HOUR, "quiet")
            if customer not in leaders or minute - leaders[customer][1] >= 10:
                leaders[customer] = (case.id, minute)
            mine[case.id] = leaders[customer][0]
        heads = store.heads(100)
        found = store.matters(heads)
        assert [one.id for one in found] == heads and {*heads} == {*mine.values()}
        assert {case.id: one.id for one in found for case in one.cases} == mine
        assert all(one.cases[0].id == one.id for one in found)
        assert [one.opened for one in found] == sorted((one.opened for one in found), reverse=True)
        assert store.heads(2) == heads[:2]
        still = {mine[case.id] for case in store.open_cases()}
        assert store.heads(100, only_open=True) == [id for id in heads if id in still]
        store.close()


def test_a_closed_case_stays_closed(store: CaseStore) -> None:
    """Who knows it as open, and writes it once more, must not open it again; its first end stands."""
    put(store)
    store.close_case(CASE.id, T + HOUR, "released")
    store.put_case(replace(CASE, state="narrow"))
    store.close_case(CASE.id, T + 2 * HOUR, "quiet")
    case = store.case(CASE.id)
    assert case is not None and (case.state, case.closed, case.outcome) == ("closed", T + HOUR, "released")


def test_a_person_judges_once(store: CaseStore) -> None:
    """Also what the clock has settled, whose end stays; the second word is not taken."""
    put(store)
    store.close_case(CASE.id, T + HOUR, "released")
    assert store.judge_case(CASE.id, T + 2 * HOUR, "overturned", "alex", "it was a load test")
    assert not store.judge_case(CASE.id, T + 3 * HOUR, "confirmed", "kim", "it was not")
    case = store.case(CASE.id)
    assert case is not None and (case.closed, case.outcome) == (T + HOUR, "overturned")
    assert not store.judge_case("nobody", T, "confirmed", "alex", "there is none")


# ---- what people allow ------------------------------------------------------------------------------


def test_a_persons_release_needs_a_disposition(store: CaseStore) -> None:
    """Without one it is refused whole; with one it is told to the next start."""
    put(store)
    with pytest.raises(StoreError):
        store.record(CASE, None, replace(BY_PERSON, grace=None), notices(BY_PERSON), RELEASE_ORDER)
    assert [decision.id for decision in store.decisions(CASE.id)] == [DECISION.id]
    store.record(CASE, None, BY_PERSON, notices(BY_PERSON), RELEASE_ORDER)
    assert BY_PERSON in store.releases(T)
    assert BY_PERSON not in store.releases(BY_PERSON.at + 1)


def test_released_as_exempt_comes_with_an_exemption(store: CaseStore) -> None:
    """Saying exempt without saying what is refused."""
    put(store)
    bare = replace(BY_PERSON, grace=Grace(Disposition.EXEMPT))
    with pytest.raises(StoreError):
        store.record(CASE, None, bare, notices(bare), RELEASE_ORDER)
    with_one = replace(bare, grace=Grace(Disposition.EXEMPT, exempts=(exemption(),)))
    store.record(CASE, None, with_one, notices(with_one), RELEASE_ORDER)
    assert [one.exemption for one in store.exemptions("vm-100")] == [exemption()]


def test_one_person_exempts_for_thirty_days(store: CaseStore) -> None:
    """Longer needs a second, who is another; whoever writes."""
    store.exempt(exemption(T + LONGEST))
    for second in (None, "alex"):
        with pytest.raises(StoreError):
            store.exempt(exemption(T + LONGEST + 1, second, "x-2"))
    with pytest.raises(StoreError):
        store.lengthen(exemption(), T + 2 * LONGEST, "alex")
    store.lengthen(exemption(), T + 2 * LONGEST, "kim")
    (granted,) = store.exemptions()
    assert (granted.exemption.until, granted.exemption.second) == (T + 2 * LONGEST, "kim")


def test_an_exemption_ends_once(store: CaseStore) -> None:
    """Before its time, by a person; what is over cannot be ended, and other VMs have none of it."""
    store.exempt(exemption())
    assert store.exemptions("vm-101") == []
    assert store.end_exemption("x-1", T + MINUTE, "kim", "the test is over")
    assert not store.end_exemption("x-1", T + MINUTE, "kim", "again")
    (granted,) = store.exemptions("vm-100")
    assert (granted.ended, granted.ended_by, granted.ended_why) == (T + MINUTE, "kim", "the test is over")
    assert granted.holds(T) is False


# ---- notices ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "proof"),
    [(Happened.VERIFIED, Proof.VERIFIED), (Happened.NOT_STOPPED, Proof.NOT_STOPPED), (Happened.FAILED, Proof.NOT_YET)],
)
def test_a_notice_waits_for_the_proof(store: CaseStore, what: Happened, proof: Proof) -> None:
    """It leaves with the outcome, or when it has waited long enough, whichever is first."""
    put(store)
    box = store.box()
    assert (box.due(T), box.next_due()) == ([], T + WAIT)
    store.outcome(happened(Happened.ACKNOWLEDGED, T + 1))
    assert box.due(T + 2) == [], "an acknowledgement proves nothing"
    store.outcome(happened(what, T + SECOND))
    (queued,) = box.due(T + SECOND)
    assert queued.facts.proof is proof
    box.close()


def test_a_mail_never_overtakes_the_one_before(store: CaseStore) -> None:
    """Of a case and a recipient the next is due once the one before has left, which it then knows of."""
    put(store)
    released(store)
    store.outcome(happened(Happened.RELEASED, T + MINUTE, RELEASE.id))
    box = store.box()
    (first,) = box.due(T + HOUR)
    assert (first.notice.decision, first.earlier) == (DECISION.id, ())
    box.sent(first.notice.id, T + HOUR, MAIL)
    (second,) = box.due(T + HOUR)
    assert (second.notice.decision, second.earlier) == (RELEASE.id, (first.notice.id,))
    box.sent(second.notice.id, T + HOUR, MAIL, partly="550 one of them")
    assert (box.due(T + 2 * HOUR), box.next_due()) == ([], None)
    assert [(x.state, x.text, x.headers, x.sent_at) for x in store.letters(CASE.id)] == [
        ("sent", "text", MAIL.headers, T + HOUR)
    ] * 2
    box.close()


def test_a_mail_that_failed_comes_again(store: CaseStore) -> None:
    """Not before its time, unless the server is back; the error is kept, and the attempts are counted."""
    put(store)
    box = store.box()
    (queued,) = box.due(T + WAIT)
    box.postponed([(queued.notice.id, T + HOUR)], "451 try later")
    assert box.due(T + WAIT + 1) == []
    (again,) = box.due(T + HOUR)
    assert again.attempts == 1
    store.outcome(happened(Happened.VERIFIED))
    box.hasten(T + MINUTE)
    assert len(box.due(T + MINUTE)) == 1
    (letter,) = store.letters()
    assert (letter.attempts, letter.last_error) == (1, "451 try later")
    box.close()


def test_a_refused_mail_is_told(store: CaseStore) -> None:
    """Never tried again; the desk's notice of it is written with it."""
    put(store)
    box = store.box()
    (queued,) = box.due(T + WAIT)
    desk = Notice("n-desk", CASE.id, DECISION.id, "desk-undelivered", None, {"error": "550 no such user"})
    box.refused(queued.notice.id, T + MINUTE, "550 no such user", desk)
    assert [one.notice for one in box.due(T + HOUR)] == [desk]
    assert [(letter.state, letter.last_error) for letter in store.letters(CASE.id)] == [
        ("failed", "550 no such user"), ("ready", None),
    ]  # fmt: skip
    box.close()


# ---- deliveries -------------------------------------------------------------------------------------


def test_deliveries_of_a_case_keep_their_order(store: CaseStore) -> None:
    """The next of a channel waits for the one before, sent or given up; another channel does not wait."""
    store.deliver([document("w-1"), document("w-2"), document("p-1", Channel.PROGRAM)])
    tray = store.tray()
    both = [Channel.WEBHOOK, Channel.PROGRAM]
    assert [one.delivery.id for one in tray.due(both, T)] == ["w-1", "p-1"]
    tray.postponed("w-1", T + MINUTE, "503")
    assert [one.delivery.id for one in tray.due(WEBHOOK, T)] == []
    assert tray.next_try(WEBHOOK) == T + MINUTE
    (again,) = tray.due(WEBHOOK, T + MINUTE)
    assert (again.delivery.id, again.attempts) == ("w-1", 1)
    tray.failed("w-1", "410", [document("d-1", Channel.DESK)])
    assert [one.delivery for one in tray.due(WEBHOOK, T)] == [document("w-2")]
    assert [one.delivery.id for one in tray.due([Channel.DESK], T)] == ["d-1"]
    tray.sent("w-2", T)
    assert tray.due(WEBHOOK, T + HOUR) == [] and tray.next_try(WEBHOOK) is None
    assert tray.counts() == {"webhook": {"failed": 1}, "program": {"waiting": 1}, "desk": {"waiting": 1}}
    tray.close()


def test_the_same_delivery_is_written_once(store: CaseStore) -> None:
    """Who records it again after a crash must not have it handed over twice."""
    store.deliver([document("w-1"), document("w-1")])
    tray = store.tray()
    tray.sent("w-1", T)
    store.deliver([document("w-1")])
    assert tray.due(WEBHOOK, T + HOUR) == []
    tray.close()


def test_one_page_an_hour_and_cause(store: CaseStore) -> None:
    """Those in between are counted in the next of their cause; other causes are not held back."""
    times = {0: "breaker", MINUTE: "breaker", 2 * MINUTE: "not stopped", HOUR - 1: "breaker", HOUR: "breaker"}
    for number, (after, cause) in enumerate(times.items()):
        store.deliver([document(f"p-{number}", Channel.PAGE, T + after, cause)])
    tray = store.tray()
    assert [(one.delivery.id, one.grouped) for one in tray.due(PAGE, T + HOUR)] == [("p-0", 0), ("p-2", 0), ("p-4", 2)]
    tray.close()


def test_an_outcome_and_whom_it_is_told_are_one(store: CaseStore) -> None:
    """A page of what happened is there with it."""
    put(store)
    store.outcome(happened(Happened.NOT_STOPPED), [document("p-1", Channel.PAGE, T, "not stopped")])
    tray = store.tray()
    assert [one.delivery.id for one in tray.due(PAGE, T)] == ["p-1"]
    tray.close()


# ---- the story --------------------------------------------------------------------------------------


def test_the_story_is_in_the_order_of_time(store: CaseStore) -> None:
    """Whoever wrote what when: opened first, closed last, cause before effect."""
    store.put_verdict(CASE, replace(VERDICT, id="verdict-0", at=T - SECOND))
    put(store)
    store.note(CASE.id, T + 30 * SECOND, "alex", "looking")
    store.outcome(happened(Happened.VERIFIED))
    released(store)
    store.close_case(CASE.id, T + HOUR, "released")
    story = store.timeline(CASE.id)
    assert [entry.at for entry in story] == sorted(entry.at for entry in story)
    assert (story[0].what, story[-1].what) == ("opened", "closed")
    whats = [entry.what for entry in story]
    assert whats.index("verdict") < whats.index("decision") < whats.index("outcome") < whats.index("note")


def test_a_warning_has_no_null_route(store: CaseStore) -> None:
    """What orders nothing stands nowhere, and its notice waits for nothing."""
    warned = replace(DECISION, act=Act.NONE, scope=Scope.WARN, enforced=False, until=None)
    store.record(CASE, VERDICT, warned, notices(warned), None)
    box = store.box()
    assert store.standing() == [] and len(box.due(T)) == 1
    box.close()
