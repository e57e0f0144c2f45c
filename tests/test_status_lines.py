"""The lines of `edgeguard status` about the host, from what the host tells of itself."""

from __future__ import annotations

from typing import Any

from edgeguard.glance.around import care_lines, host_lines
from edgeguard.glance.lines import status
from edgeguard.harm.conntrack import Filling, Table
from edgeguard.harm.return_path import ReturnPath
from edgeguard.harm.uplink import Uplink, Uplinks

SECOND = 1_000_000_000


def told(uplink: Uplink, table: Table | None) -> list[str]:
    uplinks, filling = Uplinks(), Filling(lambda point: 0)
    zero = Uplink(uplink.name, uplink.speed, 0, 0, 0)
    for at, one in ((SECOND, zero), (2 * SECOND, uplink)):
        uplinks.take(at, [one], [])
        filling.take(at, table, [])
    return host_lines({"uplinks": uplinks.told(), "conntrack": filling.told(), "return_path": ReturnPath().told()})


def test_a_host_in_words() -> None:
    """A full uplink, a table in use and a quiet way back, each in one line with its numbers."""
    assert told(Uplink("eth0", 1_000_000_000, 90_000, 115_000_000, 5), Table(131_072, 262_144)) == [
        "uplink eth0: 920 Mbit/s of 1 Gbit/s out (92 %); 90,000 frames, 5 dropped a second; "
        "what leaves the host suffers",
        "connection table: 131,072 of 262,144 entries (50 %), +0 a second; 1,092 unanswered SYNs a second fill it",
        "way back: 0 customers completed connections before and still try, 0 of them in vain; fewer than 3 other "
        "customers are too few to doubt it",
    ]


def test_what_is_not_known_is_said_so() -> None:
    """No speed, no table, no host at all: said, or left out, never invented."""
    lines = told(Uplink("veth0", None, 10, 1_500, 0), None)
    assert lines[:2] == [
        "uplink veth0: 12 kbit/s out, speed not known; 10 frames, 0 dropped a second",
        "connection table: none, nf_conntrack is not loaded",
    ]
    assert host_lines(None) == []
    assert care_lines([]) == []


def test_a_doubt_is_told_in_its_own_words() -> None:
    """What is in doubt replaces the counts."""
    path = {"witnesses": 4, "failing": 4, "needed": 3, "doubt": "only one direction is visible: ..."}
    assert host_lines({"uplinks": [], "conntrack": None, "return_path": path})[-1].startswith("only one direction")


def test_who_deserves_care_is_named() -> None:
    """The VM, the rule, how much, and against what."""
    one = {"vm": "vm-1", "rule": "syn", "packets": 800, "why": "40 times its P95 of 20 a second over 6 hours"}
    assert care_lines([one]) == [
        "deserves care: VM vm-1: syn: 800 packets a second, 40 times its P95 of 20 a second over 6 hours"
    ]


ANSWER: dict[str, Any] = {
    "version": "1.2.3",
    "host_name": "hv7",
    "uptime_s": 1_051_200.5,
    "enforce": ["syn.hard"],
    "text": "10 frames, 0 lost; 1 taps, 0 without an inventory entry; 1 null routes",
    "trouble": {"mail": "refused", "rules": "rules /x: wrong", "host": "said below"},
    "unsent": {"mail": {"number": 2, "oldest": 0}, "page": {"number": 1, "oldest": 0}},
    "ledger": [
        {
            "vm": "vm-101\x1b[2J",
            "tap": "tap101",
            "targets": ["198.51.100.7:80/tcp"],
            "scope": "narrow",
            "until": 1_767_225_845 * SECOND,
            "proof": "verified",
            "case": "EG-1",
        }
    ],
    "loud": [],
    "customers": {"top": []},
    "remote": {"effective": {"syn": 1_000}, "entries": 1, "capacity": 2, "refused": 0, "top": []},
}


def test_status_begins_with_the_daemon_and_what_is_wrong() -> None:
    """Version and uptime, what it enforces, each trouble once, what is unsent, each null route with its proof."""
    lines = status(ANSWER).split("\n")
    assert lines[:4] == [
        "edgeguard 1.2.3 on hv7, up 12 d 4 h; enforces syn.hard",
        "10 frames, 0 lost; 1 taps, 0 without an inventory entry; 1 null routes",
        "trouble: mail: refused",
        "trouble: rules /x: wrong",
    ]
    assert lines[4].startswith("unsent: 2 by mail, the oldest for ")
    assert lines[5] == (
        "null-routed: vm-101?[2J at tap101: 198.51.100.7:80/tcp, until 2026-01-01 00:04:05 UTC; verified (EG-1)"
    )
    assert not [line for line in lines if "said below" in line or "by page" in line]
    assert "observes only, enforces nothing" in status({**ANSWER, "enforce": []})
