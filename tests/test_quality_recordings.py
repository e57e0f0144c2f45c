"""Recordings of look-alikes: what the tree holds is what was recorded, and holds no payload and no one's address."""

from __future__ import annotations

import hashlib
import io
import lzma
import os
import shutil
import struct
import subprocess
import tempfile
from ipaddress import ip_address, ip_network
from pathlib import Path

import dpkt
import numpy as np
import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

from bench.quality.record import headers, look_alikes, recording
from bench.quality.record.plays import PLAYS
from bench.quality.record.replayed import among_others, from_another_port, replayed
from bench.quality.scenario import START, Sort
from edgeguard.model import Band

NAMES = recording.names()
MOST = 20 * 1024 * 1024  # bytes in the tree, by the issue
FREE = [
    ip_network(prefix)
    for prefix in (
        "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "2001:db8::/32",  # documentation, tests
        "224.0.0.0/4", "255.255.255.255/32", "0.0.0.0/32", "ff00::/8", "fe80::/10", "::/128",  # nobody's
    )
]  # fmt: skip


def unpacked(name: str) -> bytes:
    return lzma.decompress((recording.HERE / f"{name}.pcap.xz").read_bytes())


def by_dpkt(name: str) -> list[tuple[float, bytes, int]]:
    """Frames, with their length on the wire, which dpkt's reader keeps to itself."""
    raw = unpacked(name)
    frames = [(at, frame) for at, frame in dpkt.pcap.Reader(io.BytesIO(raw))]
    lengths, at = [], 24
    for _, frame in frames:
        lengths.append(struct.unpack_from("<I", raw, at + 12)[0])
        at += 16 + len(frame)
    assert at == len(raw)
    return [(time, frame, length) for (time, frame), length in zip(frames, lengths, strict=True)]


def _payload(network: object) -> bytes:
    """What dpkt finds behind the transport header."""
    transport = getattr(network, "data", b"")
    if isinstance(transport, dpkt.tcp.TCP | dpkt.udp.UDP):
        return bytes(transport.data)
    if isinstance(transport, dpkt.icmp.ICMP) and transport.type in (0, 8):
        return bytes(transport.data.data)
    return b""


def _addresses(network: object) -> set[bytes]:
    if isinstance(network, dpkt.ip.IP | dpkt.ip6.IP6):
        return {network.src, network.dst}
    return {network.spa, network.tpa} if isinstance(network, dpkt.arp.ARP) else set()


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_is_what_its_toml_says(name: str) -> None:
    """An independent reader finds the sha256, the packets, those out of the VM, the bytes on the wire and the time
    that its TOML names; headers of at most 96 bytes and no payload behind them; and nobody's addresses."""
    said = recording.said(name)
    packed = (recording.HERE / f"{name}.pcap.xz").read_bytes()
    assert hashlib.sha256(packed).hexdigest() == said["sha256"]
    mac = bytes.fromhex(said["vm"]["mac"].replace(":", ""))
    frames, out, addresses = by_dpkt(name), 0, set()
    for _, frame, length in frames:
        assert len(frame) <= min(96, length)
        ethernet = dpkt.ethernet.Ethernet(frame)
        out += ethernet.src == mac
        addresses |= _addresses(ethernet.data)
        assert _payload(ethernet.data) == b""
    assert (len(frames), out) == (said["packets"], said["out"])
    assert sum(length for _, _, length in frames) == said["wire_bytes"]
    times = [time for time, _, _ in frames]
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] <= said["seconds"] + 1e-6
    assert [a for a in map(ip_address, addresses) if not any(a in free for free in FREE)] == []
    assert said["programs"] or said["built"]
    assert all(any(c.isdigit() for c in program) for program in said["programs"]), "a version is missing"
    assert said["commands"] or said["built"]
    assert PLAYS[name].about == said["about"]


def test_the_recordings_fit_into_the_tree() -> None:
    """All of them together are below what the issue allows, and each has its play and its look-alike."""
    assert sum(path.stat().st_size for path in recording.HERE.iterdir()) < MOST
    assert set(NAMES) == set(PLAYS)
    assert {one.recording for one in look_alikes.LOOK_ALIKES} == set(NAMES)


