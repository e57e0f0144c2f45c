"""Harm as a real kernel tells it: what queues drop, how fast links are, which devices carry, what conntrack holds."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from namespaces import SIOCETHTOOL, Namespace
from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from edgeguard.capture.links import Link
from edgeguard.capture.taps import Taps, carriers
from edgeguard.harm import conntrack
from edgeguard.harm.queue import Queues
from edgeguard.harm.speed import speed
from edgeguard.native import link_counters

ETHTOOL_GLINKSETTINGS, ETHTOOL_SLINKSETTINGS = 0x4C, 0x4D
FRAMES = 300


@pytest.fixture
def host() -> Iterator[Namespace]:
    with Namespace() as made:
        yield made


@pytest.fixture
def wan() -> Iterator[Namespace]:
    with Namespace() as made:
        yield made


def datagrams(port: int, number: int, ports: int = 1) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for n in range(number):
            with contextlib.suppress(OSError):
                sock.sendto(b"x" * 100, ("192.0.2.9", port + n % ports))


# ---- queues ----------------------------------------------------------------------------------------


def test_the_drops_of_a_queue_are_read_one_link_at_a_time(host: Namespace, wan: Namespace) -> None:
    """A token bucket of 8 kbit/s drops most of a burst: as many as the same socket's link has not sent. The link's own
    counters know nothing of it, and a link without a queue has no such number."""
    index = host.veth("up0", wan, "far")
    other = host.veth("up1", wan, "far1")
    host.address("up0", "192.0.2.1/24")
    host.neighbour("up0", "192.0.2.9", "02:00:00:00:00:09")
    with host.routes() as ip:
        try:
            ip.tc("add", "tbf", index, 0x10000, rate="8kbit", burst=2_000, latency="50ms")
        except NetlinkError as error:
            pytest.skip(f"this kernel has no token bucket queue ({error})")
    with host.inside():
        queues = Queues()
        with contextlib.closing(queues):
            before, sent = queues.drops(index), link_counters()[index].tx_frames
            datagrams(9, FRAMES)
            after, link = queues.drops(index), link_counters()[index]
            assert before == 0
            assert after is not None
            with IPRoute() as ip:  # an independent reader of the same message
                (message,) = list(ip.get_qdiscs(index))
                stats = message.get_attr("TCA_STATS2").get_attr("TCA_STATS_QUEUE")
            assert after == stats["drops"]
            assert 0 < FRAMES - after - (link.tx_frames - sent) < 20  # what still waits in the queue
            assert link.tx_dropped == 0
            assert queues.drops(other) in (None, 0)
            assert queues.drops(2**30) is None, "a link that does not exist"


# ---- speed -----------------------------------------------------------------------------------------


def set_speed(name: str, megabits: int) -> None:
    """As `ethtool -s NAME speed`: the settings with their link modes, read and written back."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:

        def ask(data: bytearray) -> None:
            buffer = (ctypes.c_char * len(data)).from_buffer(data)
            fcntl.ioctl(sock, SIOCETHTOOL, struct.pack("@16sP16x", name.encode(), ctypes.addressof(buffer)))

        probe = bytearray(struct.pack("=I", ETHTOOL_GLINKSETTINGS).ljust(48 + 3 * 4 * 127, b"\0"))
        ask(probe)
        words = -struct.unpack_from("=b", probe, 15)[0]
        probe[:48] = struct.pack("=I", ETHTOOL_GLINKSETTINGS).ljust(48, b"\0")
        struct.pack_into("=b", probe, 15, words)
        ask(probe)
        struct.pack_into("=II", probe, 0, ETHTOOL_SLINKSETTINGS, megabits)
        ask(probe)


def test_the_speed_is_the_drivers(host: Namespace) -> None:
    """A TAP device tells the speed it was given, above 65,535 Mbit/s too; the loopback has none, nor has a link that is
    not there."""
    host.tap("tap0")
    with host.inside():
        for megabits in (25_000, 100_000):
            try:
                set_speed("tap0", megabits)
            except OSError as error:
                pytest.skip(f"the speed of a TAP device cannot be set on this kernel ({error})")
            assert speed("tap0") == megabits * 1_000_000
        assert speed("lo") is None
        assert speed("nowhere") is None


# ---- what carries the uplinks ------------------------------------------------------------------------


def link(index: int, name: str, kind: str, master: int | None = None, lower: int | None = None) -> Link:
    return Link(index, name, "02:00:00:00:00:01", kind, master, lower, elsewhere=False, up=True)


def test_what_carries_an_uplink_is_below_it() -> None:
    """A bridge over a VLAN on a bond of two devices: whatever can be full or drop is found, and told from the uplink;
    taps, their firewall bridges' veths and strangers are not."""
    there = [
        link(1, "lo", ""),
        link(2, "eth0", "", master=4),
        link(3, "eth1", "", master=4),
        link(4, "bond0", "bond"),
        link(5, "bond0.7", "vlan", master=6, lower=4),
        link(6, "br0", "bridge"),
        link(7, "tap0", "tun", master=6),
        link(8, "fwpr101p0", "veth", master=6, lower=9),
        link(10, "eth9", ""),
    ]
    found = carriers({one.index: one for one in there}, ("br0", "gone0"), {7})
    assert [(one.name, one.has_speed, one.below) for one in found] == [
        ("br0", False, False),
        ("bond0.7", False, True),
        ("bond0", True, True),
        ("eth0", True, True),
        ("eth1", True, True),
    ]


def test_a_veth_carries_but_has_no_speed(host: Namespace, wan: Namespace) -> None:
    """A veth claims 10 Gbit/s; nothing of it is believed. An uplink that is not there carries nothing."""
    host.veth("up0", wan, "far")
    with host.inside(), contextlib.closing(Taps((), ("up0", "gone0"))) as taps:
        (carrier,) = taps.carriers()
    assert (carrier.name, carrier.has_speed, carrier.below) == ("up0", False, False)


# ---- conntrack ---------------------------------------------------------------------------------------


def test_the_table_is_that_of_this_namespace(host: Namespace, wan: Namespace) -> None:
    """Every new flow of a namespace whose rules look at states is one more entry there, and none elsewhere."""
    if conntrack.read() is None:
        pytest.skip("nf_conntrack is not in this kernel")
    host.veth("up0", wan, "far")
    host.address("up0", "192.0.2.1/24")
    host.neighbour("up0", "192.0.2.9", "02:00:00:00:00:09")
    rules = "table ip t { chain o { type filter hook output priority 0; ct state new accept; }; }"
    try:
        host.run("nft", rules)
    except FileNotFoundError:
        pytest.skip("nft is not installed: nothing here is tracked")
    with Namespace() as other:
        before = [_count(host), _count(other)]
        with host.inside():
            datagrams(20_000, 40, ports=40)
            datagrams(20_000, 40, ports=40)
        assert _count(host) == before[0] + 80
        assert _count(other) == before[1]


def _count(namespace: Namespace) -> int:
    with namespace.inside():
        table = conntrack.read(Path("/proc"))
    assert table is not None
    assert table.max > 0
    assert table.syn_timeout > 0
    return table.count
