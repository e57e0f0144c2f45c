"""A verdict's arithmetic, as the documents have it. What is unknown is null, never zero."""

from __future__ import annotations

from typing import Any

from edgeguard.model import Alternative, Share, Target, Verdict

SHARES = 64  # of a customer's sum
TARGETS = 64


def figures(verdict: Verdict) -> dict[str, Any]:
    """Everything measured and how it was read; its moments stand beside it."""
    return {
        "id": verdict.id,
        "rule": verdict.rule,
        "band": str(verdict.band),
        "kind": str(verdict.kind),
        "window_s": verdict.window_s,
        "unit": verdict.unit,
        "measured": verdict.measured,
        "at_least": verdict.at_least,
        "limit": verdict.limit,
        "sustain": verdict.sustain,
        "bytes": verdict.bytes,
        "peak": verdict.peak,
        "mean": round(verdict.mean, 1),
        "foreign": verdict.foreign,
        "forging": verdict.forging,
        "harm": verdict.harm,
        "baseline": verdict.baseline,
        "targets": [_target(one) for one in verdict.targets[:TARGETS]],
        "target_error": verdict.target_error,
        "came_back": _came_back(verdict),
        "longer": [{"seconds": seconds, "packets": packets} for seconds, packets in verdict.longer],
        "readings": [_reading(one) for one in verdict.alternatives],
        "shares": [_share(one) for one in verdict.shares[:SHARES]],
        "about": _about(verdict),
    }


def _target(one: Target) -> dict[str, Any]:
    return {
        "address": one.place,
        "protocol": one.protocol_name if one.protocol else None,
        "port": one.port,
        "share": round(one.share, 4),
        "packets": one.packets,
    }


def _came_back(verdict: Verdict) -> dict[str, int | None]:
    back = verdict.came_back
    return {
        "packets": back.packets,
        "syn_acks": back.syn_acks,
        "resets": back.resets,
        "third_acks": back.third_acks,
        "unreachable": back.unreachable,
    }


def _reading(one: Alternative) -> dict[str, Any]:
    return {"kind": str(one.kind), "holds": one.holds, "why": one.why}


def _share(one: Share) -> dict[str, Any]:
    return {"vm": one.vm, "tap": one.tap, "packets": one.packets, "counted": one.counted}


def _about(verdict: Verdict) -> dict[str, int] | None:
    """Estimates of how many different addresses there were."""
    spread = verdict.spread
    if spread is None:
        return None
    return {"targets": spread.targets, "sources_out": spread.sources_out, "sources_in": spread.sources_in}
