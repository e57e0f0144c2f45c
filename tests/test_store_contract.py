"""What holds wherever cases are kept: one suite for every store, said in the words of cases/protocol.py alone.

A store of another database is one more line in PLACES (kept.py). Nothing here looks at tables, files or locks. Every
test is run twice: what it reads is read by the store, and by a reader beside it.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept import ABOUT, KEPT, PLACES, PROTOCOLS, WAIT, Kept, Watched, about, methods, named, unasked
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

from edgeguard import __version__
from edgeguard.cases.box import Box as SqliteBox
from edgeguard.cases.fresh import Fresh, Unsent
from edgeguard.cases.intray import MOST, ONCE
from edgeguard.cases.intray import Intray as SqliteIntray
from edgeguard.cases.month import Month
from edgeguard.cases.news import News as SqliteNews
from edgeguard.cases.protocol import Box, Cases, CaseStore, Intray, News, Replies, Reports, Signals, Tray
from edgeguard.cases.reader import Reader
from edgeguard.cases.received import Heard, Reported, Taken
from edgeguard.cases.replies import Replies as SqliteReplies
from edgeguard.cases.reports import Reports as SqliteReports
from edgeguard.cases.signals import Signals as SqliteSignals
from edgeguard.cases.store import Store
from edgeguard.cases.told import Told
from edgeguard.cases.tray import Tray as SqliteTray
from edgeguard.clock import HOUR, MILLISECOND, MINUTE, SECOND
from edgeguard.context import Prior
from edgeguard.errors import StoreError
from edgeguard.grace import LONGEST, Disposition, Exemption, Grace, Rate
from edgeguard.incoming import Reply, Signal, Sort
from edgeguard.letters import Channel, Delivery, Mail, Notice, Proof
from edgeguard.model import Act, Happened, Outcome, Scope
from edgeguard.word import OWNER, Said, Word

MAIL = Mail("subject", "text", (("To", "ops@example.net"),), "<n@example.net>")
WEBHOOK, PAGE = [Channel.WEBHOOK], [Channel.PAGE]
SQLITE = {
    Cases: Reader, CaseStore: Store, Replies: SqliteReplies, Intray: SqliteIntray, Signals: SqliteSignals,
    Reports: SqliteReports, Box: SqliteBox, Tray: SqliteTray, News: SqliteNews,
}  # fmt: skip


@pytest.fixture(params=KEPT, ids=named)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    name, beside = request.param
    place = Kept(PLACES[name], tmp_path, beside)
    yield place
    assert unasked(request.function, place.asked) == set(), "the test is about it, and never asked it"


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


@pytest.mark.parametrize("words", PROTOCOLS, ids=lambda words: words.__name__)
def test_sqlite_speaks_the_protocol(words: type) -> None:
    """Every word of a protocol must be a method with the same parameters and the same defaults."""
    for qualified in methods(words):
        name = qualified.partition(".")[2]
        wanted, found = (inspect.signature(getattr(one, name)) for one in (words, SQLITE[words]))
        assert [(p.name, p.kind, p.default) for p in wanted.parameters.values()] == [
            (p.name, p.kind, p.default) for p in found.parameters.values()
        ], name


def test_every_word_has_a_test() -> None:
    """Whoever adds a method to a protocol has to say here what holds of it."""
    words = {word for one in PROTOCOLS for word in methods(one)}
    assert {"Cases.find", "Intray.take", "Reports.take", "News.look"} <= words
    assert words - ABOUT == set()


def test_a_test_sees_the_protocol_alone(kept: Kept) -> None:
    """What only SQLite's store has is no part of the contract; and who asks nothing is about nothing."""
    store = kept.store()
    assert isinstance(store.replies, Watched)
    for part, name in ((store, "path"), (store.replies, "_session"), (store.signals, "rows")):
        with pytest.raises(AttributeError):
            getattr(part, name)
    store.close()

    test = SimpleNamespace(about={"Cases.find", "Cases.close"})
    assert unasked(test, kept.asked) == {"Cases.find"}


# ---- what is recorded is there ----------------------------------------------------------------------


@about(CaseStore.record, CaseStore.box, CaseStore.tray, Cases.case, Cases.verdicts, Cases.decisions, Cases.close)
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


@about(CaseStore.note, Cases.outcomes)
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


@about(CaseStore.outcome, Cases.standing, Cases.standing_beside, Cases.recorded)
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


@about(Cases.lately)
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


