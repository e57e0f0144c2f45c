"""A command that releases returns when the kernel has let go, and fails in one line when that cannot be seen."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from samples import BY_PERSON, CASE, DECISION, ORDER, RELEASE_ORDER, VERDICT, notices

from edgeguard.cases.store import Store
from edgeguard.cli import asking
from edgeguard.clock import SECOND
from edgeguard.errors import EnforcementError
from edgeguard.model import Happened, Outcome


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "edgeguard.toml"
    file.write_text(f'[paths]\ndatabase = "{tmp_path}/cases.sqlite"\n')
    return file


@pytest.fixture
def store(tmp_path: Path, config: Path) -> Store:
    """A null route that stands, and a person's release of it that is recorded."""
    made = Store(tmp_path / "cases.sqlite")
    made.record(CASE, VERDICT, DECISION, notices(), ORDER)
    made.outcome(Outcome(DECISION.id, DECISION.at + 1, Happened.ACKNOWLEDGED, ""))
    made.outcome(Outcome(DECISION.id, DECISION.at + 2, Happened.FAILED, "an older trouble"))
    made.record(CASE, None, BY_PERSON, (), RELEASE_ORDER)
    return made


def test_it_waits_until_the_kernel_has_let_go(store: Store, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the null route has no end it does not return; when the end is recorded it does."""
    monkeypatch.setattr(asking, "RELEASED_S", 120.0)
    waiting = threading.Thread(target=asking.await_end, args=(config, BY_PERSON.id))
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    store.outcome(Outcome(DECISION.id, BY_PERSON.at + SECOND, Happened.RELEASED, "by a person"))
    waiting.join(100)
    assert not waiting.is_alive()
    store.close()


def test_what_the_kernel_refuses_is_an_error(store: Store, config: Path) -> None:
    """A failure after the release was decided says that the VM is still null-routed, and why; an older one does not."""
    store.outcome(Outcome(DECISION.id, BY_PERSON.at + SECOND, Happened.FAILED, "no such device"))
    with pytest.raises(EnforcementError, match=f"{DECISION.id}: still null-routed: no such device"):
        asking.await_end(config, BY_PERSON.id)
    store.close()


def test_silence_is_an_error(store: Store, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any word in time the line names what may still stand, and what ends it."""
    monkeypatch.setattr(asking, "RELEASED_S", 0.2)
    with pytest.raises(EnforcementError, match=f"not let go of {DECISION.id} .* .edgeguard panic"):
        asking.await_end(config, BY_PERSON.id)
    store.close()


def test_what_was_never_enforced_is_not_waited_for(store: Store, config: Path) -> None:
    """A release of what stood on paper only has no kernel to wait for."""
    store.record(CASE, None, replace(BY_PERSON, id="d-paper", enforced=False, releases=()), (), None)
    asking.await_end(config, "d-paper")
    store.close()
