"""Reading a whole savefile for a test, and frames to write into one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from oracles.savefile import enhanced, interface, pcap, record, section
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from edgeguard.capture.points import Points
from edgeguard.capture.savefile import SavefileCapture
from edgeguard.record import RECORD

SECOND = 1_000_000_000
T = 1_700_000_000
E = Ether(src="02:00:00:00:00:02", dst="02:00:00:00:00:01")
SYN = bytes(E / IP(src="192.0.2.10", dst="198.51.100.7") / TCP(flags="S"))
DATAGRAM = bytes(E / IP(src="192.0.2.11", dst="198.51.100.7") / UDP() / Raw(b"x" * 40))
DATAGRAM_IP = DATAGRAM[14:]
WHOLE_PCAP = pcap() + record(SYN, T, 1) + record(DATAGRAM, T, 2)
WHOLE_PCAPNG = section() + interface() + enhanced(SYN, T) + enhanced(DATAGRAM, T + 1)


class Read:
    """Everything that came out of a file."""

    def __init__(self, capture: SavefileCapture) -> None:
        with capture:
            batches = [np.zeros(0, RECORD)]
            while len(batch := capture.read()):
                batches.append(batch.copy())
        self.records = np.concatenate(batches)
        self.capture = capture
        self.totals = {name: n for name, n in capture.totals().items() if n}
        self.findings = capture.findings()

    @property
    def stamps(self) -> list[int]:
        return [int(ts) for ts in self.records["ts"]]


def read(tmp_path: Path, content: bytes, points: Points | None = None, room: int = 65536) -> Read:
    path = tmp_path / "file"
    path.write_bytes(content)
    return Read(SavefileCapture(path, points, room))
