"""Standing in the ladder: who is warned first, what a counted prior does, and that a good standing only softens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import BY_PERSON, VERDICT, VM, T
from test_decision import ACT, HARD, MOVING, WARN, persons, question, target
from test_decision_ladder import ALL, FORGED, QUESTIONS, answer

from edgeguard.allowances import Allowances
from edgeguard.clock import HOUR, MILLISECOND, MINUTE, SECOND
from edgeguard.context import FACTS, Context, Fact, NoGroundError, Prior, Standing, Told
from edgeguard.decision import safeties
from edgeguard.decision.answer import is_in_doubt
from edgeguard.decision.decide import decide
from edgeguard.decision.question import Question
from edgeguard.decision.recent import NOTHING, Recent
from edgeguard.model import Act, Band, Decision, Kind, Scope

PASS, REFUSE, UNKNOWN = safeties.PASS, safeties.REFUSE, safeties.UNKNOWN
DAY = 24 * HOUR
GOOD = Context(Told(True, "", (Fact("contact_verified", True, T - 2 * HOUR),), T - 2 * HOUR))
SILENT = Context(Told(False, "no answer: it did not answer within 2000 ms"))
PRIOR = Prior("EG-0", "vm-7", VM.customer, T - 3 * DAY, "confirmed")
BOTH = replace(GOOD, prior=PRIOR)
MOVES: dict[str, Any] = {"null_routed": MOVING[:2]}
FAST = replace(ACT, bytes=125_000_001)  # in a second: a byte more than 1 Gbit/s


def lasted(ns: int, band: Band) -> Recent:
    """A wait of the case that has gone on for so long."""
    return Recent(waiting={f"EG-1 {band}": (T - ns, T)})


def rung(context: Context, verdict: Any = ACT, over: dict[str, Any] | None = None, **more: Any) -> Decision:
    return decide(question({**ALL, **(over or {})}, verdict=verdict, context=context, **more))


# ---- the table -----------------------------------------------------------------------------------

THIRD = replace(ACT, targets=MOVING[2:3])
THIRD_HARD = replace(HARD, targets=MOVING[2:3])

LADDER: list[tuple[str, Any, Context, dict[str, Any], Scope]] = [
    ("warn, good", WARN, GOOD, {}, Scope.WARN),
    ("warn, unknown", WARN, Context(), {}, Scope.WARN),
    ("warn, prior", WARN, BOTH, {}, Scope.WARN),
    ("act, good, at first", ACT, GOOD, {}, Scope.WARN),
    ("act, good, a ns before", ACT, GOOD, {"recent": lasted(MINUTE - 1, Band.ACT)}, Scope.WARN),
    ("act, good, it goes on", ACT, GOOD, {"recent": lasted(MINUTE, Band.ACT)}, Scope.NARROW),
    ("act, good, fast, not yet", FAST, GOOD, {"recent": lasted(10 * SECOND - 1, Band.ACT)}, Scope.WARN),
    ("act, good, fast", FAST, GOOD, {"recent": lasted(10 * SECOND, Band.ACT)}, Scope.NARROW),
    ("act, unknown", ACT, Context(), {}, Scope.NARROW),
    ("act, no answer", ACT, SILENT, {}, Scope.NARROW),
    ("act, prior", ACT, BOTH, {}, Scope.NARROW),
    ("act, good, a next target", THIRD, GOOD, MOVES, Scope.NARROW),
    ("act, unknown, moves", THIRD, Context(), MOVES, Scope.NARROW),
    ("act, prior, moves", THIRD, BOTH, MOVES, Scope.FULL),
    ("hard, good, at first", HARD, GOOD, {}, Scope.OBSERVE),
    ("hard, good, a ns before", HARD, GOOD, {"recent": lasted(200 * MILLISECOND - 1, Band.HARD)}, Scope.OBSERVE),
    ("hard, good, 200 ms over it", HARD, GOOD, {"recent": lasted(200 * MILLISECOND, Band.HARD)}, Scope.NARROW),
    ("hard, good, only act lasted", HARD, GOOD, {"recent": lasted(MINUTE, Band.ACT)}, Scope.OBSERVE),
    ("hard, good, moves", THIRD_HARD, GOOD, MOVES, Scope.FULL),
    ("hard, unknown", HARD, Context(), {}, Scope.NARROW),
    ("hard, unknown, moves", THIRD_HARD, Context(), MOVES, Scope.FULL),
    ("hard, no answer", HARD, SILENT, {}, Scope.NARROW),
    ("hard, unknown, forged", FORGED, Context(), {}, Scope.OWN_ONLY),
    ("hard, prior", HARD, BOTH, {}, Scope.FULL),
    ("hard, prior, forged", FORGED, BOTH, {}, Scope.FULL),
]


@pytest.mark.parametrize(("what", "verdict", "context", "more", "expected"), LADDER)
def test_the_rungs(what: str, verdict: Any, context: Context, more: dict[str, Any], expected: Scope) -> None:
    """Band by standing, as the table has it; a wait is asked again, and everything else is not."""
    decision = rung(context, verdict, **more)
    assert decision.scope is expected, what
    waits = context is GOOD and expected in (Scope.WARN, Scope.OBSERVE) and verdict is not WARN
    assert is_in_doubt(decision) is waits


def test_the_answer_is_stored_with_its_facts_and_their_age() -> None:
    """What the provider said, as of when, which facts of which age, until when; unknown with its reason; a prior."""
    facts = (Fact("contact_verified", True, T - 2 * HOUR), Fact("on_call", False, T - 9 * DAY))
    context = Context(Told(True, "", facts, T - 2 * HOUR, T + DAY))
    said = answer(question(ALL, verdict=ACT, context=context), "standing")
    assert said.answer == REFUSE
    assert said.reason == (
        "good by the provider, as of 2025-12-31 22:04:05 UTC (2 h ago); contact verified: yes; "
        "somebody answers at night: no (9 d ago); valid until 2026-01-02 00:04:05 UTC; "
        "over act for 0 ms, and 1 min are waited for"
    )
    said = answer(question(ALL, verdict=ACT, context=SILENT), "standing")
    assert (said.answer, said.reason) == (
        UNKNOWN,
        "unknown, which is not bad: no answer: it did not answer within 2000 ms",
    )
    says = Context(Told(False, "the provider says so", facts[1:], T - 9 * DAY))
    assert answer(question(ALL, verdict=ACT, context=says), "standing").reason == (
        "unknown, which is not bad: the provider says so, as of 2025-12-23 00:04:05 UTC (9 d ago); "
        "somebody answers at night: no"
    )
    said = answer(question(ALL, verdict=ACT, context=BOTH), "standing")
    assert said.answer == PASS
    assert said.reason == "counted prior: case EG-0 of VM vm-7, opened 2025-12-29 00:04:05 UTC, closed as confirmed"
    none = answer(question(ALL, verdict=ACT), "standing")
    assert (none.answer, none.reason) == (UNKNOWN, "unknown, which is not bad: no provider is configured")


def test_the_owner_is_warned_once() -> None:
    """The first decision of a wait is a warning; one about a further target, or of a wait begun anew, is silent."""
    first = rung(GOOD)
    assert (first.scope, first.act, first.silent, first.until) == (Scope.WARN, Act.NONE, False, None)
    assert first.reason == "over act: null-routed if it goes on for 1 min, as its customer is in good standing"
    recent = NOTHING.after(first, VM.customer, Band.ACT)
    for after in (SECOND, 2 * HOUR):
        again = rung(GOOD, replace(ACT, at=T + after, targets=MOVING[:1]), recent=recent)
        assert (again.scope, again.silent) == (Scope.WARN, True)
    assert not rung(GOOD, case="EG-2", recent=recent).silent


def test_nobody_is_written_to_for_the_moment_that_hard_is_waited_for() -> None:
    """It is recorded and silent, and wakes nobody."""
    decision = rung(GOOD, HARD)
    assert (decision.scope, decision.silent, decision.page) == (Scope.OBSERVE, True, None)
    assert "200 ms" in decision.reason


def test_another_safety_is_no_wait() -> None:
    """What another safety refuses is refused as ever, and the wait begins when nothing else refuses any more."""
    for over, more in (({"enforce": []}, {}), ({}, {"standing_taps": 64}), ({}, {"kernel": None})):
        decision = rung(GOOD, ACT, over, **more)
        assert decision.scope is Scope.OBSERVE
        assert decision.reason == rung(Context(), ACT, over, **more).reason
        assert NOTHING.after(decision, VM.customer, Band.ACT).waiting == {}


def test_the_patience_is_the_configurations() -> None:
    """Each of the four numbers is what holds."""
    over = {"standing": {"patience": "2s", "patience_fast": "1s", "fast_bits": 8_000_000, "patience_hard": "1s"}}
    slow, fast = replace(ACT, bytes=1_000_000), replace(ACT, bytes=1_000_001)
    assert rung(GOOD, slow, over, recent=lasted(SECOND, Band.ACT)).scope is Scope.WARN
    assert rung(GOOD, slow, over, recent=lasted(2 * SECOND, Band.ACT)).scope is Scope.NARROW
    assert rung(GOOD, fast, over, recent=lasted(SECOND, Band.ACT)).scope is Scope.NARROW
    assert rung(GOOD, HARD, over, recent=lasted(999 * MILLISECOND, Band.HARD)).scope is Scope.OBSERVE
    assert rung(GOOD, HARD, over, recent=lasted(SECOND, Band.HARD)).scope is Scope.NARROW
    never = {"standing": {"fast_bits": 0}}
    assert rung(GOOD, FAST, never, recent=lasted(10 * SECOND, Band.ACT)).scope is Scope.WARN


# ---- a counted prior -----------------------------------------------------------------------------


def test_a_prior_pages_when_all_is_null_routed() -> None:
    """A person looks soon at a full null route of a counted prior, once an hour; narrow wakes nobody."""
    full = rung(BOTH, HARD)
    assert (full.scope, full.page) == (Scope.FULL, "counted prior")
    assert full.reason == "hard band, and a counted prior (EG-0, confirmed): all traffic of this VM is null-routed"
    assert rung(BOTH, HARD, vm=replace(VM, contact=None)).page == "unreachable"
    assert rung(BOTH, HARD, recent=NOTHING.after(full, VM.customer, Band.HARD)).page is None
    assert rung(BOTH, ACT).page is None
    assert rung(BOTH, THIRD, **MOVES).page == "counted prior"
    assert rung(Context(), THIRD_HARD, **MOVES).page is None


def test_a_prior_is_no_way_round_the_bounds_of_full() -> None:
    """Pace, breaker, doubt, a person's release and an exemption keep it narrow; a scan stays told."""
    fulls = Recent(full=(T - MINUTE,) * 3)
    paced = question(ALL, verdict=HARD, context=BOTH, recent=fulls)
    assert (decide(paced).scope, answer(paced, "pace").answer) == (Scope.NARROW, UNKNOWN)
    released = replace(VERDICT, targets=(target("203.0.113.5"), target("203.0.113.6")))
    assert rung(BOTH, released, released=persons((target("203.0.113.5"),))).scope is Scope.NARROW
    assert rung(BOTH, replace(HARD, kind=Kind.SCAN)).scope is Scope.WARN
    assert rung(BOTH, HARD, {"protected": {"targets": ["203.0.113.0/24", "2001:db8::/32"]}}).act is Act.NONE
    assert rung(BOTH, HARD, {"enforce": []}).act is Act.NONE