def test_look_alikes_promise_what_the_issue_allows() -> None:
    """At least 25; an act only where nothing visible tells, and but two are ever told beside scans and those."""
    scenarios = list(look_alikes.scenarios())
    assert len(scenarios) >= 25
    assert len({scenario.name for scenario in scenarios}) == len(scenarios)
    assert all(scenario.sort is Sort.LOOK_ALIKE for scenario in scenarios)
    plain = [s for s in scenarios if not s.indistinguishable]
    assert all(s.expected.band in (None, Band.WARN) and not s.expected.scopes for s in plain)
    told = [s.name for s in plain if s.expected.band and "scan" not in s.expected.kinds]
    assert len(told) <= 2


def test_another_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording whose bytes changed is not replayed as if nothing had happened."""
    for suffix in (".pcap.xz", ".toml"):
        shutil.copy(recording.HERE / f"dhcp{suffix}", tmp_path)
    with (tmp_path / "dhcp.pcap.xz").open("ab") as file:
        file.write(b"\0")
    monkeypatch.setattr(recording, "HERE", tmp_path)
    recording.load.cache_clear()
    with pytest.raises(recording.RecordingError, match="sha256"):
        recording.load("dhcp")


def test_loading_keeps_every_byte() -> None:
    """The arrays hold the same frames, times and lengths as dpkt reads."""
    loaded = recording.load("proxy").frames
    for i, (at, frame, length) in enumerate(by_dpkt("proxy")[:3000]):
        assert loaded.head[i, : loaded.captured[i]].tobytes() == frame
        assert not loaded.head[i, loaded.captured[i] :].any()
        assert loaded.length[i] == length
        assert abs(loaded.at[i] / 1e9 - float(at)) < 1e-6


def _checksums_hold(head: np.ndarray) -> bool:
    for row in head:
        size = (row[14] & 15) * 4
        words = struct.unpack(f"!{size // 2}H", row[14 : 14 + size].tobytes())
        total = sum(words)
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        if total != 0xFFFF:
            return False
    return True


def test_copies_speak_with_other_hosts() -> None:
    """A copy has the VM's own address, other hosts in the same documentation networks, and right checksums."""
    one = recording.load("dns-resolver")
    other = among_others(one, 3)
    v4 = (one.frames.head[:, 12] == 8) & (one.frames.head[:, 13] == 0)
    hosts = {f.head[i, 30:34].tobytes() for f in (one.frames, other) for i in np.flatnonzero(v4 & one.outward)[:500]}
    assert all(any(ip_address(host) in free for free in FREE) for host in hosts)
    sources = other.head[v4 & one.outward, 26:30]
    assert (sources == one.frames.head[v4 & one.outward, 26:30]).all()
    assert (other.head[v4 & one.outward, 30:34] != one.frames.head[v4 & one.outward, 30:34]).any(axis=1).all()
    assert _checksums_hold(other.head[v4][:500])
    assert among_others(one, 0) is one.frames


def test_copies_to_one_host_differ_by_port() -> None:
    """The target stays; the VM's port is another one, the same in both directions."""
    one = recording.load("srt-push")
    other = from_another_port(one, 5)
    udp = one.frames.head[:, 23] == 17
    out, back = udp & one.outward, udp & ~one.outward
    assert (other.head[out, 26:34] == one.frames.head[out, 26:34]).all()
    ports = {int.from_bytes(row.tobytes(), "big") for row in other.head[out, 34:36]}
    assert ports == {int.from_bytes(row.tobytes(), "big") for row in other.head[back, 36:38]}
    assert ports.isdisjoint(int.from_bytes(row.tobytes(), "big") for row in one.frames.head[out, 34:36])


