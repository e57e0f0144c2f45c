"""The numbers behind a decision, as rows of words: no number without its unit, nothing left out."""

from __future__ import annotations

from collections.abc import Sequence

from edgeguard import clock
from edgeguard.model import Act, CameBack, Decision, Outcome, Share, Spread, Target, Verdict
from edgeguard.target import target_text
from edgeguard.units import bits_per_second, count, percent

SHOWN_SHARES = 20
CLASSES = {
    "syn": "SYN packets without ACK",
    "udp": "one-way UDP packets",
    "icmp": "ICMP packets that answer nothing",
    "fragments": "later fragments that nobody answers",
    "tcp": "TCP packets but SYN and SYN-ACK that nobody answers",
    "total": "packets but answers",
}


def headline(decision: Decision) -> str:
    """'null-route narrow to ... until ..., by automation at ...: reason'."""
    did = decision.scope if decision.act is Act.NONE else f"{decision.act} {decision.scope}"
    wide = f" to {', '.join(map(target_text, decision.targets))}" if decision.targets else ""
    until = f" until {clock.utc(decision.until)}" if decision.until else ""
    dry = " (not enforced)" if decision.act is not Act.NONE and not decision.enforced else ""
    by = f"by {decision.by} at {clock.utc_millis(decision.at)}"
    return f"{decision.id}: {did}{wide}{until}{dry}, {by}: {decision.reason}"


def of_verdict(v: Verdict) -> list[Sequence[str]]:
    """Measured, limit, times, volume, targets, what came back, what was forged, and how else it could be read."""
    window = f"{v.window_s} s"
    rows: list[Sequence[str]] = [
        ("rule", f"{v.rule}, band {v.band}: {_class(v)}"),
        ("measured", f"{_amount(v, v.measured)}, for certain {_number(v, v.at_least)}"),
        ("limit", f"{_amount(v, v.limit)}, {v.sustain}; {_passed(v)}"),
        ("since", f"{clock.utc_millis(v.since)} above half of warn; limit crossed {clock.utc_millis(v.crossed)}"),
        ("volume", f"mean {count(round(v.mean))} packets a second since then, peak {count(v.peak)} in {window}"),
        *([("longer", ", ".join(f"{count(n)} in {s} s" for s, n in v.longer))] if v.longer else []),
        ("bits", f"{bits_per_second(v.bytes * 8 / v.window_s)} ({count(v.bytes)} bytes of IP in {window})"),
    ]
    rows += [("share" if n == 0 else "", text) for n, text in enumerate(_shares(v))]
    rows += [("target" if n == 0 else "", text) for n, text in enumerate(_targets(v))]
    rows += [("came back", _came_back(v.came_back)), ("forged", _forged(v))]
    rows += [(name, text) for name, text in (("harm", v.harm), ("used to", v.baseline)) if text]
    return [*rows, ("about", _about(v, v.spread))] if v.spread else rows


def of_readings(v: Verdict) -> list[Sequence[str]]:
    """What it was read as, and every reading that was tried: kept or dropped, and why."""
    forged = "with forged senders: own-only would stop it" if v.forging else ""
    tried = ((a.kind, "kept" if a.holds else "dropped", a.why) for a in v.alternatives)
    return [("taken for", str(v.kind), forged), *tried]


def of_safeties(decision: Decision) -> list[Sequence[str]]:
    return [(s.name, s.answer, s.reason) for s in decision.safeties]


def of_outcomes(outcomes: Sequence[Outcome]) -> list[Sequence[str]]:
    return [(clock.utc_millis(o.at), str(o.happened), _proofs(o)) for o in outcomes]


def _whom(v: Verdict) -> str:
    customer = v.subject.customer
    return "the VM" if customer is None else f"the VMs of customer {customer} on this host, added up"


