"""The lab's frames: seeded, well-formed, within documentation addresses."""

from __future__ import annotations

import ipaddress
from collections import Counter

import dpkt
import pytest

from edgeguard.lab import addresses as plan
from edgeguard.lab import traffic
from edgeguard.lab.addresses import VM

NOBODYS = [  # RFC 5737, RFC 3849, and the benchmarks' (RFC 2544)
    ipaddress.ip_network(text)
    for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "198.18.0.0/15")
]


def _ip(frame: bytes) -> dpkt.ip.IP | dpkt.ip6.IP6:
    return dpkt.ethernet.Ethernet(frame).data


def _is_syn(frame: bytes) -> bool:
    segment = _ip(frame).data
    return isinstance(segment, dpkt.tcp.TCP) and segment.flags & 0x12 == dpkt.tcp.TH_SYN


def build() -> dict[str, traffic.Frames]:
    out, into = traffic.benign(rounds=2)
    ask, answer = traffic.echoes(VM.address, VM.mac)
    return {
        "syn": traffic.syn_flood(VM.address, plan.TARGETS[0]),
        "syn6": traffic.syn_flood(VM.address6, plan.TARGET6),
        "udp": traffic.udp_flood(VM.address, plan.TARGETS[0]),
        "carpet": traffic.carpet(VM.address, plan.CARPET),
        "forged random": traffic.forged_random(),
        "benign out": out.frames,
        "benign into": into.frames,
        "echoes": ask + answer,
        "upload": sum(traffic.upload(), ()),
    }


@pytest.fixture(scope="module")
def everything() -> dict[str, traffic.Frames]:
    """Not at import: every process of the test run imports this file, one builds it."""
    return build()


FLOODS = ("syn", "syn6", "udp", "carpet", "forged random")
NAMES = (*FLOODS, "benign out", "benign into", "echoes", "upload")


def test_two_builds_give_the_same_bytes(everything: dict[str, traffic.Frames]) -> None:
    """Frames depend on their seed alone, and each kind of them is looked at below."""
    assert build() == everything
    assert tuple(everything) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_only_nobodys_addresses(name: str, everything: dict[str, traffic.Frames]) -> None:
    """No frame names an address that somebody could own."""
    for frame in everything[name]:
        packet = _ip(frame)
        for raw in (packet.src, packet.dst):
            assert any(ipaddress.ip_address(raw) in network for network in NOBODYS)


@pytest.mark.parametrize("name", NAMES)
def test_ipv4_header_checksums_are_right(name: str, everything: dict[str, traffic.Frames]) -> None:
    """dpkt computes the same header checksum as the frame carries."""
    for frame in everything[name]:
        packet = _ip(frame)
        if isinstance(packet, dpkt.ip.IP):
            assert dpkt.dpkt.in_cksum(frame[14:34]) == 0


def test_flood_frames_alone_carry_the_mark(everything: dict[str, traffic.Frames]) -> None:
    """The observer's mark is on every flood frame and on no other."""
    for name, frames in everything.items():
        for frame in frames:
            packet = _ip(frame)
            mark = packet.fc if isinstance(packet, dpkt.ip6.IP6) else packet.tos
            assert (mark == plan.MARK) == (name in FLOODS)


def test_syn_floods_are_syns_and_differ(everything: dict[str, traffic.Frames]) -> None:
    """Each frame is a SYN without ACK, with ports and numbers of its own."""
    for name in ("syn", "syn6"):
        assert all(_is_syn(frame) for frame in everything[name])
        assert len(set(everything[name])) == traffic.DIFFERENT


def test_a_carpet_covers_its_prefix_evenly(everything: dict[str, traffic.Frames]) -> None:
    """Every address of the prefix gets as many SYNs as every other, and more than a scan would send."""
    aims = Counter(ipaddress.ip_address(_ip(frame).dst) for frame in everything["carpet"])
    assert set(aims) == set(ipaddress.ip_network(plan.CARPET)) and len(set(aims.values())) == 1
    assert len(set(everything["carpet"])) == len(everything["carpet"])


def test_random_senders_and_targets_are_nobodys_and_all_different(everything: dict[str, traffic.Frames]) -> None:
    """Both families by turns; no address of the lab is among them, and no prefix stands out."""
    pairs = [(ipaddress.ip_address(_ip(f).src), ipaddress.ip_address(_ip(f).dst)) for f in everything["forged random"]]
    assert [source.version for source, _ in pairs] == [4, 6] * (traffic.SENDERS // 2)
    assert all(_is_syn(frame) for frame in everything["forged random"])
    for side in (0, 1):
        addresses = [pair[side] for pair in pairs]
        assert len(set(addresses)) > 0.99 * len(addresses)
        prefixes = Counter(ipaddress.ip_network((a, 24 if a.version == 4 else 48), strict=False) for a in addresses)
        assert max(prefixes.values()) < len(addresses) / 50
        lab = [ipaddress.ip_network(f"{plan.GATEWAY6}/64", strict=False), ipaddress.ip_network("2001:db8:200::/48")]
        assert not [address for address in addresses if any(address in network for network in lab)]


def test_the_busy_vm_completes_what_it_opens() -> None:
    """1,500 SYNs a second out, as many SYN-ACKs into the VM, as many ACKs out that fit them."""
    out, into = traffic.benign(rounds=2)
    seconds = 2 / 500
    opened = [f for f in out.frames if _is_syn(f)]
    assert len(opened) == 1500 * seconds
    syn = {(_ip(f).dst, _ip(f).data.sport): _ip(f).data.seq for f in opened}
    answers = [_ip(f) for f in into.frames if isinstance(_ip(f).data, dpkt.tcp.TCP) and _ip(f).data.flags == 0x12]
    assert {(p.src, p.data.dport): p.data.ack - 1 for p in answers} == syn
    acks = [_ip(f) for f in out.frames if isinstance(_ip(f).data, dpkt.tcp.TCP) and _ip(f).data.flags == 0x10]
    assert sorted(p.data.ack - 1 for p in acks) == sorted(p.data.seq for p in answers)


def test_the_busy_vms_mix() -> None:
    """40,000 voice packets a second each way, 500 DNS questions, 10,000 inbound SYNs, all answered."""
    out, into = traffic.benign(rounds=2)
    seconds = 2 / 500
    ports = Counter(_ip(f).data.dport for f in out.frames if isinstance(_ip(f).data, dpkt.udp.UDP))
    back = Counter(_ip(f).data.sport for f in into.frames if isinstance(_ip(f).data, dpkt.udp.UDP))
    assert ports == back == {5004: 40_000 * seconds, 53: 500 * seconds}
    assert sum(_is_syn(f) for f in into.frames) == 10_000 * seconds
    answered = sum(_ip(f).data.flags == 0x12 for f in out.frames if isinstance(_ip(f).data, dpkt.tcp.TCP))
    assert answered == 10_000 * seconds
    assert (len(out.frames) / out.rate, len(into.frames) / into.rate) == pytest.approx((seconds, seconds))


def test_frames_from_the_wan_change_their_link_addresses_only(everything: dict[str, traffic.Frames]) -> None:
    """On the uplink other MACs are in use; the packet stays what it is."""
    frame = everything["benign into"][0]
    (moved,) = traffic.from_wan((frame,), plan.HOST_MAC)
    assert moved[:12].hex(":") == f"{plan.HOST_MAC}:{plan.WAN_MAC}"
    assert moved[12:] == frame[12:]
