"""Cases of one customer that begin together are shown together, and their mails are one thread."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from samples import CASE, DECISION, ORDER, VERDICT, T, notices

from edgeguard.cases.case import Case
from edgeguard.cases.store import Store
from edgeguard.cli import main
from edgeguard.clock import MINUTE, SECOND
from edgeguard.letters import Mail

BESIDE = replace(CASE, id="EG-beside", vm="vm-2", opened=CASE.opened + 9 * MINUTE)
LATER = replace(CASE, id="EG-later", vm="vm-3", opened=CASE.opened + 11 * MINUTE)
OTHERS = replace(CASE, id="EG-others", vm="vm-4", customer="C-2", opened=CASE.opened + SECOND)
NOBODY = replace(CASE, id="EG-nobody", vm="vm-5", customer=None, opened=CASE.opened + SECOND)
VICTIM = replace(CASE, id="EG-victim", vm="vm-6", state="victim", opened=CASE.opened + SECOND)
SUM = replace(CASE, id="EG-sum", vm=None, tap=None, opened=CASE.opened + SECOND)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    (tmp_path / "edgeguard.toml").write_text(f'[paths]\ndatabase = "{tmp_path}/cases.sqlite"\n')
    with Store(tmp_path / "cases.sqlite") as made:
        for case in (CASE, BESIDE, LATER, OTHERS, NOBODY, VICTIM, SUM):
            made.put_case(case)
        yield made


def test_the_same_customer_within_ten_minutes(store: Store) -> None:
    """Neither another customer's, nor nobody's, a victim's or a sum's, nor one that began later; both ways."""
    assert store.beside(CASE.id) == [BESIDE.id] and store.beside(BESIDE.id) == [CASE.id, LATER.id]
    assert store.beside(LATER.id) == [BESIDE.id]
    for case in (OTHERS, NOBODY, VICTIM, SUM):
        assert store.beside(case.id) == []


def test_they_are_listed_beside_each_other(store: Store) -> None:
    """In the list, and at the end of each one's own story."""
    file = str(store.path.parent / "edgeguard.toml")
    rows = CliRunner().invoke(main, ["case", "list", "--json", "-c", file]).stdout.splitlines()
    found = {row["id"]: row["with"] for row in map(json.loads, rows)}
    assert found[BESIDE.id] == [CASE.id, LATER.id] and found[OTHERS.id] == []
    shown = CliRunner().invoke(main, ["case", "show", BESIDE.id, "-c", file]).stdout
    assert f"of the same customer, within ten minutes: {CASE.id}, {LATER.id}" in shown


def recorded(store: Store, case: Case, number: int) -> list[str]:
    made = replace(DECISION, id=f"d-{number}", case=case.id, verdict=f"v-{number}")
    mails = enumerate(notices())
    written = [replace(one, id=f"n-{number}-{n}", case=case.id, decision=made.id) for n, one in mails]
    store.record(case, replace(VERDICT, id=f"v-{number}"), made, written, replace(ORDER, decision=made.id))
    return [one.id for one in written]


def test_their_mails_are_one_thread(store: Store) -> None:
    """What was sent about the one stands before what is sent about the other; of no third one."""
    first, second, third = (recorded(store, case, n) for n, case in enumerate((CASE, BESIDE, OTHERS)))
    box = store.box()
    due = T + 60 * MINUTE
    box.sent(first[0], T, Mail("subject", "text", message_id="<a>"))
    box.sent(third[0], T, Mail("subject", "text", message_id="<b>"))
    queued = {one.notice.id: one.earlier for one in box.due(due)}
    assert queued[second[0]] == (first[0],)
    box.close()
