"""The live ring against real frames: counts and bytes, directions, tags, taps that come and go, loss."""

from __future__ import annotations

import os
import socket
import time

import numpy as np
import pytest
from capturing import VM, VM6, Live, live, send, syn, udp, udp6
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from namespaces import Namespace

from edgeguard import record
from edgeguard.config import build
from edgeguard.errors import CaptureError
from edgeguard.native import Ring, Totals, link_counters
from edgeguard.record import NOBODY

ETHERNET = 14


def _own(live: Live, rows: record.Records, tap: str) -> record.Records:
    return rows[rows["out_of"] == live.indexes[tap]]


def test_every_frame_out_of_a_vm_is_counted_once_with_its_bytes() -> None:
    """Frames, kinds and IP bytes equal what was sent, and the tap's kernel counter agrees."""
    frames = [udp(18), udp(300), udp6(40), syn()]
    with Namespace() as host, Namespace() as vm:
        tap = host.veth("tap0", vm, "eth0")
        with live(host) as running:
            sending = vm.start(send, vm, "eth0", frames, 8000, 40_000)
            rows = running.rows(8000)
            sent = sending.result()
            totals, health = running.capture.totals(), running.capture.health()
            with host.inside():
                kernel = link_counters()[tap]
    assert sent == kernel.rx_frames == len(rows) == 8000
    assert (
        int(rows["bytes"].sum()) == kernel.rx_bytes - sent * ETHERNET == 2000 * sum(len(f) - ETHERNET for f in frames)
    )
    assert {int(i) for i in rows["out_of"]} == {0} and {int(i) for i in rows["into"]} == {NOBODY}
    assert (totals["frames"], totals["ipv4"], totals["ipv6"]) == (8000, 6000, 2000)
    assert (totals["udp"], totals["tcp_syn"]) == (6000, 2000)
    assert (health.received, health.lost) == (8000, 0)
    seen = {str(record.address(int(r["family"]), r["src_hi"], r["src_lo"])) for r in rows[:8]}
    assert seen == {VM, VM6}


def test_time_is_the_kernel_s() -> None:
    """Timestamps lie between the moment before the first frame and the moment it was read, in order."""
    with Namespace() as host, Namespace() as vm:
        host.veth("tap0", vm, "eth0")
        with live(host) as running:
            before = time.time_ns()
            send(vm, "eth0", [udp()], 100)
            rows = running.rows(100)
            after = time.time_ns()
            lag = running.capture.health().lag_ns
    assert before <= rows["ts"].min() and rows["ts"].max() <= after
    assert (np.diff(rows["ts"]) >= 0).all()
    assert 0 < lag < after - before


def test_directions_on_a_bridged_host_and_no_copy_from_uplink_or_bridge() -> None:
    """A frame between two VMs leaves one tap and enters the other; uplink and bridge add nothing."""
    with Namespace() as host, Namespace() as one, Namespace() as two, Namespace() as wan:
        host.veth("tap1", one, "eth0")
        host.veth("tap2", two, "eth0")
        host.veth("up0", wan, "eth0")
        host.bridge("br0", "tap1", "tap2", "up0")
        with live(host, uplinks=("up0",)) as running:
            send(one, "eth0", [udp()], 500, rate=20_000)  # to an unknown MAC: flooded to all ports
            rows = running.rows(1000)
            send(wan, "eth0", [udp()], 200, rate=20_000)  # from outside, to both VMs
            inward = running.rows(400)
    one_index, two_index = running.indexes["tap1"], running.indexes["tap2"]
    assert sorted(running.indexes) == ["tap1", "tap2"]
    assert [(rows["out_of"] == one_index).sum(), (rows["into"] == two_index).sum(), len(rows)] == [500, 500, 1000]
    assert (inward["out_of"] == NOBODY).all()
    assert [(inward["into"] == i).sum() for i in (one_index, two_index)] == [200, 200]


