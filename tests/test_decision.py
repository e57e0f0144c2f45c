"""Safeties by table, and what is decided: scopes, targets, ends, releases, a person's null route."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from samples import BY_PERSON, SUBJECT, TAP, VERDICT, VM, T

from edgeguard import config
from edgeguard.clock import HOUR, MINUTE, SECOND
from edgeguard.decision import safeties
from edgeguard.decision.answer import is_in_doubt, refusals
from edgeguard.decision.decide import by_person, decide, release
from edgeguard.decision.question import KernelCount, Question, Window
from edgeguard.decision.writing import Writing
from edgeguard.model import Act, Band, Decision, Scope, Subject, TapKind, Target

PASS, REFUSE, UNKNOWN = safeties.PASS, safeties.REFUSE, safeties.UNKNOWN
ENFORCING: dict[str, Any] = {"enforce": ["syn.hard"]}
GOOD = Window(lost=0, received=100_000, lag_ns=5_000_000, stepped=False)
HARD = replace(VERDICT, point=1)
ACT, WARN = replace(HARD, band=Band.ACT), replace(HARD, band=Band.WARN)


def question(over: dict[str, Any] | None = None, **changes: Any) -> Question:
    """All is well: an enforced hard verdict about a known VM; `over` is laid on the configuration."""
    well = Question(
        verdict=HARD,
        case="EG-1",
        config=config.build({**ENFORCING, **(over or {})}),
        vm=VM,
        tap=TAP,
        window=GOOD,
        kernel=KernelCount(ours=1000, kernel=1000),
        replayed=False,
        null_routed=(),
        standing=(),
        full=False,
    )
    return replace(well, **changes)


def persons(targets: tuple[Target, ...], scope: Scope = Scope.NARROW) -> tuple[Decision, ...]:
    """A person's release of these, the second before."""
    return (replace(BY_PERSON, at=T - SECOND, targets=targets, scope=scope),) if targets else ()


def target(address: str, port: int | None = 80, protocol: int = 6) -> Target:
    return Target(ip_address(address), protocol, port, 0.5, 25_000)


def answers(asked: Question) -> dict[str, str]:
    return {answer.name: answer.answer for answer in safeties.ask(asked)}


# ---- safeties ------------------------------------------------------------------------------------

STRANGER = Subject(None, "tap9", None)
TWO = (target("203.0.113.5"), target("203.0.113.6"))
SAFETIES = [
    ("enforce", {}, PASS),
    ("enforce", {"over": {"enforce": []}}, REFUSE),
    ("enforce", {"over": {"enforce": ["udp.hard", "syn.act"]}}, REFUSE),
    ("enforce", {"over": {"enforce": ["all.hard"]}}, PASS),
    ("enforce", {"verdict": ACT, "over": {"enforce": ["all.hard", "syn.hard"]}}, REFUSE),
    ("enforce", {"verdict": ACT, "over": {"enforce": ["syn.act"]}}, PASS),
    ("notice", {}, PASS),
    ("notice", {"writing": Writing(replaced="2 texts fail their lint")}, UNKNOWN),
    ("notice", {"writing": Writing(lost="no text passes its lint")}, REFUSE),
    ("protected subject", {}, PASS),
    ("protected subject", {"over": {"protected": {"subjects": ["vm-100"]}}}, REFUSE),
    ("protected subject", {"over": {"protected": {"subjects": ["web1"]}}}, REFUSE),
    ("protected subject", {"over": {"protected": {"subjects": ["tap100"]}}}, REFUSE),
    ("protected subject", {"over": {"protected": {"subjects": ["tap10", "vm-1"]}}}, PASS),
    ("protected target", {}, PASS),
    ("protected target", {"over": {"protected": {"targets": ["203.0.113.0/24", "2001:db8::/32"]}}}, REFUSE),
    ("protected target", {"over": {"protected": {"targets": ["203.0.113.5"]}}}, PASS),
    ("protected target", {"over": {"protected": {"targets": ["::/0"]}}}, PASS),
    ("capture health", {}, PASS),
    ("capture health", {"window": None}, PASS),
    ("capture health", {"window": replace(GOOD, lost=1_010)}, PASS),
    ("capture health", {"window": replace(GOOD, lost=50_000)}, PASS),
    ("capture health", {"window": replace(GOOD, lost=1_020), "verdict": ACT}, REFUSE),
    ("capture health", {"window": replace(GOOD, lost=1_010), "verdict": ACT}, PASS),
    ("capture health", {"window": Window(0, 0, 0, False), "verdict": ACT}, PASS),
    ("capture health", {"window": replace(GOOD, lag_ns=2 * SECOND)}, PASS),
    ("capture health", {"window": replace(GOOD, lag_ns=2 * SECOND + 1)}, REFUSE),
    ("capture health", {"window": replace(GOOD, stepped=True)}, REFUSE),
    ("independent count", {}, PASS),
    ("independent count", {"kernel": KernelCount(1000, 800)}, PASS),
    ("independent count", {"kernel": KernelCount(1000, 799)}, REFUSE),
    ("independent count", {"kernel": KernelCount(1000, 5_000)}, PASS),
    ("independent count", {"kernel": None}, REFUSE),
    ("independent count", {"kernel": None, "replayed": True}, UNKNOWN),
    ("attribution", {}, PASS),
    ("attribution", {"vm": None, "verdict": replace(HARD, subject=STRANGER)}, REFUSE),
    ("attribution", {"vm": replace(VM, customer=None)}, PASS),
    ("attribution", {"vm": replace(VM, customer=None), "verdict": ACT}, REFUSE),
    ("enforceable", {}, PASS),
    ("enforceable", {"tap": replace(TAP, kind=TapKind.BRIDGED)}, PASS),
    ("enforceable", {"tap": replace(TAP, kind=TapKind.NONE, kind_detail="a macvtap")}, REFUSE),
    ("enforceable", {"tap": None}, REFUSE),
    ("enforceable", {"tap": None, "replayed": True}, UNKNOWN),
    ("target share", {}, PASS),
    ("target share", {"verdict": replace(HARD, targets=())}, REFUSE),
]


