"""A database of an earlier version, with rows as that version wrote them, is read by today's program."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from edgeguard.cases import codec, database
from edgeguard.cases.database import statements
from edgeguard.cases.packing import pack, searched, teach
from edgeguard.cases.reader import Reader
from edgeguard.cases.store import Store
from edgeguard.cli import main
from edgeguard.clock import MINUTE
from edgeguard.errors import StoreError
from edgeguard.letters import Proof
from edgeguard.model import Kind, Scope, Verdict
from edgeguard.states import TABLE

AT = 1_767_225_845_123_000_000
SUBJECT = {"vm": "vm-100", "tap": "tap100", "source": None, "customer": None}
TAP = {"ifindex": 7, "name": "tap100", "mac": "02:00:00:00:00:01", "kind": "routed", "kind_detail": ""}
TARGET = {"address": "203.0.113.5", "protocol": 6, "port": 80, "share": 0.94, "packets": 47_010}
VERDICT: dict[str, Any] = {
    "id": "v-1", "at": AT, "rule": "syn", "band": "hard", "subject": SUBJECT, "point": 1, "window_s": 1,
    "measured": 50_012, "at_least": 50_012, "limit": 50_000, "since": AT - 3_000_000_000, "crossed": AT - 2_000_000,
    "targets": [TARGET], "target_error": 12, "came_back": {"packets": 3, "syn_acks": 0, "resets": 3},
    "bytes": 2_000_480, "peak": 50_012, "mean": 31_000.0, "foreign": 0, "sustain": "at once",
    "longer": [[5, 120_000]], "shares": [], "spread": {"targets": 3, "sources_out": 1, "sources_in": 9},
}  # fmt: skip
DECISION: dict[str, Any] = {
    "id": "d-1", "case": "EG-1", "verdict": "v-1", "at": AT, "act": "null-route", "scope": "narrow",
    "subject": SUBJECT, "tap": TAP, "targets": [TARGET], "until": AT + 14_400_000_000_000, "enforced": True,
    "safeties": [{"name": "enforce", "answer": "pass", "reason": "the configuration enforces syn.hard"}],
    "reason": "hard band: its targets are null-routed", "by": "automation", "releases": [], "silent": False,
}  # fmt: skip
ORDER: dict[str, Any] = {
    "decision": "d-1", "act": "null-route", "scope": "narrow", "tap": TAP, "vm": "vm-100",
    "prefixes": ["192.0.2.10/32"], "targets": [TARGET], "until": AT + 14_400_000_000_000,
}  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Made with the first script alone, as version 1 made it."""
    file = tmp_path / "cases.sqlite"
    db = sqlite3.connect(file)
    for statement in statements(database.MIGRATIONS[0].read_text(encoding="utf-8")):
        db.execute(statement)
    db.execute("PRAGMA user_version = 1")
    db.execute(f"PRAGMA application_id = {database.APPLICATION}")
    db.execute(
        "INSERT INTO cases (id, vm, vm_name, tap, ifindex, mac, customer, opened, state)"
        " VALUES ('EG-1', 'vm-100', 'web1', 'tap100', 7, '02:00:00:00:00:01', 'C-7', ?, 'narrow')",
        (AT,),
    )
    db.execute("INSERT INTO verdicts VALUES ('v-1', 'EG-1', ?, ?)", (AT, json.dumps(VERDICT)))
    db.execute(
        "INSERT INTO decisions (id, case_id, verdict, at, act, enforced, until, body, orders)"
        " VALUES ('d-1', 'EG-1', 'v-1', ?, 'null-route', 1, ?, ?, ?)",
        (AT, DECISION["until"], json.dumps(DECISION), json.dumps(ORDER)),
    )
    db.commit()
    db.close()
    return file


def test_what_stood_is_taken_up(path: Path) -> None:
    """After an upgrade the daemon finds the null route with its verdict; what is newer has its default."""
    with Store(path) as store:
        (standing,) = store.standing()
        assert standing.decision.scope is Scope.NARROW
        assert standing.order.targets[0].network == standing.decision.targets[0].network
        assert standing.facts.proof is Proof.NOT_YET
        verdict = standing.verdict
    assert verdict is not None and verdict == codec.loads(Verdict, codec.dumps(verdict))
    assert (verdict.kind, verdict.unit, verdict.forging, verdict.alternatives) == (Kind.FLOOD, "packets", False, ())
    assert (verdict.came_back.third_acks, verdict.harm, verdict.baseline) == (None, None, None)


