"""Null routes on real hosts of every kind: what they stop, what they let through, how they end."""

from __future__ import annotations

import shutil
import socket
import time

from enforcement_host import (
    FORGED4,
    FORGED6,
    OTHER4,
    OTHER6,
    TARGET4,
    TARGET6,
    UDP_PORT,
    Host,
    answered,
    echo,
    target,
    to,
    unanswered,
    until,
)
from scapy.layers.inet import IP, UDP, IPOption
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment
from scapy.layers.l2 import Dot1Q
from scapy.packet import Raw

from edgeguard.model import Happened, Scope

LIFETIMES = (0.5, 2, 8, 32)  # seconds: where a machine is too slow to see one stand, the next


def stands(host: Host, decision: str, seconds: float) -> int:
    """A null route for so long, acknowledged; its end, or 0 where the order came after it."""
    end = time.time_ns() + int(seconds * 1e9)
    host.enforcer.order(host.order(decision, until=end))
    outcome = host.wait(decision, Happened.ACKNOWLEDGED, Happened.FAILED)
    assert outcome.happened == Happened.ACKNOWLEDGED or "is over already" in outcome.detail
    return end if outcome.happened == Happened.ACKNOWLEDGED else 0


def shows(host: Host, *words: str) -> bool:
    """Whether the operator's own programs list these words among what is ours; no word: nothing at all.

    True where the programs are missing: the frames that arrive are the first witness.
    """
    if not shutil.which("ip") or not shutil.which("nft"):
        return True
    rules = [host.host.run("ip", family, "rule").stdout for family in ("-4", "-6")]
    routes = [host.host.run("ip", f, "route", "show", "table", "all", "proto", "78").stdout for f in ("-4", "-6")]
    ours = [line for text in rules for line in text.splitlines() if "proto 78" in line]
    ruleset = host.host.run("nft", "list", "ruleset").stdout
    does = ruleset if "hook" in ruleset or "elements" in ruleset else ""  # our empty table does nothing
    everything = "\n".join([*ours, *routes, does]).strip()
    return all(word in everything for word in words) if words else not everything


def flood(host: Host) -> list[bytes]:
    """To the targets, honest and forged, both families."""
    return [
        host.frame(TARGET4),
        host.frame(TARGET4, FORGED4),
        host.frame(TARGET6),
        host.frame(TARGET6, FORGED6),
    ]


def test_narrow_stops_its_targets_alone(host: Host) -> None:
    """A narrow null route lets nothing to its targets leave, forged or not; all else works; it ends whole."""
    honest = [host.frame(OTHER4), host.frame(OTHER6)]
    neighbour = [host.frame(TARGET4, who="neighbour"), host.frame(TARGET6, who="neighbour")]
    stop, _ = echo(host.wan, TARGET4, UDP_PORT)
    stop_other, _ = echo(host.wan, OTHER4, UDP_PORT)
    assert shows(host)
    with host.vm.inside():
        flow, other = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    flow.connect((TARGET4, UDP_PORT))
    other.connect((OTHER4, UDP_PORT))
    assert answered(flow) and answered(other)
    before = host.arrived(flood(host), 10)
    assert to(before, TARGET4) == 20 and to(before, TARGET6) == 20

    order = host.order("d-1")
    host.enforcer.order(order)
    host.wait("d-1", Happened.ACKNOWLEDGED)

    during = host.arrived(flood(host) + honest, 100)
    assert to(during, TARGET4) == 0 and to(during, TARGET6) == 0
    assert to(during, OTHER4) == 100 and to(during, OTHER6) == 100
    theirs = host.arrived(neighbour, 50, "neighbour")
    assert to(theirs, TARGET4) == 50 and to(theirs, TARGET6) == 50
    assert unanswered(flow) and answered(other)
    assert shows(host, TARGET4, TARGET6)

    host.released(order)
    after = host.arrived(flood(host), 10)
    assert to(after, TARGET4) == 20 and to(after, TARGET6) == 20
    assert answered(flow)
    assert shows(host)
    stop()
    stop_other()


