"""An invented flood, for checking the texts before a real one comes. Documentation addresses only."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

from edgeguard.clock import HOUR, MINUTE, SECOND
from edgeguard.grace import Disposition, Exemption, Grace, Rate
from edgeguard.letters import Facts, Past, Proof
from edgeguard.model import (
    Act,
    Alternative,
    Band,
    CameBack,
    Decision,
    SafetyAnswer,
    Scope,
    Share,
    Spread,
    Subject,
    Tap,
    TapKind,
    Target,
    Verdict,
    Vm,
)
from edgeguard.model import Kind as VerdictKind
from edgeguard.notice.acknowledged import acknowledgement
from edgeguard.notice.kinds import Kind
from edgeguard.notice.ruling import Ruling, ruled
from edgeguard.notice.values import Background, compose, values

AT = 1_767_225_845 * SECOND

_TARGET = Target(ip_address("203.0.113.5"), 6, 80, 0.94, 47_010)
_TAP = Tap(7, "tap100", "02:00:00:00:00:01", TapKind.BRIDGED)
_SUBJECT = Subject("vm-100", _TAP.name, None)
_VM = Vm("vm-100", "web1", "Example Ltd", "ops@example.net", addresses=(ip_network("192.0.2.10/32"),))
_VERDICT = Verdict(
    id="verdict-sample",
    at=AT,
    rule="syn",
    band=Band.HARD,
    subject=_SUBJECT,
    point=1,
    window_s=1,
    measured=50_012,
    at_least=50_012,
    limit=50_000,
    since=AT - 3 * SECOND,
    crossed=AT,
    targets=(_TARGET,),
    target_error=0,
    came_back=CameBack(0, 0, 0),
    bytes=2_000_480,
    peak=50_012,
    mean=31_000.0,
    foreign=0,
    sustain="at once",
    spread=Spread(1_203, 4, 17),
)
_DECISION = Decision(
    id="decision-sample",
    case="EG-20260101-000000000000",
    verdict=_VERDICT.id,
    at=AT,
    act=Act.NULL_ROUTE,
    scope=Scope.NARROW,
    subject=_SUBJECT,
    tap=_TAP,
    targets=(_TARGET,),
    until=AT + 4 * HOUR,
    enforced=True,
    safeties=(SafetyAnswer("enforce", "pass", "syn.hard is listed"),),
    reason="over the hard limit",
)


def _released(disposition: Disposition, *exempts: Exemption) -> Decision:
    grace = Grace(disposition, Rate(50_012, 16_003_840), ("syn",), exempts)
    return replace(_DECISION, act=Act.RELEASE, until=None, by="alex", grace=grace)


_SUM = Subject(None, None, None, "Example Ltd")
_SUMMED = replace(
    _VERDICT,
    subject=_SUM,
    point=-1,
    shares=(
        Share("vm-100", "tap100", 25_006),
        Share("vm-101", "tap101", 25_006),
        Share("vm-102", "tap102", 60_000, counted=False),
    ),
)
_FORGED = replace(
    _VERDICT,
    targets=(),
    foreign=49_000,
    kind=VerdictKind.FORGED,
    forging=True,
    alternatives=(Alternative("forged", True, "49,000 of 50,012 SYNs carry a sender that is not the VM's"),),
)
_RECEIVED = replace(_VERDICT, rule="syn-in", targets=(), foreign=None)
_BEFORE = replace(_DECISION, id="decision-before", at=AT - HOUR, targets=(replace(_TARGET, port=443),))
_EXEMPT = Exemption(
    *("exemption-sample", "vm-100", 6, ip_network("203.0.113.5/32"), 80, Rate(75_018, 24_005_760)),
    *(AT, AT + 30 * 24 * HOUR, "alex", "it is a load test"),
)
_PAST = Past("EG-20251220-000000000000", AT - 300 * HOUR, "narrow", "syn", "flood", measured=60_000, window=SECOND)
_RULING = Ruling(AT, ("alex", "kim"), "it is still there", AT + 14 * 24 * HOUR, ("the program is named",), 24 * HOUR)
_DECIDED = {
    Kind.REPEAT: replace(_DECISION, repeat=3),
    Kind.OUR_FAULT: _released(Disposition.OUR_FAULT),
    Kind.EXEMPTED: _released(Disposition.EXEMPT, _EXEMPT),
    Kind.WARNING: replace(_DECISION, act=Act.NONE, scope=Scope.WARN, until=None),
    Kind.OWN_ONLY: replace(_DECISION, scope=Scope.OWN_ONLY, targets=()),
    Kind.FULL: replace(_DECISION, scope=Scope.FULL),
    Kind.RELEASED: replace(_DECISION, act=Act.RELEASE, until=None),
    Kind.RELEASED_BY_PERSON: replace(_DECISION, act=Act.RELEASE, until=None, by="on-call"),
    Kind.DESK_OBSERVE: replace(_DECISION, act=Act.NONE, scope=Scope.OBSERVE, until=None),
    Kind.DESK_INBOUND: replace(_DECISION, act=Act.NONE, scope=Scope.OBSERVE, until=None),
    Kind.DESK_CUSTOMER: replace(_DECISION, act=Act.NONE, scope=Scope.OBSERVE, until=None, subject=_SUM, tap=None),
    Kind.DESK_RELEASED: replace(_DECISION, act=Act.RELEASE, until=None),
}


def facts(at: int) -> Facts:
    """Of a decision at that time: verified a second later, with one case before."""
    return Facts(Proof.VERIFIED, acted=at, proved=at + SECOND, history=(replace(_PAST, at=at - 300 * HOUR),))


FACTS = facts(AT)
_REFUSED = {
    "refused_at": AT,
    "notice": "notice-sample",
    "kind_refused": "narrow",
    "contact_refused": "ops@example.net",
    "error": "550 no such user",
}


def slots(kind: Kind) -> dict[str, Any]:
    """The values of a notice of that kind about the invented flood."""
    background = Background("hv1.example.net", "rack 12", 15 * MINUTE, {"syn": 2_000}, reply=True)
    background = replace(background, undecided=4 * HOUR, repeat=30 * 24 * HOUR, probation=72 * HOUR)
    if kind is Kind.ACKNOWLEDGED:
        case, id = _DECISION.case, _DECISION.id
        return acknowledgement(
            "reply-sample", case, id, "ops@example.net", received=AT, keyword="CLEANED", name=_VM.name
        ).values
    if kind is Kind.DESK_CUSTOMER:
        return values(_DECIDED[kind], _SUMMED, None, background)
    if kind in (Kind.HELD, Kind.UPHELD, Kind.APPEAL_DECIDED):
        held = Ruling(AT, ("alex",), "the owner restores a snapshot", AT + 12 * HOUR, hold=True)
        ruling = held if kind is Kind.HELD else replace(_RULING, appeal=kind is Kind.APPEAL_DECIDED)
        return ruled(ruling, (_DECISION,), _VERDICT, _VM, background)[0].values
    verdict = {Kind.OWN_ONLY: _FORGED, Kind.DESK_INBOUND: _RECEIVED}.get(kind, _VERDICT)
    made = values(_DECIDED.get(kind, _DECISION), verdict, _VM, background, (_DECISION,))
    if kind in (Kind.MOVED, Kind.GOES_ON):
        return compose(_DECISION, _VERDICT, _VM, background, before=(_BEFORE,))[0].values
    return {**made, **_REFUSED} if kind is Kind.DESK_UNDELIVERED else made
