"""The JSON document of a decision, or of what became of it: what programs and webhooks are handed.

    document = of_decision(case, decision, verdict, vm, host)
    document = of_outcome(case, decision, verdict, vm, host, outcome, action)
    deliveries(document, [Channel.PROGRAM, Channel.WEBHOOK])

Pure. Every key is in docs/hooks.md; a key is never renamed or dropped without a new VERSION. The first keys are
the four arguments that FastNetMon gives its notify script, then what its JSON scripts look for.
"""

from __future__ import annotations

import json
import numbers
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Protocol

from edgeguard import __version__
from edgeguard.clock import MILLISECOND, SECOND
from edgeguard.hooks.figures import figures
from edgeguard.letters import Channel, Delivery, Proof
from edgeguard.model import Act, Decision, Happened, Outcome, Scope, Tap, Target, Verdict, Vm, identity
from edgeguard.reading import INTO

VERSION = 1
BAN, UNBAN, RELEASE = "ban", "unban", "release"
UNKNOWN = "unknown"  # in the place of an address: no tool takes it for one
LARGEST = 64 * 1024  # bytes of a document

PROOFS = {
    Happened.VERIFIED: Proof.VERIFIED,
    Happened.NO_ATTEMPTS: Proof.NO_ATTEMPTS,
    Happened.NOT_STOPPED: Proof.NOT_STOPPED,
    Happened.FAILED: Proof.FAILED,
    Happened.RELEASED: Proof.RELEASED,
    Happened.LINK_GONE: Proof.RELEASED,
}
SEVERITIES = {"warn": "low", "act": "middle", "hard": "high"}  # FastNetMon's words


class Case(Protocol):
    """What is asked of a case; cases.case.Case has it."""

    @property
    def id(self) -> str: ...
    @property
    def opened(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def vm(self) -> str | None: ...
    @property
    def vm_name(self) -> str | None: ...
    @property
    def tap(self) -> str | None: ...
    @property
    def mac(self) -> str | None: ...
    @property
    def customer(self) -> str | None: ...
    @property
    def source(self) -> str | None: ...
    @property
    def addresses(self) -> Sequence[IPv4Network | IPv6Network]: ...


def action(decision: Decision) -> str:
    """FastNetMon's word for it, or ours: 'ban', 'unban', 'warn', 'observe'."""
    if decision.act is Act.NULL_ROUTE and decision.enforced:
        return BAN
    if decision.act is Act.RELEASE:
        return UNBAN if decision.enforced else RELEASE
    return str(Scope.WARN if decision.scope is Scope.WARN else Scope.OBSERVE)


def of_decision(
    case: Case,
    decision: Decision,
    verdict: Verdict | None,
    vm: Vm | None,
    host: str,
    said: str | None = None,
    standing: int = 0,
) -> dict[str, Any]:
    """What was decided. verdict: for a release, the one behind the null route it ends. said: instead of `action`.

    standing: further null routes of the VM that go on.
    """
    ordered = decision.enforced and decision.act is not Act.NONE
    return {
        **_head("decision", case, decision, verdict, vm, host, said or action(decision)),
        "proof": str(Proof.NOT_YET if ordered else Proof.NOTHING),
        "standing": standing,
        **_body(case, decision, verdict, vm),
        "outcome": None,
    }


def of_outcome(
    case: Case,
    decision: Decision,
    verdict: Verdict | None,
    vm: Vm | None,
    host: str,
    outcome: Outcome,
    said: str | None = None,
    standing: int = 0,
) -> dict[str, Any]:
    """What became of a decision. said: 'unban' where the null route ended although nobody had decided its release."""
    return {
        **_head("outcome", case, decision, verdict, vm, host, said or str(outcome.happened).replace(" ", "-")),
        "proof": str(PROOFS.get(outcome.happened, Proof.NOT_YET)),
        "standing": standing,
        **_body(case, decision, verdict, vm),
        "outcome": {
            "at": instant(outcome.at),
            "happened": str(outcome.happened),
            "detail": outcome.detail,
            "proofs": list(outcome.proofs),
            "dropped": outcome.dropped,
        },
    }


def deliveries(document: Mapping[str, Any], channels: Iterable[Channel], created: int) -> tuple[Delivery, ...]:
    """The document for each channel, with an id of its own that is the same at every try."""
    decision, outcome = document["decision"]["id"], document["outcome"] or {}
    made = []
    for channel in channels:
        id = identity("delivery", channel, decision, document["action"], outcome.get("at"), outcome.get("happened"))
        text = written({"version": VERSION, "kind": document["kind"], "id": id, **document})
        made.append(Delivery(id, channel, document["case"]["id"], decision, created, text))
    return tuple(made)


def written(document: Mapping[str, Any]) -> str:
    """One line of ASCII. Where it would be too large the verdict's and the safeties' details are left out."""
    text = _json(document)
    if len(text) <= LARGEST:
        return text
    return _json({**document, "verdict": None, "cut": True, "decision": {**document["decision"], "safeties": []}})


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, allow_nan=False, separators=(",", ":"), default=_number)


