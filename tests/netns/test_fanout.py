"""Several capture threads: how the kernel shares frames among them, and a daemon that runs with them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from capturing import TO_MAC, VM, VM6, send, settings
from namespaces import Namespace
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from test_runbook import CONFIG, INVENTORY, SETTLE_S, Host, host  # noqa: F401 - a fixture

from edgeguard.capture.fanout import FanoutCapture
from edgeguard.capture.points import Points
from edgeguard.capture.taps import Taps
from edgeguard.record import NOBODY, Records

REMOTE4 = ("192.0.2.77", "198.51.100.77", "203.0.113.77")
REMOTE6 = tuple(f"2001:db8:{n:x}::77" for n in range(1, 41))


def between(vm: str, vm6: str, remote: str) -> tuple[bytes, bytes]:
    """A frame from a VM to a remote address, and one back."""
    ether, udp = Ether(src=TO_MAC, dst="02:00:00:00:00:09"), UDP(sport=9, dport=99)
    ip, own = (IPv6, vm6) if ":" in remote else (IP, vm)
    return bytes(ether / ip(src=own, dst=remote) / udp), bytes(ether / ip(src=remote, dst=own) / udp)


@contextmanager
def capturing(where: Namespace, threads: int) -> Iterator[FanoutCapture]:
    with where.inside():
        taps = Taps((), ("up0",))
        capture = FanoutCapture(settings(threads=threads), taps, Points(16), lambda _: 0)
    try:
        yield capture
    finally:
        capture.close()
        taps.close()


def read(capture: FanoutCapture, count: int) -> list[Records]:
    """The records of each channel, once there are so many in all."""
    got: list[list[Records]] = [[channel.read().copy()] for channel in capture.channels]
    end = time.monotonic() + SETTLE_S
    while sum(len(batch) for of in got for batch in of) < count and time.monotonic() < end:
        for channel, of in zip(capture.channels, got, strict=True):
            channel.wait(0.001)
            of.append(channel.read().copy())
    return [np.concatenate(of) for of in got]


@pytest.mark.parametrize("threads", [2, 4])
def test_both_directions_of_a_remote_prefix_meet_in_one_ring(threads: int) -> None:
    """Every frame is in one ring, those of a remote address all in the same, and every ring has its share."""
    pairs = [between(VM, VM6, remote) for remote in (*REMOTE4, *REMOTE6)]
    with Namespace() as namespace, Namespace() as vm, Namespace() as wan:
        namespace.veth("tap0", vm, "eth0")
        namespace.veth("up0", wan, "eth0")
        namespace.bridge("br0", "tap0", "up0")
        with capturing(namespace, threads) as capture:
            sent = send(vm, "eth0", [out for out, _ in pairs], 20 * len(pairs), 50_000)
            sent += send(wan, "eth0", [back for _, back in pairs], 20 * len(pairs), 50_000)
            got = [rows[rows["dst_port"] == 99] for rows in read(capture, sent)]
            health, each = capture.health(), capture.shares()
    assert sum(map(len, got)) == sent == 40 * len(pairs)
    assert (health.lost, health.received) == (0, sum(one.received for one in each))
    places: dict[tuple[int, int], set[int]] = {}
    for n, rows in enumerate(got):
        assert len(rows) > 0
        for row in rows:
            way = "dst" if row["out_of"] != NOBODY else "src"
            places.setdefault((int(row[f"{way}_hi"]), int(row[f"{way}_lo"])), set()).add(n)
    assert len(places) == len(pairs)
    assert {len(rings) for rings in places.values()} == {1}


def test_a_tap_that_comes_later_reaches_every_ring() -> None:
    """Links are followed for all rings at once; totals are those of all."""
    frames = [between(VM, VM6, remote)[0] for remote in REMOTE6]
    with Namespace() as namespace, Namespace() as vm, capturing(namespace, 2) as capture:
        namespace.veth("tap9", vm, "eth0")
        end = time.monotonic() + SETTLE_S
        while not [change for change in capture.changes() if change.tap.name == "tap9"]:
            assert time.monotonic() < end
            capture.follow()
        sent = send(vm, "eth0", frames, 400, 20_000)
        got = [rows[rows["dst_port"] == 99] for rows in read(capture, sent)]
        assert sum(map(len, got)) == sent == 400
        assert all(len(rows) for rows in got)
        assert capture.totals()["udp"] == 400


@pytest.mark.parametrize("threads", [pytest.param(2, marks=pytest.mark.long), 4])
def test_a_flood_over_all_threads_is_judged_by_its_sum(host: Host, threads: int) -> None:  # noqa: F811
    """The daemon counts every packet that was sent, whichever thread got it, and null-routes the targets."""
    more = f"\n[capture]\nthreads = {threads}\nblocks = 64\n[limits.syn]\nwarn = 500\nact = 1000\nhard = 2000\n"
    config = 'enforce = ["all.hard"]\n' + CONFIG.format(host.folder) + more
    (host.folder / "edgeguard.toml").write_text(config, encoding="utf-8")
    own = INVENTORY.replace('"192.0.2.10"', f'"192.0.2.10", "{VM6}"')
    (host.folder / "inventory.toml").write_text(own, encoding="utf-8")
    host.start()
    host.edgeguard("status")  # its socket is there before its rings are
    targets = [f"2001:db8:{n:x}::7" for n in range(1, 9)]
    frames = [
        bytes(Ether(dst="02:00:00:00:00:09") / IPv6(src=VM6, dst=target) / TCP(sport=40_000, dport=80, flags="S"))
        for target in targets
    ]
    others = [between(VM, VM6, remote)[0] for remote in REMOTE6]  # so that every thread gets something
    sent = send(host._outside, "far-tap101", frames * 5 + others, 16_000, 8_000) // 2  # SYNs: every other frame
    end = time.monotonic() + SETTLE_S
    while len(host.of_ours()) < 1:
        assert time.monotonic() < end
        time.sleep(0.1)
    while True:
        told = json.loads(host.edgeguard("status", "--json"))
        if told["totals"]["tcp_syn"] + told["lost"] >= sent:
            break
        assert time.monotonic() < end
        time.sleep(0.1)
    assert told["totals"]["tcp_syn"] <= sent <= told["totals"]["tcp_syn"] + told["lost"]
    assert len(told["threads"]) == threads
    assert sum(one["received"] for one in told["threads"]) >= max(2 * sent - told["lost"], told["received"])
    assert sum(one["received"] > 100 for one in told["threads"]) > 1
    assert f"thread {threads - 1}: " in host.edgeguard("status")
    assert host.stop() == 0
    assert host.of_ours()
