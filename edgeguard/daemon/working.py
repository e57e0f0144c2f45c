"""Answers to people who work a case: claim it, note something, say how it ended; keep it or contest it (keeping.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from edgeguard import clock
from edgeguard.cases.case import Case
from edgeguard.daemon import keeping
from edgeguard.daemon.together import Office, answer, each, elsewhere, with_others
from edgeguard.errors import UsageError
from edgeguard.grace import Disposition
from edgeguard.handing import host
from edgeguard.hooks.message import to_desk
from edgeguard.model import identity
from edgeguard.request import (
    CONFIRMED,
    AppealCase,
    AskCase,
    ClaimCase,
    CloseCase,
    HoldCase,
    Keeping,
    NoteCase,
    ReopenCase,
    Together,
    UpholdCase,
    verb_of,
)
from edgeguard.states import CLOSED, ONE, TABLE

Ask = ClaimCase | CloseCase | NoteCase | AskCase | Keeping


def work(live: Office, ask: Ask, by: str, now: int | None = None) -> dict[str, Any]:
    """Do it to the case that TERM means, the open one, else the youngest; or to all that go with it.

    `now`: a moment of virtual time.
    """
    at = clock.now() if now is None else now
    found = live.store.find(ask.term)
    if not found:
        raise UsageError(f"{ask.term!r}: no case of that name; see 'edgeguard case list'")
    alone = isinstance(ask, Together) and not ask.together  # it could be said of others, and is not
    cases = _with_others(live, found[0], ask, by) if isinstance(ask, Together) and ask.together else found[:1]
    of = {case.id: live.engine.docket.of(case.id) or case for case in cases}
    if isinstance(ask, AskCase):
        texts, failed = [_ask(live, list(of.values()), ask, by, at)], dict[str, str]()
    else:
        try:
            texts, failed = each(of, lambda id: _said(live, of[id], ask, by, at))
        except UsageError as refused:
            raise UsageError(f"{refused}{elsewhere(live, cases) if alone else ''}") from None
    done = [id for id in of if id not in failed]
    return {"case": done[0], "cases": done, "text": "\n".join(texts), **answer(live, done, failed, alone)}


def _said(live: Office, case: Case, ask: Ask, by: str, now: int) -> str:
    """To one. What is refused stands in its story."""
    try:
        return _ANSWERS[type(ask)](live, case, ask, by, now)
    except UsageError as refused:
        live.store.note(case.id, now, by, f"refused: {verb_of(ask)}: {refused}")
        raise


def _with_others(live: Office, case: Case, ask: Ask, by: str) -> list[Case]:
    """Those to which it can be done: what is open, or null-routed; but for those of which they have said it before."""
    of = with_others(live.store, [case])
    if not isinstance(ask, (HoldCase, UpholdCase)):
        return [one for one in of if one.closed is None] or [case]
    stands = [one for one in of if live.engine.ledger.of_case(one.id)]
    return [one for one in stands if not keeping.spoke(live, one, ask, by)] or stands or [case]


def _note(live: Office, case: Case, ask: NoteCase, by: str, now: int) -> str:
    live.store.note(case.id, now, by, ask.why)
    return f"{case.id}: noted"


def _ask(live: Office, cases: list[Case], ask: AskCase, by: str, now: int) -> str:
    """The desk gets the question, with the cases to look at, in one mail; every clock goes on."""
    ids = ", ".join(case.id for case in cases)
    about = "\n".join(
        f"  edgeguard case show {one.id}  # {one.vm_name or one.vm or 'no VM'}, {one.state}" for one in cases
    )
    first = cases[0]
    text = f'{by} asks about {ids}:\n\n{ask.why}\n\n{about}\n  edgeguard case note {first.id} --why "..."\n'
    name, id = host(live.config), identity("desk", first.id, by, now)
    subject = f"[EdgeGuard] {name}: asked about {first.id}{f' and {len(cases) - 1} more' if len(cases) > 1 else ''}"
    for case in cases:
        live.store.note(case.id, now, by, f"asked the desk: {ask.why}")
    live.store.deliver([to_desk(id, first.id, subject, text, now)])
    return f"{ids}: the desk is asked; every clock goes on"


def _claim(live: Office, case: Case, ask: ClaimCase, by: str, now: int) -> str:
    """The case is this person's to decide. What is null-routed stays so, and every clock goes on."""
    if case.closed is not None:
        raise UsageError(f"{case.id}: it is closed ({case.outcome}); nothing is left to decide")
    claimed = replace(case, state=TABLE.after(case.state, "claim", ONE) or case.state)
    live.store.put_case(claimed)
    live.engine.docket.put(claimed)
    live.store.note(case.id, now, by, f"claimed: {ask.why}")
    return f"{case.id}: {by} has it now; every clock goes on"


def _close(live: Office, case: Case, ask: CloseCase, by: str, now: int) -> str:
    """A person says how it ended, also of what the clock has settled: once."""
    if any(entry.decision.case == case.id for entry in live.engine.ledger):
        raise UsageError(f"{case.id}: its VM is null-routed; release it first: edgeguard case release {case.id}")
    if case.closed is None and TABLE.after(case.state, "close", ONE) != CLOSED:
        raise UsageError(f"{case.id}: out of {case.state!r} it cannot be closed; see 'edgeguard explain --states'")
    if not live.store.judge_case(case.id, now, ask.outcome, by, ask.why):
        raise UsageError(f"{case.id}: a person has said how it ended already: {case.outcome}")
    live.engine.docket.drop(case.id)
    live.engine.allowances.judged(live.store.priors(0, case.id), case.id)
    return f"{case.id}: closed as {ask.outcome}{_contradicted(live, case, ask)}"


def _contradicted(live: Office, case: Case, ask: CloseCase) -> str:
    """Confirmed, though its owner was written an apology: it may be meant so, and is said, so that it is no slip."""
    released = [(one, one.grace.disposition) for one in live.store.decisions(case.id) if one.grace is not None]
    last, found = released[-1] if released else (None, None)
    if last is None or found is not Disposition.OUR_FAULT or ask.outcome != CONFIRMED:
        return ""
    return (
        f", although {last.by} released it as {Disposition.OUR_FAULT} at {clock.utc(last.at)}; "
        f"if that is a slip: edgeguard case reopen {case.id}, and close it again"
    )


_ANSWERS: dict[type[Ask], Callable[[Office, Case, Any, str, int], str]] = {
    ClaimCase: _claim,
    NoteCase: _note,
    CloseCase: _close,
    HoldCase: keeping.hold,
    UpholdCase: keeping.uphold,
    AppealCase: keeping.appeal,
    ReopenCase: keeping.reopen,
}
