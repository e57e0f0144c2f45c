"""A savefile of a busy hypervisor, seeded: the same number of packets is the same file, every time.

Some thousand VMs of Zipf-distributed busyness talk with a few targets each, both ways: TCP with its
SYNs and SYN-ACKs, UDP, a tenth of them IPv6. Meanwhile one VM sends a SYN flood and another a UDP
flood. Frames are as small as they get: 60 bytes, with IPv6 74. Checksums are zero: nobody here
reads them. Addresses are those set aside for benchmarks (RFC 2544, RFC 5180).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SEED = 2
RATE = 250_000  # packets a second of file time
START = 1_767_225_600  # 2026-01-01, in Unix seconds
VMS = 4000
PLACES = 4  # targets of one VM
TARGETS = 20_000
IPV6_SHARE, UDP_SHARE = 0.1, 0.3  # of the VMs, of their conversations
SYN_FLOOD = (0.08, 0.40, 0.25)  # share of the packets, begin and length as shares of the time: 80,000 a second
UDP_FLOOD = (0.12, 0.65, 0.10)  # 300,000 a second
FLOODERS = (1234, 2345)
CHUNK = 1 << 17  # frames built at once: they stay in the cache

DATA, SYN, SYNACK, FIN, DATAGRAM = range(5)  # kinds; the flags of each:
FLAGS = np.array([0x10, 0x02, 0x12, 0x11, 0], np.uint8)

Array = npt.NDArray[Any]

_LINK = [
    *(("sec", "<u4"), ("usec", "<u4"), ("caplen", "<u4"), ("length", "<u4")),
    *(("to_mac", "u1", (6,)), ("from_mac", "u1", (6,)), ("type", ">u2")),
]
_PORTS = [  # TCP; in UDP `seq` holds length and checksum
    *(("sport", ">u2"), ("dport", ">u2"), ("seq", ">u4"), ("ack", ">u4")),
    *(("offset", "u1"), ("flags", "u1"), ("window", ">u2"), ("checksum", ">u2"), ("urgent", ">u2")),
]
_IP4 = [
    *(("version", "u1"), ("tos", "u1"), ("total", ">u2"), ("id", ">u2"), ("fragment", ">u2")),
    *(("ttl", "u1"), ("protocol", "u1"), ("ip_checksum", ">u2"), ("src", ">u4"), ("dst", ">u4")),
]
_IP6 = [
    *(("version", ">u4"), ("total", ">u2"), ("protocol", "u1"), ("ttl", "u1")),
    *(("net", ">u8"), ("src", ">u8"), ("dst_net", ">u8"), ("dst", ">u8")),
]
FRAME4 = np.dtype([*_LINK, *_IP4, *_PORTS, ("padding", "u1", (6,))])
FRAME6 = np.dtype([*_LINK, *_IP6, *_PORTS])
RECORD_HEADER = 16  # bytes before each frame (pcap)
NET4, TARGET_NET4 = 0xC612_0000, 0xC613_0000  # 198.18.0.0/16 and 198.19.0.0/16
NET6, TARGET_NET6 = 0x2001_0002_0000_0000, 0x2001_0002_0000_0001
HEADER = np.array([(0xA1B2_C3D4, 2, 4, 0, 0, 65535, 1)], "<u4, <u2, <u2, <u4, <u4, <u4, <u4")


@dataclass(frozen=True, slots=True)
class Truth:
    """What the first packets of the file are, known before any of it was written."""

    frames: int
    ipv6: int
    tcp_syn: int
    tcp_synack: int
    udp: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The packets in order: time [us], conversation, kind, into the VM or out of it."""

    at: Array
    flow: Array
    kind: Array
    into: Array
    vm: Array  # of each conversation, and so on
    target: Array
    ipv6: Array
    udp: Array
    port: Array  # the VM's own

    def truth(self, frames: int) -> Truth:
        kind, flow = self.kind[:frames], self.flow[:frames]
        counts = np.bincount(kind, minlength=5).tolist()
        return Truth(len(kind), int(self.ipv6[flow].sum()), counts[SYN], counts[SYNACK], counts[DATAGRAM])


def _zipf(n: int) -> Array:
    """Cumulated shares of n ranks."""
    weights = np.cumsum(1 / np.arange(1, n + 1))
    return np.asarray(weights / weights[-1])


def _conversations(rng: np.random.Generator) -> dict[str, Array]:
    """VMS x PLACES of them and the two floods at the end. Ranks are shuffled, so that the busiest VMs
    are not neighbours in memory."""
    vms = np.repeat(rng.permutation(VMS), PLACES)
    targets = np.searchsorted(_zipf(TARGETS), rng.random(VMS * PLACES))
    ipv6 = np.repeat(rng.random(VMS) < IPV6_SHARE, PLACES)
    udp = rng.random(VMS * PLACES) < UDP_SHARE
    return {
        "vm": np.append(vms, FLOODERS),
        "target": np.append(targets, (TARGETS, TARGETS + 1)),
        "ipv6": np.append(ipv6, (False, False)),
        "udp": np.append(udp, (False, True)),
        "port": rng.integers(32768, 60999, VMS * PLACES + 2),
    }


def _kinds(rng: np.random.Generator, udp: Array, into: Array) -> Array:
    """Of TCP packets one in 50 opens a connection, one in 50 answers that, one in 50 ends it."""
    draw = rng.integers(0, 50, len(udp))
    kinds = np.where(draw == 0, np.where(into, SYNACK, SYN), np.where(draw == 1, FIN, DATA))
    return np.where(udp, DATAGRAM, kinds).astype(np.uint8)