def test_a_recording_goes_on_at_its_own_rate() -> None:
    """Replayed for longer than it lasts, and several times at once, it keeps its packets a second and its order."""
    one = recording.load("voip")
    streams = replayed(one, 5.0, copies=3)
    total = sum(len(stream.at) for stream in streams)
    assert total == pytest.approx(3 * 5.0 * len(one.frames) / one.seconds, rel=0.01)
    for stream in streams:
        assert (np.diff(stream.at) >= 0).all()
        assert START <= stream.at[0] <= stream.at[-1] < START + 5_000_000_000
        made = stream.make(np.arange(len(stream.at)), np.random.default_rng(1))
        out = (made.head[:, 6:12] == one.frames.head[np.flatnonzero(one.outward)[0], 6:12]).all(axis=1)
        assert out.sum() / 5.0 == pytest.approx(one.out_pps, rel=0.01)


ETHERNET = Ether(src="00:00:5e:00:53:10", dst="00:00:5e:00:53:01")
ENDS = {"src": "192.0.2.10", "dst": "203.0.113.5"}
BODY = Raw(b"s" * 99)
V4, V6 = IP(**ENDS), IPv6(src="2001:db8::1", dst="2001:db8::2")
FRAMES = {
    "tcp with options": (ETHERNET / V4 / TCP(options=[("MSS", 1460), ("Timestamp", (1, 2))]) / BODY, 14 + 20 + 36),
    "udp with ip options": (ETHERNET / IP(**ENDS, options=b"\x94\4\0\0") / UDP() / BODY,
                            14 + 24 + 8),
    "first fragment": (ETHERNET / IP(**ENDS, flags="MF") / UDP() / BODY, 14 + 28),
    "later fragment": (ETHERNET / IP(**ENDS, frag=5, proto=17) / BODY, 14 + 20),
    "tagged": (ETHERNET / Dot1Q(vlan=7) / V4 / UDP() / BODY, 18 + 28),
    "echo": (ETHERNET / V4 / ICMP() / BODY, 14 + 28),
    "unreachable": (ETHERNET / V4 / ICMP(type=3) / V4 / UDP() / BODY, 14 + 28 + 28),
    "ipv6": (ETHERNET / V6 / TCP() / BODY, 14 + 60),
    "ipv6 echo": (ETHERNET / V6 / ICMPv6EchoRequest(data=b"s" * 99), 14 + 48),
    "ipv6 later fragment": (ETHERNET / V6 / IPv6ExtHdrFragment(offset=9, nh=17) / BODY, 14 + 48),
    "arp": (ETHERNET / ARP(), 14 + 28),
    "unknown": (Ether(type=0x88B5) / BODY, 14),
}  # fmt: skip


@pytest.mark.parametrize("name", FRAMES)
def test_frames_are_cut_behind_their_headers(name: str) -> None:
    """Whatever a frame is, what is kept of it ends where its last header does."""
    frame, end = FRAMES[name]
    kept = headers.cut(bytes(frame))
    assert len(kept) == end
    assert b"sss" not in kept


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("cc"), reason="needs root, ip and a C compiler"
)
def test_a_play_is_recorded_and_leaves_nothing() -> None:
    """On a stage of its own, what a VM sends and what comes back are recorded; no namespace or process stays."""
    from bench.quality.record.stage import DEAD, SERVER, VM_MAC, Stage  # noqa: PLC0415

    before = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    with Stage((20, 20), 0.0) as stage:
        stage.actor("world", "answer 2049 160")
        sender = stage.actor("vm", f"tell {SERVER} 2049 400 400 500 30")
        stage.actor("vm", f"tell {DEAD.split('/')[0]} 9 400 400 500 30")
        frames: list[headers.Frame] = []
        for _ in range(60):  # until both have begun and a host has answered
            stage.record(1.0)
            assert stage.window is not None
            frames = headers.read(stage.savefile, stage.window)
            if sum(length == 202 for _, _, length in frames) > 20:
                break
        assert sender.poll() is None
        room = stage.scratch
    mac = bytes.fromhex(VM_MAC.replace(":", ""))
    sent = [frame for frame in frames if frame[1][6:12] == mac and frame[2] == 442]
    answered = [frame for frame in frames if frame[1][6:12] != mac and frame[2] == 202]
    assert sent
    assert answered
    assert {frame[1][30:34] for frame in sent} >= {ip_address(SERVER).packed}
    assert not room.exists()
    assert not Path(tempfile.gettempdir(), room.name).exists()
    assert subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout == before
