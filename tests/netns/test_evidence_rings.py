"""Headers out of real rings: the tag that the kernel takes off, who sent, several threads, and a mirror port."""

from __future__ import annotations

import numpy as np
from capturing import live, send, settings, udp, udp6
from namespaces import Namespace
from oracles.mirror import ONE, TWO, between, vxlan
from test_mirror import port, vm

from edgeguard.capture.fanout import FanoutCapture
from edgeguard.capture.points import Points
from edgeguard.capture.taps import Taps
from edgeguard.evidence import pcap
from edgeguard.native import Savefile, Totals
from edgeguard.native.headers import KEPT, OUT, Frames, Headers
from edgeguard.record import RECORD, Records

GATEWAY = "02:00:00:00:00:fe"


def read(frames: Frames) -> Records:
    """Through a savefile, as anybody else would."""
    rows, totals = np.zeros(len(frames) + 1, RECORD), Totals()
    return rows[: Savefile(pcap.savefile(frames)).read(None, rows, totals)]


def test_the_headers_of_a_tap() -> None:
    """What leaves the VM is kept with its tag, cut behind its headers; another tap's frames are not there."""
    with Namespace() as host, Namespace() as vms:
        for name in ("tap1", "tap2"):
            host.veth(name, vms, f"far-{name}")
        with live(host) as running:
            headers = Headers(4)
            running.capture.keep(headers)
            sent = [udp(400, vlans=(12,)), udp6(400), udp(400)]
            for one in sent:
                send(vms, "far-tap1", [one], 1)
            running.rows(3)
            of_tap, of_other = (headers.frames(running.indexes[name]) for name in ("tap1", "tap2"))
        out = of_tap[of_tap["wire"] > 400]
        assert (out["flags"] & OUT != 0).all()
        assert not len(of_other[of_other["wire"] > 400])
        rows = read(out)
        assert sorted(zip(rows["vlan"].tolist(), rows["family"].tolist(), strict=True)) == [(0, 4), (0, 6), (12, 4)]
        assert sorted(out["captured"].tolist()) == [42, 42, 62]
        assert {int(row["dst_port"]) for row in rows} == {53}


def test_all_threads_keep_in_one_place() -> None:
    """Frames to many addresses come through two rings, and the newest of both are there, each once."""
    with Namespace() as host, Namespace() as vms:
        host.veth("tap1", vms, "far")
        with host.inside():
            taps = Taps((), ())
            capture = FanoutCapture(settings(threads=2), taps, Points(16), lambda _: 0)
        headers = Headers(1)
        capture.keep(headers)
        try:
            frames = [udp(target=f"198.51.{n}.7") for n in range(100)]
            send(vms, "far", frames, 100, rate=1_000)
            seen = [0, 0]
            for _ in range(400):
                for n, channel in enumerate(capture.channels):
                    seen[n] += int(np.sum(channel.read()["family"] == 4))
                if sum(seen) == 100:
                    break
                capture.channels[0].wait(0.05)
        finally:
            capture.close()
            taps.close()
        assert sum(seen) == 100
        assert min(seen) > 0
        rows = read(headers.frames(0))
        assert len(set(rows["dst_lo"][rows["family"] == 4].tolist())) == 100
        assert headers.kept(0) <= KEPT


def test_the_headers_of_a_mirror_port() -> None:
    """A frame between two VMs is kept at both, out of one and into the other; VXLAN's own headers are nobody's."""
    with port(vm(1, ONE), vm(2, TWO), vxlan=True) as mirror:
        headers = Headers(2048)
        mirror.capture.keep(headers)
        mirror.copies([between(ONE, TWO, udp(300)), vxlan(between(TWO, GATEWAY, udp6(300), vlans=(12,)))])
        found = {one.id: headers.frames(point) for point in range(2048) if (one := mirror.machines.vm(point))}
    first, second = found["vm-1"], found["vm-2"]
    assert (first["flags"] & OUT).tolist() == [OUT]
    assert sorted((second["flags"] & OUT).tolist()) == [0, OUT]
    assert first["captured"].tolist() == [42]
    assert sorted(second["captured"].tolist()) == [42, 66]
    assert sorted(read(second)["vlan"].tolist()) == [0, 12]
