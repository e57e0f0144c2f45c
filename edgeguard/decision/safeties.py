"""The safeties: checks that can only stop or soften. Each says pass, refuse or unknown, and why.

Order matters for reading only: all are asked and all answers are stored with the decision.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from edgeguard import units
from edgeguard.config import Config
from edgeguard.decision import forged
from edgeguard.decision.answer import PASS, REFUSE, UNKNOWN
from edgeguard.decision.backwards import completed, return_path
from edgeguard.decision.breaker import breaker
from edgeguard.decision.exempted import exemption
from edgeguard.decision.independent import independent_count
from edgeguard.decision.killed import kill_file
from edgeguard.decision.pace import pace
from edgeguard.decision.permit import fleet_permit
from edgeguard.decision.probation import probation
from edgeguard.decision.question import Question, Window
from edgeguard.decision.reach import is_protected
from edgeguard.decision.reachable import reachable
from edgeguard.decision.standing import standing
from edgeguard.model import Band, Kind, SafetyAnswer, Tap, TapKind, Verdict, Vm
from edgeguard.policy import policy
from edgeguard.reading import INTO

NO_FLOODS = (Kind.SCAN, Kind.BUSY)  # told; never dropped but where `enforce` names scans
CARRIED = 2 / 3  # a mirror port must carry this share of what the kernel saw, once multiplied


def enforce(question: Question) -> SafetyAnswer:
    if question.verdict.rule in INTO:
        return SafetyAnswer("enforce", REFUSE, "what reaches a VM is observed only: it is no ground against the VM")
    holds, name = policy(question.config, question.vm), enforced_as(question.verdict)
    if name in holds.enforce:
        return SafetyAnswer("enforce", PASS, f"{holds.from_} enforces {name}")
    return SafetyAnswer("enforce", REFUSE, f"{holds.from_} does not enforce {name}; observed only")


def enforced_as(verdict: Verdict) -> str:
    """The name in `enforce` that allows this verdict. 'all' includes no scan and no busy client (policy.py)."""
    return f"{'scan' if verdict.kind in NO_FLOODS else verdict.rule}.{verdict.band}"


def protected_subject(question: Question) -> SafetyAnswer:
    name = _protected(question.config, question.vm, question.tap)
    if name:
        return SafetyAnswer("protected subject", REFUSE, f"{name} is protected; automation never touches it")
    return SafetyAnswer("protected subject", PASS, "the subject is not protected")


def _protected(config: Config, vm: Vm | None, tap: Tap | None) -> str | None:
    names = {*((vm.id, vm.name) if vm else ()), *((tap.name,) if tap else ())}
    return next((name for name in config.protected.subjects if name in names), None)


def protected_target(question: Question) -> SafetyAnswer:
    targets = question.verdict.targets
    held = [target.place for target in targets if is_protected(target, question.config.protected.targets)]
    if held and len(held) == len(targets):
        if forged.is_the_way(question):
            told = f"every target is protected: {', '.join(held)}; only packets with forged senders are dropped"
            return SafetyAnswer("protected target", PASS, told)
        return SafetyAnswer("protected target", REFUSE, f"every target is protected: {', '.join(held)}")
    if held:
        return SafetyAnswer("protected target", PASS, f"left out, because protected: {', '.join(held)}")
    return SafetyAnswer("protected target", PASS, "no target is protected")


def capture_health(question: Question) -> SafetyAnswer:
    window, name = question.window, "capture health"
    if window is None:
        return SafetyAnswer(name, PASS, "a savefile is read without loss")
    if doubt := _doubt_of_time(question, window) or _doubt_of_mirror(question, window):
        return SafetyAnswer(name, REFUSE, doubt)
    if window.loss <= question.config.capture.loss:
        return SafetyAnswer(name, PASS, f"lost {window.lost} of {window.received + window.lost} frames in a second")
    lossy = f"lost {units.percent(window.loss)} of the frames in a second, so the true rate is higher"
    if question.verdict.band is Band.HARD:
        return SafetyAnswer(name, PASS, f"{lossy}; hard goes on where the kernel's counter confirms")
    return SafetyAnswer(name, REFUSE, f"{lossy}, but what came back is unknown")


def _doubt_of_time(question: Question, window: Window) -> str | None:
    if window.stepped:
        return f"{'time in the savefile' if question.replayed else 'the clock of this host'} jumped within a minute"
    if window.lag_ns > question.config.capture.lag:
        return f"the window is {units.duration_text(window.lag_ns)} old"
    return None


def _doubt_of_mirror(question: Question, window: Window) -> str | None:
    """Why the copies that a mirror port (or a savefile of one) carries cannot be counted as they are."""
    if window.duplicates > question.config.capture.duplicates and not _each_once(question):
        return f"{units.percent(window.duplicates)} of the frames came twice, so the true rate is lower"
    if window.carried and _not_as_declared(window):
        seen = f"{window.sampling / window.carried:.1f}".removesuffix(".0")
        declared = f"declared is one of {window.sampling}"
        return f"the mirror port carries one frame of {seen}, by the taps' kernel counters; {declared}"
    certain = _certain(question.verdict.measured, window.sampling)
    if window.sampling > 1 and certain < question.verdict.limit:
        told = f"{units.count(certain)} packets are certain, below the limit"
        return f"one frame of {window.sampling} is captured: {told}"
    return None


def _each_once(question: Question) -> bool:
    """The tap's kernel counter saw every frame that we counted: a sender that sends each twice hides nothing."""
    count = question.kernel
    return count is not None and count.kernel >= (1 - question.config.capture.duplicates) * count.ours


