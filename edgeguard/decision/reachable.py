"""Can the customer be told? Never a reason to leave a flood running, but one to wake a person for a full null route."""

from __future__ import annotations

from ipaddress import ip_address

from edgeguard.decision.answer import PASS, UNKNOWN
from edgeguard.decision.question import Question
from edgeguard.model import SafetyAnswer, Vm

NAME = "reachable"


def reachable(question: Question) -> SafetyAnswer:
    why = unreachable(question.vm)
    if why is None:
        return SafetyAnswer(NAME, PASS, "the owner has a contact")
    return SafetyAnswer(NAME, UNKNOWN, f"{why}: the desk is told, and a full null route pages a person")


def unreachable(vm: Vm | None) -> str | None:
    """Why a mail would not reach the owner while all of the VM is null-routed; None: it would."""
    if vm is None or not vm.contact:
        return "the owner has no contact"
    domain = vm.contact.rpartition("@")[2].strip().rstrip(".").lower()
    if domain == vm.name.lower() or _is_own(domain, vm):
        return "the owner's mail is on this very VM"
    return None


def _is_own(domain: str, vm: Vm) -> bool:
    """An address in brackets (RFC 5321, 4.1.3) that is one of the VM's."""
    try:
        address = ip_address(domain.strip("[]").removeprefix("ipv6:"))
    except ValueError:
        return False
    return any(address in network for network in vm.addresses if network.version == address.version)
