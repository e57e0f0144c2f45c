"""Evidence of a real flood at a real tap: frames from before and after, in a form that others can read."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dpkt
import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from test_runbook import SETTLE_S, Host

from edgeguard.cases.reader import Reader
from edgeguard.clock import SECOND
from edgeguard.evidence.bundle import Bundle
from edgeguard.evidence.place import Place
from edgeguard.model import Act
from edgeguard.native import Sender

MARK = b"PAYLOAD-OF-A-CUSTOMER"
ENFORCED = 'enforce = ["udp.hard"]\n'
LIMITS = "[limits.udp]\nwarn = 1000\nact = 2000\nhard = 4000\n"


@pytest.fixture(params=["1", pytest.param("2", marks=pytest.mark.long)], ids=["one-thread", "two-threads"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    if not shutil.which("ip"):
        pytest.skip("needs ip")
    host = Host(tmp_path)
    config = tmp_path / "edgeguard.toml"
    threads = f"[capture]\nthreads = {request.param}\n"
    config.write_text(ENFORCED + config.read_text() + LIMITS + threads)
    yield host
    host.close()


def until(holds: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + SETTLE_S
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


MACS = {"src": "02:00:00:00:00:10", "dst": "02:00:00:00:00:01"}
FLOOD = bytes(Ether(**MACS) / IP(src="192.0.2.10", dst="203.0.113.7") / UDP(sport=7, dport=9) / MARK)


def answer(host: Host, over: threading.Event) -> None:
    """Into the VM, a packet every 5 ms, through the host's own network stack."""
    with host.namespace.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        while not over.wait(0.005):
            sock.sendto(MARK, ("192.0.2.10", 9))


def bundles(folder: Path) -> list[Bundle]:
    """Those of null routes: a look before the kernel's counter is known may only have been observed."""
    found = [one for one in Place(folder / "evidence").bundles() if isinstance(one, Bundle)]
    return [one for one in found if one.manifest.scope == "narrow"]


@pytest.fixture
def flooded(host: Host) -> Iterator[Host]:
    """A daemon that null-routed a flood, and its bundle with the frames of the seconds after."""
    host.start()
    host.namespace.run("ip", "neigh", "add", "192.0.2.10", "lladdr", MACS["src"], "dev", "tap101")
    with host._outside.inside():
        sender, over = Sender(host._outside.index("far-tap101")), threading.Event()
    threads = [
        threading.Thread(target=sender.run, args=([FLOOD], 10**6, 8_000, SETTLE_S)),
        threading.Thread(target=answer, args=(host, over)),
    ]
    for thread in threads:
        thread.start()
    try:
        until(lambda: any("during.pcap" in one.manifest.files for one in bundles(host.folder)))
    finally:
        sender.stop()
        over.set()
        for thread in threads:
            thread.join()
        sender.close()
    yield host


def test_evidence_of_a_flood(flooded: Host, tmp_path: Path) -> None:
    """At least 500 frames from before and more from after, written within 2 s, no byte of payload, read by others."""
    one = bundles(flooded.folder)[0]
    with Reader(flooded.folder / "edgeguard.sqlite") as reader:
        (case,) = reader.find("vm-101")
        decision = next(one for one in reader.decisions(case.id) if one.act is Act.NULL_ROUTE)
        told = [entry.text for entry in reader.timeline(case.id) if one.name in entry.text]
    assert (one.manifest.case, one.manifest.decision, one.manifest.vm) == (case.id, decision.id, "vm-101")
    assert one.findings() == []
    assert 500 <= one.manifest.frames["before.pcap"] <= 1024
    assert one.manifest.frames["during.pcap"] > 0
    assert one.manifest.frozen - decision.at < 2 * SECOND
    assert len(told) == 2
    assert "frames from before" in told[0]
    written = int(told[0].split(" ms ")[0].rpartition(" ")[2])
    assert written < 2000
    assert not any(MARK in path.read_bytes() for path in one.path.iterdir())
    record = json.loads((one.path / "record.json").read_text())
    assert record["decision"]["id"] == decision.id
    assert record["verdict"]["rule"] == "udp"
    assert len(record["decision"]["safeties"]) > 3
    assert set(record["frames"]["directions"]) == {"o", "i"}

    out = tmp_path / "out"
    said = flooded.edgeguard("evidence", "export", case.id, str(out))
    assert "files" in said
    to = out / case.id / one.name
    before = list(dpkt.pcap.Reader((to / "before.pcap").open("rb")))
    during = list(dpkt.pcap.Reader((to / "during.pcap").open("rb")))
    assert [len(before), len(during)] == list(one.manifest.frames.values())
    ipv4 = [content for _, content in before if content[12:14] == b"\x08\0"]  # the kernel's own IPv6 beside it
    assert len(ipv4) >= 500
    assert {len(content) for content in ipv4} == {42}
    assert float(before[-1][0]) * SECOND <= one.manifest.frozen < float(during[-1][0]) * SECOND
    sources = {dpkt.ethernet.Ethernet(content).data.src for content in ipv4}
    assert sources == {bytes([192, 0, 2, 10]), bytes([198, 51, 100, 1])}
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=to, check=True)
    if tool := shutil.which("tcpdump"):
        told_by = subprocess.run([tool, "-nr", str(to / "before.pcap")], capture_output=True, text=True, check=True)
        lines = told_by.stdout.splitlines()
        assert len(lines) == len(before)
        assert any("192.0.2.10.7 > 203.0.113.7.9: UDP, length 21" in line for line in lines)
    accesses = [json.loads(line) for line in (flooded.folder / "evidence" / "access.jsonl").read_text().splitlines()]
    assert [(one["did"], one["case"]) for one in accesses] == [("export", case.id)] * len(accesses)


@pytest.mark.parametrize("host", ["1"], ids=["one-thread"], indirect=True)
def test_a_disk_that_takes_nothing_stops_no_null_route(host: Host) -> None:
    """Where evidence cannot be written the flood is null-routed all the same, and the case says what is missing."""
    (host.folder / "evidence").write_text("in the way")
    host.start()
    host.edgeguard("nullroute", "add", "vm-101", "--full", "--for", "1h", "--why", "a test")
    host.settles(1)
    with Reader(host.folder / "edgeguard.sqlite") as reader:
        (case,) = reader.cases()
        until(lambda: any("evidence is missing" in entry.text for entry in reader.timeline(case.id)))
    assert host.stop() == 0