def _not_as_declared(window: Window) -> bool:
    """More without sampling is no contradiction: a switch mirrors in segments what a tap counts as one frame."""
    carried = window.carried or 1.0
    return carried < CARRIED or (window.sampling > 1 and carried > 1 / CARRIED)


def _certain(measured: int, sampling: int) -> int:
    """What a count of sampled packets, multiplied by the factor, is at least: three standard deviations below.

    A count n of one packet in N has a standard deviation of sqrt(n) at most (binomial), in packets N sqrt(n).
    """
    return measured if sampling == 1 else max(0, int(measured - 3 * math.sqrt(measured * sampling)))


def attribution(question: Question) -> SafetyAnswer:
    subject, vm = question.verdict.subject, question.vm
    if vm is None:
        who = f"tap {subject.tap}" if subject.tap else f"source {subject.source}"
        return SafetyAnswer("attribution", REFUSE, f"no inventory entry for {who}: whose traffic it is, is not known")
    if vm.customer is None:
        if question.verdict.band is Band.HARD:
            return SafetyAnswer("attribution", PASS, f"VM {vm.id} is known, its customer not yet; the desk is told")
        return SafetyAnswer("attribution", REFUSE, f"VM {vm.id} is known, its customer is not")
    return SafetyAnswer("attribution", PASS, f"VM {vm.id} of customer {vm.customer}, by its attachment point")


def enforceable(question: Question) -> SafetyAnswer:
    tap = question.tap
    if question.replayed:
        return SafetyAnswer("enforceable", UNKNOWN, "a savefile has no tap to enforce at")
    if tap is None:
        return SafetyAnswer("enforceable", REFUSE, "the tap of this VM is not on this host")
    if tap.kind is TapKind.NONE:
        return SafetyAnswer("enforceable", REFUSE, f"tap {tap.name} cannot be enforced: {tap.kind_detail}")
    return SafetyAnswer("enforceable", PASS, f"tap {tap.name} is {tap.kind_detail or tap.kind}")


def target_share(question: Question) -> SafetyAnswer:
    share, name = units.percent(question.config.judging.target_share), "target share"
    if forged.is_the_way(question):
        return SafetyAnswer(name, PASS, "no target stands out; what is dropped is packets with forged senders")
    if question.verdict.targets:
        return SafetyAnswer(name, PASS, _stands_out(question, share))
    if forged.spreads(question) and not forged.addresses_known(question):
        told = "the VM's addresses are not known, so nothing tells forged packets from its own"
        return SafetyAnswer(name, REFUSE, f"no target got {share} of the window, and {told}")
    return SafetyAnswer(name, REFUSE, f"no target got {share} of the window: nothing narrow to null-route")


def _stands_out(question: Question, share: str) -> str:
    """In words why the targets may be named; one that reaches act by itself may have a smaller share."""
    small = any(target.share < question.config.judging.target_share for target in question.verdict.targets)
    beside = ", or as much as act by itself" if small else ""
    return f"each target got at least {share} of the window{beside}, exactly counted"


def notice(question: Question) -> SafetyAnswer:
    writing, name = question.writing, "notice"
    if writing.lost:
        return SafetyAnswer(name, REFUSE, f"its owner could not be told: {writing.lost}")
    if writing.replaced:
        return SafetyAnswer(name, UNKNOWN, f"{writing.replaced}; the desk is told")
    return SafetyAnswer(name, PASS, "every text of a mail, and the built-in one, passed its lint when it was read")


ALL: tuple[Callable[[Question], SafetyAnswer], ...] = (
    enforce,
    kill_file,
    protected_subject,
    protected_target,
    capture_health,
    independent_count,
    attribution,
    exemption,
    probation,
    standing,
    return_path,
    completed,
    enforceable,
    target_share,
    breaker,
    pace,
    fleet_permit,
    reachable,
    notice,
)

BEFORE_WARNING = ("capture health", "return path", "attribution")  # what a mere warning asks, too


def observed_only(question: Question) -> SafetyAnswer:
    told = "automation drops what a VM sends for what it sent itself, never for its customer's sum or what reaches it"
    return SafetyAnswer("enforce", REFUSE, told)


OF_SUM = (observed_only, capture_health)
OF_VICTIM = (observed_only, capture_health, attribution)


def ask(question: Question) -> tuple[SafetyAnswer, ...]:
    """Every safety's answer, in order. Of a sum, and of what reaches a VM, only those that a message needs."""
    verdict = question.verdict
    asked = OF_SUM if verdict.subject.customer is not None else OF_VICTIM if verdict.rule in INTO else ALL
    return tuple(safety(question) for safety in asked)
