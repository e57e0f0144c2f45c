"""The breaker, and who is paged for it: by tables, by the incidents that it is for, and for any order of floods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import VM, T
from test_decision import ACT, HARD, WARN, question, target

from edgeguard.clock import HOUR, MILLISECOND, MINUTE, SECOND
from edgeguard.decision import safeties
from edgeguard.decision.answer import is_in_doubt
from edgeguard.decision.decide import decide
from edgeguard.decision.question import KernelCount, Question
from edgeguard.decision.recent import NOTHING, Recent, whose
from edgeguard.model import Act, Band, Decision, SafetyAnswer, Scope, Subject, identity

ALL: dict[str, Any] = {"enforce": ["all.act", "all.hard"]}
CONFIRMED, LESS = KernelCount(1000, 1000), KernelCount(1000, 500)
PASS, REFUSE = "pass", "refuse"


def answer(asked: Question, name: str = "breaker") -> SafetyAnswer:
    return next(one for one in safeties.ask(asked) if one.name == name)


def before(*customers: int, at: int = T - MINUTE) -> Recent:
    """Automation null-routed these."""
    return Recent(null_routed={f"customer {n}": at for n in customers}, last=at)


def doubted(*customers: int) -> Recent:
    """These were held back for three seconds: their counts were not confirmed."""
    return Recent(unconfirmed={f"customer {n}": (T - MINUTE, T - MINUTE + 3 * SECOND) for n in customers})


# ---- the safety by table -------------------------------------------------------------------------

FIVE, SIX = before(*range(5)), before(*range(6))
TABLE = [
    ("the first", HARD, CONFIRMED, NOTHING, 0, PASS, False),
    ("the fifth", HARD, CONFIRMED, before(*range(4)), 0, PASS, False),
    ("the sixth, hard", HARD, CONFIRMED, FIVE, 0, PASS, True),
    ("the sixth, below hard", ACT, CONFIRMED, FIVE, 0, REFUSE, True),
    ("the seventh, hard", HARD, CONFIRMED, SIX, 0, PASS, True),
    ("within a second of the last", HARD, CONFIRMED, before(*range(6), at=T - 999 * MILLISECOND), 0, REFUSE, True),
    ("a second after the last", HARD, CONFIRMED, before(*range(6), at=T - SECOND), 0, PASS, True),
    ("the last is of an hour to come", HARD, CONFIRMED, before(*range(6), at=T + HOUR), 0, PASS, False),
    ("ten minutes later", HARD, CONFIRMED, before(*range(6), at=T - 10 * MINUTE), 0, PASS, False),
    ("5 % of 100 customers are 5", ACT, CONFIRMED, FIVE, 100, REFUSE, True),
    ("5 % of 119 customers are 5", ACT, CONFIRMED, FIVE, 119, REFUSE, True),
    ("5 % of 120 customers are 6", ACT, CONFIRMED, FIVE, 120, PASS, False),
    ("5 % of 1,000 customers are 50", ACT, CONFIRMED, before(*range(49)), 1_000, PASS, False),
    ("and no more", ACT, CONFIRMED, before(*range(50)), 1_000, REFUSE, True),
    ("five are not confirmed", HARD, CONFIRMED, doubted(*range(5)), 0, PASS, False),
    ("six are not confirmed", HARD, CONFIRMED, doubted(*range(6)), 0, REFUSE, True),
    ("this is the sixth that is not", HARD, LESS, doubted(*range(5)), 0, PASS, False),
]


@pytest.mark.parametrize(("what", "verdict", "kernel", "recent", "customers", "expected", "opens"), TABLE)
def test_breaker(
    what: str, verdict: Any, kernel: KernelCount, recent: Recent, customers: int, expected: str, opens: bool
) -> None:
    """The breaker answers as the table says, always with a reason that says whether it is open."""
    found = answer(question(ALL, verdict=verdict, kernel=kernel, recent=recent, customers=customers))
    assert (found.answer, "open" in found.reason) == (expected, opens), what


def test_the_same_customer_is_not_one_more() -> None:
    """All VMs of one customer count once, and a VM without a customer counts for itself."""
    known = Recent(null_routed={**FIVE.null_routed, whose("vm-9", "Example Ltd"): T - MINUTE}, last=T - MINUTE)
    five = Recent(null_routed=dict(list(known.null_routed.items())[1:]), last=T - MINUTE)
    assert answer(question(ALL, verdict=ACT, recent=five)).answer == PASS
    assert answer(question(ALL, verdict=ACT, recent=five, vm=replace(VM, customer="Other Ltd"))).answer == REFUSE
    assert answer(question(ALL, verdict=ACT, recent=five, vm=replace(VM, customer=None))).answer == REFUSE
    assert whose("vm-1", None) != whose("vm-2", None)


def test_switched_off_it_lets_everything_pass() -> None:
    """With `on = false` no number of customers opens it, confirmed or not, and null routes last as usual."""
    off = {**ALL, "breaker": {"on": False}}
    many = Recent(null_routed=before(*range(90)).null_routed, unconfirmed=doubted(*range(90)).unconfirmed, last=T)
    decision = decide(question(off, verdict=ACT, recent=many))
    assert (decision.act, decision.until, decision.page) == (Act.NULL_ROUTE, T + 4 * HOUR, None)


@pytest.mark.parametrize(
    ("settings", "recent", "opens"),
    [
        ({"customers": 1}, before(0), True),
        ({"customers": 2}, before(0), False),
        ({"within": "30s"}, before(*range(9)), False),
        ({"within": "2m"}, before(*range(9)), True),
        ({"share": 1.0}, before(*range(9)), False),
    ],
)
def test_its_numbers_are_configured(settings: dict[str, Any], recent: Recent, opens: bool) -> None:
    """How many, of how many, and within what time is what `[breaker]` says."""
    asked = question({**ALL, "breaker": settings}, verdict=ACT, recent=recent, customers=20)
    assert (answer(asked).answer == REFUSE) is opens


def test_open_it_softens_what_is_done() -> None:
    """While it is open nothing is full and nothing lasts longer than 15 minutes; a shorter lifetime stays."""
    moving = {"null_routed": (target("203.0.113.7"), target("203.0.113.8"))}
    assert decide(question(ALL, **moving)).scope is Scope.FULL
    decision = decide(question(ALL, **moving, recent=SIX))
    assert (decision.scope, decision.until) == (Scope.NARROW, T + 15 * MINUTE)
    short = decide(question({**ALL, "clocks": {"lifetime": "5m"}}, recent=SIX))
    assert short.until == T + 5 * MINUTE


def test_what_it_holds_back_is_asked_again() -> None:
    """A flood that only the breaker holds back is in doubt, as one that a measurement holds back is."""
    assert is_in_doubt(decide(question(ALL, verdict=ACT, recent=SIX)))
    assert is_in_doubt(decide(question(ALL, recent=before(*range(6), at=T))))
    assert is_in_doubt(decide(question(ALL, kernel=LESS, recent=SIX)))
    assert not is_in_doubt(decide(question(ALL, vm=None, recent=SIX)))


# ---- floods one after the other ------------------------------------------------------------------


@dataclass(frozen=True)
class Flood:
    """What one customer's VM begins to do."""

    at: int
    customer: int
    band: Band = Band.HARD
    confirmed: bool = True


