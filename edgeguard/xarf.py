"""A report in the form that other networks' abuse desks read by machine: XARF 4 (xarf.org), connection/ddos.

Its fields are those of the schemas xarf-core.json and types/connection-ddos.json of github.com/xarf/xarf-spec.
What would have to be guessed is left out.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parseaddr
from typing import Any

from edgeguard.clock import MILLISECOND, SECOND
from edgeguard.config import Config
from edgeguard.model import Act, Decision, Kind, Network, Target, Verdict, Vm

VERSION = "4.0.0"
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp", 132: "sctp"}  # what the schema has a word for
_BY_RULE = {"syn": "tcp", "tcp": "tcp", "udp": "udp", "icmp": "icmp"}


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who reports: whoever runs the host."""

    org: str
    contact: str  # mail address
    domain: str


def reporter(config: Config, host: str) -> Reporter:
    """Who reports from this host: the sender of its mails, else the desk."""
    contact = parseaddr(config.mail.sender or config.mail.desk)[1] or f"abuse@{host}"
    return Reporter(host, contact, contact.rpartition("@")[2])


def report(
    reporter: Reporter,
    decision: Decision,
    verdict: Verdict | None,
    vm: Vm | None,
    busiest: int | None = None,
    frames: bytes | None = None,
) -> dict[str, Any] | None:
    """The report; None where the schema has no word for what was sent, or it was no flood.

    `busiest`: protocol of most frames. frames: a savefile of them as its evidence; None: without.
    """
    protocol = _protocol(decision, verdict, busiest)
    if protocol is None or (verdict and verdict.kind in (Kind.SCAN, Kind.BUSY)):
        return None
    who = {"org": reporter.org[:200], "contact": reporter.contact, "domain": reporter.domain}
    return {
        "xarf_version": VERSION,
        "report_id": _identity(decision),
        "timestamp": timestamp(decision.at),
        "reporter": who,
        "sender": who,
        "source_identifier": _source(decision, vm),
        "category": "connection",
        "type": "ddos",
        "protocol": protocol,
        "first_seen": timestamp(verdict.since if verdict else decision.at),
        "mitigation_applied": decision.enforced and decision.act is Act.NULL_ROUTE,
        "evidence_source": "traffic_monitoring",
        **_destination(decision),
        **(_measured(verdict) if verdict else {}),
        **({"evidence": [_item(frames)]} if frames is not None else {}),
    }


def _identity(decision: Decision) -> str:
    """The decision's own: whoever gets its report twice, by mail and with the evidence, knows it for one."""
    digest = hashlib.blake2b(f"{decision.case}\x1f{decision.id}".encode("utf-8", "backslashreplace"), digest_size=16)
    return str(uuid.UUID(bytes=digest.digest(), version=4))


def timestamp(at: int) -> str:
    """'2026-01-31T03:04:05.678Z' (RFC 3339)."""
    whole = datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{at % SECOND // MILLISECOND:03d}Z"


def _protocol(decision: Decision, verdict: Verdict | None, busiest: int | None) -> str | None:
    for target in decision.targets:
        if target.protocol in PROTOCOLS:
            return PROTOCOLS[target.protocol]
    if verdict and (name := _BY_RULE.get(verdict.rule)):
        return name
    return PROTOCOLS.get(busiest) if busiest is not None else None


def _source(decision: Decision, vm: Vm | None) -> str:
    """An address of the VM, of the target's family if it has one; never one that may be forged."""
    own: tuple[Network, ...] = vm.addresses if vm else ()
    family = decision.targets[0].address.version if decision.targets else 4
    for network in sorted(own, key=lambda network: network.version != family):
        return str(network.network_address)
    subject = decision.subject
    return subject.source or subject.vm or subject.tap or "unknown"


def _destination(decision: Decision) -> dict[str, Any]:
    """The first target, where it is a single address."""
    if not decision.targets or decision.targets[0].length is not None:
        return {}
    target: Target = decision.targets[0]
    port = {"destination_port": target.port} if target.port else {}
    return {"destination_ip": str(target.address), **port}


def _measured(verdict: Verdict) -> dict[str, Any]:
    seconds = max(1, round((verdict.at - verdict.since) / SECOND))
    bits = 8 * verdict.bytes // verdict.window_s
    pps = {"peak_pps": verdict.peak // verdict.window_s} if verdict.unit == "packets" else {}
    bps = {"peak_bps": verdict.peak if verdict.unit == "bits" else bits}
    said = f"{verdict.kind}: {verdict.measured} {verdict.unit} in {verdict.window_s} s, limit {verdict.limit}"
    numbers = {key: value for key, value in {**pps, **bps}.items() if value > 0}
    return {
        **numbers,
        "description": said,
        "duration_seconds": seconds,
        "last_seen": timestamp(verdict.at),
        **({"threshold_exceeded": timestamp(verdict.crossed)} if verdict.crossed else {}),
        "attack_vector": _vector(verdict),
        "tags": [f"edgeguard:{verdict.rule}", f"edgeguard:{verdict.kind.replace(' ', '-')}"],
    }


def _vector(verdict: Verdict) -> str:
    if verdict.kind is Kind.REFLECTION:
        return "udp_amplification"
    return f"{verdict.rule}_flood"


def _item(frames: bytes) -> dict[str, Any]:
    return {
        "content_type": "application/vnd.tcpdump.pcap",
        "description": "Headers of frames out of and into the virtual machine, from before the decision (pcap)",
        "payload": base64.b64encode(frames).decode(),
        "hash": f"sha256:{hashlib.sha256(frames).hexdigest()}",
        "size": len(frames),
    }