def test_it_is_explained_and_shown(path: Path, tmp_path: Path) -> None:
    """Once upgraded, each command that looks tells the old case; before that, one line says what to do."""
    with pytest.raises(StoreError, match="start the daemon to upgrade"):
        Reader(path)
    Store(path).close()
    file = tmp_path / "edgeguard.toml"
    file.write_text(f'[paths]\ndatabase = "{path}"\n')
    for words in (["explain", "web1"], ["explain", "v-1", "--json"], ["case", "show", "EG-1"], ["nullroute", "list"]):
        told = CliRunner().invoke(main, [*words, "-c", str(file)])
        assert told.exit_code == 0, told.output
        assert "203.0.113.5" in told.stdout


def old(file: Path, version: int) -> sqlite3.Connection:
    """An empty database of that version."""
    db = sqlite3.connect(file)
    teach(db)
    for script in database.MIGRATIONS[:version]:
        for statement in statements(script.read_text(encoding="utf-8")):
            db.execute(statement)
    db.execute(f"PRAGMA user_version = {version}")
    db.execute(f"PRAGMA application_id = {database.APPLICATION}")
    return db


@pytest.mark.parametrize("version", range(1, 5))
def test_cases_that_were_released_are_on_probation(version: int, tmp_path: Path) -> None:
    """From every earlier version on, an open case's state is one of the table; how a closed one ended stays."""
    file = tmp_path / "cases.sqlite"
    db = old(file, version)
    for state in ("observed", "narrow", "released", "tap gone", "victim"):
        db.execute("INSERT INTO cases (id, opened, state) VALUES (?, ?, ?)", (state, AT, state))
    db.execute("INSERT INTO cases (id, opened, closed, state, outcome) VALUES ('past', 1, 2, 'closed', 'tap gone')")
    db.commit()
    db.close()
    with Store(file) as store:
        found = {case.id: case.state for case in store.open_cases()}
        past = store.case("past")
    assert found == {
        "observed": "observed", "narrow": "narrow", "released": "probation", "tap gone": "probation",
        "victim": "victim",
    }  # fmt: skip
    assert past is not None and (past.state, past.outcome) == ("closed", "tap gone")
    assert set(found.values()) <= TABLE.states.keys()


@pytest.mark.parametrize("version", range(1, 8))
def test_cases_that_began_together_find_their_leader(version: int, tmp_path: Path) -> None:
    """From every earlier version on, as if each had been written today: ten minutes from the first, then anew; none of
    victims, closed ones too, and of nobody's."""
    file = tmp_path / "cases.sqlite"
    db = old(file, version)
    put = "INSERT INTO cases (id, vm, customer, opened, state) VALUES (?, ?, ?, ?, ?)"
    minutes = {"a": 0, "b": 9, "c": 10, "d": 19, "e": 20, "f": 500}
    rows = [(id, f"vm-{id}", "C-7", AT + at * MINUTE, "narrow") for id, at in minutes.items()]
    rows += [("other", "vm-o", "C-8", AT + MINUTE, "narrow"), ("nobody", "vm-n", None, AT, "narrow")]
    rows += [("victim", "vm-v", "C-7", AT, "victim"), ("sum", None, "C-7", AT, "observed")]
    db.executemany(put, rows)
    db.execute(put.replace("state)", "state, closed, outcome)").replace("?)", "?, 1, 'quiet')"),
               ("was", "vm-w", "C-7", AT - MINUTE, "closed"))  # fmt: skip
    text = json.dumps({**VERDICT, "rule": "syn-in"})
    if version < 6:
        db.execute("INSERT INTO verdicts (id, case_id, at, body) VALUES ('v-1', 'was', ?, ?)", (AT, text))
    else:
        db.execute(
            "INSERT INTO verdicts (id, case_id, at, body, packed) VALUES ('v-1', 'was', ?, ?, ?)",
            (AT, searched("verdicts", text), pack(text)),
        )
    db.commit()
    db.close()
    with Store(file) as store:
        found = {case.id: case.leader for case in store.cases(100)}
        assert not store._rows("SELECT 1 FROM sqlite_schema WHERE name LIKE 'going%'")
    assert found == {
        "a": "a", "b": "a", "c": "c", "d": "c", "e": "e", "f": "f", "other": "other",
        "nobody": None, "victim": None, "was": None, "sum": "a",
    }  # fmt: skip
