"""Who is loud, told by a running daemon: exact packets, and about how many targets, for one thread and for two."""

from __future__ import annotations

import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from capturing import VM6, send
from scapy.layers.inet import TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from test_runbook import CONFIG, INVENTORY, SETTLE_S, Host, host  # noqa: F401 - a fixture

TARGETS = 40


@pytest.mark.parametrize("threads", [1, 2])
def test_status_and_explain_tell_about_how_many_targets(host: Host, threads: int) -> None:  # noqa: F811
    """While a VM floods forty targets, status names it with packets of 1, 5 and 60 s and about forty targets; the
    case's arithmetic has the same estimate, said to be one."""
    more = f"\n[capture]\nthreads = {threads}\nblocks = 64\n[limits.syn]\nwarn = 200\nact = 400\nhard = 600\n"
    (host.folder / "edgeguard.toml").write_text(CONFIG.format(host.folder) + more, encoding="utf-8")
    own = INVENTORY.replace('"192.0.2.10"', f'"192.0.2.10", "{VM6}"')
    (host.folder / "inventory.toml").write_text(own, encoding="utf-8")
    host.start()
    assert json.loads(host.edgeguard("status", "--json"))["loud"] == []
    ether = Ether(dst="02:00:00:00:00:09")
    frames = [
        bytes(ether / IPv6(src=VM6, dst=f"2001:db8:{n:x}::7") / TCP(sport=40_000, dport=80, flags="S"))
        for n in range(1, TARGETS + 1)
    ]
    end, loud = time.monotonic() + SETTLE_S, []
    seen = threading.Event()

    def flood() -> None:  # for as long as it takes to be asked, however slow the machine is
        while not seen.is_set() and time.monotonic() < end:
            send(host._outside, "far-tap101", frames, 2_000, 4_000)

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(flood)
        while not loud or loud[0]["packets"]["syn"]["1"] < 600:
            assert time.monotonic() < end
            loud = json.loads(host.edgeguard("status", "--json"))["loud"]
        seen.set()
        sending.result()
    (one,) = loud
    assert (one["vm"], one["tap"]) == ("vm-101", "tap101")
    assert TARGETS * 0.6 < one["about_targets"]["syn"] < TARGETS * 1.4
    assert 600 <= one["packets"]["syn"]["1"] <= one["packets"]["syn"]["5"] <= one["packets"]["syn"]["60"]
    assert one["packets"]["udp"] == {"1": 0, "5": 0, "60": 0}
    while "about" not in (told := host.edgeguard("explain", "vm-101")):
        assert time.monotonic() < end
    # The kernels at both ends have a few words of their own (IGMP, MLD), from addresses that are not the VM's.
    said = r"(\d+) targets, [0-4] sources that are not the VM's, [0-4] sources into it: estimates, for operators only"
    assert (found := re.search(said, told)), told
    assert TARGETS * 0.6 < int(found[1]) < TARGETS * 1.4
    assert host.stop() == 0
