"""A recording as traffic of a scenario: from its beginning again when it ends, and several times at once where a
real server has more of the same than was recorded."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import numpy as np

from bench.quality.frames import Array, Frames
from bench.quality.record.recording import Recording
from bench.quality.scenario import START, Stream
from edgeguard.clock import SECOND
from edgeguard.model import Vm
from edgeguard.record import PROTOCOL_TCP, PROTOCOL_UDP

_IPV4, _IPV6 = 0x0800, 0x86DD
_BENCHMARKING = (198, 18)  # 198.18.0.0/15: the third byte of an address tells copies apart


def machine(recording: Recording) -> Vm:
    """The VM that was recorded, as the inventory knows it."""
    addresses = tuple(ip_network(address) for address in recording.addresses)
    return Vm("vm-1", "machine1", "customer-1", "owner1@example.net", ("tap1",), (recording.mac,), addresses)


def replayed(recording: Recording, seconds: float, copies: int = 1, one_host: bool = False) -> tuple[Stream, ...]:
    """`copies` at once, each at another place of the recording and with other hosts, or from other ports."""
    period = round(recording.seconds * SECOND)
    apart = from_another_port if one_host else among_others
    return tuple(
        _looped(apart(recording, copy), period, period * copy // copies, round(seconds * SECOND))
        for copy in range(copies)
    )


def _looped(frames: Frames, period: int, phase: int, length: int) -> Stream:
    """The recording from `phase` on, again and again."""
    rounds = -(-(length + phase) // period)
    at = (np.arange(rounds)[:, None] * period + frames.at).ravel() - phase
    first, last = np.searchsorted(at, (0, length))
    size, skipped = len(frames), int(first)
    return Stream(START + at[first:last], lambda numbers, _: frames[(numbers + skipped) % size])


def among_others(recording: Recording, copy: int) -> Frames:
    """The same with other hosts at the far ends; copy 0 as it was recorded.

    Hosts of 198.18.0.0/15 get another third byte, those of other networks another last byte (which stays
    in its documentation network). Multicast groups and link-local addresses stay as they are.
    """
    if copy == 0:
        return recording.frames
    head = recording.frames.head.copy()
    for version, first_byte in ((_IPV4, 30), (_IPV6, 38)):
        rows = np.flatnonzero((head[:, 12].astype(int) << 8 | head[:, 13]) == version)
        if len(rows):
            _rename(head, rows, recording.outward[rows], first_byte, version, copy)
    return replace(recording.frames, head=head)


def _rename(head: Array, rows: Array, outward: Array, target: int, version: int, copy: int) -> None:
    width = 4 if version == _IPV4 else 16
    at = np.where(outward, target, target - width)
    if version == _IPV6:
        unicast = head[rows, at] == 0x20
        head[rows[unicast], at[unicast] + 13] ^= copy
        return
    far = (head[rows, at] == _BENCHMARKING[0]) & (head[rows, at + 1] & 0xFE == _BENCHMARKING[1])
    known = head[rows, at] < 224
    place = at + np.where(far, 2, 3)
    head[rows[known], place[known]] ^= copy
    _sum_headers(head, rows[known])


def _sum_headers(head: Array, rows: Array) -> None:
    """IPv4 header checksums anew (RFC 1071); options count as far as they reach."""
    header = head[rows, 14:74].astype(np.uint32)
    header[:, 10:12] = 0
    header[np.arange(60) >= (header[:, :1] & 15) * 4] = 0
    total = (header[:, 0::2] << 8 | header[:, 1::2]).sum(axis=1)
    for _ in range(2):
        total = (total & 0xFFFF) + (total >> 16)
    head[rows, 24], head[rows, 25] = (~total >> 8) & 0xFF, ~total & 0xFF


def from_another_port(recording: Recording, copy: int) -> Frames:
    """The same over IPv4 from another port of the VM, for streams to one host. Frames that have no ports stay."""
    head = recording.frames.head.copy()
    plain = (head[:, 12] == _IPV4 >> 8) & (head[:, 14] == 0x45) & np.isin(head[:, 23], (PROTOCOL_TCP, PROTOCOL_UDP))
    rows = np.flatnonzero(plain)
    head[rows, np.where(recording.outward[rows], 35, 37)] ^= copy
    return replace(recording.frames, head=head)