def test_full_stops_everything_both_ways(host: Host) -> None:
    """A full null route lets nothing out of the VM and nothing into it; the neighbour works; it ends whole."""
    out = [*flood(host), host.frame(OTHER4), host.frame(OTHER6)]
    neighbour = [host.frame(TARGET4, who="neighbour"), host.frame(OTHER6, who="neighbour")]
    order = host.order("d-full", scope=Scope.FULL)
    host.enforcer.order(order)
    host.wait("d-full", Happened.ACKNOWLEDGED)

    during = host.arrived(out, 50)
    assert not [pair for pair in during if pair[0] in (host.vm4, host.vm6, FORGED4, FORGED6)]
    theirs = host.arrived(neighbour, 50, "neighbour")
    assert to(theirs, TARGET4) == 50 and to(theirs, OTHER6) == 50
    assert into_vm(host) == (0, 0)
    assert into_vm(host, host.neighbour4, host.neighbour) == (10, 0)

    host.released(order)
    after = host.arrived(out, 10)
    assert to(after, TARGET4) == 20 and to(after, OTHER6) == 10
    assert into_vm(host) == (10, 10)
    assert shows(host)


def into_vm(host: Host, four: str | None = None, namespace: object = None) -> tuple[int, int]:
    """How many of ten UDP packets of each family from the WAN arrive at the VM (or a neighbour)."""
    addresses = [four or host.vm4] if four else [host.vm4, host.vm6]
    with host.counting(namespace or host.vm) as counts:
        for address in addresses:
            with host.wan.inside():
                kind = socket.AF_INET6 if ":" in address else socket.AF_INET
                with socket.socket(kind, socket.SOCK_DGRAM) as sock:
                    for _ in range(10):
                        sock.sendto(b"in", (address, 5555))
                        time.sleep(0.002)
    return tuple(to(counts, address) for address in addresses) if not four else (to(counts, four), 0)  # type: ignore[return-value]


def test_port_and_fragments_on_a_bridge(bridged: Host) -> None:
    """With a port only that port is dropped, with options, extension headers and tags; later fragments go too."""
    payload = Raw(b"y" * 40)
    four = {"src": bridged.vm4, "dst": TARGET4}
    six = {"src": bridged.vm6, "dst": TARGET6}
    dropped = [
        IP(**four) / UDP(dport=53) / payload,
        IP(**four, options=[IPOption(b"\x01\x01\x01\x00")]) / UDP(dport=53) / payload,
        IP(**four, proto=17, frag=64) / payload,
        Dot1Q(vlan=7) / IP(**four) / UDP(dport=53) / payload,
        Dot1Q(vlan=7) / Dot1Q(vlan=8) / IP(**four) / UDP(dport=53) / payload,
        IPv6(**six) / UDP(dport=53) / payload,
        IPv6(**six) / IPv6ExtHdrDestOpt() / UDP(dport=53) / payload,
        IPv6(**six) / IPv6ExtHdrFragment(nh=17, offset=64) / payload,
        Dot1Q(vlan=7) / Dot1Q(vlan=8) / IPv6(**six) / UDP(dport=53) / payload,
    ]
    passed = [
        IP(**four) / UDP(dport=54) / payload,
        IP(**four, options=[IPOption(b"\x01\x01\x01\x00")]) / UDP(dport=54) / payload,
        IP(**four, proto=6, frag=64) / payload,
        Dot1Q(vlan=7) / Dot1Q(vlan=8) / IP(**four) / UDP(dport=54) / payload,
        IPv6(**six) / UDP(dport=54) / payload,
        IPv6(**six) / IPv6ExtHdrFragment(nh=6, offset=64) / payload,
    ]
    order = bridged.order("d-port", targets=(target(TARGET4, 17, 53), target(TARGET6, 17, 53)))
    bridged.enforcer.order(order)
    bridged.wait("d-port", Happened.ACKNOWLEDGED)
    frames_in = _wan_frames(bridged, [bridged.framed(packet) for packet in dropped])
    assert frames_in == 0
    assert _wan_frames(bridged, [bridged.framed(packet) for packet in passed]) == len(passed)


def _wan_frames(host: Host, frames: list[bytes]) -> int:
    """How many of these very frames arrive at the WAN, tagged or not."""
    with host.wan.inside():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        sock.bind(("eth0", 3))
    host.send(frames, 1)
    sock.settimeout(0.15)
    tails = [frame[-70:] for frame in frames]
    arrived = 0
    with sock:
        while True:
            try:
                raw, address = sock.recvfrom(4096)
            except TimeoutError:
                return arrived
            arrived += address[2] != socket.PACKET_OUTGOING and any(raw.endswith(tail[-60:]) for tail in tails)