def test_whose_prior_counts() -> None:
    """The customer's, of any VM of its, within 30 days, of another case; by VM only where the customer is unknown."""
    kept, bare = Allowances(), replace(VM, customer=None)
    kept.judged([PRIOR])

    def prior(vm: Any, case: str = "EG-1", at: int = T) -> Prior | None:
        return kept.context(vm, case, at, 30 * DAY).prior

    assert prior(VM) == PRIOR
    assert prior(VM, "EG-0") is None
    assert prior(VM, at=PRIOR.opened + 30 * DAY) is None
    assert prior(VM, at=PRIOR.opened + 30 * DAY - 1) == PRIOR
    assert prior(replace(VM, customer="another")) is None
    assert prior(replace(VM, id="vm-7", customer="another")) is None
    assert prior(bare) is None
    assert prior(replace(bare, id="vm-7")) == PRIOR
    assert prior(None) is None
    later = replace(PRIOR, case="EG-9", opened=T - DAY)
    kept.judged([later, PRIOR])
    assert prior(VM) == later
    kept.stepped(DAY)
    assert prior(VM, at=T + 30 * DAY - 1) == replace(later, opened=T)
    kept.judged([], "EG-9")
    assert prior(VM) == replace(PRIOR, opened=PRIOR.opened + DAY)
    kept.judged([later], "EG-9")
    assert prior(VM) == later


