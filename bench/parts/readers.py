"""One reader over a savefile, in a process of its own: what it counted and how long it took.

    python -m bench.parts.readers NAME FILE PACKETS

Imports, and kernels that have to be compiled first, are not timed; opening the file is.
"""

# ruff: noqa: PLC0415 - a process imports only what it measures

from __future__ import annotations

import json
import mmap
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

Found = dict[str, Any]
Reader = Callable[[Path, int], Found]  # the first so many packets of a file


def _timed(body: Callable[[], Found]) -> Found:
    start = time.perf_counter()
    found = body()
    return {**found, "seconds": time.perf_counter() - start}


def replay(path: Path, packets: int) -> Found:
    """Everything `edgeguard replay --json` does but printing: decode, count, judge, decide, write mails, sum up."""
    from edgeguard import config, jsonl, summary
    from edgeguard.inventory import configured
    from edgeguard.replay import Replay

    settings = config.load(None)
    inventory = configured(settings.inventory)
    told: list[str] = []

    def body() -> Found:
        run = Replay(path, settings, inventory, lambda found: told.append(json.dumps(jsonl.line(found))))
        run.run()
        return summary.summarise(run)

    return _timed(body)


def decode(path: Path, packets: int) -> Found:
    """The frames become records, and that is all."""
    from edgeguard.capture.savefile import SavefileCapture
    from edgeguard.replay import BATCH

    def body() -> Found:
        with SavefileCapture(path, None, room=BATCH) as capture:
            while len(capture.read()):
                pass
            return capture.totals()

    return _timed(body)


def count(path: Path, packets: int) -> Found:
    """The records are counted by source; nobody looks at the counts."""
    from edgeguard.capture.savefile import SavefileCapture
    from edgeguard.counting.window import Counting
    from edgeguard.replay import BATCH, SOURCES

    def body() -> Found:
        counting = Counting(SOURCES)
        with SavefileCapture(path, None, room=BATCH) as capture:
            while len(records := capture.read()):
                counting.add(records, 0)
            counting.close()
            return capture.totals()

    return _timed(body)


def walk(path: Path, packets: int) -> Found:
    """The limit: find every record and look at one byte of its header. No reader can do with less."""
    import numba
    import numpy as np

    @numba.njit("Tuple((int64, int64))(Array(uint8, 1, 'C', readonly=True))")
    def records(data: Any) -> tuple[int, int]:
        at, frames, sum_ = 24, 0, 0
        while at + 16 <= data.size:
            length = data[at + 8] | data[at + 9] << 8 | data[at + 10] << 16 | data[at + 11] << 24
            sum_ += data[at + 39]  # the IPv4 protocol
            frames += 1
            at += 16 + length
        return frames, sum_

    def body() -> Found:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
            data = np.frombuffer(mapped, np.uint8)
            frames, _ = records(data)
            del data  # the mapping cannot be closed while it is looked at
            return {"frames": frames}

    return _timed(body)


def dpkt(path: Path, packets: int) -> Found:
    """A plain dpkt loop that counts SYNs and UDP of each source."""
    import dpkt as library

    ip, ip6, tcp, udp = library.ip.IP, library.ip6.IP6, library.tcp.TCP, library.udp.UDP

    def body() -> Found:
        syn: Counter[bytes] = Counter()
        datagrams: Counter[bytes] = Counter()
        frames = 0
        with path.open("rb") as file:
            for _, frame in library.pcap.Reader(file):
                network = library.ethernet.Ethernet(frame).data
                if isinstance(network, ip | ip6):
                    inside = network.data
                    if isinstance(inside, tcp):
                        if inside.flags & 0x12 == 0x02:
                            syn[network.src] += 1
                    elif isinstance(inside, udp):
                        datagrams[network.src] += 1
                frames += 1
                if frames == packets:
                    break
        return {"frames": frames, "tcp_syn": syn.total(), "udp": datagrams.total()}

    return _timed(body)


def scapy(path: Path, packets: int) -> Found:
    """The same in scapy."""
    from scapy.layers.inet import IP, TCP, UDP
    from scapy.layers.inet6 import IPv6
    from scapy.utils import PcapReader

    def body() -> Found:
        syn: Counter[str] = Counter()
        datagrams: Counter[str] = Counter()
        frames = 0
        with PcapReader(str(path)) as reader:
            for frame in reader:
                network = frame.getlayer(IP) or frame.getlayer(IPv6)
                if network is not None:
                    if TCP in frame:
                        if int(frame[TCP].flags) & 0x12 == 0x02:
                            syn[network.src] += 1
                    elif UDP in frame:
                        datagrams[network.src] += 1
                frames += 1
                if frames == packets:
                    break
        return {"frames": frames, "tcp_syn": syn.total(), "udp": datagrams.total()}

    return _timed(body)


READERS: dict[str, Reader] = {reader.__name__: reader for reader in (replay, decode, count, walk, dpkt, scapy)}


if __name__ == "__main__":
    name, file, wanted = sys.argv[1:]
    print(json.dumps(READERS[name](Path(file), int(wanted))))
