"""Segmentation-offload super-frames: counts and bytes equal the packets on the wire behind the uplink."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterator

import numpy as np
import pytest
from capturing import Live, live, send, udp
from namespaces import Namespace

from edgeguard import record
from edgeguard.native import LinkCounter, link_counters

ETHERNET = 14
UDP_SEGMENT = 103  # linux/udp.h
SO_RCVBUFFORCE = 33
HERE, THERE = "192.0.2.2", "198.51.100.9"
HERE6, THERE6 = "2001:db8::2", "2001:db8:1::9"


class Path:
    """A VM, a routing host and a WAN host, with the way between them; nothing else sends a frame."""

    def __init__(self, host: Namespace, vm: Namespace, wan: Namespace, ipv6: bool) -> None:
        self.host, self.vm, self.wan = host, vm, wan
        host.veth("tap0", vm, "eth0")
        host.veth("up0", wan, "eth0")
        host.forward()
        for end, name, own, gateway in (
            (vm, "eth0", (f"{HERE}/24", f"{HERE6}/64"), ("192.0.2.1", "2001:db8::1")),
            (wan, "eth0", (f"{THERE}/24", f"{THERE6}/64"), ("198.51.100.1", "2001:db8:1::1")),
        ):
            port = "tap0" if end is vm else "up0"
            for mine, router in list(zip(own, gateway, strict=True))[: 1 + ipv6]:
                end.address(name, mine)
                host.address(port, f"{router}/{mine.partition('/')[2]}")
                end.route("0.0.0.0/0" if "." in mine else "::/0", router)
                end.neighbour(name, router, host.mac(port))
                host.neighbour(port, mine.partition("/")[0], end.mac(name))
        # segmented before the uplink, as by a card without offload
        host.offload("up0", tx=False, tso=False, gso=False)
        wan.offload("eth0", gro=False)

    def wire(self) -> LinkCounter:
        """What has reached the WAN host's interface, whatever it is."""
        with self.wan.inside():
            return link_counters()[self.wan.index("eth0")]

    def listener(self) -> socket.socket:
        """Every frame that reaches the WAN host's interface, one by one."""
        with self.wan.inside():
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(3))
            sock.bind(("eth0", 3))
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 23)
        return sock


def _udp_lengths(sock: socket.socket) -> list[int]:
    """IP lengths of the UDP packets that reach a listener until nothing follows, by the bytes that came."""
    lengths = []
    sock.settimeout(0.2)
    with contextlib.suppress(TimeoutError):
        while True:
            frame = sock.recv(1 << 16)
            version, protocol = frame[14] >> 4, frame[23] if frame[14] >> 4 == 4 else frame[20]
            if version in (4, 6) and protocol == socket.IPPROTO_UDP:
                lengths.append(len(frame) - ETHERNET)
    return lengths


@contextlib.contextmanager
def path(ipv6: bool = False) -> Iterator[tuple[Path, Live]]:
    with Namespace(ipv6) as host, Namespace(ipv6) as vm, Namespace(ipv6) as wan:
        way = Path(host, vm, wan, ipv6)
        with live(host, uplinks=("up0",)) as running:
            yield way, running


def _until(running: Live, packets: int) -> record.Records:
    """Until so many wire packets have left the VM, and what follows at once."""
    first = running.collect(lambda rows: _out(rows)["packets"].sum() >= packets)
    return np.concatenate([first, running.collect(lambda _: False, 0.15)])


def _out(rows: record.Records) -> record.Records:
    return rows[rows["out_of"] != record.NOBODY]