def test_firewall_bridge_counts_once() -> None:
    """A tap behind a firewall bridge, joined to the main bridge by a veth pair, is counted at the tap alone."""
    with Namespace() as host, Namespace() as vm, Namespace() as wan:
        host.veth("tap0", vm, "eth0")
        host.veth("up0", wan, "eth0")
        host.veth("fwln0", host, "fwpr0")
        host.bridge("fwbr0", "tap0", "fwln0")
        host.bridge("br0", "fwpr0", "up0")
        with live(host, uplinks=("up0",)) as running:
            sent = send(vm, "eth0", [udp()], 300, rate=20_000)
            rows = running.rows(sent)
            with wan.inside():
                arrived = link_counters()[wan.index("eth0")].rx_frames
    assert list(running.indexes) == ["tap0"] and len(rows) == sent == arrived == 300


def test_macvtap_is_the_other_way_round() -> None:
    """What a macvtap receives goes into the VM, what is sent through it comes out of it."""
    with Namespace() as host, Namespace() as wan:
        host.veth("up0", wan, "eth0")
        try:
            host.link("mv0", "macvtap", link=host.index("up0"), macvtap_mode="bridge")
        except Exception as error:  # the kernel may lack the module
            pytest.skip(f"no macvtap here: {error}")
        mac = bytes.fromhex(host.mac("mv0").replace(":", ""))
        with live(host, uplinks=("up0",)) as running:
            send(wan, "eth0", [mac + udp()[6:]], 50, rate=10_000)
            into = running.rows(50)
            with host.inside(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
                sock.bind(("mv0", 0))
                frame = udp()
                for _ in range(50):
                    sock.send(frame)
            out = running.rows(50)
    assert (into["into"] == running.indexes["mv0"]).all() and len(into) == 50
    assert (out["out_of"] == running.indexes["mv0"]).all() and len(out) == 50


@pytest.mark.parametrize(("vlans", "outermost"), [((), 0), ((100,), 100), ((200, 100), 200), ((7, 8, 9), 7)])
def test_tags_the_kernel_took_off(vlans: tuple[int, ...], outermost: int) -> None:
    """The outermost tag, which the kernel hands over beside the frame, is in the record; the rest is decoded."""
    with Namespace() as host, Namespace() as vm:
        host.veth("tap0", vm, "eth0")
        with live(host) as running:
            send(vm, "eth0", [udp(vlans=vlans)], 10)
            rows = running.rows(10)
    assert [int(v) for v in rows["vlan"]] == [outermost] * 10
    assert (rows["kind"] == record.UDP).all() and (rows["dst_port"] == 53).all()


def test_tap_device_as_qemu_opens_it() -> None:
    """Frames written to a TAP's descriptor leave the VM; a TUN without link header is read as raw IP."""
    with Namespace() as host:
        tap, tun = host.tap("tap0"), host.tap("tun0", layer3=True)
        with live(host) as running:
            frame, packet = udp(), udp6()[ETHERNET:]
            for _ in range(20):
                os.write(tap, frame)
                os.write(tun, packet)
            rows = running.rows(40)
    ethernet, raw = _own(running, rows, "tap0"), _own(running, rows, "tun0")
    assert (len(ethernet), len(raw)) == (20, 20)
    assert (ethernet["family"] == 4).all() and (raw["family"] == 6).all() and (rows["kind"] == record.UDP).all()


def test_extension_headers_are_followed_past_the_usual_copy() -> None:
    """A UDP header behind 1 KiB of IPv6 options is still found: hiding it there does not hide a flood."""
    options = bytes([17, 127]) + bytes([1, 252]) + bytes(252) + bytes([1, 252]) + bytes(252) + bytes([1, 252])
    options += bytes(252) + bytes([1, 252]) + bytes(252) + bytes([1, 4]) + bytes(4)
    assert len(options) == 1024
    with Namespace() as host, Namespace() as vm:
        host.veth("tap0", vm, "eth0")
        with live(host) as running:
            send(vm, "eth0", [udp6(18, options)], 10)
            rows = running.rows(10)
    assert len(rows) == 10 and (rows["kind"] == record.UDP).all() and (rows["dst_port"] == 53).all()
    assert (rows["bytes"] == 40 + 1024 + 8 + 18).all()


def test_taps_are_followed_while_capturing() -> None:
    """A tap made during capture is counted at the next read, one removed is reported, the other goes on."""
    with Namespace() as host, Namespace() as old, Namespace() as new:
        host.veth("tap0", old, "eth0")
        with live(host) as running:
            assert [(c.what, c.tap.name) for c in running.capture.changes()] == [("appeared", "tap0")]
            host.veth("tap1", new, "eth0")
            send(new, "eth0", [udp()], 10)  # the ring takes it in on its next read
            rows = running.rows(10)
            assert len(_own(running, rows, "tap1")) == 10
            host.remove("tap0")
            running.collect(lambda _: False, 0.1)
            assert [(c.what, c.tap.name) for c in running.capture.changes()] == [("appeared", "tap1"), ("gone", "tap0")]
            send(new, "eth0", [udp()], 10)
            assert len(running.rows(10)) == 10


def test_same_name_again_is_another_tap() -> None:
    """A tap deleted and made again under its name is told as gone and appeared, with another ifindex."""
    with Namespace() as host, Namespace() as vm:
        first = host.veth("tap0", vm, "eth0")
        with live(host) as running:
            running.capture.changes()
            host.remove("tap0")
            second = host.veth("tap0", vm, "eth0")
            running.collect(lambda _: False, 0.1)
            told = [(c.what, c.tap.ifindex) for c in running.capture.changes()]
    assert told == [("gone", first), ("appeared", second)] and first != second


def test_loss_is_counted() -> None:
    """When the ring is too small, read + lost is still exactly what was sent."""
    with Namespace() as host, Namespace() as vm:
        host.veth("tap0", vm, "eth0")
        with live(host, blocks=2, block_bytes=65_536) as running:
            sent = send(vm, "eth0", [udp()], 5000, rate=50_000)
            rows = running.collect(lambda rows: len(rows) + running.capture.health().lost >= sent)
            health = running.capture.health()
    assert health.lost > 0 and health.received == len(rows)
    assert health.received + health.lost == sent == 5000


def test_a_block_is_read_in_pieces() -> None:
    """With room for seven rows at a time no frame of a block is lost, doubled or reordered."""
    with Namespace() as host, Namespace() as vm:
        host.veth("tap0", vm, "eth0")
        with live(host) as running:
            send(vm, "eth0", [udp(n) for n in range(100)], 100)
            running.capture._rows = running.capture._rows[:7]
            rows = running.rows(100)
    assert [int(b) - 28 for b in rows["bytes"]] == list(range(100))


def test_unfinished_slots_are_passed_over() -> None:
    """A frame whose offload the kernel cannot describe (UFO) is lost in the count, not a record of old bytes."""
    with Namespace() as host:
        tap = host.tap("tap0", vnet_hdr=True)
        ufo = bytes([1, 3]) + (14 + 20 + 8).to_bytes(2, "little") + (1480).to_bytes(2, "little") + bytes([34, 0, 6, 0])
        plain, ufo = bytes(10) + udp(), ufo + udp(4000)
        with live(host, blocks=8, block_bytes=65_536) as running:
            read = 0
            for _ in range(20):  # each block is used again, so that slots hold what was there before
                for _ in range(5):
                    os.write(tap, plain)
                    os.write(tap, ufo)
                rows = running.collect(lambda rows: len(rows) >= 5)
                assert (rows["bytes"] == 46).all()
                read += len(rows)
            health = running.capture.health()
    assert health.received == read and health.received + health.lost == 200 and health.lost >= 100


def test_missing_or_down_uplink_is_one_clear_line() -> None:
    """A wrong uplink is named with what to do."""
    with Namespace() as host, Namespace() as wan:
        host.veth("up0", wan, "eth0")
        with (
            live(host, uplinks=("up0", "up9")) as running,
            pytest.raises(CaptureError, match="uplink up9: there is no"),
        ):
            running.taps.require_uplinks()
        host.down("up0")
        with live(host, uplinks=("up0",)) as running, pytest.raises(CaptureError, match="uplink up0: the interface is"):
            running.taps.require_uplinks()


def test_an_impossible_ring_is_one_clear_line() -> None:
    """A block size that is no multiple of the page is refused with the setting to change."""
    with pytest.raises(CaptureError, match=r"ring: 4 blocks of 70000 bytes .* lower \[capture\] blocks"):
        Ring(70_000, 4, 4)


class _Filtered:
    """A ring whose filter is tried with lists, and frames that count as let through or not."""

    def __init__(self, host: Namespace, vm: Namespace) -> None:
        self.tap = host.veth("tap0", vm, "eth0")
        self.frame = udp()
        with host.inside():
            self.ring = Ring(65_536, 4, 1)
        with vm.inside():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self.sock.bind(("eth0", 0))

    def lets_through(self, excluded: list[int]) -> bool:
        self.ring.exclude(excluded)
        before = self.ring.statistics()[0]
        self.sock.send(self.frame)
        self._drain()
        return self.ring.statistics()[0] > before

    def _drain(self) -> None:
        totals, rows = Totals(), np.zeros(64, record.RECORD)
        while self.ring.read(_nobody(), rows, totals):
            pass


def _nobody() -> object:
    from edgeguard.capture.points import Points  # noqa: PLC0415

    return Points(16).table


def test_filter_leaves_out_exactly_the_excluded() -> None:
    """Whatever the list (ranges, gaps, thousands), a frame passes if and only if its interface is not on it."""
    with Namespace() as host, Namespace() as vm:
        tried = _Filtered(host, vm)
        near = st.lists(st.integers(1, tried.tap + 40), max_size=60)
        far = st.integers(1, 400).flatmap(lambda step: st.just(list(range(1, 100_000, step))[:550]))

        @hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.one_of(near, far), st.booleans())
        def holds(listed: list[int], on_it: bool) -> None:
            others = [index for index in listed if index != tried.tap]
            assert tried.lets_through(others + [tried.tap] * on_it) is not on_it

        holds()