@about(Cases.find)
@pytest.mark.parametrize(
    "term", [CASE.id, "vm-100", "web1", "WEB1", "tap100", "192.0.2.10", "2001:db8:1::7", DECISION.id, VERDICT.id]
)
def test_a_case_is_found_by_whatever_is_at_hand(store: CaseStore, term: str) -> None:
    """Id, VM, name, tap, an address or one of its prefix, a decision, a verdict."""
    put(store)
    assert [case.id for case in store.find(term)] == [CASE.id]
    assert store.find("192.0.2.11") == store.find("2001:db8:2::7") == store.find("nobody") == []


@about(Cases.cases, Cases.open_cases, Cases.find)
@given(ends=st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=12))
def test_lists_are_in_order(ends: list[tuple[int, bool]], kept: Kept, tmp_path_factory: pytest.TempPathFactory) -> None:
    """All: the youngest first; open ones: the oldest first; of a term: open ones first, then the youngest."""
    store = kept.elsewhere(tmp_path_factory.mktemp("kept")).store()
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


@about(Cases.heads, Cases.matters)
@given(opened=st.lists(st.tuples(st.integers(0, 40), st.sampled_from("ab"), st.booleans()), max_size=12))
def test_matters_are_whole_and_in_order(
    opened: list[tuple[int, str, bool]], kept: Kept, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each case is in one, with others of its customer, less than ten minutes from its leader; the youngest first."""
    store = kept.elsewhere(tmp_path_factory.mktemp("kept")).store()
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


@about(CaseStore.close_case, CaseStore.put_case)
def test_a_closed_case_stays_closed(store: CaseStore) -> None:
    """Who knows it as open, and writes it once more, must not open it again; its first end stands."""
    put(store)
    store.close_case(CASE.id, T + HOUR, "released")
    store.put_case(replace(CASE, state="narrow"))
    store.close_case(CASE.id, T + 2 * HOUR, "quiet")
    case = store.case(CASE.id)
    assert case is not None and (case.state, case.closed, case.outcome) == ("closed", T + HOUR, "released")


@about(CaseStore.judge_case)
def test_a_person_judges_once(store: CaseStore) -> None:
    """Also what the clock has settled, whose end stays; the second word is not taken."""
    put(store)
    store.close_case(CASE.id, T + HOUR, "released")
    assert store.judge_case(CASE.id, T + 2 * HOUR, "overturned", "alex", "it was a load test")
    assert not store.judge_case(CASE.id, T + 3 * HOUR, "confirmed", "kim", "it was not")
    case = store.case(CASE.id)
    assert case is not None and (case.closed, case.outcome) == (T + HOUR, "overturned")
    assert not store.judge_case("nobody", T, "confirmed", "alex", "there is none")


@about(Cases.beside)
def test_cases_of_a_customer_that_begin_together_are_beside_each_other(store: CaseStore) -> None:
    """Within minutes, and of the same customer; never somebody else's, and nothing goes with a victim."""
    near = replace(CASE, id="EG-near", vm="vm-2", opened=CASE.opened + MINUTE)
    others = replace(CASE, id="EG-others", vm="vm-3", customer="C-2")
    victim = replace(CASE, id="EG-victim", vm="vm-4", state="victim")
    late = replace(CASE, id="EG-late", vm="vm-5", opened=CASE.opened + HOUR)
    for case in (CASE, near, others, victim, late):
        store.put_case(case)
    assert (store.beside(CASE.id), store.beside(near.id)) == ([near.id], [CASE.id])
    assert [store.beside(case.id) for case in (others, victim, late)] == [[], [], []]


@about(Cases.priors)
def test_a_case_that_a_person_confirmed_counts_against_its_customer(store: CaseStore) -> None:
    """Or left undetermined; not what was overturned, what was released as exempt or our fault, what nobody judged."""
    outcomes = ("confirmed", "undetermined", "overturned", None, "confirmed")
    for number, outcome in enumerate(outcomes):
        case, verdict, decision, order = another(number)
        case = replace(case, opened=T + number)
        store.record(case, verdict, decision, notices(decision), order)
        if outcome is not None:
            store.judge_case(case.id, T + HOUR, outcome, "kim", "it was looked at")
    ours = replace(BY_PERSON, case=case.id, releases=(decision.id,), grace=Grace(Disposition.OUR_FAULT))
    store.record(case, None, ours, notices(ours), replace(RELEASE_ORDER, decision=ours.id))
    first, second = (
        Prior(another(n)[0].id, f"vm-{n}", "Example Ltd", T + n, outcome) for n, outcome in enumerate(outcomes[:2])
    )
    assert store.priors(0) == [first, second]
    assert store.priors(T + 1) == [second]
    assert (store.priors(0, first.case), store.priors(0, case.id)) == ([first], [])


# ---- what people say --------------------------------------------------------------------------------


def word(said: Said, by: str = "alex", at: int = T + MINUTE, until: int | None = None) -> Word:
    return Word(CASE.id, said, at, by, "it looks like a load test", until, (DECISION.id,))


@about(CaseStore.say, Cases.words)
def test_a_word_moves_its_case_and_what_stands(store: CaseStore) -> None:
    """The word, the state, the later end of the null route and the notice, which waits for nothing, are one."""
    put(store)
    held, told = word(Said.HOLD, until=T + 6 * HOUR), Notice("n-kept", CASE.id, DECISION.id, "upheld", None, {"a": 1})
    store.say(replace(CASE, state="review"), held, [replace(ORDER, until=T + 6 * HOUR)], [told])
    (standing,) = store.standing()
    assert (standing.case.state, standing.order.until, store.words(CASE.id)) == ("review", T + 6 * HOUR, [held])
    box = store.box()
    assert told in [queued.notice for queued in box.due(held.at)]
    box.close()


@about(CaseStore.say)
def test_words_that_one_person_may_not_say_are_refused_whole(store: CaseStore) -> None:
    """A second hold; upholding alone; keeping what one of the two upheld: neither word, state nor end is written."""
    put(store)
    store.say(CASE, word(Said.HOLD, until=T + 6 * HOUR))
    store.say(CASE, word(Said.VOICE))
    said = store.words(CASE.id)
    for refused in (
        word(Said.HOLD, "kim", until=T + 6 * HOUR),
        word(Said.UPHOLD, "alex", until=T + 6 * HOUR),
        word(Said.KEEP, "kim", until=T + 6 * HOUR),
    ):
        with pytest.raises(StoreError):
            store.say(replace(CASE, state="upheld"), refused, [replace(ORDER, until=T + 6 * HOUR)])
    (standing,) = store.standing()
    assert (store.words(CASE.id), standing.case.state, standing.order) == (said, "narrow", ORDER)
    store.say(CASE, word(Said.UPHOLD, "kim", until=T + 6 * HOUR))
    store.say(CASE, word(Said.APPEAL, OWNER))
    with pytest.raises(StoreError):
        store.say(CASE, word(Said.KEEP, "kim", until=T + 6 * HOUR))
    store.say(CASE, word(Said.KEEP, "robin", until=T + 6 * HOUR))
    assert [one.said for one in store.words(CASE.id)] == ["hold", "voice", "uphold", "appeal", "keep"]


@about(CaseStore.say)
def test_what_is_reopened_may_be_judged_again(store: CaseStore) -> None:
    """The one way in which a closed case is open once more."""
    put(store)
    store.judge_case(CASE.id, T + HOUR, "overturned", "alex", "it was a load test")
    store.say(replace(CASE, state="warned"), word(Said.REOPEN, at=T + 2 * HOUR))
    case = store.case(CASE.id)
    assert case is not None and (case.state, case.closed, case.outcome) == ("warned", None, None)
    assert store.judge_case(CASE.id, T + 3 * HOUR, "confirmed", "kim", "it was none")


# ---- what people allow ------------------------------------------------------------------------------


@about(Cases.releases)
def test_a_persons_release_needs_a_disposition(store: CaseStore) -> None:
    """Without one it is refused whole; with one it is told to the next start."""
    put(store)
    with pytest.raises(StoreError):
        store.record(CASE, None, replace(BY_PERSON, grace=None), notices(BY_PERSON), RELEASE_ORDER)
    assert [decision.id for decision in store.decisions(CASE.id)] == [DECISION.id]
    store.record(CASE, None, BY_PERSON, notices(BY_PERSON), RELEASE_ORDER)
    assert BY_PERSON in store.releases(T)
    assert BY_PERSON not in store.releases(BY_PERSON.at + 1)


@about(Cases.exemptions)
def test_released_as_exempt_comes_with_an_exemption(store: CaseStore) -> None:
    """Saying exempt without saying what is refused."""
    put(store)
    bare = replace(BY_PERSON, grace=Grace(Disposition.EXEMPT))
    with pytest.raises(StoreError):
        store.record(CASE, None, bare, notices(bare), RELEASE_ORDER)
    with_one = replace(bare, grace=Grace(Disposition.EXEMPT, exempts=(exemption(),)))
    store.record(CASE, None, with_one, notices(with_one), RELEASE_ORDER)
    assert [one.exemption for one in store.exemptions("vm-100")] == [exemption()]


@about(CaseStore.exempt, CaseStore.lengthen)
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


@about(CaseStore.end_exemption)
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


@about(Box.due, Box.next_due, Box.close)
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


@about(Box.sent, Cases.letters)
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


@about(Box.postponed, Box.hasten)
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


@about(Box.refused)
def test_a_refused_mail_is_told(store: CaseStore) -> None:
    """Never tried again; the desk's notice of it is written with it."""
    put(store)
    box = store.box()
    (queued,) = box.due(T + WAIT)
    desk = Notice("n-desk", CASE.id, DECISION.id, "desk-undelivered", None, {"error": "550 no such user"})
    box.refused(queued.notice.id, T + MINUTE, "550 no such user", (desk,))
    assert [one.notice for one in box.due(T + HOUR)] == [desk]
    assert [(letter.state, letter.last_error) for letter in store.letters(CASE.id)] == [
        ("failed", "550 no such user"), ("ready", None),
    ]  # fmt: skip
    box.close()


# ---- deliveries -------------------------------------------------------------------------------------


@about(Tray.due, Tray.next_try, Tray.postponed, Tray.failed, Tray.sent, Tray.counts, Tray.close)
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


@about(CaseStore.deliver, CaseStore.is_delivered)
def test_the_same_delivery_is_written_once(store: CaseStore) -> None:
    """Who records it again after a crash must not have it handed over twice."""
    assert not store.is_delivered("w-1")
    store.deliver([document("w-1"), document("w-1")])
    assert store.is_delivered("w-1") and not store.is_delivered("w-2")
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


@about(Cases.timeline, CaseStore.put_verdict)
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


# ---- what owners write ------------------------------------------------------------------------------


def taken(id: str = "r-1", at: int = T, case: str | None = CASE.id, sort: Sort = Sort.REPLY, **more: Any) -> Taken:
    sender = more.pop("sender", "ops@example.net")
    return Taken(Reply(id, sort, sender, text="it was our backup"), at, case, **more)


def acknowledged(id: str, at: int = T, sender: str = "ops@example.net") -> tuple[Taken, Notice]:
    """With the acknowledgement that it asks for."""
    told = Notice(f"n-{id}", CASE.id, DECISION.id, "acknowledged", sender, {"case": CASE.id})
    return taken(id, at, sender=sender, acknowledged=told.id, read_by=at + HOUR), told


@about(Intray.take, Replies.of_case)
def test_a_reply_is_taken_once(store: CaseStore) -> None:
    """With its acknowledgement, which waits for nothing, and its deliveries; the same mail again changes nothing."""
    put(store)
    reply, told = acknowledged("r-1")
    written = store.replies.take(reply, [told], [document("w-1")])
    assert written is not None and written == replace(reply, seq=written.seq) and written.seq > 0
    assert store.replies.take(replace(reply, at=T + 1), [replace(told, id="n-2")], [document("w-2")]) is None
    assert store.replies.of_case(CASE.id) == [written] and store.replies.of_case("nobody") == []
    assert (store.is_delivered("w-1"), store.is_delivered("w-2")) == (True, False)
    ours = [letter for letter in store.letters(CASE.id) if letter.kind == "acknowledged"]
    assert [(letter.id, letter.to, letter.state) for letter in ours] == [("n-r-1", "ops@example.net", "ready")]


@about(Intray.take)
def test_a_reply_frees_and_binds_nothing(store: CaseStore) -> None:
    """Whatever it says: state, decisions and what stands are as before; and no notice of it makes a null route told."""
    case, verdict, decision, order = another(1)
    store.put_case(CASE)
    put_before = store.case(CASE.id)
    store.replies.take(taken(), ())
    assert (store.case(CASE.id), store.decisions(CASE.id), store.standing()) == (put_before, [], [])
    store.record(case, verdict, replace(decision, act=Act.NONE, enforced=False), (), None)
    told = Notice("n-a", case.id, decision.id, "acknowledged", "ops@example.net", {})
    store.replies.take(taken("r-2", case=case.id, acknowledged="n-a"), [told])
    again = replace(decision, id="decision-again")
    with pytest.raises(StoreError, match="without any notice"):
        store.record(case, None, again, (), replace(order, decision=again.id))


@about(Intray.take)
def test_a_reply_is_written_whole_or_not_at_all(store: CaseStore) -> None:
    """Where its notice is refused, the reply is not there, and may be taken again."""
    put(store)
    reply, told = acknowledged("r-1")
    with pytest.raises(StoreError):
        store.replies.take(reply, [replace(told, decision="nobody's")], [document("w-1")])
    assert store.replies.of_case(CASE.id) == [] and not store.is_delivered("w-1")
    assert store.replies.take(reply, [told]) is not None


@about(Intray.take)
def test_acknowledgements_are_few(store: CaseStore) -> None:
    """One for a sender in a while and a few for a case, whoever writes: the others are taken in silence."""
    put(store)
    senders = ["a@example.net", "A@example.net", *(f"b{n}@example.net" for n in range(MOST))]
    for number, sender in enumerate(senders):
        reply, told = acknowledged(f"r-{number}", T + number, sender)
        store.replies.take(reply, [told])
    found = store.replies.of_case(CASE.id)
    assert len(found) == len(senders)
    said = [n for n, one in enumerate(found) if one.acknowledged]
    assert said == [0, *range(2, MOST + 1)]
    assert [one.read_by is None for one in found] == [one.acknowledged is None for one in found]
    assert len([letter for letter in store.letters(CASE.id) if letter.kind == "acknowledged"]) == MOST
    reply, told = acknowledged("r-late", T + MINUTE + ONCE, "a@example.net")
    later = store.replies.take(reply, [told])
    assert later is not None and later.acknowledged == told.id
    for number, at in enumerate((T + 99 * HOUR, T + 9 * HOUR)):  # a clock that was far ahead silences nothing
        reply, told = acknowledged(f"r-clock-{number}", at, "c@example.net")
        after = store.replies.take(reply, [told])
        assert after is not None and after.acknowledged == told.id


@about(Intray.case_of, Intray.sent, Intray.youngest_decision, Intray.contacts)
def test_a_reply_finds_what_it_answers(store: CaseStore) -> None:
    """By the first name that is ours: a case's id in any letters' size, or a notice's; contacts were written to."""
    put(store)
    released(store)
    notice = notices()[0]
    names = ["<someone-else@example.net>", notice.id]
    assert store.replies.case_of(names) == store.replies.case_of([CASE.id.lower()]) == CASE.id
    assert store.replies.sent(names) == notice
    assert store.replies.case_of(["nobody"]) is store.replies.sent([CASE.id]) is None
    assert store.replies.youngest_decision(CASE.id) == RELEASE.id
    assert store.replies.youngest_decision("nobody") is None
    reply, told = acknowledged("r-1", sender="stranger@example.com")
    store.replies.take(reply, [told])
    assert store.replies.contacts(CASE.id) == {"ops@example.net"} and store.replies.contacts("nobody") == frozenset()


@about(Intray.file, Replies.unmatched, Replies.waiting)
def test_a_reply_that_names_no_case_waits_for_a_person(store: CaseStore) -> None:
    """In a queue, the oldest first, until somebody says whose it is, once; what programs write waits for nobody."""
    put(store)
    sorts = (Sort.REPLY, Sort.UNREADABLE, Sort.AUTOMATIC, Sort.BOUNCE)
    kept = [store.replies.take(taken(f"r-{n}", T + n, None, sort), ()) for n, sort in enumerate(sorts)]
    assert store.replies.unmatched() == kept[:2] and store.replies.waiting() == 2
    first, second, program = (one.seq for one in kept[:3] if one is not None)
    assert store.replies.file(first, CASE.id, T + HOUR, "alex") and store.replies.file(second, None, T + HOUR, "alex")
    assert not any(store.replies.file(seq, CASE.id, T + HOUR, "kim") for seq in (first, program, 999))
    assert (store.replies.unmatched(), store.replies.waiting()) == ([], 0)
    assert [one.reply.id for one in store.replies.of_case(CASE.id)] == ["r-0"]


@pytest.mark.parametrize("sign", ["note", "word", "decision"])
@about(Replies.unread, Replies.promised, Replies.longest_unread)
def test_a_reply_is_unread_until_a_person_did_something(store: CaseStore, sign: str) -> None:
    """A promise to read it is due ten minutes before, at half its time at the latest, and while it is broken."""
    put(store)
    store.replies.take(taken("r-1", T, read_by=T + 30 * MINUTE), ())
    store.replies.take(taken("r-2", T, read_by=T + 4 * MINUTE), ())
    store.replies.take(taken("r-auto", T, sort=Sort.AUTOMATIC), ())

    def ids(found: list[Taken]) -> list[str]:
        return [one.reply.id for one in found]

    assert ids(store.replies.unread(CASE.id)) == ["r-1", "r-2"] and store.replies.unread("nobody") == []
    assert ids(store.replies.promised(T + 2 * MINUTE - 1)) == []
    assert ids(store.replies.promised(T + 2 * MINUTE)) == ["r-2"]
    assert ids(store.replies.promised(T + 20 * MINUTE)) == ids(store.replies.promised(T + HOUR)) == ["r-2", "r-1"]
    store.note(CASE.id, T + HOUR, "automation", "evidence kept")
    assert len(store.replies.unread(CASE.id)) == 2 and ids(store.replies.unread(CASE.id, 1)) == ["r-1"]
    assert ids(store.replies.longest_unread()) == ["r-1"]
    if sign == "note":
        store.note(CASE.id, T + HOUR, "alex", "read")
    elif sign == "word":
        store.say(CASE, word(Said.VOICE, at=T + HOUR))
    else:
        by_person = replace(BY_PERSON, at=T + HOUR)
        store.record(CASE, None, by_person, notices(by_person), RELEASE_ORDER)
    assert store.replies.unread(CASE.id) == store.replies.promised(T + HOUR) == store.replies.longest_unread() == []


@about(Replies.longest_unread)
def test_the_longest_unread_is_of_each_open_case(store: CaseStore) -> None:
    """And of those that go with an open one: one that was promised, and one that was not; of closed ones none."""
    beside, other = replace(CASE, id="case-beside", vm="vm-7"), replace(CASE, id="case-other", customer="another")
    put(store)
    for case in (beside, other):
        store.put_case(case)
    store.replies.take(taken("r-1", T, sort=Sort.UNREADABLE), ())
    store.replies.take(taken("r-2", T + 1, read_by=T + HOUR), ())
    store.replies.take(taken("r-3", T + 2, read_by=T + HOUR), ())
    store.replies.take(taken("r-4", T + 3, case=beside.id), ())
    store.replies.take(taken("r-5", T + 4, case=other.id), ())

    def ids() -> list[str]:
        return [one.reply.id for one in store.replies.longest_unread()]

    assert ids() == ["r-1", "r-2", "r-4", "r-5"]
    store.close_case(beside.id, T + HOUR, "quiet")
    store.close_case(other.id, T + HOUR, "quiet")
    assert ids() == ["r-1", "r-2", "r-4"], "what goes with one that is open is read with it"


@about(Replies.promised)
def test_a_closed_case_keeps_no_promise(store: CaseStore) -> None:
    """Nor does one of yesterday: its case has other clocks by then."""
    put(store)
    store.replies.take(taken(read_by=T + HOUR), ())
    assert len(store.replies.promised(T + HOUR)) == 1 and store.replies.promised(T + 26 * HOUR) == []
    store.close_case(CASE.id, T + HOUR, "quiet")
    assert store.replies.promised(T + HOUR) == []


@about(Replies.unheard)
def test_a_reply_is_heard_once(store: CaseStore) -> None:
    """Until it is a word of its case; who is none of the case's contacts is told apart; a closed case hears nothing."""
    put(store)
    kept = [
        store.replies.take(one, ())
        for one in (
            taken("r-1"), taken("r-2", sender="stranger@example.com"), taken("r-3", case=None),
            taken("r-auto", sort=Sort.AUTOMATIC),
        )
    ]  # fmt: skip
    first, second, third = (one for one in kept[:3] if one is not None)
    assert store.replies.unheard() == [
        Heard(first.seq, CASE.id, T, first.reply, True), Heard(second.seq, CASE.id, T, second.reply, False),
    ]  # fmt: skip
    store.replies.file(third.seq, CASE.id, T + 1, "alex")
    store.say(CASE, replace(word(Said.REPLY, OWNER), reply=first.seq))
    assert [one.seq for one in store.replies.unheard()] == [second.seq, third.seq]
    with pytest.raises(StoreError):
        store.say(CASE, replace(word(Said.REPLY, OWNER), reply=first.seq))
    store.close_case(CASE.id, T + HOUR, "quiet")
    assert store.replies.unheard() == []


# ---- what others report -----------------------------------------------------------------------------

SIGNAL = Signal("s-1", "connection/ddos", "192.0.2.10", True, T - MINUTE, T, '{"reporter":{"org":"Example"}}')
OPENING = replace(
    DECISION, id="decision-s", verdict=None, act=Act.NONE, scope=Scope.OBSERVE, until=None, enforced=False, silent=True
)


@about(Reports.take, Signals.is_known, Signals.youngest)
def test_a_report_opens_a_case_for_the_desk(store: CaseStore) -> None:
    """Signal, case, the decision that does nothing and the desk's mail are one; nobody outside is written to."""
    observed = replace(CASE, state="observed")
    assert not store.signals.is_known("s-1")
    store.signals.take(SIGNAL, T, observed, OPENING, "nothing", [document("d-1", Channel.DESK)])
    assert store.signals.is_known("s-1")
    assert (store.case(CASE.id), store.decisions(CASE.id), store.standing()) == (observed, [OPENING], [])
    assert store.is_delivered("d-1") and store.letters(CASE.id) == []
    (kept,) = store.signals.youngest()
    assert kept == Reported(kept.seq, "s-1", CASE.id, T, "192.0.2.10", SIGNAL.sort, T, "nothing", SIGNAL.document)


@about(Signals.youngest)
def test_reports_are_found_the_youngest_first(store: CaseStore) -> None:
    """All, or by id, case, its VM or tap, or address however it is written; at most so many."""
    store.put_case(CASE)
    store.signals.take(SIGNAL, T, CASE, None, "nothing", ())
    for number in (2, 3):
        store.signals.take(replace(SIGNAL, id=f"s-{number}", source="2001:db8::1"), T - number, None, None, "", ())

    def ids(term: str | None = None, limit: int = 50) -> list[str]:
        return [one.id for one in store.signals.youngest(term, limit)]

    assert (ids(), ids(limit=2)) == (["s-3", "s-2", "s-1"], ["s-3", "s-2"])
    assert ids("2001:0db8:0::1") == ids("2001:db8::1") == ["s-3", "s-2"]
    assert ids("s-1") == ids(CASE.id) == ids("192.0.2.10") == ["s-1"] and ids("nobody") == []
    assert ids("vm-100") == ids("WEB1") == ids(str(CASE.tap)) == ["s-1"]


@about(Reports.take)
def test_a_report_never_null_routes(store: CaseStore) -> None:
    """Not even where its writer asks for it; and where a part is refused, nothing of it is there."""
    for decision in (DECISION, replace(DECISION, act=Act.RELEASE), replace(OPENING, enforced=True)):
        with pytest.raises(ValueError, match="does nothing"):
            store.signals.take(SIGNAL, T, CASE, decision, "nothing", ())
    put(store)
    with pytest.raises(StoreError):
        store.signals.take(SIGNAL, T, CASE, replace(OPENING, id=DECISION.id), "nothing", [document("d-1")])
    assert not store.signals.is_known("s-1") and not store.is_delivered("d-1")
    assert [standing.order for standing in store.standing()] == [ORDER]


@about(Reports.take)
def test_the_same_report_is_written_once(store: CaseStore) -> None:
    """Who takes it again after a crash must not have the desk told twice."""
    for at in (T, T + MINUTE):
        store.signals.take(SIGNAL, at, None, None, "nothing", [document("d-1", Channel.DESK)])
    assert [one.at for one in store.signals.youngest()] == [T]
    tray = store.tray()
    assert len(tray.due([Channel.DESK], T + HOUR)) == 1
    tray.close()


# ---- what is counted --------------------------------------------------------------------------------

JANUARY = Month(2026, 1)


@about(Cases.account)
def test_a_month_is_told_whole(store: CaseStore) -> None:
    """What was decided in it, and what became of that, in whatever month: mails, people, replies, ends, judgements."""
    put(store)
    store.outcome(happened(Happened.ACKNOWLEDGED, T + MILLISECOND))
    box = store.box()
    for queued in box.due(T + WAIT):
        box.sent(queued.notice.id, T + MINUTE, MAIL)
    box.close()
    store.note(CASE.id, T + 2 * MINUTE, "automation", "evidence kept")
    store.note(CASE.id, T + 3 * MINUTE, "alex", "looking")
    store.say(CASE, word(Said.VOICE, "kim", T + 4 * MINUTE))
    late = JANUARY.end + HOUR
    store.replies.take(taken("r-1", T + 5 * MINUTE), ())
    unmatched = store.replies.take(taken("r-2", T + 6 * MINUTE, None), ())
    assert unmatched is not None and store.replies.file(unmatched.seq, CASE.id, T + HOUR, "alex")
    store.replies.take(taken("r-3", T + 7 * MINUTE, sort=Sort.BOUNCE), ())
    store.replies.take(taken("r-4", late), ())
    by_person = replace(BY_PERSON, at=late)
    store.record(CASE, None, by_person, notices(by_person), RELEASE_ORDER)
    store.outcome(Outcome(BY_PERSON.id, late + SECOND, Happened.RELEASED, "so"))
    store.judge_case(CASE.id, late + HOUR, "confirmed", "kim", "it was one")
    found = store.account(JANUARY)
    assert found.month == JANUARY
    assert found.decisions == (
        Told(DECISION.id, CASE.id, T, "null-route", "narrow", True, False, False, "syn", __version__, True,
             late + SECOND, True),
    )  # fmt: skip
    assert dict(found.mails) == {DECISION.id: T + MINUTE}
    assert sorted(found.people) == [
        (CASE.id, at) for at in (T + 3 * MINUTE, T + 4 * MINUTE, late, late + HOUR, late + HOUR)
    ]
    assert dict(found.outcomes) == {CASE.id: "confirmed"}
    assert sorted(found.replies) == [(CASE.id, T + 5 * MINUTE), (CASE.id, T + 6 * MINUTE)]
    assert (found.begun, found.opened, found.still_open) == (((CASE.id, T),), 1, 0)


@about(Cases.account)
def test_a_month_is_its_own(store: CaseStore) -> None:
    """From its first moment to the next month's; what was refused by the kernel never began, what waits has no time."""
    times = (JANUARY.first - 1, JANUARY.first, JANUARY.end - 1, JANUARY.end)
    for number, at in enumerate(times):
        case, verdict, decision, order = another(number)
        decision = replace(decision, at=at, until=at + HOUR)
        store.record(replace(case, opened=at), verdict, decision, notices(decision), order)
        failed = Happened.FAILED if number == 2 else Happened.ACKNOWLEDGED
        store.outcome(Outcome(decision.id, at + 1, failed, "so"))
    found = store.account(JANUARY)
    assert [(one.id, one.stood, one.ended) for one in found.decisions] == [
        ("decision-n1", True, None), ("decision-n2", False, JANUARY.end),
    ]  # fmt: skip
    assert dict(found.mails) == {"decision-n1": None, "decision-n2": None}
    assert [case for case, _ in found.begun] == [another(1)[0].id]
    assert (found.opened, found.still_open) == (2, 2)
    empty = store.account(Month(2025, 6))
    assert (empty.decisions, dict(empty.mails), empty.replies, empty.begun, empty.opened) == ((), {}, (), (), 0)


@about(CaseStore.news, News.look, News.close)
def test_news_are_told_once(store: CaseStore) -> None:
    """From when they were opened: decisions, outcomes, and how long a null route took to each of its firsts."""
    put(store)
    store.outcome(happened(Happened.ACKNOWLEDGED, T + MILLISECOND))
    news, box = store.news(), store.box()
    assert news.look() == Fresh()
    case, verdict, decision, order = another(1)
    store.record(case, verdict, decision, notices(decision), order)
    store.outcome(happened(Happened.ACKNOWLEDGED, T + 4 * MILLISECOND, decision.id))
    store.outcome(happened(Happened.VERIFIED, T + SECOND, decision.id))
    store.outcome(happened(Happened.VERIFIED, T + 2 * SECOND, decision.id))
    assert news.look() == Fresh(
        (("null-route", "narrow"),), ("acknowledged", "verified", "verified"), (4 * MILLISECOND,), (SECOND,)
    )
    for queued in box.due(T + WAIT):
        box.sent(queued.notice.id, T + 7 * SECOND, MAIL)
    store.outcome(happened(Happened.VERIFIED, T + 3 * SECOND, decision.id))
    fresh = news.look()
    assert (fresh.outcomes, fresh.verified) == (("verified",), ()), "a second proof is no first"
    assert fresh.noticed == (7 * SECOND, 7 * SECOND), "what waited when they were opened is told when it leaves"
    assert news.look() == Fresh()
    news.close()
    box.close()


@about(News.unsent)
def test_what_waits_is_counted_by_carrier(store: CaseStore) -> None:
    """Mails, documents for programs and webhooks, pages: how many, and how old the oldest is."""
    news, box = store.news(), store.box()
    assert news.unsent() == {carrier: Unsent(0, None) for carrier in ("mail", "hooks", "page")}
    put(store)
    store.deliver([document("w-1", created=T + 2), document("p-1", Channel.PROGRAM, T + 1)])
    store.deliver([document("a-1", Channel.PAGE, T + 3, "breaker"), document("a-2", Channel.PAGE, T + 4, "breaker")])
    assert news.unsent() == {"mail": Unsent(1, T), "hooks": Unsent(2, T + 1), "page": Unsent(1, T + 3)}
    box.refused(notices()[0].id, T, "550 no such user")
    assert news.unsent()["mail"] == Unsent(0, None)
    news.close()
    box.close()
