"""The host around the VMs, told by a running daemon: an uplink that drops what a VM floods, the table, the way back."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from capturing import send
from pyroute2.netlink.exceptions import NetlinkError
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from test_runbook import SETTLE_S, Host, host  # noqa: F401 - a fixture

from edgeguard.cases.baseline_file import BaselineFile, beside


def test_status_tells_of_uplinks_table_and_way_back(host: Host) -> None:  # noqa: F811
    """A VM's frames that the uplink's queue drops are harm of that VM, by the kernel's own counters; lines for people
    and JSON say so, and when the daemon ends its baselines' file is there."""
    inside = host.namespace
    inside.forward()
    inside.address("tap101", "192.0.2.1/32")
    inside.route("203.0.113.0/24", gateway="198.51.100.9")
    inside.neighbour("uplink0", "198.51.100.9", "02:00:00:00:00:09")
    with inside.routes() as ip:
        try:
            ip.tc("add", "tbf", inside.index("uplink0"), 0x10000, rate="8kbit", burst=2_000, latency="50ms")
        except NetlinkError as error:
            pytest.skip(f"this kernel has no token bucket queue ({error})")
    host.start()
    frame = Ether(dst=inside.mac("tap101")) / IP(src="192.0.2.10", dst="203.0.113.7") / UDP(sport=9, dport=9)
    end, seen = time.monotonic() + SETTLE_S, threading.Event()

    def flood() -> None:  # for as long as it takes to be asked, however slow the machine is
        while not seen.is_set() and time.monotonic() < end:
            send(host._outside, "far-tap101", [bytes(frame / bytes(80))], 2_000, 2_000)

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(flood)
        try:
            while not (told := json.loads(host.edgeguard("status", "--json")))["host"]["harmful_points"]:
                assert time.monotonic() < end, told["host"]
            lines = host.edgeguard("status")
        finally:
            seen.set()
        sending.result()
    (uplink,) = told["host"]["uplinks"]
    assert (uplink["name"], uplink["speed_bits"], uplink["suffers"]) == ("uplink0", None, True)
    assert uplink["dropped"] > 100
    assert "uplink uplink0: " in lines
    assert "connection table: " in lines
    assert "way back: 0 customers" in lines
    assert told["care"] == []
    assert host.stop() == 0
    with BaselineFile(beside(host.folder / "edgeguard.sqlite"), reading=True) as file:
        assert {row[0] for row in file.rows()} <= {"vm-101", "vm-102"}
