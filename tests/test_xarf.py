"""The XARF 4 report against its schema's demands, written down here once more by hand."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from oracles.xarf import demanded
from samples import DECISION, TARGETS, VERDICT, VM

from edgeguard.model import Decision, Kind, Target, Verdict, Vm
from edgeguard.xarf import Reporter, report

REPORTER = Reporter("hv1.example.net", "abuse@example.net", "example.net")
FRAMES = b"\x4d\x3c\xb2\xa1 and so on"


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