def plan(packets: int) -> Plan:
    """The whole file, not yet as bytes."""
    rng = np.random.default_rng(SEED)
    flows = _conversations(rng)
    duration = packets * 1_000_000 // RATE
    floods = [round(share * packets) for share, _, _ in (SYN_FLOOD, UDP_FLOOD)]
    calm = packets - sum(floods)
    vm = np.searchsorted(_zipf(VMS), rng.random(calm))
    flow = vm * PLACES + rng.integers(0, PLACES, calm)
    into = rng.random(calm) < 0.45
    kind = _kinds(rng, flows["udp"][flow], into)
    at = [rng.integers(0, duration, calm)]
    for count, (_, begin, length) in zip(floods, (SYN_FLOOD, UDP_FLOOD), strict=True):
        at.append(rng.integers(round(begin * duration), round((begin + length) * duration), count))
    order = np.argsort(np.concatenate(at), kind="stable")
    flow = np.concatenate([flow, np.repeat([VMS * PLACES, VMS * PLACES + 1], floods)])
    kind = np.concatenate([kind, np.repeat(np.array([SYN, DATAGRAM], np.uint8), floods)])
    into = np.concatenate([into, np.zeros(sum(floods), bool)])
    return Plan(np.concatenate(at)[order], flow[order].astype(np.int32), kind[order], into[order], **flows)


def write(path: Path, whole: Plan) -> None:
    """The plan as a pcap file."""
    with path.open("wb") as file:
        file.write(HEADER.tobytes())
        for start in range(0, len(whole.at), CHUNK):
            file.write(_frames(whole, slice(start, start + CHUNK)))


def _frames(whole: Plan, part: slice) -> bytes:
    """A stretch of records. All are built as wide as the widest; then the rest is cut from the narrow ones."""
    ipv6 = whole.ipv6[whole.flow[part]]
    wide = np.zeros((len(ipv6), FRAME6.itemsize), np.uint8)
    for frame, which in ((FRAME4, ~ipv6), (FRAME6, ipv6)):
        rows = np.zeros(int(which.sum()), frame)
        _fill(rows, whole, part, which)
        wide[which, : frame.itemsize] = rows.view(np.uint8).reshape(len(rows), frame.itemsize)
    lengths = np.where(ipv6, FRAME6.itemsize, FRAME4.itemsize)
    return wide[np.arange(FRAME6.itemsize) < lengths[:, None]].tobytes()


def _fill(rows: Array, whole: Plan, part: slice, which: Array) -> None:
    flow, into, kind = whole.flow[part][which], whole.into[part][which], whole.kind[part][which]
    rows["sec"], rows["usec"] = np.divmod(whole.at[part][which], 1_000_000)
    rows["sec"] += START
    rows["caplen"] = rows["length"] = rows.dtype.itemsize - RECORD_HEADER
    rows["to_mac"] = rows["from_mac"] = (2, 0, 0x5E, 0x10, 0, 1)
    vm = whole.vm[flow]
    for half, name in ((into, "to_mac"), (~into, "from_mac")):
        rows[name][half, 4], rows[name][half, 5] = np.divmod(vm[half], 256)
    rows["ttl"] = 64
    rows["protocol"] = np.where(kind == DATAGRAM, 17, 6)
    _transport(rows, whole, flow, into, kind)
    (_network6 if rows.dtype == FRAME6 else _network4)(rows, vm, whole.target[flow], into, kind)


def _network4(rows: Array, vm: Array, target: Array, into: Array, kind: Array) -> None:
    rows["type"], rows["version"] = 0x0800, 0x45
    rows["total"] = np.where((kind == SYN) | (kind == SYNACK) | (kind == FIN), 40, 46)
    rows["src"] = np.where(into, TARGET_NET4 + target, NET4 + vm)
    rows["dst"] = np.where(into, NET4 + vm, TARGET_NET4 + target)


def _network6(rows: Array, vm: Array, target: Array, into: Array, kind: Array) -> None:
    rows["type"], rows["version"], rows["total"] = 0x86DD, 0x6000_0000, 20
    rows["net"] = np.where(into, np.uint64(TARGET_NET6), np.uint64(NET6))
    rows["dst_net"] = np.where(into, np.uint64(NET6), np.uint64(TARGET_NET6))
    rows["src"], rows["dst"] = np.where(into, target, vm) + 1, np.where(into, vm, target) + 1


def _transport(rows: Array, whole: Plan, flow: Array, into: Array, kind: Array) -> None:
    """The VM is the client; a flood changes its own port with every packet."""
    number = np.arange(len(rows))
    own = np.where(flow < VMS * PLACES, whole.port[flow], 1024 + number % 60_000)
    far = np.where(kind == DATAGRAM, 53, 443)
    rows["sport"], rows["dport"] = np.where(into, far, own), np.where(into, own, far)
    udp_length = 20 if rows.dtype == FRAME6 else 26
    rows["seq"] = np.where(kind == DATAGRAM, udp_length << 16, number)
    rows["offset"] = np.where(kind == DATAGRAM, 0, 0x50)
    rows["flags"] = FLAGS[kind]
    rows["window"] = np.where(kind == DATAGRAM, 0, 0xFFFF)
