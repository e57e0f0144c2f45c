"""The XARF 4 report against its schema's demands, written down here once more by hand."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import uuid
from dataclasses import replace
from datetime import datetime
from ipaddress import ip_address
from typing import Any

import pytest
from samples import DECISION, TARGETS, VERDICT, VM

from edgeguard.evidence.xarf import Reporter, report
from edgeguard.model import Decision, Kind, Target, Verdict, Vm

REPORTER = Reporter("hv1.example.net", "abuse@example.net", "example.net")
FRAMES = b"\x4d\x3c\xb2\xa1 and so on"

# github.com/xarf/xarf-spec, schemas/v4/xarf-core.json and schemas/v4/types/connection-ddos.json
REQUIRED = {"xarf_version", "report_id", "timestamp", "reporter", "sender", "source_identifier", "category", "type"}
REQUIRED |= {"protocol", "first_seen"}
CONTACT = {"org", "contact", "domain"}
INTEGERS = {
    "destination_port": (1, 65_535),
    "peak_pps": (1, None),
    "peak_bps": (1, None),
    "duration_seconds": (1, None),
}
TEXTS = {"attack_vector", "description", "source_identifier"}
TIMES = {"timestamp", "first_seen", "last_seen", "threshold_exceeded"}
TAG = re.compile(r"[a-z0-9][a-z0-9_+-]*:[a-z0-9][a-z0-9_+\-.]*")


def demanded(told: dict[str, Any]) -> None:
    """All that the two schemas demand."""
    assert told.keys() >= REQUIRED
    assert re.fullmatch(r"4\.[0-9]+\.[0-9]+", told["xarf_version"])
    assert uuid.UUID(told["report_id"]).version == 4
    assert (told["category"], told["type"]) == ("connection", "ddos")
    assert told["protocol"] in ("tcp", "udp", "icmp", "sctp")
    sources = ("firewall_logs", "ids_detection", "flow_analysis", "traffic_monitoring", "honeypot")
    assert told["evidence_source"] in sources
    for who in (told["reporter"], told["sender"]):
        assert who.keys() == CONTACT
        assert len(who["org"]) <= 200
        assert re.fullmatch(r"[^@\s]+@[^@\s]+", who["contact"])
        assert re.fullmatch(r"[A-Za-z0-9.-]+", who["domain"])
    for name in TIMES & told.keys():
        assert datetime.fromisoformat(told[name].replace("Z", "+00:00")).utcoffset() is not None
    for name in INTEGERS.keys() & told.keys():
        least, most = INTEGERS[name]
        assert type(told[name]) is int
        assert told[name] >= least
        assert most is None or told[name] <= most
    for name in TEXTS & told.keys():
        assert isinstance(told[name], str)
    assert len(told.get("description", "")) <= 1000
    assert type(told["mitigation_applied"]) is bool
    if "destination_ip" in told:
        ip_address(told["destination_ip"])
    assert len(told.get("tags", [])) <= 20
    assert all(TAG.fullmatch(tag) for tag in told.get("tags", []))
    for item in told["evidence"]:
        assert item.keys() <= {"content_type", "description", "payload", "hash", "size"}
        content = base64.b64decode(item["payload"], validate=True)
        assert item["hash"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert item["size"] == len(content) <= 5_242_880
        assert len(item["description"]) <= 500


def made(decision: Decision = DECISION, verdict: Verdict | None = VERDICT, vm: Vm | None = VM) -> dict[str, Any]:
    told = report(REPORTER, decision, verdict, vm, 17, FRAMES)
    assert told is not None
    demanded(told)
    again: dict[str, Any] = json.loads(json.dumps(told))
    return again


def test_a_flood() -> None:
    """Who, whom, how much and since when stand in the schema's own fields."""
    told = made()
    assert told["source_identifier"] == "192.0.2.10"
    assert (told["destination_ip"], told["destination_port"], told["protocol"]) == ("203.0.113.5", 80, "tcp")
    assert (told["peak_pps"], told["peak_bps"], told["duration_seconds"]) == (50_012, 8 * 2_000_480, 3)
    assert told["first_seen"] == "2026-01-01T00:04:02.123Z"
    assert told["threshold_exceeded"] == "2026-01-01T00:04:05.121Z"
    assert told["attack_vector"] == "syn_flood"
    assert base64.b64decode(told["evidence"][0]["payload"]) == FRAMES


def test_the_source_is_of_the_targets_family() -> None:
    """A flood over IPv6 is reported with the VM's IPv6 address, where it has one."""
    assert made(replace(DECISION, targets=TARGETS[1:]))["source_identifier"] == "2001:db8:1::"
    assert made(vm=replace(VM, addresses=VM.addresses[1:]))["source_identifier"] == "2001:db8:1::"
    assert made(vm=None)["source_identifier"] == "vm-100"


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in (Kind.SCAN, Kind.BUSY)])
@pytest.mark.parametrize("rule", ["syn", "udp", "icmp", "fragments", "tcp", "total"])
def test_every_kind_of_every_rule(kind: Kind, rule: str) -> None:
    """No verdict makes a report that the schema refuses."""
    for unit in ("packets", "bits"):
        verdict = replace(VERDICT, kind=kind, rule=rule, unit=unit, crossed=0, peak=0, bytes=0)
        told = made(replace(DECISION, targets=()), verdict)
        assert "destination_ip" not in told
        assert "peak_pps" not in told


def test_a_carpet_has_no_single_target() -> None:
    """A prefix is no address: it is left out."""
    carpet = Target(ip_address("203.0.113.0"), 6, None, 0.9, 1_000, 24)
    assert "destination_ip" not in made(replace(DECISION, targets=(carpet,)))


def test_by_hand() -> None:
    """A person's null route has no measurement, and the protocol is that of most frames."""
    told = made(replace(DECISION, targets=(), verdict=None), None)
    assert told["protocol"] == "udp"
    assert "peak_pps" not in told


@pytest.mark.parametrize("kind", [Kind.SCAN, Kind.BUSY])
def test_no_flood_is_reported_as_one(kind: Kind) -> None:
    """A scan and a busy client are no denial of service."""
    assert report(REPORTER, DECISION, replace(VERDICT, kind=kind), VM, 6, FRAMES) is None


def test_what_it_has_no_word_for_is_not_reported() -> None:
    """Rather no report than a wrong protocol."""
    verdict = replace(VERDICT, rule="total")
    assert report(REPORTER, replace(DECISION, targets=()), verdict, VM, 47, FRAMES) is None
    assert report(REPORTER, replace(DECISION, targets=()), verdict, VM, None, FRAMES) is None