def test_a_list_too_long_for_the_kernel_still_captures() -> None:
    """Past what a filter can hold, interfaces that are not on the list still come through."""
    with Namespace() as host, Namespace() as vm:
        tried = _Filtered(host, vm)
        odd = [index for index in range(1, 20_000, 2) if index != tried.tap]
        assert tried.lets_through(odd)


def test_interfaces_without_a_point_are_passed_over() -> None:
    """A frame of an interface that nobody assigned is counted as passed over and makes no record."""
    with Namespace() as host, Namespace() as vm:
        host.veth("tap0", vm, "eth0")
        with live(host) as running:
            running.capture._points.remove(host.index("tap0"))
            send(vm, "eth0", [udp()], 30)
            assert len(running.rows(1, seconds=0.2)) == 0
            assert running.capture.passed_over() == 30
            assert running.capture.totals()["frames"] == 0


def test_the_shipped_ring_outlasts_a_stall() -> None:
    """With the shipped settings a reader that stands still for 600 ms loses nothing at 30,000 packets a second."""
    shipped = build({}).capture
    with Namespace() as host, Namespace() as vm:
        host.veth("tap0", vm, "eth0")
        for _ in range(20):
            with live(host, blocks=shipped.blocks, block_bytes=shipped.block_bytes) as running:
                begin = time.monotonic()
                sending = vm.start(send, vm, "eth0", [udp()], 18_000, 30_000)
                time.sleep(0.6)
                first, stood = len(running.capture.read(0)), time.monotonic() - begin
                health = running.capture.health
                rows = running.collect(lambda rows: first + len(rows) + health().lost >= 18_000)  # noqa: B023
                lost = health().lost
            assert first + len(rows) + lost == sending.result() == 18_000
            if stood < 0.75:  # or the machine stood still for longer than we claim
                break
    assert lost == 0
