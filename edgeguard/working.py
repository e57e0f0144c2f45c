"""Answers to people who work a case: claim it, note something, say how it ended."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edgeguard import clock
from edgeguard.cases.case import Case
from edgeguard.errors import UsageError
from edgeguard.live import Live
from edgeguard.request import ClaimCase, CloseCase, NoteCase
from edgeguard.states import TABLE

Ask = ClaimCase | CloseCase | NoteCase


def work(live: Live, ask: Ask, by: str) -> dict[str, Any]:
    """Do it to the case that TERM means: the open one, else the youngest."""
    found = live.store.find(ask.term)
    if not found:
        raise UsageError(f"{ask.term!r}: no case of that name; see 'edgeguard case list'")
    if isinstance(ask, ClaimCase):
        text = _claim(live, found[0], ask, by)
    elif isinstance(ask, CloseCase):
        text = _close(live, found[0], ask, by)
    else:
        live.store.note(found[0].id, clock.now(), by, ask.why)
        text = f"{found[0].id}: noted"
    return {"case": found[0].id, "text": text}


def _claim(live: Live, case: Case, ask: ClaimCase, by: str) -> str:
    """The case is this person's to decide. What is null-routed stays so, and every clock goes on."""
    if case.closed is not None:
        raise UsageError(f"{case.id}: it is closed ({case.outcome}); nothing is left to decide")
    claimed = replace(case, state=TABLE.after(case.state, "claim") or case.state)
    live.store.put_case(claimed)
    live.engine.docket.put(claimed)
    live.store.note(case.id, clock.now(), by, f"claimed: {ask.why}")
    return f"{case.id}: {by} has it now; every clock goes on"


def _close(live: Live, case: Case, ask: CloseCase, by: str) -> str:
    """A person says how it ended, also of what the clock has settled: once."""
    if any(entry.decision.case == case.id for entry in live.engine.ledger):
        raise UsageError(f"{case.id}: its VM is null-routed; release it first: edgeguard case release {case.id}")
    if case.closed is None and TABLE.after(case.state, "close") is None:
        raise UsageError(f"{case.id}: out of {case.state!r} it cannot be closed; see 'edgeguard explain --states'")
    if not live.store.judge_case(case.id, clock.now(), ask.outcome, by, ask.why):
        raise UsageError(f"{case.id}: a person has said how it ended already: {case.outcome}")
    live.engine.docket.drop(case.id)
    live.engine.allowances.judged(live.store.priors(0, case.id), case.id)
    return f"{case.id}: closed as {ask.outcome}"