def _number(value: object) -> int | float:
    """numpy's integers and floats are numbers and no int to json."""
    if not isinstance(value, numbers.Real):
        raise TypeError(f"{value!r} has no place in a document")
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def instant(at: int | None) -> str | None:
    """RFC 3339 in UTC with milliseconds: '2026-01-31T03:04:05.678Z'."""
    if at is None:
        return None
    second = datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{second}.{at % SECOND // MILLISECOND:03d}Z"


def packets_per_second(verdict: Verdict | None) -> int:
    """0: nobody measured anything."""
    if verdict is None:
        return 0
    return round(verdict.measured / verdict.window_s if verdict.unit == "packets" else verdict.mean)


def _head(
    kind: str, case: Case, decision: Decision, verdict: Verdict | None, vm: Vm | None, host: str, said: str
) -> dict[str, Any]:
    inbound = verdict is not None and verdict.rule in INTO
    address, pps = _address(case, decision, vm), packets_per_second(verdict)
    return {
        "kind": kind,
        "client_ip": address,
        "data_direction": "incoming" if inbound else "outgoing",
        "pps": pps,
        "action": said,
        "ip": address,
        "alert_scope": "host",
        "attack_details": _attack(decision, verdict, inbound, pps),
        "host": host,
        "program": {"name": "edgeguard", "version": __version__},
    }


def _address(case: Case, decision: Decision, vm: Vm | None) -> str:
    """The VM's own first address: a host before a prefix."""
    known = list(vm.addresses if vm else case.addresses)
    hosts = [network for network in known if network.num_addresses == 1]
    if known:
        return str((hosts or known)[0].network_address)
    return decision.subject.source or case.source or UNKNOWN


def _attack(decision: Decision, verdict: Verdict | None, inbound: bool, pps: int) -> dict[str, Any]:
    """What FastNetMon's JSON scripts read, where we know it; what is not known is absent, never zero."""
    way = "incoming" if inbound else "outgoing"
    details: dict[str, Any] = {
        "attack_uuid": decision.id,
        "attack_direction": way,
        "attack_detection_source": "automatic" if decision.by == "automation" else "manual",
    }
    if verdict is None:
        return details
    protocols = {target.protocol_name for target in verdict.targets if target.protocol}
    return {
        **details,
        "attack_severity": SEVERITIES[verdict.band],
        "attack_type": f"{verdict.rule.removesuffix('-in')}_{str(verdict.kind).replace(' ', '_')}",
        "attack_protocol": protocols.pop() if len(protocols) == 1 else "unknown",
        "initial_attack_power": pps,
        "peak_attack_power": max(pps, round(verdict.peak / verdict.window_s)),
        f"total_{way}_pps": pps,
        f"total_{way}_traffic": round(verdict.bytes / verdict.window_s),
    }


def _body(case: Case, decision: Decision, verdict: Verdict | None, vm: Vm | None) -> dict[str, Any]:
    return {
        "case": {"id": case.id, "opened": instant(case.opened), "state": case.state},
        "vm": _vm(case, vm),
        "decision": _decision(decision),
        "verdict": None if verdict is None else {**figures(verdict), **_moments(verdict)},
    }


def _vm(case: Case, vm: Vm | None) -> dict[str, Any]:
    addresses = vm.addresses if vm else case.addresses
    return {
        "id": vm.id if vm else case.vm,
        "name": (vm.name if vm else case.vm_name) or None,
        "customer": vm.customer if vm else case.customer,
        "place": vm.place if vm else None,
        "addresses": [str(network) for network in addresses],
        "tap": case.tap,
        "mac": case.mac,
    }


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "id": decision.id,
        "at": instant(decision.at),
        "act": str(decision.act),
        "scope": str(decision.scope),
        "enforced": decision.enforced,
        "until": instant(decision.until),
        "targets": [target(one) for one in decision.targets],
        "tap": _tap(decision.tap),
        "safeties": [{"name": s.name, "answer": s.answer, "reason": s.reason} for s in decision.safeties],
        "reason": decision.reason,
        "by": decision.by,
        "releases": list(decision.releases),
        "silent": decision.silent,
        "page": decision.page,
    }


def _tap(tap: Tap | None) -> dict[str, Any] | None:
    return None if tap is None else {"name": tap.name, "ifindex": tap.ifindex, "mac": tap.mac, "kind": str(tap.kind)}


def target(one: Target) -> dict[str, Any]:
    """An address or a prefix, with what of it is dropped."""
    protocol = one.protocol_name if one.protocol else None
    return {"address": one.place, "protocol": protocol, "port": one.port}


def _moments(verdict: Verdict) -> dict[str, Any]:
    return {name: instant(getattr(verdict, name)) for name in ("at", "since", "crossed")}
