"""What a person released: left alone below hard, null-routed once for worse, over restarts and closed cases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import BY_PERSON, CASE, DECISION, ORDER, VERDICT, notices
from test_decision import ACT, HARD, question, target
from test_engine import LIMITS, TARGETS, World, calm, engine, feed, flood
from test_engine import T as START

from edgeguard import allowances
from edgeguard.cases.store import Store
from edgeguard.clock import HOUR, MINUTE, SECOND
from edgeguard.decision.decide import decide
from edgeguard.decision.recent import Recent
from edgeguard.grace import Disposition, Grace, Rate
from edgeguard.model import Act, Decision, Scope

ENFORCING: dict[str, Any] = {"enforce": ["all.act", "all.hard"]}
AT = ACT.at
BELOW = replace(ACT, measured=6_000, at_least=6_000, limit=5_000, peak=6_000)
RELEASE = replace(
    BY_PERSON,
    at=AT - 3 * HOUR - 6 * MINUTE,
    targets=(target("203.0.113.5"),),
    grace=Grace(Disposition.UNVERIFIED, Rate(6_000, None), ("syn",)),
)
USED = frozenset({RELEASE.id})


@pytest.mark.parametrize(
    ("changes", "release", "act", "told"),
    [
        ({}, {}, Act.NONE, "alex"),
        ({}, {"at": AT - 72 * HOUR}, Act.NULL_ROUTE, ""),
        ({}, {"at": AT - 72 * HOUR + 1}, Act.NONE, "alex"),
        ({"measured": 9_000}, {}, Act.NONE, "alex"),
        ({"measured": 9_001}, {}, Act.NULL_ROUTE, "9,001 packets a second are more than 1.5 times"),
        ({"targets": (target("203.0.113.77"),)}, {}, Act.NONE, "alex"),
        ({"targets": (target("203.0.114.5"),)}, {}, Act.NULL_ROUTE, ""),
        ({"targets": (target("203.0.113.5", 443),)}, {}, Act.NULL_ROUTE, ""),
        ({"targets": (target("203.0.113.5", 80, 17),)}, {}, Act.NULL_ROUTE, ""),
        ({}, {"targets": (target("203.0.113.5", None),)}, Act.NONE, "alex"),
        ({}, {"targets": ()}, Act.NONE, "alex"),
        ({"rule": "udp"}, {"targets": ()}, Act.NULL_ROUTE, ""),
    ],
)
def test_the_signature_is_vm_protocol_prefix_port_and_rate(
    changes: dict[str, Any], release: dict[str, Any], act: Act, told: str
) -> None:
    """Below hard the same is left alone for 72 hours up to 1.5 times the rate, and the reason says who released it."""
    verdict = replace(BELOW, targets=(target("203.0.113.5"),))
    decision = decide(question(ENFORCING, verdict=replace(verdict, **changes), released=(replace(RELEASE, **release),)))
    assert decision.act is act, decision.reason
    answer = next(one for one in decision.safeties if one.name == "probation")
    assert told in answer.reason and (not told or "alex" in answer.reason)


def test_worse_is_null_routed_once_for_a_quarter_of_an_hour() -> None:
    """Hard, against a release: narrow, 15 minutes, a page; then automation leaves it to people, and pages those."""
    verdict = replace(HARD, targets=RELEASE.targets)
    first = decide(question(ENFORCING, verdict=verdict, released=(RELEASE,)))
    assert (first.act, first.scope, first.until) == (Act.NULL_ROUTE, Scope.NARROW, verdict.at + 15 * MINUTE)
    assert (first.page, first.against) == ("against a release", (RELEASE.id,))
    lasts = Recent(held={"EG-1": (verdict.at - 6 * SECOND, verdict.at)})
    again = decide(question(ENFORCING, verdict=verdict, released=(RELEASE,), against=USED, recent=lasts))
    assert (again.act, again.against, again.page) == (Act.NONE, (), "not stopped")
    assert "does not again" in again.reason


def test_what_was_not_released_is_null_routed_as_ever() -> None:
    """Of a flood at a released target and another one only the other is named, with its usual end."""
    both = (target("203.0.113.5"), target("198.51.100.9"))
    asked = question(ENFORCING, verdict=replace(BELOW, targets=both), released=(RELEASE,))
    decision = decide(asked)
    assert [t.place for t in decision.targets] == ["198.51.100.9"]
    assert (decision.against, decision.until) == ((), decision.at + asked.config.clocks.lifetime)


@given(st.lists(st.integers(0, 80), max_size=4), st.sampled_from([BELOW, HARD]), st.booleans())
def test_one_more_release_never_null_routes_more(hours: list[int], verdict: Any, used: bool) -> None:
    """However many releases there are, another one adds no target, and no longer end."""
    releases = tuple(replace(RELEASE, id=f"d-{n}", at=AT - n * HOUR) for n in hours)
    against = frozenset({one.id for one in releases[:1]}) if used else frozenset()
    flood_at = replace(verdict, targets=(target("203.0.113.5"), target("198.51.100.9")))
    fewer = decide(question(ENFORCING, verdict=flood_at, released=releases[:-1], against=against))
    more = decide(question(ENFORCING, verdict=flood_at, released=releases, against=against))
    assert {t.place for t in more.targets if more.act is Act.NULL_ROUTE} <= {t.place for t in fewer.targets}
    assert (more.until or 0) <= (fewer.until or 0)


# ---- in the engine -------------------------------------------------------------------------------


def released(world: World, rate: int) -> Any:
    """An engine whose VM flooded, was released by alex and then was quiet until its case closed."""
    made = engine(world, {"enforce": ["all.act", "all.hard"]})
    feed(made, flood(START, 6 * SECOND, rate=rate))
    assert made.ledger
    grace = Grace(Disposition.UNVERIFIED, Rate(rate, None), ("syn",))
    assert made.release(tuple(made.ledger), START + 6 * SECOND, "says it is a load test", "alex", grace)
    feed(made, calm(START + 6 * SECOND, 10 * SECOND))
    assert not made.docket.busy, "the case is closed"
    return made


def test_the_same_traffic_after_hours_is_told_and_not_null_routed() -> None:
    """3 h 06 m after the release, in a new case, nothing is null-routed below hard; the reason names the releaser."""
    world = World()
    made = released(world, 120)
    before = len(world.orders)
    later = START + 3 * HOUR + 6 * MINUTE
    made.look(later)
    feed(made, flood(later, 8 * SECOND, rate=120))
    assert len(world.orders) == before
    assert world.decisions[-1].act is Act.NONE and "alex released this" in world.decisions[-1].reason
    assert LIMITS["syn"]["act"] < 120 < LIMITS["syn"]["hard"]


def test_a_hard_flood_after_hours_is_null_routed_once() -> None:
    """It ends after 15 minutes of packet time and is not renewed while the flood goes on."""
    world = World()
    made = released(world, 120)
    later = START + 3 * HOUR
    made.look(later)
    feed(made, flood(later, 2 * SECOND))
    (against,) = [d for d in world.decisions if d.against]
    assert (against.scope, against.page, against.until) == (Scope.NARROW, "against a release", against.at + 60 * SECOND)
    feed(made, flood(later + 2 * SECOND, 90 * SECOND, rate=1_000))
    assert not len(made.ledger)
    assert [d for d in world.decisions if d.act is Act.NULL_ROUTE and d.at > against.at] == []


def test_a_restart_remembers(tmp_path: Path) -> None:
    """From the database come the release and that automation went against it, and exemptions; by VM."""
    with Store(tmp_path / "cases.sqlite") as store:
        store.record(CASE, VERDICT, DECISION, notices(), ORDER)
        store.record(CASE, None, replace(BY_PERSON, releases=(DECISION.id,)), (), None)
        store.record(CASE, None, _against(BY_PERSON), notices(_against(BY_PERSON)), replace(ORDER, decision="d-9"))
        held = allowances.Allowances()
        held.load(store.releases(0), ())
        assert store.releases(BY_PERSON.at + 2 * HOUR) == []
    vm = question().vm
    assert [one.id for one in held.released(vm)] == [BY_PERSON.id]
    assert held.against == {BY_PERSON.id}
    assert held.released(None) == ()
    held.stepped(-HOUR)
    assert [one.at for one in held.released(vm)] == [BY_PERSON.at - HOUR]
    held.forget(BY_PERSON.at)
    assert (held.released(vm), held.against) == ((), frozenset())


def _against(release: Decision) -> Decision:
    return replace(DECISION, id="d-9", at=release.at + HOUR, against=(release.id,), until=release.at + 2 * HOUR)


def test_the_targets_of_the_engine_are_neighbours() -> None:
    """The floods above stay within one /24, or they would prove nothing."""
    assert len({one.rsplit(".", 1)[0] for one in TARGETS}) == 1
