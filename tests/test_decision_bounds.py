"""Kill file, pace, fleet permit and reachable by tables; and that only the cases that are listed page."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from samples import BY_PERSON, RELEASE, SUM_VERDICT, TAP, VM, T
from test_decision import ACT, GOOD, HARD, WARN, question, target
from test_decision_breaker import ALL, LESS, answer, before

from edgeguard.clock import HOUR, MINUTE, SECOND
from edgeguard.decision.answer import is_in_doubt
from edgeguard.decision.decide import by_person, decide
from edgeguard.decision.question import Question
from edgeguard.decision.recent import NOTHING, Recent, recall
from edgeguard.model import Act, Decision, Kind, Scope, TapKind, Verdict
from edgeguard.notice.kinds import Kind as Notice
from edgeguard.notice.kinds import recipients
from edgeguard.reading import Circumstances

PASS, REFUSE, UNKNOWN = "pass", "refuse", "unknown"
MOVING = {"null_routed": (target("203.0.113.7"), target("203.0.113.8"))}
RELEASED = replace(BY_PERSON, at=T - HOUR, targets=HARD.targets)
USED = frozenset({BY_PERSON.id})
KILLED = "the kill file /observe-only is there: switch upgrade"

# ---- kill file -----------------------------------------------------------------------------------


def test_the_kill_file_stops_every_null_route() -> None:
    """While it is there a hard flood is observed, for the reason that it gives, and nobody is woken for it."""
    decision = decide(question(killed=KILLED))
    assert (decision.act, decision.scope, decision.page) == (Act.NONE, Scope.OBSERVE, None)
    assert "kill file" in decision.reason
    assert "switch upgrade" in decision.reason
    assert is_in_doubt(decision), "what goes on when it is removed is null-routed"
    assert answer(question(), "kill file").answer == PASS


def test_a_warning_goes_out_beside_the_kill_file() -> None:
    """It stops null routes, and nothing that is only told."""
    assert decide(question(verdict=WARN, killed=KILLED)).scope is Scope.WARN


# ---- pace ----------------------------------------------------------------------------------------


def fulls(*at: int) -> Recent:
    return Recent(full=at)


PACE = [
    (PASS, Scope.FULL, {"recent": fulls(T - 9 * MINUTE, T - MINUTE)}),
    (UNKNOWN, Scope.NARROW, {"recent": fulls(T - 9 * MINUTE, T - MINUTE, T)}),
    (PASS, Scope.FULL, {"recent": fulls(T - 10 * MINUTE, T - MINUTE, T)}),
    (PASS, Scope.NARROW, {"recent": fulls(T, T, T), "null_routed": ()}),
    (PASS, Scope.FULL, {"standing_taps": 63}),
    (REFUSE, Scope.OBSERVE, {"standing_taps": 64}),
    (REFUSE, Scope.OBSERVE, {"standing_taps": 90}),
    (PASS, Scope.FULL, {"standing_taps": 64, "standing": (target("203.0.113.7"),)}),
    (PASS, Scope.FULL, {"standing_taps": 64, "own_only": True}),
    (REFUSE, Scope.OBSERVE, {"standing_taps": 2, "over": {**ALL, "pace": {"standing": 2}}}),
    (UNKNOWN, Scope.NARROW, {"recent": fulls(T), "over": {**ALL, "pace": {"full": 1}}}),
]


@pytest.mark.parametrize(("expected", "scope", "changes"), PACE)
def test_pace(expected: str, scope: Scope, changes: dict[str, Any]) -> None:
    """A fourth full null route in ten minutes is narrow; a flood at a 65th tap waits; a tap that has one goes on."""
    asked = question(**{"over": ALL, **MOVING, **changes})
    assert (answer(asked, "pace").answer, decide(asked).scope) == (expected, scope)


def test_what_the_pace_holds_back_is_asked_again_and_told() -> None:
    """A flood that waits for a free tap is in doubt; the desk hears of a full null route that became narrow."""
    assert is_in_doubt(decide(question(standing_taps=64)))
    queued = decide(question(ALL, **MOVING, recent=fulls(T, T, T)))
    assert recipients(queued, VM.contact) == ((Notice.NARROW, VM.contact), (Notice.DESK_NULL_ROUTE, None))
    assert recipients(decide(question()), VM.contact) == ((Notice.NARROW, VM.contact),)


# ---- fleet permit --------------------------------------------------------------------------------

ASKED = {**ALL, "fleet": {"command": ["/usr/local/bin/may-i"]}}
PERMIT = [
    (PASS, {"permit": True}),
    (PASS, {"permit": True, "recent": before(1, 2, 3)}),
    (REFUSE, {"permit": False}),
    (PASS, {"permit": None}),
    (PASS, {"permit": None, "recent": before(1)}),
    (REFUSE, {"permit": None, "recent": before(1, 2)}),
    (PASS, {"permit": None, "recent": Recent(null_routed={"customer Example Ltd": T, "customer 1": T})}),
    (PASS, {"permit": None, "recent": before(1, 2, at=T - HOUR)}),
    (REFUSE, {"permit": None, "recent": before(1, 2, at=T - HOUR + 1)}),
    (PASS, {"permit": False, "over": ALL}),
    (PASS, {"permit": False, "replayed": True, "tap": None}),
    (PASS, {"permit": False, "verdict": WARN}),
]


@pytest.mark.parametrize(("expected", "changes"), PERMIT)
def test_fleet_permit(expected: str, changes: dict[str, Any]) -> None:
    """Yes passes, no refuses; without an answer two customers an hour pass; without a fleet everything does."""
    asked = question(**{"over": ASKED, **changes})
    assert answer(asked, "fleet permit").answer == expected
    if expected == REFUSE:
        assert is_in_doubt(decide(asked))


# ---- reachable -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contact", "reached"),
    [
        ("ops@example.net", True),
        (None, False),
        ("", False),
        ("root@web1", False),
        ("root@[192.0.2.10]", False),
        ("root@[IPv6:2001:db8:1::25]", False),
        ("root@[192.0.2.11]", True),
    ],
)
def test_reachable(contact: str | None, reached: bool) -> None:
    """An owner without a contact, or whose mail is on the VM itself, is not reached: narrow goes on, full pages."""
    vm = replace(VM, contact=contact, addresses=(ip_network("192.0.2.10/32"), ip_network("2001:db8:1::/64")))
    assert answer(question(vm=vm), "reachable").answer == (PASS if reached else UNKNOWN)
    narrow, full = decide(question(vm=vm)), decide(question(vm=vm, **MOVING))
    assert (narrow.scope, narrow.page) == (Scope.NARROW, None)
    assert (full.scope, full.page) == (Scope.FULL, None if reached else "unreachable")


# ---- who is paged --------------------------------------------------------------------------------

NEW: dict[str, Any] = {"recent": Recent(held={"EG-1": (T - 5 * SECOND + 1, T - SECOND)})}
OLD: dict[str, Any] = {"recent": Recent(held={"EG-1": (T - 5 * SECOND, T - SECOND)})}
PULSE: dict[str, Any] = {"recent": Recent(held={"EG-1": (T - 31 * SECOND, T - 30 * SECOND)})}
LONG_AGO: dict[str, Any] = {"recent": Recent(held={"EG-1": (T - 3 * MINUTE, T - 2 * MINUTE)})}
STEPPED, LATE = replace(GOOD, stepped=True), replace(GOOD, lag_ns=3 * SECOND)
LOSSY = replace(GOOD, lost=50_000)
SAMPLED = replace(GOOD, sampling=16, carried=0.2)
DOUBLED = replace(GOOD, duplicates=0.5)
BARELY, TWICE = replace(HARD, measured=99_000), replace(HARD, measured=101_000)
MIRROR = {**ALL, "capture": {"mirror": ["mirror0"]}}
OF_TAP = {"over": {"protected": {"subjects": ["tap100"]}}}
PAGES: list[tuple[str, str | None, dict[str, Any]]] = [
    ("all is well", None, {**OLD}),
    ("full is reachable", None, {**OLD, **MOVING}),
    # the kernel's counter does not confirm
    ("not confirmed, just now", None, {**NEW, "kernel": LESS}),
    ("not confirmed, it lasts", "not stopped", {**OLD, "kernel": LESS}),
    ("not readable, it lasts", "not stopped", {**OLD, "kernel": None}),
    ("not confirmed, below hard", None, {**OLD, "verdict": replace(HARD, band=ACT.band), "kernel": LESS, "over": ALL}),
    # capture health
    ("clock step, just now", None, {**NEW, "window": STEPPED}),
    ("clock step, it lasts", "not stopped", {**OLD, "window": STEPPED}),
    ("clock step, half a minute after the last pulse", "not stopped", {**PULSE, "window": STEPPED}),
    ("clock step, two minutes after the last", None, {**LONG_AGO, "window": STEPPED}),
    ("clock step, below hard", None, {**OLD, "verdict": replace(HARD, band=ACT.band), "window": STEPPED, "over": ALL}),
    ("lag, it lasts", "not stopped", {**OLD, "window": LATE}),
    ("sampling other than declared", "not stopped", {**OLD, "window": SAMPLED}),
    ("drops, hard and confirmed: goes on", None, {**OLD, "window": LOSSY}),
    ("drops, hard and not confirmed", "not stopped", {**OLD, "window": LOSSY, "kernel": LESS}),
    ("drops below hard", None, {**OLD, "verdict": replace(HARD, band=ACT.band), "window": LOSSY, "over": ALL}),
    # a mirror port that suddenly doubles
    ("doubled, hard only by that", None, {**OLD, "verdict": BARELY, "window": DOUBLED, "kernel": LESS}),
    ("doubled by the tap's counter", None, {**OLD, "verdict": BARELY, "kernel": LESS, "over": MIRROR}),
    ("hard by the tap's counter, too", "not stopped", {**OLD, "verdict": TWICE, "kernel": LESS, "over": MIRROR}),
    ("at a mirror port, no counter", "not stopped", {**OLD, "verdict": BARELY, "kernel": None, "over": MIRROR}),
    ("no mirror port: the counter is broken", "not stopped", {**OLD, "verdict": BARELY, "kernel": LESS}),
    ("doubled, and hard without", "not stopped", {**OLD, "verdict": TWICE, "window": DOUBLED, "kernel": LESS}),
    # what nothing changes is told at once
    ("protected subject", "not stopped", {**NEW, **OF_TAP}),
    ("protected subject below hard", None, {"verdict": ACT, "over": {**ALL, **OF_TAP["over"]}}),
    ("unknown tap", "not stopped", {**NEW, "vm": None}),
    ("a tap that cannot be enforced", "not stopped", {**NEW, "tap": replace(TAP, kind=TapKind.NONE)}),
    # what people want
    ("not enforced", None, {**OLD, "over": {"enforce": []}}),
    ("not enforced, and a protected subject", None, {**OLD, "over": {"enforce": [], **OF_TAP["over"]}}),
    ("kill file", None, {**OLD, "killed": KILLED}),
    # bounds
    ("pace, just now", None, {**NEW, "standing_taps": 64}),
    ("pace, it lasts", "not stopped", {**OLD, "standing_taps": 64}),
    ("the fleet says no, it lasts", "not stopped", {**OLD, "over": ASKED, "permit": False}),
    # no floods, and nobody's fault
    (
        "scan",
        None,
        {**OLD, "verdict": replace(HARD, kind=Kind.SCAN), "kernel": LESS, "over": {"enforce": ["scan.hard"]}},
    ),
    ("victim", None, {**OLD, "verdict": replace(HARD, rule="syn-in")}),
    ("a customer's sum", None, {"verdict": SUM_VERDICT, "vm": None, "tap": None}),
    ("released by a person, and gone against once", "not stopped", {**OLD, "released": (RELEASED,), "against": USED}),
    ("against a person's release", "against a release", {**OLD, "released": (RELEASED,)}),
    ("null-routed already, in doubt", None, {**OLD, "kernel": LESS, "full": True}),
    ("way back in doubt: narrow", None, {**OLD, "around": Circumstances(in_doubt="cut")}),
    ("warning", None, {"verdict": WARN, "window": STEPPED}),
]


@pytest.mark.parametrize(("what", "page", "changes"), PAGES)
def test_who_is_paged(what: str, page: str | None, changes: dict[str, Any]) -> None:
    """A person is woken in the listed cases and in no other."""
    assert decide(question(**changes)).page == page, what


@pytest.mark.parametrize("changes", [changes for _, _, changes in PAGES if {"window", "kernel"} & changes.keys()])
def test_what_is_not_certain_does_nothing(changes: dict[str, Any]) -> None:
    """Nothing is null-routed on a count that is in doubt, but hard with drops that the kernel confirms."""
    decision = decide(question(**changes))
    goes_on = changes == {**OLD, "window": LOSSY}
    assert (decision.act is Act.NULL_ROUTE) is goes_on
    if not goes_on and not decision.silent and changes.get("verdict") is not WARN:
        assert recipients(decision, VM.contact) in (((Notice.DESK_OBSERVE, None),), ((Notice.WARNING, VM.contact),))


def test_a_case_pages_once_an_hour() -> None:
    """The same cause wakes nobody twice within an hour for the same case, but does for another."""
    first = decide(question(**OLD, kernel=LESS))

    def later(after: int, case: str = "EG-1") -> str | None:
        verdict = replace(HARD, at=T + after)
        recent = replace(NOTHING.after(first, VM.customer), held={case: (T, T + after)})
        return decide(question(verdict=verdict, kernel=LESS, recent=recent, case=case)).page

    assert first.page == "not stopped"
    assert [later(MINUTE), later(HOUR - 1), later(HOUR)] == [None, None, "not stopped"]
    assert later(MINUTE, case="EG-2") == "not stopped"


# ---- memory --------------------------------------------------------------------------------------


def of(verdict: Verdict, **changes: Any) -> Decision:
    return decide(question(ALL, verdict=verdict, **changes))


def test_a_restart_remembers_the_same() -> None:
    """What is built anew from the recorded decisions is what the daemon knew when it ended, but for measurements."""
    made = [
        (of(HARD), "a"),
        (of(replace(HARD, at=T + SECOND), **MOVING, vm=replace(VM, contact=None)), "b"),
        (of(replace(HARD, at=T + MINUTE), kernel=LESS, recent=Recent(held={"EG-1": (T, T + MINUTE)})), "c"),
        (of(replace(WARN, at=T + MINUTE)), "d"),
        (RELEASE, "a"),
    ]
    recent = NOTHING
    for decision, customer in made:
        recent = recent.after(decision, customer, HARD.band)
    assert recent.held_for("EG-1", T + MINUTE + SECOND) == SECOND
    assert set(recent.unconfirmed) == {"customer c"}
    assert recall(made) == replace(recent, unconfirmed={}, held={})
    assert recent.customers(T + MINUTE, HOUR) == {"customer a", "customer b"}
    assert recent.was_paged("not stopped", "EG-1", T + MINUTE, HOUR)
    assert (recent.fulls(T + MINUTE, HOUR), recent.since_last(T + MINUTE)) == (1, 59 * SECOND)
    assert recent.was_paged("unreachable", "EG-1", T + MINUTE, HOUR)


@pytest.mark.parametrize("by", [HOUR, -HOUR, 30 * 24 * HOUR])
def test_a_clock_that_is_set_forgets_nothing(by: int) -> None:
    """After a step of the clock everything is as long ago as it was before."""
    known = replace(
        before(1, 2),
        full=(T,),
        unconfirmed={"customer 3": (T, T)},
        held={"EG-1": (T - SECOND, T)},
        paged={"breaker": T},
    )
    moved = known.stepped(by)
    at = T + by
    assert moved.customers(at, 10 * MINUTE) == known.customers(T, 10 * MINUTE) == {"customer 1", "customer 2"}
    assert (moved.fulls(at, MINUTE), moved.since_last(at)) == (1, MINUTE)
    assert moved.was_paged("breaker", "EG-1", at, HOUR)
    assert moved.held_for("EG-1", at) == SECOND
    assert moved.unconfirmed == {"customer 3": (at, at)}
    assert NOTHING.stepped(by) == NOTHING


def test_what_a_person_does_is_not_automation() -> None:
    """Null routes by hand and releases count for no breaker and no pace."""
    settings = question().config
    by_hand = by_person("EG-1", HARD.subject, TAP, Scope.FULL, (), T, T + HOUR, why="w", by="alex", config=settings)
    assert NOTHING.after(by_hand, "a") == NOTHING
    assert NOTHING.after(RELEASE, "a") == NOTHING


def test_a_replay_holds_the_breaker() -> None:
    """In a savefile, where no counter can be asked, the breaker opens as it does live."""
    asked: Question = question(ALL, replayed=True, tap=None, window=None, kernel=None, recent=before(*range(5)))
    decision = decide(asked)
    assert (decision.scope, decision.until, decision.page) == (Scope.NARROW, T + 15 * MINUTE, "breaker")
    assert decide(replace(asked, verdict=replace(HARD, band=ACT.band))).act is Act.NONE
