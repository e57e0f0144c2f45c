"""A hypervisor with two VMs in namespaces of their own, and what its kernel says of them."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.parts.flood import mac
from edgeguard.lab.topology import Node
from edgeguard.native import link_counters

TAPS = ("tap0", "tap1")
VM_ENDS = ("eth0", "eth1")  # both VMs are one namespace: one sender floods for both
SIOCETHTOOL, ETHTOOL_SGRO = 0x8946, 0x2C  # linux/sockios.h, linux/ethtool.h
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


class Host:
    """Two veth pairs. The taps take in frames by NAPI, as a physical interface does."""

    def __init__(self) -> None:
        self.hypervisor, self.vms = Node(), Node()
        for node in (self.hypervisor, self.vms):
            with node.namespace.inside():  # nothing on the taps but the flood
                Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1", encoding="ascii")
        for number, (tap, end) in enumerate(zip(TAPS, VM_ENDS, strict=True)):
            peer = {"ifname": end, "net_ns_fd": self.vms.namespace.fd, "address": mac(number)}
            self.hypervisor.ip.link("add", ifname=tap, kind="veth", peer=peer)
            with self.hypervisor.namespace.inside():
                _receive_offload(tap)
            self.hypervisor.up(tap)
            self.vms.up(end)

    def senders(self) -> tuple[int, int]:
        """The ifindexes of the VMs' ends."""
        return self.vms.index(VM_ENDS[0]), self.vms.index(VM_ENDS[1])

    def arrived(self) -> int:
        """Frames that the kernel counted on the taps."""
        with self.hypervisor.namespace.inside():
            counters = link_counters()
        return sum(counters[self.hypervisor.index(tap)].rx_frames for tap in TAPS)

    def close(self) -> None:
        for node in (self.hypervisor, self.vms):
            node.close()


def _receive_offload(name: str) -> None:
    """`ethtool -K NAME gro on`: a veth only takes redirected frames when its other end receives by NAPI."""
    value = ctypes.create_string_buffer(struct.pack("II", ETHTOOL_SGRO, 1))
    request = struct.pack("16sP", name.encode(), ctypes.addressof(value))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCETHTOOL, request.ljust(40, b"\0"))


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """Processes started here stay on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True, slots=True)
class Spent:
    """Processor time in ns: of a process with its children, and of the kernel for interrupts' packets."""

    user: int
    system: int
    softirq: int

    def __sub__(self, before: Spent) -> Spent:
        return Spent(self.user - before.user, self.system - before.system, self.softirq - before.softirq)


def spent(pid: int | None) -> Spent:
    """Up to now. Ticks; the kernel scales user and system of a process to what its scheduler measured."""
    words = Path("/proc/stat").read_text(encoding="ascii").split(maxsplit=8)
    user, system = _process(pid) if pid is not None else (0, 0)
    return Spent(user * TICK_NS, system * TICK_NS, int(words[7]) * TICK_NS)


def _process(pid: int) -> tuple[int, int]:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    all_ = [(int(fields[11]), int(fields[12])), *(_process(int(child)) for child in children)]
    return sum(user for user, _ in all_), sum(system for _, system in all_)
