"""What does a packet cost more because the headers of some are kept as evidence?

    python bench/evidence.py [--json] [--save]

Headline: nanoseconds a packet, the reading of a ring with the memory of headers less the reading without, at a
million SYNs a second of 32 virtual machines. A ring of 16 MiB lies in memory as the kernel would have filled it, so
that nothing but our own code is measured; both ways take turns, and the order turns with every round. The axis: 1 VM
to 1,024, of which each has 1,000 packets a second then, so that a quarter of all is kept: the worst there is.
Beside it, microseconds to freeze one VM's frames. Times are CPU time of the one thread.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path
from time import thread_time_ns
from typing import Any

import numpy as np
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a file as with -m

from edgeguard._native import ffi, lib

from bench.parts import report
from edgeguard.capture.points import Points
from edgeguard.capture.tpacket import ROOM
from edgeguard.native import Totals
from edgeguard.native.headers import KEPT, Headers
from edgeguard.record import RECORD, aligned

VMS = (1, 32, 1024)
HEADLINE = 32
ROUNDS = 15
BLOCK, BLOCKS = 262_144, 64
STRIDE, FRAME_AT, FIRST = 160, 92, 48  # linux/if_packet.h: header 48, address 20, offload 10, frame
SLOTS = (BLOCK - FIRST) // STRIDE
PACKETS = SLOTS * BLOCKS
RATE = 1_000_000  # packets a second of packet time
USER = 1  # TP_STATUS_USER
SECOND = 10**9
SLOT = np.dtype(
    {
        "names": ["next", "sec", "nsec", "snaplen", "len", "status", "mac", "ifindex", "hatype", "pkttype", "frame"],
        "formats": ["<u4", "<u4", "<u4", "<u4", "<u4", "<u4", "<u2", "<u4", "<u2", "u1", ("u1", 54)],
        "offsets": [0, 4, 8, 12, 16, 20, 24, 48 + 4, 48 + 8, 48 + 10, FRAME_AT],
        "itemsize": STRIDE,
    }
)


class Ring:
    """A TPACKET_V3 ring as the kernel fills it, again and again."""

    def __init__(self, vms: int) -> None:
        self._map = aligned(BLOCK * BLOCKS, np.uint8)
        blocks = self._map.reshape(BLOCKS, BLOCK)
        self._heads = blocks[:, :FIRST].view("<u4")
        self._slots = blocks[:, FIRST : FIRST + SLOTS * STRIDE].view(SLOT)
        self._at = 1_767_225_600 * SECOND
        self._points = Points(vms)
        for vm in range(vms):
            self._points.put(vm + 1, vm)
        self._fill(vms)
        self._rows, self._totals = aligned(ROOM, RECORD), Totals()

    def _fill(self, vms: int) -> None:
        source = Ether(src="02:00:00:00:00:02", dst="02:00:00:00:00:01") / IP(src="192.0.2.10", dst="203.0.113.5")
        frame = bytes(source / TCP(dport=80, flags="S"))
        self._slots["frame"] = np.frombuffer(frame, np.uint8)
        for name, value in (("next", STRIDE), ("snaplen", 54), ("len", 54), ("mac", FRAME_AT), ("hatype", 1)):
            self._slots[name] = value
        order = np.random.default_rng(1).integers(1, vms + 1, (BLOCKS, SLOTS))
        self._slots["ifindex"], self._slots["status"] = order, USER
        self._heads[:, 3], self._heads[:, 4] = SLOTS, FIRST  # struct tpacket_hdr_v1: num_pkts, offset_to_first_pkt

    def read(self, headers: Headers | None) -> float:
        """Nanoseconds a packet, of all of it."""
        stamps = self._at + np.arange(PACKETS).reshape(BLOCKS, SLOTS) * (SECOND // RATE)
        self._at += PACKETS * (SECOND // RATE)
        self._slots["sec"], self._slots["nsec"] = stamps // SECOND, stamps % SECOND
        self._heads[:, 2] = USER  # block_status
        map_ = ffi.cast("uint8_t *", self._map.ctypes.data)
        ring = ffi.new("struct eg_ring *", {"fd": -1, "block_bytes": BLOCK, "blocks": BLOCKS, "map": map_})
        ring.headers = headers.c if headers else ffi.NULL
        rows, table, n = ffi.from_buffer("struct eg_record[]", self._rows), self._points.table.c, 0
        before = thread_time_ns()
        while got := lib.eg_ring_read(ring, table, rows, ROOM, self._totals.c):
            n += got
        took = thread_time_ns() - before
        if n != PACKETS or ring.unknown:
            raise SystemExit(f"evidence: {n} of {PACKETS} frames came out of the ring, {ring.unknown} of nobody")
        return took / n


def measured(vms: int) -> dict[str, Any]:
    """Both ways, in turns; the first round of each only warms up."""
    ring, headers = Ring(vms), Headers(vms)
    headers._points["kept"], headers._frames["wire"] = KEPT, 1  # full, and every page is there
    without, with_, kept = [], [], 0
    for turn in range(ROUNDS + 1):
        before = sum(headers.kept(vm) for vm in range(vms))
        for first in (turn % 2, 1 - turn % 2):
            (with_ if first else without).append(ring.read(headers if first else None))
        kept = sum(headers.kept(vm) for vm in range(vms)) - before
    pairs = [a - b for a, b in zip(with_[1:], without[1:], strict=True)]
    return {
        "more": pairs,
        "without": statistics.median(without[1:]),
        "share_kept": kept / PACKETS,
        "freeze_us": frozen(headers),
    }


def frozen(headers: Headers) -> float:
    """Microseconds to copy one VM's frames."""
    times = []
    for _ in range(200):
        before = thread_time_ns()
        frames = headers.frames(0)
        times.append((thread_time_ns() - before) / 1000)
        if len(frames) != KEPT:
            raise SystemExit(f"evidence: {len(frames)} frames were frozen, not {KEPT}")
    return statistics.median(times)


def result() -> dict[str, Any]:
    found = {vms: measured(vms) for vms in VMS}
    head = found[HEADLINE]
    more = {str(vms): report.spread(one["more"]) for vms, one in found.items()}
    return report.document(
        "evidence",
        report.neat(statistics.median(head["more"])),
        "ns a packet",
        {"more/reading": report.neat(statistics.median(head["more"]) / head["without"])},
        spread=report.spread(head["more"]),
        vms=more,
        reading_ns={str(vms): report.neat(one["without"]) for vms, one in found.items()},
        share_kept={str(vms): report.neat(one["share_kept"]) for vms, one in found.items()},
        freeze_us=report.neat(max(one["freeze_us"] for one in found.values())),
        bytes_a_vm=KEPT * 128,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the result as one object, the last line")
    parser.add_argument("--save", action="store_true", help="keep it in bench/results/")
    options = parser.parse_args()
    found = result()
    rows = [
        (vms, found["reading_ns"][vms], one["median"], found["share_kept"][vms]) for vms, one in found["vms"].items()
    ]
    print(report.table(("VMs", "reading ns", "more ns", "share kept"), rows))
    print(f"freezing one VM's frames: {found['freeze_us']} us")
    report.deliver(found, options.json, options.save)


if __name__ == "__main__":
    main()
