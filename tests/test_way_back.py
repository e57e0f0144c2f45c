"""Incident 8: an upstream filter drops everything towards a host with busy clients. Nothing is null-routed."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeguard import config, inventory
from edgeguard.counting.window import Counting
from edgeguard.model import Act, Decision, Scope, Verdict, Vm
from edgeguard.record import RECORD
from edgeguard.replay import Found, Replay
from edgeguard.way_back import WayBack

SECOND = 1_000_000_000
BEGIN = 1_767_225_600
ROUTER = bytes.fromhex("020000000099")
SYN, SYN_ACK, ACK = 0x02, 0x12, 0x10
HEALTHY_S, CUT_S = 75, 12
LIMITS = {"warn": 40, "act": 100, "hard": 1_000}
BUSY = 150  # connections a second of the VM that is judged: above act, all of them completed while they can be


def frame(out: bool, vm: int, host: int, port: int, flags: int) -> bytes:
    """One TCP segment between a VM and a host on the Internet."""
    mac, own, far = bytes((2, 0, 0, 0, 1, vm)), bytes((192, 0, 2, vm)), bytes((198, 51, 100, host))
    ether = (ROUTER + mac if out else mac + ROUTER) + b"\x08\x00"
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + (own + far if out else far + own)
    ports = (port, 443) if out else (443, port)
    return ether + ip + struct.pack(">HHIIBBHHH", *ports, 1, 1, 0x50, flags, 1_000, 0, 0)


def capture(path: Path, rates: dict[int, int], cut: frozenset[int]) -> None:
    """VMs that open so many connections a second; after HEALTHY_S nothing comes in to the VMs of `cut` any more."""
    rows: list[tuple[int, bytes]] = []
    for vm, rate in rates.items():
        for second in range(HEALTHY_S + CUT_S):
            for n in range(rate):
                at = second * 1_000_000 + n * 1_000_000 // rate
                port, host = 1_024 + (second * rate + n) % 60_000, 1 + n % 3
                rows.append((at, frame(True, vm, host, port, SYN)))
                if second < HEALTHY_S or vm not in cut:
                    rows.append((at + 1, frame(False, vm, host, port, SYN_ACK)))
                    rows.append((at + 2, frame(True, vm, host, port, ACK)))
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1))
        for at, data in sorted(rows, key=lambda row: row[0]):
            size = len(data)
            file.write(struct.pack("<IIII", BEGIN + at // 1_000_000, at % 1_000_000, size, size) + data)


def replayed(path: Path, customers: dict[int, str]) -> list[Found]:
    vms = [
        {"id": f"vm-{n}", "customer": name, "macs": [f"02:00:00:00:01:{n:02x}"], "addresses": [f"192.0.2.{n}"]}
        for n, name in customers.items()
    ]
    settings = config.build({"limits": {"syn": LIMITS}, "inventory": {"vm": vms}, "enforce": ["all.act", "all.hard"]})
    found: list[Found] = []
    Replay(path, settings, inventory.configured(settings.inventory), found.append).run()
    return found


def null_routed(found: list[Found]) -> list[Decision]:
    return [one for one in found if isinstance(one, Decision) and one.act is Act.NULL_ROUTE]


@pytest.mark.parametrize("cut", ["everything", "one VM"])
def test_a_cut_way_back_null_routes_nobody(tmp_path: Path, cut: str) -> None:
    """When nothing comes back to anybody, the busy client that now looks like a flood is told at most; when only its
    own answers are missing, it is a flood like any other."""
    rates = {1: BUSY} | dict.fromkeys(range(2, 8), 12)
    capture(tmp_path / "cut.pcap", rates, frozenset(rates) if cut == "everything" else frozenset({1}))
    found = replayed(tmp_path / "cut.pcap", {n: f"c-{n}" for n in rates})
    verdicts = [one for one in found if isinstance(one, Verdict)]
    if cut == "everything":
        assert null_routed(found) == []
        assert all(verdict.came_back.packets is None for verdict in verdicts if verdict.at > (BEGIN + 79) * SECOND)
    else:
        assert {decision.subject.vm for decision in null_routed(found)} == {"vm-1"}
        assert all(decision.scope is Scope.NARROW for decision in null_routed(found))


def test_the_attackers_own_vms_are_no_witnesses(tmp_path: Path) -> None:
    """Six VMs of one customer that stop completing while a seventh of it floods shield it from nothing."""
    rates = {1: BUSY} | dict.fromkeys(range(2, 8), 12)
    capture(tmp_path / "own.pcap", rates, frozenset(rates))
    found = replayed(tmp_path / "own.pcap", dict.fromkeys(rates, "evil"))
    assert {decision.subject.vm for decision in null_routed(found)} == {"vm-1"}


@given(st.lists(st.integers(-3, 40), max_size=60), st.integers(1, 7))
def test_parts_are_all_records_in_their_order(steps: list[int], size: int) -> None:
    """However time runs, and however the records come in batches, nothing is lost, doubled or reordered, and a part
    never goes beyond a second that none before it has reached."""
    counting = Counting(0, by_source=False, points=2)
    way_back = WayBack(counting, [Vm("vm-0", "web0", "c", None)])
    records = np.zeros(len(steps), RECORD)
    records["ts"] = BEGIN * SECOND + np.cumsum(steps) * (SECOND // 10)
    seen: list[int] = []
    reached = 0
    for start in range(0, len(records), size):
        for part in way_back.seconds(records[start : start + size]):
            times = part["ts"].tolist()
            reached = max(reached, times[0] // SECOND if times else 0)
            assert all(at // SECOND <= reached for at in times)
            seen += times
    assert seen == records["ts"].tolist()
