"""Answers to people who work a case: claim it, note something, say how it ended; keep it or contest it (keeping.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from edgeguard import clock
from edgeguard.cases.case import Case
from edgeguard.daemon import keeping
from edgeguard.daemon.live import Live
from edgeguard.errors import UsageError
from edgeguard.handing import host
from edgeguard.hooks.message import to_desk
from edgeguard.model import identity
from edgeguard.request import (
    AppealCase,
    AskCase,
    ClaimCase,
    CloseCase,
    HoldCase,
    Keeping,
    NoteCase,
    ReopenCase,
    UpholdCase,
    verb_of,
)
from edgeguard.states import TABLE

Ask = ClaimCase | CloseCase | NoteCase | AskCase | Keeping


def work(live: Live, ask: Ask, by: str) -> dict[str, Any]:
    """Do it to the case that TERM means: the open one, else the youngest. What is refused stands in its story."""
    found = live.store.find(ask.term)
    if not found:
        raise UsageError(f"{ask.term!r}: no case of that name; see 'edgeguard case list'")
    case = live.engine.docket.of(found[0].id) or found[0]
    try:
        text = _ANSWERS[type(ask)](live, case, ask, by)
    except UsageError as refused:
        live.store.note(case.id, clock.now(), by, f"refused: {verb_of(ask)}: {refused}")
        raise
    return {"case": case.id, "text": text}


def _note(live: Live, case: Case, ask: NoteCase, by: str) -> str:
    live.store.note(case.id, clock.now(), by, ask.why)
    return f"{case.id}: noted"


def _ask(live: Live, case: Case, ask: AskCase, by: str) -> str:
    """The desk gets the question, with the case to look at; every clock goes on."""
    now = clock.now()
    text = f"{by} asks about {case.id} ({case.vm_name or case.vm or 'no VM'}, {case.state}):\n\n{ask.why}\n\n"
    text += f'  edgeguard case show {case.id}\n  edgeguard case note {case.id} --why "..."\n'
    name = host(live.config)
    asked = to_desk(
        identity("desk", case.id, by, now), case.id, f"[EdgeGuard] {name}: asked about {case.id}", text, now
    )
    live.store.note(case.id, now, by, f"asked the desk: {ask.why}")
    live.store.deliver([asked])
    return f"{case.id}: the desk is asked; every clock goes on"


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


_ANSWERS: dict[type[Ask], Callable[[Live, Case, Any, str], str]] = {
    ClaimCase: _claim,
    NoteCase: _note,
    AskCase: _ask,
    CloseCase: _close,
    HoldCase: keeping.hold,
    UpholdCase: keeping.uphold,
    AppealCase: keeping.appeal,
    ReopenCase: keeping.reopen,
}
