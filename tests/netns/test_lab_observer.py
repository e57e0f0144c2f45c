"""The observer counts every marked frame that leaves, and nothing else."""

from __future__ import annotations

import socket
import time

import numpy as np
from laboratory import in_lab

from edgeguard import native
from edgeguard.lab import addresses as plan
from edgeguard.lab import observer, traffic
from edgeguard.lab.addresses import VM
from edgeguard.lab.topology import Node, Topology

FRAMES = 150_000


def _send(node: Node, name: str, frames: traffic.Frames, count: int) -> None:
    with node.namespace.inside():
        sender = native.Sender(socket.if_nametoindex(name))
    sender.run(frames, count, 0, seconds=300)
    sender.close()


def _watching() -> tuple[Topology, observer.Observer]:
    """A host that forwards: what a socket sends by an interface itself would not all pass its taps."""
    topology = Topology("routed")
    with topology.hypervisor.namespace.inside():
        return topology, observer.Observer(plan.UPLINK)


def _observed() -> tuple[int, int, int, int, bool]:
    topology, watching = _watching()
    marked = traffic.syn_flood(VM.address, plan.TARGETS[0]) + traffic.udp_flood(VM.address6, plan.TARGET6)
    start = time.time_ns()
    _send(topology.vm, "eth0", marked, FRAMES)
    _send(topology.vm, "eth0", traffic.echoes(VM.address, VM.mac)[0], 1000)  # leaves without a mark
    inbound = traffic.from_wan(traffic.syn_flood(plan.SERVICE, VM.spare), plan.HOST_MAC)
    _send(topology.wan, "eth0", inbound, 1000)  # comes in
    seen = watching.read()
    in_time = bool(((seen["at"] >= start) & (seen["at"] <= time.time_ns())).all())
    ordered = bool((np.diff(seen["at"]) >= 0).all())
    return (
        len(seen),
        int(observer.is_to(seen, plan.TARGETS[0]).sum()),
        int(observer.is_to(seen, plan.TARGET6).sum()),
        watching.losses(),
        in_time and ordered,
    )


def test_every_marked_frame_that_leaves_is_seen_once() -> None:
    """150,000 marked frames of both families out of the uplink are all there, none lost, stamped by
    the kernel in order; unmarked and incoming ones are not."""
    total, to4, to6, lost, in_time = in_lab(_observed)
    assert (total, lost, in_time) == (FRAMES, 0, True)
    cycles, rest = divmod(FRAMES, 2 * traffic.DIFFERENT)
    assert to4 == cycles * traffic.DIFFERENT + min(rest, traffic.DIFFERENT)
    assert to4 + to6 == FRAMES


def _super_frames() -> tuple[int, int]:
    topology, watching = _watching()
    with topology.vm.namespace.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(17, 103, traffic.SEGMENT)  # UDP_SEGMENT
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, plan.MARK)
        for length in (64 * traffic.SEGMENT, 64 * traffic.SEGMENT - 1, traffic.SEGMENT + 1, 1):
            sock.sendto(bytes(length), (plan.TARGETS[0], plan.UDP_PORT))
    seen = watching.read()
    return len(seen), observer.packets(seen, traffic.SEGMENT)


def test_super_frames_count_as_the_packets_they_become() -> None:
    """64, 64, 2 and 1 packets that the kernel was asked for are four frames and 131 packets."""
    assert in_lab(_super_frames) == (4, 131)


def test_losses_are_counted_not_hidden() -> None:
    """A full ring says how many frames it had no room for; seen and lost add up to what was sent."""

    def overfull() -> tuple[int, int]:
        topology, watching = _watching()
        _send(topology.vm, "eth0", traffic.syn_flood(VM.address, plan.TARGETS[0]), observer.SLOTS + 5000)
        return len(watching.read()), watching.losses()

    assert in_lab(overfull) == (observer.SLOTS, 5000)


def test_the_clock_is_the_wall_clock() -> None:
    """An observer that waits wakes up for a frame and stamps it with the moment it came."""

    def waited() -> tuple[int, int, int]:
        topology, watching = _watching()
        before = time.time_ns()
        _send(topology.vm, "eth0", traffic.syn_flood(VM.address, plan.TARGETS[0]), 1)
        watching.wait(60_000)
        return before, int(watching.read()["at"][0]), time.time_ns()

    before, at, after = in_lab(waited)
    assert before <= at <= after
