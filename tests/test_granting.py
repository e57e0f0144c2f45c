"""Releases and exemptions as the daemon answers them: a real engine, a real database, a real inventory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from persons import Kept, live
from test_engine import T, feed, flood

from edgeguard import clock
from edgeguard.clock import SECOND
from edgeguard.daemon.granting import grant
from edgeguard.daemon.releasing import release
from edgeguard.errors import UsageError
from edgeguard.model import Act, Scope
from edgeguard.request import AddExemption, EndExemption, ExtendExemption, ReleaseNullRoute

DAY = 24 * clock.HOUR
AGREED = "target owner, ticket 4711"


@pytest.fixture
def flooded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Kept]]:
    """A VM whose flood is null-routed; the wall clock is packet time."""
    made, world = live(tmp_path)
    feed(made.engine, flood(T, 2 * SECOND))
    monkeypatch.setattr(clock, "now", lambda: T + 2 * SECOND)
    assert len(made.engine.ledger)
    yield made, world
    world.store.close()


def ask(**changes: Any) -> ReleaseNullRoute:
    return ReleaseNullRoute(
        **{"term": "vm-0", "why": "load test", "disposition": "exempt", "consent": AGREED, **changes}
    )


def test_a_release_is_recorded_with_what_was_found_and_measured(flooded: tuple[Any, Kept]) -> None:
    """Everything of the VM ends in one decision with disposition and rate, and its case is on probation."""
    made, world = flooded
    told = release(made, ask(disposition="fixed", consent=""), "alex")
    assert not len(made.engine.ledger)
    decision = world.decisions[-1]
    assert told["decisions"] == [decision.id] and "as fixed" in told["text"] and told["exemptions"] == []
    assert decision.grace is not None and decision.grace.rate.packets == 2_000
    assert world.cases[-1].state == "probation"
    assert [d.id for d in world.store.releases(0) if d.grace] == [decision.id]


def test_released_as_exempt_the_same_goes_on_unharmed(flooded: tuple[Any, Kept]) -> None:
    """The exemption is in the database and in force at once: the flood goes on, and nothing more is null-routed."""
    made, world = flooded
    told = release(made, ask(), "alex")
    (granted,) = world.store.exemptions("vm-0")
    assert told["exemptions"] == [granted.exemption.id] and granted.exemption.consent == AGREED
    assert granted.exemption.case == told["cases"][0]
    made.engine.look(T + 30 * SECOND)
    orders = len(world.orders)
    feed(made.engine, flood(T + 30 * SECOND, 3 * SECOND))
    assert len(world.orders) == orders and "is exempted" in world.decisions[-1].reason
    feed(made.engine, flood(T + 33 * SECOND, 3 * SECOND, rate=4_000))
    assert world.decisions[-1].act is Act.NULL_ROUTE, "above its ceiling it is judged as any other"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"consent": ""}, "--consent"),
        ({"ceiling": 10**9}, "1.5 times"),
        ({"for_ns": 31 * DAY}, "takes two"),
        ({"term": "vm-1"}, "nothing of that name is null-routed"),
    ],
)
def test_what_is_refused_releases_nothing(flooded: tuple[Any, Kept], changes: dict[str, Any], told: str) -> None:
    """No consent, a ceiling or an end that is wider than measured: refused before anything is done."""
    made, world = flooded
    before = len(world.decisions)
    with pytest.raises(UsageError, match=told):
        release(made, ask(**changes), "alex")
    assert len(made.engine.ledger) and len(world.decisions) == before and world.store.exemptions() == []


def test_what_nothing_was_measured_of_cannot_be_exempted(tmp_path: Path) -> None:
    """A case without a verdict has no signature."""
    made, world = live(tmp_path)
    with pytest.raises(UsageError, match="no case of that name has measured anything"):
        grant(made, AddExemption("vm-0", "why", DAY), "alex")
    world.store.close()


def test_an_exemption_by_itself_is_of_a_case(flooded: tuple[Any, Kept]) -> None:
    """Added, it holds at once, its case's story says who and why; ended, it holds no more, and ends once."""
    made, world = flooded
    told = grant(made, AddExemption("web0", "load test", 7 * DAY, AGREED, 100), "alex")
    (id,) = told["exemptions"]
    vm = world.vm(0)
    assert [one.id for one in made.engine.allowances.exemptions(vm)] == [id]
    assert any("exempted 198.51.100.1/32" in entry.text for entry in world.store.timeline(told["case"]))
    grant(made, EndExemption(id, "over"), "sam")
    assert made.engine.allowances.exemptions(vm) == ()
    with pytest.raises(UsageError, match="no exemption of that id holds"):
        grant(made, EndExemption(id, "over"), "sam")
    assert any("ended: over" in entry.text for entry in world.store.timeline(told["case"]))