@pytest.mark.parametrize(("name", "changes", "expected"), SAFETIES)
def test_safety(name: str, changes: dict[str, Any], expected: str) -> None:
    """Each safety gives the answer of the table, always with a reason; the others do not change with it."""
    asked = question(**changes)
    answer = next(answer for answer in safeties.ask(asked) if answer.name == name)
    assert answer.answer == expected
    assert len(answer.reason) > 10


def test_every_safety_is_asked_in_order() -> None:
    """All answers stand in the decision, in the order of the list, whatever the first one said."""
    names = [
        "enforce",
        "kill file",
        "protected subject",
        "protected target",
        "capture health",
        "independent count",
        "attribution",
        "exemption",
        "probation",
        "standing",
        "return path",
        "completed",
        "enforceable",
        "target share",
        "breaker",
        "pace",
        "fleet permit",
        "reachable",
        "notice",
    ]
    for asked in (question(), question({"enforce": []}, vm=None, tap=None, kernel=None)):
        assert [answer.name for answer in decide(asked).safeties] == names


@pytest.mark.parametrize(("name", "changes"), [(name, c) for name, c, expected in SAFETIES if expected == REFUSE])
def test_any_refusal_stops(name: str, changes: dict[str, Any]) -> None:
    """One refusing safety is enough: only observed, no end, nothing enforced, and the reason names a refusal."""
    decision = decide(question(**changes))
    assert (decision.scope, decision.act) == (Scope.OBSERVE, Act.NONE)
    assert (decision.until, decision.enforced) == (None, False)
    refused = refusals(decision.safeties)
    assert name in [answer.name for answer in refused]
    assert refused[0].name in decision.reason


def test_the_shipped_configuration_enforces_nothing() -> None:
    """With the defaults no verdict of any rule and band null-routes anything."""
    for rule in ("syn", "udp"):
        for band in Band:
            verdict = replace(HARD, rule=rule, band=band)
            decision = decide(replace(question(), config=config.build({}), verdict=verdict))
            assert decision.act is Act.NONE
            assert decision.scope is (Scope.WARN if band is Band.WARN else Scope.OBSERVE)


# ---- scopes and targets --------------------------------------------------------------------------


def test_a_flood_is_null_routed_narrowly_with_an_end() -> None:
    """Hard with every safety passed: narrow, the verdict's targets, until the lifetime is over, enforced."""
    decision = decide(question())
    assert (decision.scope, decision.act, decision.enforced) == (Scope.NARROW, Act.NULL_ROUTE, True)
    assert decision.targets == HARD.targets
    assert decision.until == HARD.at + 4 * HOUR
    assert (decision.verdict, decision.case, decision.tap, decision.by) == (HARD.id, "EG-1", TAP, "automation")


