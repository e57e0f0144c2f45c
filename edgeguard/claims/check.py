"""A claim beside the verdicts of a case: pure, so that the same claim gets the same answer tomorrow.

    for finding in check(claim, verdicts):
        print(finding.field, finding.answer, finding.why)

A part of a claim is consistent where four fifths of what was measured fit it, inconsistent where four fifths do not.
What was measured and not listed by target fits neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from edgeguard.claims.claim import Answer, Claim, Finding
from edgeguard.claims.programs import Usual, known, usual
from edgeguard.model import PROTOCOL_NAMES, Target, Verdict
from edgeguard.reading import INTO
from edgeguard.units import count, percent

MOST = 0.8  # of the packets
NEAR = 2  # times more or less is the same rate: people say round numbers
COMPLETED = 0.2  # third ACKs of SYNs, as the safety 'completed' has it
SHOWN = 3  # targets

_BY_RULE = {"syn": 6, "tcp": 6, "udp": 17}
Fits = Callable[[Target], bool | None]  # None: the measurement does not say


def check(claim: Claim, verdicts: Sequence[Verdict]) -> tuple[Finding, ...]:
    """One finding for each thing that is said. No verdict: nothing was measured here, so nothing can be told."""
    own = [verdict for verdict in verdicts if verdict.rule not in INTO]
    return tuple(_findings(claim, own))


def _findings(claim: Claim, verdicts: Sequence[Verdict]) -> Iterator[Finding]:
    if claim.program is not None:
        yield _program(claim.program, verdicts)
    if claim.protocol is not None:
        yield _protocol(claim.protocol, verdicts)
    if claim.target is not None:
        yield _target(claim, verdicts)
    if claim.port is not None:
        yield _port(claim.port, verdicts)
    if claim.rate is not None:
        yield _rate(claim.rate, verdicts)
    if _means_tcp(claim) and any(verdict.rule == "syn" for verdict in verdicts):
        yield _connections(verdicts)


# ---- how much of what was measured fits ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Parts:
    """Shares of the packets of all verdicts: those that fit, and those that do not."""

    fit: float
    other: float

    @property
    def answer(self) -> Answer:
        if self.fit >= MOST:
            return Answer.CONSISTENT
        return Answer.INCONSISTENT if self.other >= MOST else Answer.CANNOT_TELL


def _parts(verdicts: Sequence[Verdict], fits: Fits, whole: bool | None = None) -> _Parts:
    """`whole`: what is not listed by target fits, or does not, all the same; None: nobody knows."""
    fit = other = total = 0.0
    for verdict in verdicts:
        weight = float(verdict.measured if verdict.unit == "packets" else sum(t.packets for t in verdict.targets) or 1)
        listed = min(1.0, sum(target.share for target in verdict.targets))
        shares = [(target.share, fits(target)) for target in verdict.targets] + [(1.0 - listed, whole)]
        fit += weight * sum(share for share, answer in shares if answer is True)
        other += weight * sum(share for share, answer in shares if answer is False)
        total += weight
    return _Parts(fit / total, other / total) if total else _Parts(0.0, 0.0)


def _said(parts: _Parts, what: str) -> str:
    """The arithmetic in a sentence."""
    if parts.answer is Answer.CONSISTENT:
        return f"{percent(parts.fit)} of the packets {what}"
    if parts.answer is Answer.INCONSISTENT:
        return f"{percent(parts.other)} of the packets did not: {percent(parts.fit)} {what}"
    return f"{percent(parts.fit)} of the packets {what}, {percent(parts.other)} did not, the rest is not known"


def _unmeasured(field: str, said: str) -> Finding:
    return Finding(field, said, "nothing", Answer.CANNOT_TELL, "nothing of this case was measured here")


# ---- the fields ------------------------------------------------------------------------------------


def _program(program: str, verdicts: Sequence[Verdict]) -> Finding:
    ways = usual(program)
    if ways is None:
        why = f"it is not among the {len(known())} programs whose usual ports are known here; say protocol and port"
        return Finding("program", program, _places(verdicts), Answer.CANNOT_TELL, why)
    said = f"{program} ({', '.join(way.text for way in ways)})"
    if not verdicts:
        return _unmeasured("program", said)
    parts = _parts(verdicts, lambda target: _speaks(ways, target))
    return Finding(
        "program", said, _places(verdicts), parts.answer, _said(parts, f"went where {program} usually sends")
    )


def _speaks(ways: Sequence[Usual], target: Target) -> bool | None:
    """Another port of the same protocol is no contradiction: any program can be set to one."""
    same = [way for way in ways if target.protocol in way.protocols]
    if not target.protocol:
        return None
    if not same:
        return False
    return True if any(way.port in (None, target.port) for way in same) else None


def _protocol(protocol: int, verdicts: Sequence[Verdict]) -> Finding:
    said = PROTOCOL_NAMES.get(protocol, str(protocol))
    if not verdicts:
        return _unmeasured("protocol", said)
    rules = {_BY_RULE.get(verdict.rule) for verdict in verdicts}
    only = next(iter(rules)) if len(rules) == 1 else None
    whole = None if only is None else only == protocol
    parts = _parts(verdicts, lambda target: target.protocol == protocol if target.protocol else None, whole)
    measured = ", ".join(sorted({_name(verdict) for verdict in verdicts}))
    note = "; QUIC and HTTP/3 are UDP" if 17 in rules and protocol == 6 else ""
    return Finding("protocol", said, measured, parts.answer, f"{_said(parts, f'were {said}')}{note}")


def _name(verdict: Verdict) -> str:
    protocol = _BY_RULE.get(verdict.rule) or next((t.protocol for t in verdict.targets if t.protocol), None)
    return PROTOCOL_NAMES.get(protocol, str(protocol)) if protocol else verdict.rule


def _target(claim: Claim, verdicts: Sequence[Verdict]) -> Finding:
    claimed = claim.target
    assert claimed is not None, "the caller asked"
    said = str(claimed.network_address if claimed.num_addresses == 1 else claimed)
    if not verdicts:
        return _unmeasured("target", said)

    def fits(target: Target) -> bool | None:
        if target.network.version != claimed.version or not target.network.overlaps(claimed):
            return False
        # Of a carpet only its prefix was measured: whether this address was in it nobody counted.
        return True if int(target.network.netmask) >= int(claimed.netmask) else None

    parts = _parts(verdicts, fits)
    return Finding("target", said, _places(verdicts), parts.answer, _said(parts, "went there"))


def _port(port: int, verdicts: Sequence[Verdict]) -> Finding:
    if not verdicts:
        return _unmeasured("port", str(port))
    parts = _parts(verdicts, lambda target: None if target.port is None else target.port == port)
    return Finding("port", str(port), _places(verdicts), parts.answer, _said(parts, "went to this port"))


def _rate(rate: int, verdicts: Sequence[Verdict]) -> Finding:
    said = f"{count(rate)} packets a second"
    counted = [verdict for verdict in verdicts if verdict.unit == "packets"]
    if not counted:
        return _unmeasured("rate", said)
    peak = max(max(verdict.peak, verdict.measured) // verdict.window_s for verdict in counted)
    mean = round(min(min(verdict.mean, peak) for verdict in counted))
    measured = f"{count(mean)} on average, {count(peak)} at most"
    answer = Answer.CONSISTENT
    why = f"within {NEAR} times of what was measured"
    if rate * NEAR < mean:
        answer, why = Answer.INCONSISTENT, f"less than half of the average of {count(mean)}"
    elif rate > peak * NEAR:
        answer, why = Answer.INCONSISTENT, f"more than twice the largest second, {count(peak)}"
    return Finding("rate", said, measured, answer, why)


def _means_tcp(claim: Claim) -> bool:
    ways = usual(claim.program) if claim.program else None
    return claim.protocol == 6 or bool(ways and all(way.protocols == (6,) for way in ways))


def _connections(verdicts: Sequence[Verdict]) -> Finding:
    """A program that transfers something completes its connections; a SYN flood leaves that out."""
    syns = [verdict for verdict in verdicts if verdict.rule == "syn" and verdict.unit == "packets"]
    known_acks = [verdict for verdict in syns if verdict.came_back.third_acks is not None]
    if not known_acks:
        why = "how many connections were completed is not known here"
        return Finding("connections", "completed, as a transfer needs", "not known", Answer.CANNOT_TELL, why)
    asked = sum(verdict.measured for verdict in known_acks)
    done = sum(verdict.came_back.third_acks or 0 for verdict in known_acks)
    answer = Answer.CONSISTENT if done >= COMPLETED * asked else Answer.INCONSISTENT
    measured = f"{count(done)} completed of {count(asked)} asked for"
    why = f"{percent(done / max(1, asked))} were completed; a transfer completes nearly all"
    return Finding("connections", "completed, as a transfer needs", measured, answer, why)


def _places(verdicts: Sequence[Verdict]) -> str:
    """The targets that got most, over all verdicts."""
    most: dict[str, float] = {}
    for verdict in verdicts:
        for target in verdict.targets:
            port = "any port" if target.port is None else f"port {target.port}"
            place = f"{target.protocol_name if target.protocol else 'anything'} to {target.place} {port}"
            most[place] = max(most.get(place, 0.0), target.share)
    ranked = sorted(most, key=lambda place: -most[place])
    shown = [f"{place} ({percent(min(1.0, most[place]))})" for place in ranked[:SHOWN]]
    more = [f"{len(ranked) - SHOWN} more"] if len(ranked) > SHOWN else []
    return ", ".join(shown + more) or ("no target stands out" if verdicts else "nothing")
