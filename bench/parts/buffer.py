"""Small frames in memory, as a savefile that only its addresses and stamps change: the traffic of bench/counting.py.

Every frame is a SYN between a virtual machine and a remote address: 60 bytes, with IPv6 74. `INTO` the
machines remote sources send; `OUT` of them forged sources send, to a few targets of each machine.
Stamps are those of 40 million packets a second. Addresses are those set aside for benchmarks
(RFC 2544, RFC 5180) but for the sources, which are anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from bench.parts.traffic import FRAME4, FRAME6, START
from edgeguard.capture.points import Points

RATE = 40_000_000  # packets a second of packet time
NANOSECONDS = 0xA1B2_3C4D  # pcap's magic with stamps in ns
HEADER = np.array([(NANOSECONDS, 2, 4, 0, 0, 65535, 1)], "<u4, <u2, <u2, <u4, <u4, <u4, <u4")
VM_MAC = 0x0200_5E10_0000  # and the number of the machine
INTO, OUT = "into", "out"
ZIPF, RANDOM = "zipf", "random"
TARGETS = 4  # of one machine
SPREAD = 0x9E37_79B1  # odd: ranks become addresses all over the range, none of them twice

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is in the frames."""

    family: int = 4
    keys: str = ZIPF
    sources: int = 10_000_000
    vms: int = 32
    way: str = INTO

    def __str__(self) -> str:
        return f"IPv{self.family}, {self.keys}, {self.sources:,} sources, {self.vms:,} VMs, {self.way}"


class Buffer:
    """`packets` frames of one family in a row. `fill` gives them other addresses and later stamps."""

    def __init__(self, family: int, packets: int) -> None:
        frame = FRAME4 if family == 4 else FRAME6
        self.packets, self.stride = packets, frame.itemsize
        self.data = np.empty(HEADER.nbytes + packets * frame.itemsize, np.uint8)
        self.data[: HEADER.nbytes] = HEADER.view(np.uint8)
        self.data[HEADER.nbytes :].reshape(packets, frame.itemsize)[:] = _template(frame)

    @property
    def header_at(self) -> int:
        """Where the IP header of the first frame is."""
        return HEADER.nbytes + FRAME4.fields["version"][1]  # type: ignore[index]

    def fill(self, what: Traffic, ranks: Array, turn: int) -> None:
        """The frames of a turn, stamped from where those of the turn before end. `ranks`: see `zipf_ranks`."""
        start = START * 1_000_000_000 + turn * self.packets * (1_000_000_000 // RATE)
        way = int(what.way == OUT)
        _fill(self.data, self.stride, what.family == 6, way, ranks, what.sources, what.vms, turn, start)


def _template(frame: np.dtype[Any]) -> Array:
    """One frame without addresses."""
    row = np.zeros(1, frame)
    row["caplen"] = row["length"] = frame.itemsize - 16
    row["to_mac"] = row["from_mac"] = (2, 0, 0x5E, 0x20, 0, 1)  # a router; the machine's is filled in
    six = frame == FRAME6
    row["type"], row["version"], row["total"] = (0x86DD, 0x6000_0000, 20) if six else (0x0800, 0x45, 40)
    row["ttl"], row["protocol"] = 64, 6
    row["sport"], row["dport"], row["offset"], row["flags"], row["window"] = 4711, 443, 0x50, 2, 0xFFFF
    return row.view(np.uint8)


def points(vms: int) -> Points:
    """The machines by their MAC."""
    found = Points()
    for vm in range(vms):
        found.put(VM_MAC + vm, vm)
    return found


def zipf_ranks(sources: int, packets: int, seed: int = 3) -> Array:
    """Ranks from 0, of a Zipf distribution of exponent 1.0, in random order."""
    rng = np.random.default_rng(seed)
    shares = np.cumsum(1 / np.arange(1, sources + 1))
    drawn = np.sort(rng.random(packets) * shares[-1])  # sorted, they are found many times faster
    ranks = np.minimum(np.searchsorted(shares, drawn), sources - 1).astype(np.uint32)
    rng.shuffle(ranks)
    return ranks


@njit(nogil=True, inline="always")
def _drawn(n: Any) -> Any:
    """A random number for every n (splitmix64)."""
    x = np.uint64(n) * np.uint64(0x9E37_79B9_7F4A_7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    return x ^ (x >> np.uint64(31))


@njit(nogil=True)
def _put(data: Any, at: int, value: Any, size: int, big: bool) -> None:
    for k in range(size):
        byte = size - 1 - k if big else k
        data[at + k] = np.uint8((np.uint64(value) >> np.uint64(8 * byte)) & np.uint64(255))


@njit(nogil=True)
def _fill(
    data: Any, stride: int, six: bool, out: int, ranks: Any, sources: int, vms: int, turn: int, start: int
) -> None:
    """Stamps, the machine's MAC, and both addresses of every frame. Without ranks, sources are random."""
    packets = (data.size - 24) // stride
    for i in range(packets):
        at = 24 + i * stride
        ts = start + i * (1_000_000_000 // RATE)
        _put(data, at, ts // 1_000_000_000, 4, False)
        _put(data, at + 4, ts % 1_000_000_000, 4, False)
        draw = _drawn(np.uint64(turn) * np.uint64(packets) + np.uint64(i) + np.uint64(1))
        vm = draw % np.uint64(vms)
        rank = np.uint64(ranks[i]) if ranks.size else (draw >> np.uint64(20)) % np.uint64(sources)
        _put(data, at + (22 if out else 16), np.uint64(VM_MAC) + vm, 6, True)
        _put(data, at + (16 if out else 22), np.uint64(0x0200_5E20_0001), 6, True)
        source = ((rank + np.uint64(1)) * np.uint64(SPREAD)) & np.uint64(0xFFFF_FFFF)
        far = vm * np.uint64(TARGETS) + ((draw >> np.uint64(12)) & np.uint64(TARGETS - 1)) if out else vm
        if six:
            _put(data, at + 38, np.uint64(0x2001_0DB8_0000_0000) | source, 8, True)
            _put(data, at + 46, _drawn(rank), 8, True)
            _put(data, at + 54, np.uint64(0x2001_0002_0000_0000) + far, 8, True)
            _put(data, at + 62, np.uint64(1), 8, True)
        else:
            _put(data, at + 42, source, 4, True)
            _put(data, at + 46, np.uint64(0xC612_0000) + far, 4, True)