def test_a_target_on_the_host_itself(routed: Host) -> None:
    """On a routed tap a flood at the host's own address is stopped too, and full does not undo it."""
    stop, _ = echo(routed.host, "203.0.113.1", 6000)
    with routed.vm.inside():
        flow = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    flow.connect(("203.0.113.1", 6000))
    assert answered(flow)
    order = routed.order("d-own", targets=(target("203.0.113.1"), target(TARGET4)))
    routed.enforcer.order(order)
    routed.wait("d-own", Happened.ACKNOWLEDGED)
    assert unanswered(flow)
    assert to(routed.arrived([routed.frame(TARGET4)], 20), TARGET4) == 0
    with routed.sending([routed.frame(TARGET4), routed.frame("203.0.113.1", port=6000)]):
        routed.wait("d-own", Happened.VERIFIED, Happened.NO_ATTEMPTS)
        if unanswered(flow):
            routed.released(order)
    assert answered(flow)
    stop()


def test_decisions_share_and_part(host: Host) -> None:
    """The same order twice changes nothing; a target of two decisions falls only with the second."""
    first = host.order("d-a", targets=(target(TARGET4), target(OTHER4)))
    second = host.order("d-b", targets=(target(TARGET4),))
    for order in (first, first, second):
        host.enforcer.order(order)
        host.wait(order.decision, Happened.ACKNOWLEDGED)
    frames = [host.frame(TARGET4), host.frame(OTHER4)]
    assert host.arrived(frames, 20).keys().isdisjoint({(host.vm4, TARGET4), (host.vm4, OTHER4)})
    host.released(first)
    counts = host.arrived(frames, 20)
    assert to(counts, TARGET4) == 0 and to(counts, OTHER4) == 20
    host.released(second)
    assert to(host.arrived(frames, 20), TARGET4) == 20
    assert shows(host)


def test_narrow_then_full_then_back(host: Host) -> None:
    """A full null route beside a narrow one ends without taking the narrow one along."""
    narrow = host.order("d-narrow", targets=(target(TARGET4),))
    full = host.order("d-wide", scope=Scope.FULL)
    for order in (narrow, full):
        host.enforcer.order(order)
        host.wait(order.decision, Happened.ACKNOWLEDGED)
    frames = [host.frame(TARGET4), host.frame(OTHER4)]
    assert not {pair for pair in host.arrived(frames, 20) if pair[0] == host.vm4}
    host.released(full)
    counts = host.arrived(frames, 20)
    assert to(counts, TARGET4) == 0 and to(counts, OTHER4) == 20


def test_ends_by_itself(host: Host) -> None:
    """An order past its end is removed by the child, which says so."""
    for seconds in LIFETIMES:
        end = stands(host, f"d-short-{seconds}", seconds)
        arrived = to(host.arrived(flood(host), 5), TARGET4)
        seen_in_time = time.time_ns() < end
        if end:
            assert host.until(f"d-short-{seconds}", Happened.RELEASED).detail == "lifetime over"
        if seen_in_time:
            break
    assert seen_in_time and arrived == 0
    assert to(host.arrived(flood(host), 5), TARGET4) == 10
    assert shows(host)


def test_the_kernel_ends_what_a_dead_child_left() -> None:
    """With the child killed, the elements of a chain still end, a second after their time."""
    for seconds in LIFETIMES:
        with Host("bridged") as bridged:
            bridged.start()
            end = stands(bridged, "d-orphan", seconds)
            bridged.enforcer._process.kill()
            outcome = bridged.next("")
            assert outcome.happened == Happened.FAILED and "signal 9" in outcome.detail
            arrived = to(bridged.arrived(flood(bridged), 5), TARGET4)
            seen_in_time = time.time_ns() < end
            until(lambda h=bridged: to(h.arrived(flood(h), 5), TARGET4) == 10, "the kernel has ended it")
            bridged.enforcer.order(bridged.order("d-late"))
            assert bridged.wait("d-late", Happened.FAILED).detail.endswith("restart the daemon")
        if seen_in_time:
            break
    assert seen_in_time and arrived == 0
