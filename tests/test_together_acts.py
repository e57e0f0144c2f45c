"""What is said once of all cases that go together: each has its own decision, and what fails of one stops no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from persons import Kept, live
from test_engine import T, feed, flood, vm

from edgeguard import clock
from edgeguard.cases.case import Case
from edgeguard.clock import HOUR, SECOND
from edgeguard.daemon.releasing import release
from edgeguard.daemon.working import work
from edgeguard.errors import UsageError
from edgeguard.letters import Channel
from edgeguard.model import Act, Decision, Order, Verdict
from edgeguard.request import (
    AppealCase,
    AskCase,
    ClaimCase,
    CloseCase,
    HoldCase,
    NoteCase,
    ReleaseNullRoute,
    ReopenCase,
    UpholdCase,
)
from edgeguard.word import Said

NOW = T + 2 * SECOND
AGREED = "target owner, ticket 4711"
Together = tuple[Any, Kept]


@pytest.fixture
def three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Together]:
    """Three VMs of one customer and one of another flood at once; all of them are null-routed."""
    customers = ("customer 0", "customer 0", "customer 0", "another")
    vms = [replace(vm(n), customer=customer) for n, customer in enumerate(customers)]
    made, world = live(tmp_path, None, vms)
    feed(made.engine, *(flood(T, 2 * SECOND, point=n) for n in range(4)))
    monkeypatch.setattr(clock, "now", lambda: NOW)
    assert len(made.engine.ledger) == 4
    yield made, world
    world.store.close()


def case(world: Kept, number: int) -> Case:
    return world.store.find(f"vm-{number}")[0]


def ids(world: Kept, *numbers: int) -> list[str]:
    return [case(world, number).id for number in numbers]


def stands(made: Any) -> list[str]:
    return sorted(entry.order.vm for entry in made.engine.ledger)


def freeing(**changes: Any) -> ReleaseNullRoute:
    return ReleaseNullRoute(**{"term": "vm-1", "why": "his own queue", "disposition": "unverified", **changes})


def refusing(world: Kept, monkeypatch: pytest.MonkeyPatch, id: str) -> None:
    """The database takes no decision about one case."""
    decided = world.decided

    def but_one(case: Case, verdict: Verdict | None, decision: Decision, orders: tuple[Order, ...]) -> bool:
        return case.id != id and decided(case, verdict, decision, orders)

    monkeypatch.setattr(world, "decided", but_one)


# ---- release -----------------------------------------------------------------------------------------


def test_one_release_is_a_release_of_each(three: Together) -> None:
    """By whichever of them it is asked: each case its decision with the same words, disposition and person; nobody
    else's is touched."""
    made, world = three
    told = release(made, freeing(together=True), "alex")
    assert told["cases"] == sorted(ids(world, 0, 1, 2)) and (told["failed"], told["others"]) == ([], [])
    assert stands(made) == ["vm-3"]
    for number in range(3):
        (made_of,) = [one for one in world.store.decisions(case(world, number).id) if one.act is Act.RELEASE]
        assert (made_of.by, made_of.reason) == ("alex", "his own queue")
        assert made_of.grace is not None and made_of.grace.disposition == "unverified"
        assert made_of.grace.rate.packets == 2_000, "as it was measured of this one"
        assert case(world, number).state == "probation"
    assert "released 3 null routes as unverified" in told["text"]


def test_what_was_not_asked_for_is_named(three: Together) -> None:
    """Without the flag it is the one, and the answer says which others are null-routed, and by which id to go on."""
    made, world = three
    told = release(made, freeing(), "alex")
    assert told["cases"] == ids(world, 1) and stands(made) == ["vm-0", "vm-2", "vm-3"]
    assert sorted(told["others"]) == sorted(ids(world, 0, 2)) and told["leader"] == case(world, 1).leader
    rest = release(made, freeing(term=told["leader"], together=True), "alex")
    assert rest["cases"] == sorted(ids(world, 0, 2)) and stands(made) == ["vm-3"]
    with pytest.raises(UsageError, match="nothing of that name is null-routed"):
        release(made, freeing(term=told["leader"], together=True), "alex")