def test_the_same_is_exempted_once(flooded: tuple[Any, Kept], monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one of the same traffic is refused with the first one's id, by whoever; nothing is written."""
    made, world = flooded
    (id,) = grant(made, AddExemption("web0", "load test", 7 * DAY, AGREED), "alex")["exemptions"]
    for ceiling, by in ((0, "alex"), (100, "robin")):
        with pytest.raises(UsageError, match=rf"198.51.100.1:443/tcp is exempted already until .* \({id}\)"):
            grant(made, AddExemption("web0", "again", 30 * DAY, AGREED, ceiling), by)
    assert [one.exemption.id for one in world.store.exemptions("vm-0")] == [id]
    ended = grant(made, EndExemption(id, "over"), "sam")
    assert ended["text"] == f"{id}: ended; vm-0 is judged as any other from now on"
    monkeypatch.setattr(clock, "now", lambda: T + 3 * SECOND)
    assert grant(made, AddExemption("web0", "again", 7 * DAY, AGREED), "alex")["exemptions"]


def test_the_end_of_one_names_what_still_holds(flooded: tuple[Any, Kept], monkeypatch: pytest.MonkeyPatch) -> None:
    """A lower ceiling is no cover: more may be exempted beside it, and then ending one does not end the other."""
    made, world = flooded
    (low,) = grant(made, AddExemption("web0", "load test", 7 * DAY, AGREED, 100), "alex")["exemptions"]
    monkeypatch.setattr(clock, "now", lambda: T + 3 * SECOND)
    (high,) = grant(made, AddExemption("web0", "more", 7 * DAY, AGREED), "alex")["exemptions"]
    text = grant(made, EndExemption(low, "over"), "sam")["text"]
    until = clock.utc(T + 3 * SECOND + 7 * DAY)
    assert text == f"{low}: ended; still exempted of vm-0: 198.51.100.1:443/tcp until {until} ({high})"
    assert [one.id for one in made.engine.allowances.exemptions(world.vm(0))] == [high]


def test_more_than_thirty_days_takes_a_second_person(flooded: tuple[Any, Kept]) -> None:
    """The one who made it cannot, somebody else can; for a year at most, and never sooner than it was."""
    made, world = flooded
    (id,) = grant(made, AddExemption("vm-0", "load test", 30 * DAY, AGREED), "alex")["exemptions"]
    with pytest.raises(UsageError, match="takes a second person"):
        grant(made, ExtendExemption(id, "more", 60 * DAY), "alex")
    with pytest.raises(UsageError, match="365 days at most"):
        grant(made, ExtendExemption(id, "more", 366 * DAY), "robin")
    with pytest.raises(UsageError, match="it lasts until"):
        grant(made, ExtendExemption(id, "more", 30 * DAY), "robin")
    story = world.store.timeline(world.store.find("vm-0")[0].id)
    assert len([entry for entry in story if "refused: exempt.extend: " in entry.text]) == 3
    assert "by alex and robin" in grant(made, ExtendExemption(id, "more", 60 * DAY), "robin")["text"]
    (held,) = made.engine.allowances.exemptions(world.vm(0))
    assert (held.until, held.second) == (held.since + 60 * DAY, "robin")


def test_the_customers_own_target_needs_no_consent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A load test at the customer's own addresses is the customer's affair."""
    made, world = live(tmp_path)
    feed(made.engine, flood(T, 2 * SECOND, dst="198.51.100.200"))
    monkeypatch.setattr(clock, "now", lambda: T + 2 * SECOND)
    release(made, ask(consent=""), "alex")
    (granted,) = world.store.exemptions()
    assert granted.exemption.consent is None and world.decisions[0].scope is Scope.NARROW
    world.store.close()