# ---- what may be a ground ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["payment_overdue", "unpaid", "customer_since", "ssh_key", "linked_to", "", "Reviewed"]
)
def test_no_other_fact_can_be_recorded(name: str) -> None:
    """Payment, age of the account and links between accounts have no name here, so no decision can hold them."""
    with pytest.raises(NoGroundError, match="may not be a ground"):
        Fact(name, True, T)
    assert not any(word in fact for fact in FACTS for word in ("pay", "since", "link", "key"))


def test_our_own_finding_wins() -> None:
    """A good provider answer beside a counted prior is a counted prior; unknown is neither."""
    assert [one.standing for one in (BOTH, GOOD, SILENT, Context())] == [
        Standing.PRIOR,
        Standing.GOOD,
        Standing.UNKNOWN,
        Standing.UNKNOWN,
    ]
    for verdict in (WARN, ACT, HARD, FORGED):
        asked = question(ALL, verdict=verdict, context=replace(SILENT, prior=PRIOR))
        other = replace(asked, context=BOTH)
        assert decide(asked) == decide(other)


# ---- it may only soften --------------------------------------------------------------------------

WIDTH = {Scope.OBSERVE: 0, Scope.WARN: 1, Scope.NARROW: 2, Scope.OWN_ONLY: 2, Scope.FULL: 3}
RECENTS = st.sampled_from([NOTHING, *(lasted(ns, band) for ns in (SECOND, 10 * SECOND, MINUTE) for band in Band)])


