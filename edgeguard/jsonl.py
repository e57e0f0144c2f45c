"""Verdicts, decisions and notices as JSON Lines, as `replay --json` prints them.

Times are decimal strings of Unix nanoseconds: a double cannot hold them.
"""

from __future__ import annotations

from typing import Any

from edgeguard.letters import Facts, Notice
from edgeguard.model import CameBack, Decision, Spread, Target, Verdict
from edgeguard.notice.render import render
from edgeguard.replay import Found


def line(found: Found) -> dict[str, Any]:
    """A verdict, decision or notice as a line of `replay --json`."""
    if isinstance(found, Verdict):
        return _verdict(found)
    if isinstance(found, Decision):
        return _decision(found)
    return _notice(found)


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "type": "verdict",
        "id": verdict.id,
        "at": str(verdict.at),
        "rule": verdict.rule,
        "band": str(verdict.band),
        "kind": str(verdict.kind),
        "unit": verdict.unit,
        "subject": {"vm": verdict.subject.vm, "tap": verdict.subject.tap, "source": verdict.subject.source},
        "window_s": verdict.window_s,
        "measured": verdict.measured,
        "at_least": verdict.at_least,
        "limit": verdict.limit,
        "since": str(verdict.since),
        "crossed": str(verdict.crossed),
        "sustain": verdict.sustain,
        "targets": _targets(verdict.targets),
        "target_error": verdict.target_error,
        "came_back": verdict.came_back.packets,
        "returned": _returned(verdict.came_back),
        "bytes": verdict.bytes,
        "peak": verdict.peak,
        "mean": verdict.mean,
        "longer": [{"seconds": seconds, "packets": packets} for seconds, packets in verdict.longer],
        "foreign": verdict.foreign,
        "forging": verdict.forging,
        "alternatives": [{"kind": a.kind, "holds": a.holds, "why": a.why} for a in verdict.alternatives],
        "harm": verdict.harm,
        "baseline": verdict.baseline,
        "spread": _spread(verdict.spread),
        "customer": verdict.subject.customer,
        "shares": [{"vm": s.vm, "tap": s.tap, "packets": s.packets, "counted": s.counted} for s in verdict.shares],
    }


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "type": "decision",
        "id": decision.id,
        "verdict": decision.verdict,
        "at": str(decision.at),
        "act": str(decision.act),
        "scope": str(decision.scope),
        "targets": _targets(decision.targets),
        "until": None if decision.until is None else str(decision.until),
        "enforced": decision.enforced,
        "safeties": [{"name": s.name, "answer": s.answer, "reason": s.reason} for s in decision.safeties],
        "reason": decision.reason,
    }


def _notice(notice: Notice) -> dict[str, Any]:
    """Rendered at the moment of its decision: a replay has no later one."""
    rendered = render(notice.kind, notice.values, Facts(), notice.values["decided"])
    return {
        "type": "notice",
        "id": notice.id,
        "decision": notice.decision,
        "kind": notice.kind,
        "to": notice.to,
        "subject": rendered.subject,
        "text": rendered.text,
    }


def _spread(spread: Spread | None) -> dict[str, int] | None:
    """About how many different addresses; estimates."""
    if spread is None:
        return None
    return {"targets": spread.targets, "sources_out": spread.sources_out, "sources_in": spread.sources_in}


def _returned(back: CameBack) -> dict[str, int | None]:
    """What came back, told apart; null: not known."""
    return {
        "syn_acks": back.syn_acks,
        "resets": back.resets,
        "third_acks": back.third_acks,
        "unreachable": back.unreachable,
    }


def _targets(targets: tuple[Target, ...]) -> list[dict[str, Any]]:
    """`length`: bits of a carpet's prefix, that `address` begins; null: the address alone."""
    return [
        {
            "address": str(t.address),
            "length": t.length,
            "protocol": t.protocol_name,
            "port": t.port,
            "share": t.share,
        }
        for t in targets
    ]