def lived(floods: Sequence[Flood], customers: int = 0) -> list[Decision]:
    """What is decided, one after the other, each knowing of those before it."""
    recent, decisions = NOTHING, []
    for flood in floods:
        vm = replace(VM, id=f"vm-{flood.customer}", name=f"web{flood.customer}", customer=str(flood.customer))
        subject = Subject(vm.id, "tap1", None)
        id = identity("v", flood.customer, flood.at)
        verdict = replace(HARD, id=id, at=flood.at, since=flood.at, band=flood.band, subject=subject)
        kernel = CONFIRMED if flood.confirmed else LESS
        case = f"EG-{flood.customer}"
        asked = question(ALL, verdict=verdict, vm=vm, kernel=kernel, case=case, recent=recent, customers=customers)
        decisions.append(decide(asked))
        recent = recent.after(decisions[-1], vm.customer, flood.band)
    return decisions


def pages(decisions: Sequence[Decision]) -> list[str]:
    return [decision.page for decision in decisions if decision.page]


def test_six_accounts_are_no_shield() -> None:
    """Six customers' VMs flood, then a seventh's: all seven are null-routed narrow, and one page goes out."""
    decisions = lived([Flood(T + n * SECOND, n) for n in range(7)])
    assert [decision.scope for decision in decisions] == [Scope.NARROW] * 7
    assert pages(decisions) == ["breaker"]
    lasts = [(decision.until or 0) - decision.at for decision in decisions]
    assert lasts == [4 * HOUR] * 5 + [15 * MINUTE] * 2


