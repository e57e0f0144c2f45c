"""Verdicts and decisions, a line each, as the log has them."""

from __future__ import annotations

from edgeguard import units
from edgeguard.model import Decision, Kind, Verdict
from edgeguard.reading import INTO


def sentences(verdict: Verdict | None, decision: Decision) -> list[str]:
    """What was found, where anything was, and what was decided."""
    decided = f"{decision.scope} ({decision.act}): {decision.reason}"
    return [sentence(verdict), decided] if verdict is not None else [decided]


def sentence(verdict: Verdict) -> str:
    """'syn hard: 50,012 packets in 1 s from vm-100, limit 50,000 (carpet)'."""
    subject = verdict.subject
    who = f"all VMs of customer {subject.customer}" if subject.customer is not None else subject.vm or subject.tap
    way = "into" if verdict.rule in INTO else "from"
    if verdict.unit == "bits":
        measured, limit = units.bits_per_second(verdict.measured), units.bits_per_second(verdict.limit)
    else:
        measured, limit = f"{units.count(verdict.measured)} packets", units.count(verdict.limit)
    read_as = "" if verdict.kind is Kind.FLOOD else f" ({verdict.kind})"
    return f"{verdict.rule} {verdict.band}: {measured} in {verdict.window_s} s {way} {who}, limit {limit}{read_as}"
