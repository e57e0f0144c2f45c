"""The incidents bite: without its mechanism, a safety or a way of the table, a story or an invariant fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import pytest
from invariants import wrong
from mutations import LISTS, name, whose, without_safety, without_way
from samples import SUM_VERDICT, TAP, VERDICT, VM
from test_decision import ACT, GOOD, HARD, question, target
from test_decision_standing import GOOD as GOOD_STANDING

from edgeguard.cases import together
from edgeguard.clock import SECOND
from edgeguard.context import FACTS
from edgeguard.daemon import releasing
from edgeguard.daemon.vitals import OLD_ENOUGH, Vitals
from edgeguard.decision import safeties
from edgeguard.decision.answer import is_in_doubt
from edgeguard.decision.decide import decide
from edgeguard.decision.repeats import Repeats
from edgeguard.decision.writing import Writing
from edgeguard.grace import Exemption, Rate
from edgeguard.lab.incidents import told
from edgeguard.lab.incidents.catalogue import INCIDENTS
from edgeguard.lab.incidents.incident import Incident, Played
from edgeguard.lab.incidents.stage import play
from edgeguard.model import Act, CameBack, Decision, Scope, TapKind
from edgeguard.reading import INTO, Circumstances
from edgeguard.states import AUTOMATION, CUSTOMER, ONE, TABLE, THIRD, TWO, Transition

Changes = dict[str, Any]


def fails(incident: Incident) -> bool:
    return bool(told.judge(incident, play(incident)).wrong)


# ---- the mechanism of each incident ----------------------------------------------------------------------


def by_address(incident: Incident) -> Incident:
    """Whoever owns the address that a packet carries is taken for its sender."""
    streams = tuple(replace(s, vm=1, source=None) if s.source else s for s in incident.streams)
    return replace(incident, streams=streams)


def as_if_sent(incident: Incident) -> Incident:
    """What a VM answers is counted as if it had opened connections."""
    streams = tuple(replace(s, what="syn") if s.what == "syn-ack" else s for s in incident.streams)
    return replace(incident, streams=streams)


def without_contacts(incident: Incident) -> Incident:
    """Nobody is told but the desk."""
    hosts = tuple(tuple({**vm, "contact": None} for vm in vms) for vms in incident.hosts)
    return replace(incident, hosts=hosts, acts=())


def seen_by_the_kernel(incident: Incident) -> Incident:
    """The floods of the data were real."""
    return replace(incident, streams=tuple(replace(s, phantom=False) for s in incident.streams))


@contextmanager
def of_a_moment() -> Iterator[None]:
    """The kernel is asked of the last moments alone, not of the whole window."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Vitals, "_snapshots", lambda self, now: [self._young if now - self._young.at >= OLD_ENOUGH else self._old]
        )
        yield