def test_act_is_null_routed_where_it_is_enforced() -> None:
    """The act band is narrow too, for a subject of unknown standing."""
    assert decide(question({"enforce": ["syn.act"]}, verdict=ACT)).scope is Scope.NARROW


def test_warn_is_told_and_never_null_routed() -> None:
    """A warn verdict about a known VM is a warning, enforced or not, without a kernel counter or a tap."""
    decision = decide(question(verdict=WARN, kernel=None, tap=None))
    assert (decision.scope, decision.act, decision.until, decision.enforced) == (Scope.WARN, Act.NONE, None, False)


@pytest.mark.parametrize(
    "changes",
    [
        {"vm": None},
        {"vm": replace(VM, customer=None)},
        {"window": replace(GOOD, stepped=True)},
        {"kernel": KernelCount(ours=1000, kernel=799)},
    ],
)
def test_a_doubtful_warning_is_only_observed(changes: dict[str, Any]) -> None:
    """Nobody is warned where it is not known whose traffic it is, or how much."""
    decision = decide(question(verdict=WARN, **changes))
    assert (decision.scope, decision.act) == (Scope.OBSERVE, Act.NONE)
    assert "refuses" in decision.reason


def test_replay_decides_the_same_and_enforces_nothing() -> None:
    """In a file's time the decision is the live one, but not enforced."""
    decision = decide(question(replayed=True, tap=None, window=None, kernel=None))
    assert (decision.scope, decision.act, decision.enforced) == (Scope.NARROW, Act.NULL_ROUTE, False)
    assert decision.until == HARD.at + 4 * HOUR


def test_a_protected_target_is_left_out() -> None:
    """Of two targets the protected one is never named; the other is null-routed as usual."""
    over = {"protected": {"targets": ["203.0.113.5/32"]}}
    decision = decide(question(over, verdict=replace(HARD, targets=TWO)))
    assert [str(t.address) for t in decision.targets] == ["203.0.113.6"]
    assert decision.scope is Scope.NARROW


@pytest.mark.parametrize(
    ("standing", "new"),
    [
        ((), ["203.0.113.5", "203.0.113.6"]),
        ((target("203.0.113.5"),), ["203.0.113.6"]),
        ((target("203.0.113.5", port=None),), ["203.0.113.6"]),
        ((target("203.0.113.5", port=443),), ["203.0.113.5", "203.0.113.6"]),
        ((target("203.0.113.5", protocol=17),), ["203.0.113.5", "203.0.113.6"]),
        (TWO, []),
    ],
)
def test_what_is_null_routed_is_not_null_routed_again(standing: tuple[Target, ...], new: list[str]) -> None:
    """Only targets that no standing null route covers are named; none left: observed."""
    decision = decide(question(verdict=replace(HARD, targets=TWO), standing=standing))
    if new:
        assert [str(t.address) for t in decision.targets] == new
        assert decision.act is Act.NULL_ROUTE
    else:
        assert (decision.scope, decision.act) == (Scope.OBSERVE, Act.NONE)


MOVING = tuple(target(f"203.0.113.{n}") for n in range(1, 5))


@pytest.mark.parametrize(
    ("before", "now", "scope"),
    [
        (MOVING[:0], MOVING[:1], Scope.NARROW),
        (MOVING[:0], MOVING[:3], Scope.NARROW),
        (MOVING[:1], MOVING[1:2], Scope.NARROW),
        (MOVING[:1], (target("203.0.113.1", port=None),), Scope.NARROW),
        (MOVING[:2], (target("203.0.113.2", port=443),), Scope.NARROW),
        (MOVING[:2], MOVING[2:3], Scope.FULL),
        (MOVING[:1], MOVING[1:3], Scope.FULL),
        (MOVING[:3], MOVING[3:4], Scope.FULL),
    ],
)
def test_a_flood_that_moves_is_null_routed_in_full(
    before: tuple[Target, ...], now: tuple[Target, ...], scope: Scope
) -> None:
    """The third address of a case makes it full; three at once are still narrow, and so are ports of one address."""
    decision = decide(question(verdict=replace(HARD, targets=now), null_routed=before))
    assert (decision.scope, decision.act, decision.enforced) == (scope, Act.NULL_ROUTE, True)
    assert decision.until == HARD.at + 4 * HOUR


def test_nothing_comes_on_top_of_full() -> None:
    """A VM that is null-routed as a whole gets no further null route."""
    decision = decide(question(full=True, verdict=replace(HARD, targets=TWO)))
    assert (decision.scope, decision.act) == (Scope.OBSERVE, Act.NONE)


