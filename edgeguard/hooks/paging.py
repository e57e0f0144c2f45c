"""The page of a decision: five lines for a person who was asleep."""

from __future__ import annotations

from edgeguard import clock, units
from edgeguard.hooks.document import Case
from edgeguard.hooks.page import page
from edgeguard.letters import Delivery
from edgeguard.model import Act, Decision, Verdict, Vm


def of_decision(case: Case, decision: Decision, verdict: Verdict | None, vm: Vm | None, host: str) -> Delivery | None:
    """None: it wakes nobody. The commands name the case by its id, so that no name of a VM is ever pasted."""
    if decision.page is None:
        return None
    lines = [_who(case, vm), _measured(verdict), _done(decision), f"Why: {decision.reason}", *_refused(decision)]
    commands = [f"edgeguard case show {case.id}", f"edgeguard explain {case.id}"]
    if decision.act is Act.NULL_ROUTE:
        commands.append(f'edgeguard case release {case.id} --as DISPOSITION --why "..."')
    else:
        commands.append(f'edgeguard nullroute add {case.id} --scope full --for 1h --why "..."')
    return page(decision.page, host, decision.at, case.id, [one for one in lines if one], commands, decision.id)


def _who(case: Case, vm: Vm | None) -> str:
    if case.vm is None and case.customer is not None and case.tap is None:
        return f"Customer {case.customer}, all its VMs on this host"
    name = (vm.name if vm else case.vm_name) or case.vm or case.source or "unknown VM"
    customer = (vm.customer if vm else case.customer) or "unknown"
    return f"VM {name} at {case.tap or 'no tap'}, customer {customer}"


def _measured(verdict: Verdict | None) -> str:
    if verdict is None:
        return ""
    bits = verdict.unit == "bits"
    measured, limit = (
        (units.bits_per_second(n) if bits else f"{units.count(n)} packets") for n in (verdict.measured, verdict.limit)
    )
    to = ", ".join(target.place for target in verdict.targets[:3])
    return (
        f"{verdict.rule} {verdict.band}: {measured} in {verdict.window_s} s, limit {limit}{f'; to {to}' if to else ''}"
    )


def _done(decision: Decision) -> str:
    if decision.act is Act.NULL_ROUTE and decision.enforced:
        until = f" until {clock.utc(decision.until)}" if decision.until else ""
        return f"Null-routed {decision.scope}{until}, by {decision.by}"
    return (
        "Nothing is null-routed" if decision.act is Act.NONE else f"{decision.act} {decision.scope}, by {decision.by}"
    )


def _refused(decision: Decision) -> list[str]:
    refused = [f"{safety.name} ({safety.reason})" for safety in decision.safeties if safety.answer == "refuse"]
    return [f"Refused by: {'; '.join(refused)}"] if refused else []
