"""The packets of an incident, as records: evenly spaced, computed, the same in every run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

import numpy as np
import numpy.typing as npt

from edgeguard.clock import SECOND
from edgeguard.record import NOBODY, RECORD, SYN, SYNACK, TCP, UDP, Records, halves

KINDS = {"syn": (SYN, 6, 0x02), "syn-ack": (SYNACK, 6, 0x12), "udp": (UDP, 17, 0), "ack": (TCP, 6, 0x10)}
PORTS = 60_000  # a client's, in turn
FIRST_PORT = 1_024
ANSWER = 1_000  # ns until it comes: no slot parts a handshake
Times = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Stream:
    """One VM's packets of one kind. Times are ns since the story's beginning, and whole slots."""

    what: str  # of KINDS, or 'connections': each a SYN, a SYN-ACK that comes, and an ACK
    rate: int  # frames a second; of connections so many are opened
    span: tuple[int, int]  # from, until
    vm: int = 0  # whose attachment point
    to: str = "203.0.113.80"  # the other side; of `into` the sender
    port: int = 443
    packets: int = 1  # of a frame, which may be a super-frame
    size: int = 60  # bytes of each
    source: str | None = None  # None: the VM's own
    into: bool = False  # it reaches the VM
    every: int = 0  # a burst of one second in so many ns; 0: without a pause
    phantom: bool = False  # only in the data that EdgeGuard is given: no kernel has seen it
    host: int = 0

    def runs(self, at: int) -> bool:
        """Whether a slot that begins at `at` has any of it."""
        start, end = self.span
        return start <= at < end and (not self.every or (at - start) % self.every < SECOND)


def records(stream: Stream, own: str, since: int, until: int, begin: int) -> Records:
    """Those from `since` to `until`; `own`: the VM's address, `begin`: the story's beginning, ns since 1970."""
    numbers = _numbers(stream, since, until)
    at = begin + stream.span[0] + numbers * SECOND // stream.rate
    if stream.what != "connections":
        return _rows(stream, stream.what, stream.source or own, at, numbers, not stream.into)
    parts = [_rows(stream, "syn", own, at, numbers, True)]
    parts.append(_rows(stream, "syn-ack", own, at + ANSWER, numbers, False))
    parts.append(_rows(stream, "ack", own, at + 2 * ANSWER, numbers, True))
    return merged(parts)


def merged(parts: list[Records]) -> Records:
    """In the order of time."""
    together: Records = np.concatenate([np.empty(0, RECORD), *parts])
    return together[np.argsort(together["ts"], kind="stable")]


def _numbers(stream: Stream, since: int, until: int) -> Times:
    start, end = stream.span
    first, last = (-(-(at - start) * stream.rate // SECOND) for at in (max(since, start), min(until, end)))
    return np.arange(first, last, dtype=np.int64)


def _rows(stream: Stream, what: str, own: str, at: Times, numbers: Times, out: bool) -> Records:
    rows: Records = np.zeros(len(at), RECORD)
    here, there = _sides(own, stream.to)
    source, target = (here, there) if out else (there, here)
    kind, protocol, flags = KINDS[what]
    ports = FIRST_PORT + numbers % PORTS
    fixed = {"ts": at, "packets": stream.packets, "bytes": stream.packets * stream.size}
    fixed |= {"kind": kind, "protocol": protocol, "tcp_flags": flags, "family": ip_address(own).version}
    fixed |= dict(zip(("src_hi", "src_lo", "dst_hi", "dst_lo"), (*source, *target), strict=True))
    sent, got = (stream.port, ports) if what == "syn-ack" else (ports, stream.port)  # it is the server's
    fixed |= {"src_port": sent, "dst_port": got}
    fixed |= {"out_of": stream.vm, "into": NOBODY} if out else {"out_of": NOBODY, "into": stream.vm}
    for name, value in fixed.items():
        rows[name] = value
    return rows


def _sides(*addresses: str) -> Iterator[tuple[int, int]]:
    return (halves(ip_address(address)) for address in addresses)
