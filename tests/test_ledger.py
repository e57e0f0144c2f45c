"""The ledger: what stands, what ended lately, what is due."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from samples import DECISION, ORDER, TAP, TARGETS, T, another, happened

from edgeguard.clock import HOUR, MINUTE
from edgeguard.decision.ledger import Entry, Ledger
from edgeguard.model import Happened, Outcome, Scope

ENTRY = Entry(DECISION, ORDER, "syn", 1)


def entry(number: int, point: int = 1, case: str | None = None, until: int = T + 4 * HOUR) -> Entry:
    _, _, decision, order = another(number)
    return Entry(replace(decision, case=case or decision.case), replace(order, until=until), "syn", point)


def test_the_key_is_never_a_name() -> None:
    """A null route belongs to an ifindex, a MAC and a VM; a tap made again under its name is another."""
    assert ENTRY.key == (TAP.ifindex, TAP.mac, "vm-100")
    renamed = replace(ENTRY, order=replace(ORDER, tap=replace(TAP, name="tap999")))
    assert renamed.key == ENTRY.key
    again = replace(ENTRY, order=replace(ORDER, tap=replace(TAP, ifindex=8)))
    assert again.key != ENTRY.key


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=40))
def test_what_was_added_stands_until_it_ends(steps: list[tuple[bool, int]]) -> None:
    """Adding and ending in any order leaves exactly what was added last and not ended since."""
    ledger, standing = Ledger(), {}
    for add, number in steps:
        one = entry(number, point=number % 2)
        if add:
            ledger.add(one)
            standing[one.decision.id] = one
        else:
            assert ledger.end(one.decision.id) == standing.pop(one.decision.id, None)
    assert {e.decision.id: e for e in ledger} == standing
    assert len(ledger) == len(standing)
    for point in (0, 1):
        assert set(ledger.of_point(point)) == {e for e in standing.values() if e.point == point}


def test_it_may_be_ended_while_it_is_read() -> None:
    """Ending every entry of a walk over the ledger ends all of them."""
    ledger = Ledger()
    for number in range(5):
        ledger.add(entry(number))
    for one in ledger:
        ledger.end(one.decision.id)
    assert len(ledger) == 0


def test_due_is_what_has_reached_its_end() -> None:
    """A null route is due from the very nanosecond of its end."""
    ledger = Ledger()
    ledger.add(ENTRY)
    assert ledger.due(ORDER.until - 1) == ()
    assert ledger.due(ORDER.until) == (ENTRY,)


def test_outcomes_are_noted_beside_their_null_route() -> None:
    """An acknowledgement and the latest proof are remembered; those of others, and other news, change nothing."""
    ledger = Ledger()
    ledger.add(ENTRY)
    ledger.note(happened(Happened.ACKNOWLEDGED, at=T + 5))
    ledger.note(happened(Happened.NO_ATTEMPTS))
    ledger.note(happened(Happened.VERIFIED))
    ledger.note(happened(Happened.RECONCILED))
    ledger.note(Outcome("decision-9", T, Happened.NOT_STOPPED, "somebody else's"))
    (noted,) = ledger
    assert (noted.acknowledged, noted.proof) == (T + 5, Happened.VERIFIED)


def test_targets_of_a_case_are_remembered_beyond_their_end() -> None:
    """A flood that moves is judged by null routes decided lately, standing or ended."""
    ledger = Ledger()
    ledger.add(ENTRY)
    ledger.add(entry(7))
    assert ledger.targets(DECISION.case, T) == TARGETS[:1]
    assert ledger.targets(DECISION.case, T + 1) == ()
    ledger.end(DECISION.id)
    assert ledger.targets(DECISION.case, T - 10 * MINUTE) == TARGETS[:1]
    assert ledger.targets(DECISION.case, T + 1) == ()


def test_full_is_of_one_attachment_point() -> None:
    """Only the point whose VM is null-routed as a whole is full."""
    ledger = Ledger()
    ledger.add(entry(1, point=1))
    ledger.add(replace(entry(2, point=2), decision=replace(DECISION, scope=Scope.FULL)))
    assert (ledger.is_full(1), ledger.is_full(2), ledger.is_full(3)) == (False, True, False)


def test_own_only_is_of_a_point() -> None:
    """Only the point whose forged packets are dropped is own-only, and it is not full."""
    ledger = Ledger()
    ledger.add(replace(entry(1, point=1), decision=replace(DECISION, scope=Scope.OWN_ONLY, targets=())))
    assert (ledger.is_own_only(1), ledger.is_full(1), ledger.is_own_only(2)) == (True, False, False)
    ledger.end(DECISION.id)
    assert not ledger.is_own_only(1)