@pytest.mark.parametrize(("family", "target"), [(socket.AF_INET, THERE), (socket.AF_INET6, THERE6)])
@pytest.mark.parametrize(("size", "segment"), [(48_000, 1200), (4000, 100), (3001, 1000), (1000, 1000)])
def test_udp_segment_counts_wire_packets(family: int, target: str, size: int, segment: int) -> None:
    """A UDP_SEGMENT sender's super-frames count as the packets and bytes that reach the WAN."""
    times = 20
    expected = times * -(-size // segment)
    with path(ipv6=True) as (way, running), way.listener() as listener:
        with way.vm.inside(), socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, segment)
            for _ in range(times):
                sock.sendto(bytes(size), (target, 5353))
        rows = _out(_until(running, expected))
        totals, arrived = running.capture.totals(), _udp_lengths(listener)
    ours = rows[rows["kind"] == record.UDP]
    assert int(ours["packets"].sum()) == len(arrived) == expected
    assert int(ours["bytes"].sum()) == sum(arrived)
    assert (totals["udp"], totals["udp_bytes"]) == (expected, sum(arrived))
    if size > segment:
        assert len(ours) < expected, "the tap carried super-frames, else this proves nothing"
        assert (ours["flags"] & 4).any()


def test_tcp_bulk_counts_wire_packets_both_ways() -> None:
    """A TCP upload in super-frames counts as its wire packets, and the ACKs back as theirs."""
    with path() as (way, running):
        before = way.wire()
        received = way.wan.start(_receive_all)
        upload = way.vm.start(_upload, 3_000_000)
        rows = running.collect(lambda rows: received.done() and upload.done() and _as_many(rows, before, way.wire()))
        rows = np.concatenate([rows, running.collect(lambda _: False, 0.2)])
        after = way.wire()
        lost = running.capture.health().lost
    assert received.result() == upload.result() == 3_000_000 and lost == 0
    out, into = _out(rows), rows[rows["into"] != record.NOBODY]
    packets = after.rx_frames - before.rx_frames
    assert int(out["packets"].sum()) == packets
    assert int(out["bytes"].sum()) == after.rx_bytes - before.rx_bytes - packets * ETHERNET
    assert int(into["packets"].sum()) == after.tx_frames - before.tx_frames
    assert int((out["kind"] == record.SYN).sum()) >= int((into["kind"] == record.SYNACK).sum()) == 1
    assert int(out["packets"].max()) > 1, "the tap carried super-frames, else this proves nothing"


def test_sender_with_offload_makes_super_frames() -> None:
    """The lab's own super-frames (a virtio header before each) are counted and arrive as their segments."""
    with path() as (way, running):
        mac, gateway = (bytes.fromhex(m.replace(":", "")) for m in (way.vm.mac("eth0"), way.host.mac("tap0")))
        frame = gateway + mac + udp(12_000, HERE, THERE)[12:]
        # NEEDS_CSUM, GSO_UDP_L4, header 42, segments of 1000, checksum at 34 + 6
        header = struct.pack("<BBHHHH", 1, 5, 42, 1000, 34, 6)
        before = way.wire()
        sent = send(way.vm, "eth0", [header + frame], 50, 5000, True)
        rows = _out(_until(running, 600))
        arrived = way.wire().rx_frames - before.rx_frames
    assert sent == len(rows) == 50
    assert int(rows["packets"].sum()) == arrived == 600


def _as_many(rows: record.Records, before: LinkCounter, after: LinkCounter) -> bool:
    """Whether as many packets have been counted as have passed the wire: nothing is under way."""
    into = rows[rows["into"] != record.NOBODY]["packets"].sum()
    return (_out(rows)["packets"].sum(), into) == (
        after.rx_frames - before.rx_frames,
        after.tx_frames - before.tx_frames,
    )


def _receive_all() -> int:
    with socket.create_server(("0.0.0.0", 8080)) as server:
        server.settimeout(60)
        stream, _ = server.accept()
        with stream:
            total = 0
            while part := stream.recv(1 << 16):
                total += len(part)
            return total


def _upload(size: int) -> int:
    with _connected() as stream:
        stream.sendall(bytes(size))
    return size


def _connected() -> socket.socket:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            return socket.create_connection((THERE, 8080), timeout=60)
        except ConnectionRefusedError:
            time.sleep(0.02)
    raise TimeoutError("the WAN host does not listen")
