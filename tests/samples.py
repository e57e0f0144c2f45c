"""One flood and everything decided about it, for the tests of cases and notices."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

from edgeguard.cases.case import Case
from edgeguard.clock import HOUR, MILLISECOND, MINUTE, SECOND
from edgeguard.grace import Disposition, Grace, Rate
from edgeguard.letters import Facts, Notice, Proof
from edgeguard.model import (
    Act,
    Band,
    CameBack,
    Decision,
    Happened,
    Order,
    Outcome,
    SafetyAnswer,
    Scope,
    Share,
    Subject,
    Tap,
    TapKind,
    Target,
    Verdict,
    Vm,
)
from edgeguard.notice.values import Background, compose

T = 1_767_225_845 * SECOND + 123 * MILLISECOND  # 2026-01-01 00:04:05.123 UTC

TAP = Tap(7, "tap100", "02:00:00:00:00:01", TapKind.ROUTED)
SUBJECT = Subject("vm-100", "tap100", None)
TARGETS = (
    Target(ip_address("203.0.113.5"), 6, 80, 0.94, 47_010),
    Target(ip_address("2001:db8::99"), 6, 443, 0.06, 3_002),
)
VM = Vm(
    id="vm-100",
    name="web1",
    customer="Example Ltd",
    contact="ops@example.net",
    taps=("tap100",),
    macs=("02:00:00:00:00:64",),
    addresses=(ip_network("192.0.2.10/32"), ip_network("2001:db8:1::/64")),
    place="Falkenstein, rack 12",
)
VERDICT = Verdict(
    id="verdict-1",
    at=T,
    rule="syn",
    band=Band.HARD,
    subject=SUBJECT,
    point=1,
    window_s=1,
    measured=50_012,
    at_least=50_012,
    limit=50_000,
    since=T - 3 * SECOND,
    crossed=T - 2 * MILLISECOND,
    targets=TARGETS,
    target_error=12,
    came_back=CameBack(3, 0, 3),
    bytes=2_000_480,
    peak=50_012,
    mean=31_000.0,
    foreign=0,
    sustain="at once",
)
DECISION = Decision(
    id="decision-1",
    case="EG-20260101-1a2b3c4d5e6f",
    verdict="verdict-1",
    at=T,
    act=Act.NULL_ROUTE,
    scope=Scope.NARROW,
    subject=SUBJECT,
    tap=TAP,
    targets=TARGETS[:1],
    until=T + 4 * HOUR,
    enforced=True,
    safeties=(SafetyAnswer("enforce", "pass", "syn.hard is listed"),),
    reason="over the hard limit",
)
ORDER = Order(DECISION.id, Act.NULL_ROUTE, Scope.NARROW, TAP, "vm-100", VM.addresses, TARGETS[:1], T + 4 * HOUR)
RELEASE = replace(
    DECISION, id="decision-2", at=T + MINUTE, act=Act.RELEASE, until=None, reason="quiet", releases=("decision-1",)
)
RELEASE_ORDER = replace(ORDER, act=Act.RELEASE)
BY_PERSON = replace(RELEASE, by="alex", grace=Grace(Disposition.FIXED, Rate(50_012, 16_003_840), ("syn",)))
BACKGROUND = Background("hv1.example.net", "Falkenstein", 15 * MINUTE, {"syn": 2_000, "udp": 20_000}, reply=True)
SUM = Subject(None, None, None, "Example Ltd")  # all VMs of one customer, and none of them
SUM_VERDICT = replace(
    VERDICT,
    id="verdict-sum",
    subject=SUM,
    point=-1,
    shares=(
        *(Share(f"vm-{100 + n}", f"tap{100 + n}", 2_000) for n in range(25)),
        Share("vm-200", None, 12),
        Share("vm-300", "tap300", 60_000, counted=False),
    ),
)
SUM_DECISION = replace(
    DECISION,
    id="decision-sum",
    verdict=SUM_VERDICT.id,
    act=Act.NONE,
    scope=Scope.OBSERVE,
    subject=SUM,
    tap=None,
    until=None,
    enforced=False,
    reason="hard limit of a customer's sum",
)
CASE = Case(
    id=DECISION.case,
    vm="vm-100",
    vm_name="web1",
    tap="tap100",
    ifindex=7,
    mac="02:00:00:00:00:01",
    customer="Example Ltd",
    opened=T - 3 * SECOND,
    state="narrow",
    addresses=VM.addresses,
)
VERIFIED = Facts(Proof.VERIFIED, acted=T + 3 * MILLISECOND, proved=T + SECOND)


def notices(decision: Decision = DECISION, vm: Vm | None = VM) -> tuple[Notice, ...]:
    """The notices of a decision about the one flood."""
    return compose(decision, VERDICT, vm, BACKGROUND, (DECISION,) if decision.releases else ())


def happened(what: Happened, at: int = T + SECOND, decision: str = DECISION.id, dropped: int | None = None) -> Outcome:
    """An outcome of the one decision."""
    return Outcome(decision, at, what, f"it is {what}", ("proof",), dropped)


def another(number: int) -> tuple[Case, Verdict, Decision, Order]:
    """The same flood as an unrelated case, for as many cases as a test needs."""
    case = replace(CASE, id=f"EG-20260101-{number:012x}", vm=f"vm-{number}", vm_name=f"web{number}")
    verdict = replace(VERDICT, id=f"verdict-n{number}")
    decision = replace(DECISION, id=f"decision-n{number}", case=case.id, verdict=verdict.id)
    return case, verdict, decision, replace(ORDER, decision=decision.id)