@contextmanager
def without_repeats() -> Iterator[None]:
    """Every null route is the first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Repeats, "after", lambda self, decision: self)
        yield


@contextmanager
def each_by_itself() -> Iterator[None]:
    """No case goes with another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(together, "WITHIN", 0)
        yield


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """A release is of the case that is named alone, whatever goes with it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(releasing, "with_others", lambda store, cases: list(cases))
        yield


def same(incident: Incident) -> Incident:
    return incident


Without = Callable[[], AbstractContextManager[None]]
MECHANISMS: list[tuple[str, Callable[[Incident], Incident], Without]] = [
    ("ten-workers", same, lambda: without_safety("ALL", "probation")),
    ("ten-workers", same, each_by_itself),
    ("ten-workers", same, one_at_a_time),
    ("networking-disabled", without_contacts, nullcontext),
    ("second-udp-flood", same, without_repeats),
    ("mass-false-positive", same, lambda: without_safety("ALL", "independent count")),
    ("mass-false-positive", seen_by_the_kernel, nullcontext),
    ("mass-false-positive", same, of_a_moment),
    ("forged-neighbour", by_address, nullcontext),
    ("victim", as_if_sent, nullcontext),
    ("six-accounts", same, lambda: without_safety("ALL", "breaker")),
    ("cut-return-path", same, lambda: without_safety("ALL", "return path")),
]


def test_every_incident_has_its_mechanism() -> None:
    """None is left out below."""
    assert [*dict.fromkeys(one for one, _, _ in MECHANISMS)] == list(INCIDENTS)


@pytest.mark.long
@pytest.mark.parametrize(("incident", "changed", "without"), MECHANISMS, ids=[one for one, _, _ in MECHANISMS])
def test_without_its_mechanism_an_incident_fails(
    incident: str, changed: Callable[[Incident], Incident], without: Without
) -> None:
    """A story that ends well whatever is taken away would prove nothing."""
    with without():
        assert fails(changed(INCIDENTS[incident]))


# ---- each safety -----------------------------------------------------------------------------------------

ENFORCED: Changes = {"enforce": ["all.act", "all.hard"]}
ANSWERED = replace(ACT, rule="udp", came_back=CameBack(packets=20_000))
LATE = replace(GOOD, lag_ns=60 * SECOND)
UNTIL = HARD.at + 24 * 3600 * SECOND
EXEMPT = Exemption(
    "x-1", VM.id, 6, VERDICT.targets[0].network, 80, Rate(10**6, None), HARD.at, UNTIL, by="alex", why="a load test"
)
ONE_TARGET = replace(HARD, targets=VERDICT.targets[:1])
INBOUND = replace(HARD, rule=INTO[0])
MOVED = tuple(target(f"203.0.113.{n}") for n in (1, 2, 3))
SUM = replace(HARD, subject=SUM_VERDICT.subject, shares=SUM_VERDICT.shares, point=-1)


def nothing_done(decision: Decision) -> bool:
    return decision.act is Act.NONE


def woken(decision: Decision) -> bool:
    return decision.page == "not stopped"


def unwritten(decision: Decision) -> bool:
    return decision.silent


def doubted(decision: Decision) -> bool:
    return "in doubt, as capture health refuses" in decision.reason


def of_whom_is_doubted(decision: Decision) -> bool:
    return "in doubt, as attribution refuses" in decision.reason


def settled(decision: Decision) -> bool:
    """Nothing waits for better data: nobody asks again with every slot."""
    return not is_in_doubt(decision)


def somebody_calls_its_owner(decision: Decision) -> bool:
    return decision.page == "unreachable"


def told_only(decision: Decision) -> bool:
    return decision.scope is Scope.WARN


# What each safety is for (DECISION.md), as a question, and what must be so of its decision.
HELD: dict[tuple[str, str], tuple[Changes, Callable[[Decision], bool]]] = {
    ("ALL", "enforce"): ({"over": {"enforce": []}}, nothing_done),
    ("ALL", "kill file"): ({"killed": "somebody said stop"}, nothing_done),
    ("ALL", "protected subject"): ({"over": {"protected": {"subjects": [VM.id]}}}, nothing_done),
    ("ALL", "protected target"): ({"over": {"protected": {"targets": ["203.0.113.0/24", "2001:db8::/32"]}}}, woken),
    ("ALL", "capture health"): ({"window": LATE}, nothing_done),
    ("ALL", "independent count"): ({"kernel": None}, nothing_done),
    ("ALL", "attribution"): ({"vm": replace(VM, customer=None), "verdict": ACT}, nothing_done),
    ("ALL", "exemption"): ({"verdict": ONE_TARGET, "exemptions": (EXEMPT,)}, unwritten),
    ("ALL", "return path"): ({"around": Circumstances(in_doubt="nothing comes back"), "verdict": ACT}, nothing_done),
    ("ALL", "completed"): ({"verdict": ANSWERED}, told_only),
    ("ALL", "enforceable"): ({"tap": replace(TAP, kind=TapKind.NONE)}, nothing_done),
    ("ALL", "target share"): ({"verdict": replace(HARD, targets=())}, woken),
    ("ALL", "standing"): ({"context": GOOD_STANDING, "verdict": ACT}, told_only),
    ("ALL", "pace"): ({"standing_taps": 64}, nothing_done),
    ("ALL", "fleet permit"): ({"over": {"fleet": {"url": "https://fleet.example.net"}}, "permit": False}, nothing_done),
    ("ALL", "reachable"): ({"null_routed": MOVED, "vm": replace(VM, contact=None)}, somebody_calls_its_owner),
    ("ALL", "notice"): ({"writing": Writing(lost="no text of a mail passes its lint")}, woken),
    ("OF_SUM", "observed only"): ({"verdict": SUM, "window": LATE}, settled),
    ("OF_SUM", "capture health"): ({"verdict": SUM, "window": LATE}, doubted),
    ("OF_VICTIM", "observed only"): ({"verdict": INBOUND, "window": LATE}, settled),
    ("OF_VICTIM", "capture health"): ({"verdict": INBOUND, "window": LATE}, doubted),
    ("OF_VICTIM", "attribution"): ({"verdict": INBOUND, "vm": None}, of_whom_is_doubted),
}
IN_A_STORY = {  # the safety: the incident that fails without it
    ("ALL", "probation"): "ten-workers",
    ("ALL", "breaker"): "six-accounts",
}


def decided(changes: Changes) -> Decision:
    over = {**ENFORCED, **changes.get("over", {})}
    return decide(question(over, **{key: value for key, value in changes.items() if key != "over"}))


def test_every_safety_is_taken_out_once() -> None:
    """What a question or a story notices is all that is ever asked."""
    every = {(listed, name(safety)) for listed in LISTS for safety in getattr(safeties, listed)}
    groups = [set(HELD), set(IN_A_STORY)]
    assert set().union(*groups) == every
    assert sum(map(len, groups)) == len(every)


@pytest.mark.parametrize("safety", HELD, ids=" ".join)
def test_without_a_safety_what_it_is_for_is_lost(safety: tuple[str, str]) -> None:
    """With it the decision is what it must be; without it, alone of all, it is not."""
    changes, holds = HELD[safety]
    assert holds(decided(changes))
    with without_safety(*safety):
        assert not holds(decided(changes))


@pytest.mark.long
@pytest.mark.parametrize("safety", IN_A_STORY, ids=" ".join)
def test_without_a_safety_its_story_fails(safety: tuple[str, str]) -> None:
    """These need a history, which only a story has."""
    with without_safety(*safety):
        assert fails(INCIDENTS[IN_A_STORY[safety]])


# ---- each way of the table -------------------------------------------------------------------------------

EVERYBODY = {AUTOMATION, ONE, TWO, THIRD, CUSTOMER}

IN_STORIES = {  # ways that are gone in a story, which says so; test_ways.py goes all of them
    ("observed", "doubt"): "mass-false-positive",
    ("observed", "narrow"): "networking-disabled",
    ("narrow", "release"): "ten-workers",
    ("narrow", "uphold"): "ten-workers",
    ("narrow", "reply"): "networking-disabled",
    ("review", "quiet"): "networking-disabled",
    ("narrow", "quiet"): "forged-neighbour",
    ("narrow", "end"): "six-accounts",
    ("suspect-data", "narrow"): "six-accounts",
    ("probation", "settle"): "forged-neighbour",
    ("review", "hold"): "second-udp-flood",
    ("review", "uphold"): "second-udp-flood",
    ("upheld", "appeal"): "second-udp-flood",
    ("appealed", "uphold"): "second-udp-flood",
    ("appealed", "release"): "second-udp-flood",
    ("victim", "settle"): "victim",
}


def test_nothing_is_wrong_with_the_table() -> None:
    """The invariants hold of the table that everybody goes by."""
    assert wrong(TABLE) == []


@pytest.mark.parametrize(("state", "event"), list(TABLE.ways), ids=[" ".join(way) for way in TABLE.ways])
def test_without_a_way_an_invariant_fails(state: str, event: str) -> None:
    """Each way of the table is there for a sentence of the design."""
    with without_way(state, event):
        assert any(f"{event!r}" in finding and f"{state!r}" in finding for finding in wrong(TABLE))


def test_of_all_other_tables_an_invariant_fails() -> None:
    """Somebody more or fewer may, it leads elsewhere, another clock or none, or a way that nobody asks for."""
    for key, way in TABLE.ways.items():
        to, clock = (
            [one for one in TABLE.states if one != way.to],
            [one for one in (None, *TABLE.clocks) if one != way.clock],
        )
        for other in (
            *(replace(way, to=one) for one in to),
            *(replace(way, clock=one) for one in clock),
            *(replace(way, who=(*way.who, one)) for one in EVERYBODY - {*way.who}),
            *(replace(way, who=tuple({*way.who} - {one})) for one in way.who),
        ):
            assert len(wrong(replace(TABLE, ways={**TABLE.ways, key: other}))) == 1, other
    for state in TABLE.states:
        for event in {way.event for way in TABLE} - {way.event for way in TABLE.out_of(state)}:
            more = {(state, event): Transition(state, event, "closed", (ONE,))}
            assert wrong(replace(TABLE, ways={**TABLE.ways, **more})) == [f"nobody asks for {event!r} out of {state!r}"]


@pytest.mark.long
@pytest.mark.parametrize("way", IN_STORIES, ids=" ".join)
def test_without_a_way_a_story_fails(way: tuple[str, str]) -> None:
    """The engine goes by the table: without its way the case of the story does not get on."""
    with without_way(*way):
        assert fails(INCIDENTS[IN_STORIES[way]])


@pytest.mark.long
@pytest.mark.parametrize(("state", "incident"), [("narrow", "ten-workers"), ("review", "second-udp-flood")])
def test_one_who_binds_alone_is_noticed(state: str, incident: str) -> None:
    """With a table in which that is one person's to say, the stories of those who keep a null route fail."""
    with whose(state, "uphold", (ONE,)):
        assert fails(INCIDENTS[incident])


def test_a_ground_that_is_none_is_noticed() -> None:
    """With a shared key among the facts of a standing the story of 2019 fails."""
    (expected,) = [one for one in INCIDENTS["ten-workers"].expected if "can rest on" in one.text]
    nothing = Played(0, (), {}, {}, (), ())
    assert expected.wrong(nothing) is None
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FACTS, "shared_ssh_key", "shares a key")  # type: ignore[arg-type]
        assert expected.wrong(nothing) == "recorded: shared_ssh_key"
