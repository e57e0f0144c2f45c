"""What is known of a decision's outcome, worked out from the outcomes recorded so far."""

from __future__ import annotations

import sqlite3

from edgeguard.cases import codec
from edgeguard.letters import Facts, Proof
from edgeguard.model import Act, Decision, Happened, Outcome

# What the youngest of these outcomes proves. A later one outweighs an earlier one: attempts can
# come back after "no attempts", and a retry can stop what was not stopped.
PROVES = {
    Happened.VERIFIED: Proof.VERIFIED,
    Happened.NO_ATTEMPTS: Proof.NO_ATTEMPTS,
    Happened.NOT_STOPPED: Proof.NOT_STOPPED,
}
# A null route with one of these outcomes once stood; written for SQL.
STOOD = ", ".join(f"'{one}'" for one in (Happened.ACKNOWLEDGED, *PROVES, Happened.RECONCILED))
ENDS = (Happened.RELEASED, Happened.LINK_GONE)


def facts(db: sqlite3.Connection, decision: Decision, ordered: bool) -> Facts:
    """What the database knows of `decision`; `ordered`: the enforcing child was told to do it."""
    if decision.act is Act.NULL_ROUTE and ordered:
        return _null_routed(_outcomes(db, decision.id))
    if decision.act is Act.RELEASE:
        return _released(db, decision, ordered)
    return Facts()


def _outcomes(db: sqlite3.Connection, decision: str) -> list[Outcome]:
    rows = db.execute("SELECT body FROM outcomes WHERE decision = ? ORDER BY seq", (decision,))
    return [codec.loads(Outcome, row[0]) for row in rows]


def _null_routed(outcomes: list[Outcome]) -> Facts:
    acted = next((o.at for o in outcomes if o.happened is Happened.ACKNOWLEDGED), None)
    ended = next((o.at for o in outcomes if o.happened in ENDS), None)
    proof, behind = Proof.NOT_YET, None
    for outcome in outcomes:
        if outcome.happened in PROVES:
            proof, behind = PROVES[outcome.happened], outcome
        elif outcome.happened is Happened.FAILED and acted is None and behind is None:
            proof, behind = Proof.FAILED, outcome
    return Facts(
        proof=proof,
        acted=acted,
        proved=behind.at if behind else None,
        detail=behind.detail if behind else "",
        leaving=bool(behind and behind.leaving),
        dropped=_dropped(outcomes),
        ended=ended,
    )


def _released(db: sqlite3.Connection, decision: Decision, ordered: bool) -> Facts:
    """A release is done when every null route it ends has an end; without an order the link had gone."""
    each = [_outcomes(db, ends) for ends in decision.releases]
    own = _outcomes(db, decision.id)
    ends = [next((o for o in outcomes + own if o.happened in ENDS), None) for outcomes in each]
    dropped = [count for count in map(_dropped, each) if count is not None]
    total = sum(dropped) if dropped else None
    if ends and all(ends):
        last = max((o for o in ends if o), key=lambda o: o.at)
        return Facts(Proof.RELEASED, last.at, last.at, last.detail, total, last.at)
    refused = [o for o in sum(each, own) if o.happened is Happened.FAILED and o.at >= decision.at]
    if refused:
        return Facts(Proof.FAILED, None, refused[-1].at, refused[-1].detail, total)
    return Facts(Proof.NOT_YET if ordered else Proof.NOTHING, dropped=total)


def _dropped(outcomes: list[Outcome]) -> int | None:
    return next((o.dropped for o in reversed(outcomes) if o.dropped is not None), None)
