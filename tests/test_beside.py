"""Words of the baselines in verdicts: of the class of packets that the rule counts, of the VM and of nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from oracles.counting import Packet, rows
from samples import VERDICT
from test_harm_conntrack import tree
from test_usual import ENOUGH, VM, T, learn

from edgeguard import config
from edgeguard.counting.window import Counting
from edgeguard.daemon.attachments import Attachments
from edgeguard.daemon.beside import Beside
from edgeguard.daemon.host import Host
from edgeguard.daemon.usual import Usual
from edgeguard.engine import Engine
from edgeguard.inventory import Index
from edgeguard.model import Subject, Verdict
from edgeguard.reading import INTO

SECOND = 1_000_000_000


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Beside]:
    """A VM that is used to 90 SYNs a second, and sends 2,790 now."""
    counting = Counting(0, by_source=False)
    counting.assign(0, Subject(VM.id, "tap1", None), ())
    counting.add(rows([Packet(T + 900_000_000, "syn", out_of=0)] * 2_790), 0)
    usual = Usual(tmp_path / "b.sqlite", T)
    learn(usual, T, ENOUGH + 60, 90)
    made = Beside(counting, Host(counting, list, 0, tmp_path), usual)
    yield made
    made.close()


def verdict(**changes: object) -> Verdict:
    changes = {"rule": "syn", "point": 0, "subject": Subject(VM.id, "tap1", None), "baseline": None} | changes
    return replace(VERDICT, **changes)  # type: ignore[arg-type]


def test_a_verdict_says_how_it_compares(beside: Beside) -> None:
    """All SYNs of the last second are compared with the VM's own P95; nothing else of the verdict changes."""
    given = verdict()
    told = beside.compared(given)
    assert told is not None
    times, _, rest = str(told.baseline).partition(" times its P95 of ")
    p95, _, span = rest.partition(" a second over ")
    assert 90 <= int(p95) <= 98
    assert int(times) == round(2_790 / int(p95))
    assert span.endswith(" hours")
    assert replace(told, baseline=None) == given


def test_what_is_not_known_is_not_compared(beside: Beside) -> None:
    """A VM or a rule of which nothing was learned, a customer's sum, and no verdict at all."""
    for one in (
        verdict(subject=Subject("vm-9", "tap9", None)),
        verdict(subject=Subject(None, "tap1", None)),
        verdict(subject=Subject(None, None, None, "c-1"), point=-1),
    ):
        assert beside.compared(one) is one
    assert beside.compared(None) is None


@pytest.mark.parametrize("rule", INTO)
def test_what_reaches_a_vm_is_not_compared(beside: Beside, rule: str) -> None:
    """A verdict about what reaches a VM stays as it is, and is no error that ends the daemon."""
    given = verdict(rule=rule)
    assert beside.compared(given) is given


def test_what_is_wrong_is_said_once(beside: Beside, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A table above 70 % is one line in the log, and one more every ten minutes while it is."""
    tree(tmp_path, 200_000, 262_144)
    engine = Engine(config.build({}), beside._counting, beside)  # type: ignore[arg-type] # nothing is told
    for second in range(0, 1_210, 5):
        beside.take(T + second * SECOND, Attachments(beside._counting, Index()), engine)
    lines = [record.message for record in caplog.records if "connection table" in record.message]
    assert lines == ["the connection table is 76 % full (200,000 of 262,144 entries), +0 a second"] * 3