def _shares(v: Verdict) -> list[str]:
    """Each attachment point's part of a customer's sum; their sum is what was measured."""
    counted = [share for share in v.shares if share.counted]
    rest = counted[SHOWN_SHARES:]
    lines = [f"{_at(share)}: {count(share.packets)} packets" for share in counted[:SHOWN_SHARES]]
    if rest:
        lines.append(f"{count(len(rest))} more together: {count(sum(share.packets for share in rest))} packets")
    apart = [share for share in v.shares if not share.counted]
    return lines + [f"{_at(s)}: {count(s.packets)} packets, not counted: a verdict of its own" for s in apart]


def _at(share: Share) -> str:
    return f"{share.vm or 'unknown VM'} at {share.tap}" if share.tap else share.vm or "unknown VM"


def _amount(v: Verdict, n: int) -> str:
    """In the unit of the limit."""
    return bits_per_second(n) if v.unit == "bits" else f"{count(n)} packets in {v.window_s} s"


def _number(v: Verdict, n: int) -> str:
    return bits_per_second(n) if v.unit == "bits" else count(n)


def _class(v: Verdict) -> str:
    """Which packets were counted, and whose they are."""
    rule = v.rule.removesuffix("-in")
    if v.rule != rule:
        return f"{rule} packets that reached the VM: observed, no ground against it"
    return f"{CLASSES.get(rule, rule + ' packets')} that left {_whom(v)}"


def _passed(v: Verdict) -> str:
    """What makes the verdict true: the lower bound against the limit."""
    over = v.at_least - v.limit
    if over < 0:
        return f"{_number(v, v.at_least)} is {_number(v, -over)} below it now"
    return f"{_number(v, v.at_least)} - {_number(v, v.limit)} = {_number(v, over)} above it"


def _targets(v: Verdict) -> list[str]:
    certain = [f"{target_text(t)}: {_of_all(v, t)}{percent(t.share)} for certain" for t in v.targets]
    missing = f"each may have up to {count(v.target_error)} packets more" if v.target_error else "exact"
    return [*certain, missing] if certain else [f"none named: {missing}, spread over many"]


def _of_all(v: Verdict, t: Target) -> str:
    """The division, where both are packets."""
    return f"{count(t.packets)} packets, " if v.unit == "bits" else f"{count(t.packets)} / {count(v.measured)} = "


def _came_back(back: CameBack) -> str:
    if back.packets is None:
        return "not known, which supports nothing: one direction only is seen here, or it is in doubt"
    parts = [f"{count(back.packets)} packets from the same targets in the same time"]
    if back.syn_acks is not None:
        parts.append(f"{count(back.syn_acks)} SYN-ACK")
    if back.resets is not None:
        parts.append(f"{count(back.resets)} RST")
    if back.unreachable is not None:
        parts.append(f"{count(back.unreachable)} ICMP unreachable")
    if back.third_acks is not None:
        parts.append(f"{count(back.third_acks)} handshakes completed by the VM in all")
    return ", ".join(parts)


def _forged(v: Verdict) -> str:
    if v.foreign is None:
        return "unknown: the VM's addresses are not known"
    if v.unit == "bits":
        return f"{count(v.foreign)} packets carried a source that is not the VM's"
    share = min(1.0, v.foreign / v.measured) if v.measured else 0.0
    return f"{count(v.foreign)} of {count(v.measured)} packets ({percent(share)}) carried a source that is not the VM's"


def _about(v: Verdict, spread: Spread) -> str:
    whose = "sources that are not the VM's" if v.foreign is not None else "sources"
    parts = (f"{count(spread.targets)} targets", f"{count(spread.sources_out)} {whose}")
    return f"{', '.join(parts)}, {count(spread.sources_in)} sources into it: estimates, for operators only"


def _proofs(o: Outcome) -> str:
    dropped = f"{count(o.dropped)} frames dropped" if o.dropped is not None else ""
    return "; ".join(part for part in (o.detail, *o.proofs, dropped) if part)