@settings(max_examples=400, deadline=None)
@given(QUESTIONS, RECENTS)
def test_a_good_standing_is_never_harsher_than_unknown(asked: Question, recent: Recent) -> None:
    """Of any question at all: with a good answer nothing more is dropped, told or paged than with none."""
    asked = replace(asked, recent=recent)
    unknown, good = decide(asked), decide(replace(asked, context=GOOD))
    assert WIDTH[good.scope] <= WIDTH[unknown.scope]
    if good.act is Act.NULL_ROUTE:
        assert (good.scope, good.targets, good.until) == (unknown.scope, unknown.targets, unknown.until)
    else:
        assert good.page == unknown.page or good.page is None
    assert decide(replace(asked, context=SILENT)) == replace(
        unknown, safeties=decide(replace(asked, context=SILENT)).safeties
    )


@settings(max_examples=300, deadline=None)
@given(QUESTIONS)
def test_a_prior_null_routes_nothing_that_unknown_would_not(asked: Question) -> None:
    """Of any question: a counted prior makes a null route wider at most, and never one out of none."""
    unknown, prior = decide(asked), decide(replace(asked, context=Context(prior=PRIOR)))
    assert (prior.act is Act.NULL_ROUTE) == (unknown.act is Act.NULL_ROUTE)
    if prior.scope is not unknown.scope:
        assert prior.scope is Scope.FULL
        assert asked.verdict.kind not in safeties.NO_FLOODS and not asked.around.in_doubt


@settings(max_examples=200, deadline=None)
@given(QUESTIONS)
def test_a_wait_always_ends(asked: Question) -> None:
    """Whoever is in good standing: once it has gone on for a minute, what is decided is what it is for everybody."""
    long = replace(asked, recent=lasted(MINUTE, asked.verdict.band))
    unknown, good = decide(long), decide(replace(long, context=GOOD))
    assert (good.scope, good.act, good.targets) == (unknown.scope, unknown.act, unknown.targets)


def test_the_clock_was_set_and_a_wait_is_as_long() -> None:
    """A step of the wall clock neither ends nor begins a wait; a long pause does."""
    recent = lasted(SECOND, Band.ACT).stepped(HOUR)
    assert recent.waited("EG-1", Band.ACT, T + HOUR) == SECOND
    assert recent.waited("EG-1", Band.ACT, T + HOUR + MINUTE) == SECOND + MINUTE
    assert recent.waited("EG-1", Band.ACT, T + HOUR + MINUTE + 1) is None
    assert recent.waited("EG-2", Band.ACT, T + HOUR) is None
    hard = lasted(SECOND, Band.HARD)
    assert (hard.waited("EG-1", Band.HARD, T + 2 * SECOND), hard.waited("EG-1", Band.HARD, T + 2 * SECOND + 1)) == (
        3 * SECOND,
        None,
    )


def test_a_release_by_a_person_is_older_than_a_prior() -> None:
    """What a person released within 72 hours is not made full by a prior."""
    decision = rung(BOTH, HARD, released=(replace(BY_PERSON, at=T - HOUR, targets=()),))
    assert decision.scope is Scope.NARROW