def test_who_names_one_that_is_free_is_told_of_the_others(three: Together) -> None:
    """The id in a customer's subject may be of a case that was freed before: refused, with what to say instead."""
    made, world = three
    release(made, freeing(term="vm-0"), "alex")
    leader = case(world, 0).id
    for ask in (lambda: release(made, freeing(term=leader), "alex"), lambda: work(made, HoldCase(leader, "x"), "alex")):
        with pytest.raises(UsageError) as refused:
            ask()
        assert all(id in str(refused.value) for id in ids(world, 1, 2)) and "--together" in str(refused.value)
        assert "\n" not in str(refused.value) and not any(id in str(refused.value) for id in ids(world, 3))
    release(made, freeing(term=leader, together=True), "alex")
    assert stands(made) == ["vm-3"]
    with pytest.raises(UsageError, match="see 'edgeguard nullroute list'"):
        release(made, freeing(term=leader), "alex")


def test_what_fails_of_one_stops_no_other(three: Together, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are free; it is named with the reason, and stands as before."""
    made, world = three
    (stuck,) = ids(world, 1)
    refusing(world, monkeypatch, stuck)
    told = release(made, freeing(together=True), "alex")
    assert told["cases"] == sorted(ids(world, 0, 2)) and stands(made) == ["vm-1", "vm-3"]
    assert [one["case"] for one in told["failed"]] == [stuck] and "could not be recorded" in told["failed"][0]["why"]
    with pytest.raises(Exception, match="could not be recorded"):
        release(made, freeing(together=True), "alex")


def test_what_was_done_is_told_although_the_database_is_gone(three: Together, monkeypatch: pytest.MonkeyPatch) -> None:
    """That the others cannot be looked up then does not make a failure of a release that was recorded."""
    made, world = three
    decided = world.decided

    def then_gone(case: Case, verdict: Verdict | None, decision: Decision, orders: tuple[Order, ...]) -> bool:
        taken = decided(case, verdict, decision, orders)
        world.store._db.execute("ALTER TABLE cases RENAME TO hidden")
        return taken

    (freed,) = ids(world, 1)
    monkeypatch.setattr(world, "decided", then_gone)
    told = release(made, freeing(), "alex")
    assert (told["cases"], told["others"]) == ([freed], []) and stands(made) == ["vm-0", "vm-2", "vm-3"]


def test_each_is_exempted_as_it_was_measured(three: Together) -> None:
    """An exemption for each VM, from its own signature; what is wider than one of them was is refused of all alike,
    once in each story, and nothing is done."""
    made, world = three
    wide = freeing(disposition="exempt", consent=AGREED, ceiling=10**9, together=True)
    with pytest.raises(UsageError, match=r"more than 1\.5 times"):
        release(made, wide, "alex")
    assert len(stands(made)) == 4
    for number in range(3):
        story = [entry.text for entry in world.store.timeline(case(world, number).id)]
        assert sum("refused: release as exempt" in text for text in story) == 1
    told = release(made, freeing(disposition="exempt", consent=AGREED, together=True), "alex")
    granted = {one.exemption.id: one.exemption for one in world.store.exemptions()}
    assert granted.keys() == set(told["exemptions"])
    assert sorted((one.vm, one.case) for one in granted.values()) == [
        (f"vm-{number}", case(world, number).id) for number in range(3)
    ]


# ---- what people say -----------------------------------------------------------------------------------


def test_a_hold_of_all_is_a_hold_of_each(three: Together) -> None:
    """Its own word, once a case; who goes on from the one to all is not refused for the one."""
    made, world = three
    one = work(made, HoldCase("vm-0", "until tomorrow", HOUR), "alex")
    assert sorted(one["others"]) == sorted(ids(world, 1, 2))
    told = work(made, HoldCase(one["leader"], "until tomorrow", HOUR, together=True), "alex")
    assert sorted(told["cases"]) == sorted(ids(world, 1, 2)) and told["failed"] == []
    assert told["text"].count("held until") == 2 == len(told["text"].splitlines())
    for number in range(3):
        assert [word.said for word in world.store.words(case(world, number).id)] == [Said.HOLD]
    assert world.store.words(case(world, 3).id) == []
    with pytest.raises(UsageError, match="alex has held it once"):
        work(made, HoldCase("vm-0", "longer", HOUR, together=True), "robin")


def test_two_people_uphold_each(three: Together) -> None:
    """One person's word of all is a first voice of each; what has no first voice is not upheld by a second's."""
    made, world = three
    work(made, UpholdCase("vm-0", "third time", ("rebuilt",), together=True), "alex")
    assert {case(world, number).state for number in range(3)} == {"narrow"}
    with pytest.raises(UsageError, match="nothing is upheld by one person"):
        work(made, UpholdCase("vm-0", "third time", (), together=True), "alex")
    told = work(made, UpholdCase("vm-2", "I agree", (), together=True), "robin")
    assert len(told["cases"]) == 3 and {case(world, number).state for number in range(3)} == {"upheld"}


def test_what_is_refused_of_one_is_named_and_stands_in_its_story(three: Together) -> None:
    """Two have a first voice, the third has none: the second person's word counts where it can."""
    made, world = three
    for number in (0, 1):
        work(made, UpholdCase(f"vm-{number}", "third time", ("rebuilt",)), "alex")
    told = work(made, UpholdCase("vm-0", "I agree", (), together=True), "robin")
    assert sorted(told["cases"]) == sorted(ids(world, 0, 1))
    assert [one["case"] for one in told["failed"]] == ids(world, 2) and "--ends-when" in told["failed"][0]["why"]
    assert any("refused: case.uphold" in entry.text for entry in world.store.timeline(case(world, 2).id))


def test_all_are_claimed_and_asked_about(three: Together) -> None:
    """A claim of each; the desk has one mail with all of them, and every story the question."""
    made, world = three
    work(made, ClaimCase("vm-0", "I call the owner", together=True), "alex")
    assert [case(world, number).state for number in range(4)] == ["review"] * 3 + ["narrow"]
    told = work(made, AskCase("vm-0", "load tests?", together=True), "alex")
    assert sorted(told["cases"]) == sorted(ids(world, 0, 1, 2))
    tray = world.store.tray()
    (mail,) = tray.due([Channel.DESK], NOW)
    tray.close()
    assert all(f"edgeguard case show {id}" in mail.delivery.body for id in ids(world, 0, 1, 2))
    for number in range(3):
        assert any("asked the desk: load tests?" in e.text for e in world.store.timeline(case(world, number).id))


@pytest.mark.parametrize(
    "ask",
    [NoteCase("vm-0", "x"), AppealCase("vm-0", "x"), ReopenCase("vm-0", "x"), CloseCase("vm-0", "x", "confirmed")],
)
def test_what_is_said_of_one_only_names_no_others(three: Together, ask: Any) -> None:
    """There is no way to say it of all, so none is offered: neither in an answer nor in a refusal."""
    made, _ = three
    for _ in range(2):
        try:
            assert work(made, ask, "alex")["others"] == []
        except UsageError as refused:
            assert "--together" not in str(refused)
        if "vm-0" in stands(made):
            release(made, freeing(term="vm-0"), "alex")


def test_what_goes_with_nothing_is_done_alone(three: Together) -> None:
    """The flag asks for nothing that is not there."""
    made, world = three
    told = release(made, freeing(term="tap3", together=True), "alex")
    assert told["cases"] == ids(world, 3) and stands(made) == ["vm-0", "vm-1", "vm-2"]


Ask = Callable[[bool], Any]
ASKS: list[Ask] = [
    lambda together: ClaimCase("vm-0", "x", together),
    lambda together: AskCase("vm-0", "x", together),
    lambda together: HoldCase("vm-0", "x", HOUR, together),
    lambda together: UpholdCase("vm-0", "x", ("rebuilt",), together),
]


@pytest.mark.parametrize("ask", ASKS)
def test_no_flag_no_other(three: Together, ask: Ask) -> None:
    """Whatever is said, without it the one is meant."""
    made, world = three
    assert work(made, ask(False), "alex")["cases"] == ids(world, 0)