def test_decisions_are_the_contents() -> None:
    """The same question has the same answer, with the same id; another scope has another."""
    assert decide(question()) == decide(question())
    assert decide(question()).id != decide(question({"enforce": []})).id


def test_doubt_is_a_measurement_alone() -> None:
    """A decision is in doubt when nothing but capture health or the independent count stood in its way."""
    assert is_in_doubt(decide(question(kernel=None)))
    assert is_in_doubt(decide(question(kernel=None, window=replace(GOOD, stepped=True))))
    assert not is_in_doubt(decide(question({"enforce": []}, kernel=None)))
    assert not is_in_doubt(decide(question(vm=None, kernel=None)))
    assert not is_in_doubt(decide(question()))
    assert not is_in_doubt(decide(question(full=True)))
    assert not is_in_doubt(decide(question(verdict=WARN, kernel=None)))


# ---- releases ------------------------------------------------------------------------------------


def test_a_release_is_a_decision_over_all_it_ends() -> None:
    """It names every null route it ends, their targets once each, the widest scope, and has no end itself."""
    narrow = decide(question(verdict=replace(HARD, targets=TWO[:1])))
    full = decide(question(verdict=replace(HARD, targets=TWO), null_routed=MOVING))
    ended = release((narrow, full), T + MINUTE, "quiet")
    assert (ended.act, ended.scope, ended.until, ended.enforced) == (Act.RELEASE, Scope.FULL, None, True)
    assert ended.releases == (narrow.id, full.id)
    assert [str(t.address) for t in ended.targets] == ["203.0.113.5", "203.0.113.6"]
    assert (ended.case, ended.at, ended.reason, ended.by) == ("EG-1", T + MINUTE, "quiet", "automation")
    assert release((narrow, full), T + MINUTE, "quiet").id == ended.id
    assert release((narrow, full), T + MINUTE + 1, "quiet").id != ended.id


# ---- a person's ----------------------------------------------------------------------------------


def ordered(scope: Scope = Scope.NARROW, targets: tuple[Target, ...] = TWO, protect: str | None = None) -> Decision:
    over = {"protected": {"targets": [protect]}} if protect else {}
    settings = config.build(over)
    return by_person(
        "EG-1", SUBJECT, TAP, scope, targets, T, T + HOUR, why="abuse report 17", by="alex", config=settings
    )


@pytest.mark.parametrize(("scope", "targets"), [(Scope.NARROW, TWO), (Scope.FULL, ())])
def test_a_person_null_routes_without_enforce(scope: Scope, targets: tuple[Target, ...]) -> None:
    """A person's null route needs no enforce list, has the person's end, name and reason, and no verdict."""
    decision = ordered(scope, targets)
    assert (decision.act, decision.scope, decision.enforced) == (Act.NULL_ROUTE, scope, True)
    assert (decision.until, decision.by, decision.reason) == (T + HOUR, "alex", "abuse report 17")
    assert (decision.verdict, decision.targets) == (None, targets)


def test_each_tap_of_a_vm_has_its_own_null_route() -> None:
    """One order of a person for a VM with two taps makes two decisions, not one twice."""
    one, other = (
        by_person("EG-1", SUBJECT, tap, Scope.FULL, (), T, T + HOUR, why="w", by="b", config=config.build({}))
        for tap in (TAP, replace(TAP, ifindex=8))
    )
    assert one.id != other.id


def test_not_even_a_person_null_routes_a_protected_target() -> None:
    """A protected target refuses the whole order, and says which."""
    decision = ordered(protect="203.0.113.6")
    assert (decision.act, decision.scope, decision.enforced, decision.until) == (Act.NONE, Scope.OBSERVE, False, None)
    (answer,) = decision.safeties
    assert (answer.answer, "203.0.113.6" in answer.reason) == (REFUSE, True)


@pytest.mark.parametrize(
    "decision",
    [
        decide(question()),
        decide(question(replayed=True)),
        decide(question(verdict=replace(HARD, targets=TWO), null_routed=MOVING)),
        ordered(),
        ordered(Scope.FULL, ()),
    ],
)
def test_every_null_route_has_an_end(decision: Decision) -> None:
    """No null route without a time at which it is over, after the time it began."""
    assert decision.act is Act.NULL_ROUTE
    assert decision.until is not None
    assert decision.until > decision.at
