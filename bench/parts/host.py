"""A hypervisor with two VMs in namespaces of their own, and what its kernel says of them."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench.parts import usertime
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


class Meter:
    """The time of a process on one core, and of its children. No pid: of interrupts alone.

    `by`: how user and system were told apart.
    """

    def __init__(self, pid: int | None, core: int) -> None:
        self._pid = pid
        self._user: usertime.UserTime | None = None
        self.by = "samples of the running time"
        try:
            self._user = usertime.UserTime(pid, core) if pid is not None else None
        except usertime.NoSamplesError as error:
            self.by = f"ticks of the clock, which may be all wrong ({error})"

    def read(self) -> Spent:
        """Up to now."""
        if self._pid is None:
            return Spent(0, 0, softirq())
        if self._user is None:
            return replace(_by_ticks(self._pid), softirq=softirq())
        user = self._user.read()
        return Spent(user, usertime.running(self._pid) - user, softirq())

    def close(self) -> None:
        if self._user is not None:
            self._user.close()


def softirq() -> int:
    """ns in interrupts' packets on all cores, by ticks."""
    return int(Path("/proc/stat").read_text(encoding="ascii").split(maxsplit=8)[7]) * TICK_NS


def _by_ticks(pid: int) -> Spent:
    """The sum is what the scheduler measured; see usertime about its parts."""
    user = system = 0
    for process in usertime.family(pid):
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        user, system = user + int(fields[11]), system + int(fields[12])
    return Spent(user * TICK_NS, system * TICK_NS, 0)