def seconds(*when: int, customers: int, start: int = T) -> list[Flood]:
    """In each of these seconds every customer's flood is asked about, and its count is not confirmed."""
    return [Flood(start + n * SECOND + vm, vm, confirmed=False) for n in when for vm in range(customers)]


def test_broken_data_null_routes_nobody() -> None:
    """Forty healthy servers look like floods that no kernel counter confirms: nothing is done, one page goes out,
    and a forty-first that is confirmed is not believed either."""
    decisions = lived([*seconds(*range(7), customers=40), Flood(T + 8 * SECOND, 99)])
    assert {decision.act for decision in decisions} == {Act.NONE}
    assert pages(decisions) == ["breaker"]


def test_a_moments_doubt_is_none() -> None:
    """Counts of any number of customers that are not confirmed for two seconds stop nothing, however often that
    happens, nor do those that were confirmed since."""
    moments = [flood for n in range(4) for flood in seconds(0, 1, 2, customers=9, start=T + n * MINUTE)]
    assert lived([*moments, Flood(T + 4 * MINUTE, 99)])[-1].act is Act.NULL_ROUTE
    lasting = seconds(0, 1, 2, 3, customers=7)
    assert lived([*lasting, Flood(T + 5 * SECOND, 99)])[-1].act is Act.NONE
    known = [Flood(T + 5 * SECOND + vm, vm) for vm in range(2)]  # confirmed, though not null-routed
    assert lived([*lasting, *known, Flood(T + 7 * SECOND, 99)])[-1].act is Act.NULL_ROUTE


def test_the_breaker_pages_once_an_hour() -> None:
    """While floods go on for hours, a person is woken for the breaker once in each of them."""
    floods = [Flood(T + n * 10 * SECOND, n % 9) for n in range(3 * 360)]
    paged = [decision.at - T for decision in lived(floods) if decision.page]
    assert len(paged) == 3
    assert all(later - earlier >= HOUR for earlier, later in pairwise(paged))


FLOODS = st.lists(
    st.builds(
        Flood,
        st.integers(0, 30 * MINUTE // (100 * MILLISECOND)).map(lambda n: T + n * 100 * MILLISECOND),
        st.integers(0, 15),
        st.sampled_from([Band.ACT, Band.HARD]),
        st.booleans(),
    ),
    max_size=60,
).map(lambda floods: sorted(floods, key=lambda flood: flood.at))


@given(FLOODS, st.integers(0, 200))
def test_no_order_of_floods_gets_past_it(floods: list[Flood], customers: int) -> None:
    """In any ten minutes no more customers than allowed are null-routed freely: what is beyond is hard, narrow, a
    second apart from all before, and over in 15 minutes; and what is not confirmed never is."""
    done: list[tuple[Flood, Decision]] = []
    for flood, decision in zip(floods, lived(floods, customers), strict=True):
        if decision.act is not Act.NULL_ROUTE:
            continue
        near = [(f, d) for f, d in done if flood.at - d.at < 10 * MINUTE]
        if len({f.customer for f, _ in near} | {flood.customer}) > max(5, customers // 20):
            assert (flood.band, decision.scope) == (Band.HARD, Scope.NARROW)
            assert (decision.until or 0) - decision.at <= 15 * MINUTE
            assert all(flood.at - d.at >= SECOND for _, d in near)
        assert flood.confirmed
        done.append((flood, decision))


@given(FLOODS)
def test_it_is_no_shield(floods: list[Flood]) -> None:
    """A confirmed hard flood is held back by the breaker only within a second of another null route, or where six
    customers' counts were not confirmed within ten minutes, each at least twice."""
    seen: list[tuple[Flood, Decision]] = []
    for flood, decision in zip(floods, lived(floods), strict=True):
        if flood.confirmed and flood.band is Band.HARD and decision.act is not Act.NULL_ROUTE:
            near = [(f, d) for f, d in seen if flood.at - f.at < 10 * MINUTE]
            just_now = any(d.act is Act.NULL_ROUTE and flood.at - d.at < SECOND for _, d in near)
            doubts = [f.customer for f, _ in near if not f.confirmed]
            assert just_now or sum(doubts.count(customer) > 1 for customer in set(doubts)) > 5
        seen.append((flood, decision))


def test_a_warning_is_never_asked_for_it() -> None:
    """A warning goes out, however many customers were null-routed, and pages nobody."""
    decision = decide(question(ALL, verdict=WARN, recent=SIX))
    assert (decision.scope, decision.page) == (Scope.WARN, None)
