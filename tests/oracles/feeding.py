"""Feeding a flow memory: packets to and from remote addresses, counted as the engine does."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from oracles.counting import SECOND, SLOT, Packet, rows
from oracles.flows import Key

from edgeguard.counting.flow_memory import FlowMemory
from edgeguard.record import NOBODY

T = 1_767_225_600 * SECOND
KEY = (0x0706050403020100, 0x0F0E0D0C0B0A0908)
LIMITS = {"syn": 33, "udp": 45, "packets": 60}
POINTS = ((NOBODY, NOBODY), (3, NOBODY), (NOBODY, 4), (3, 4))
WHATS = ("syn", "udp", "tcp", "icmp", "udp fragment")


def memory(limits: dict[str, int] | None = None, entries: int = 256) -> FlowMemory:
    return FlowMemory(limits or LIMITS, KEY, entries)


def feed(made: FlowMemory, packets: Sequence[Packet]) -> None:
    """Count the packets in batches that are cut where slots begin, as those of the engine are."""
    batch = rows(packets)
    slots = batch["ts"] // SLOT
    cuts = [0, *(np.flatnonzero(np.diff(slots)) + 1).tolist(), len(batch)]
    for start, stop in itertools.pairwise(cuts):
        made.add(batch, start, stop)


def found(made: FlowMemory, name: str, limit: int) -> set[Key]:
    return {(heavy.network, heavy.out) for heavy in made.heavy(name, limit)}


def packet(at: int, remote: str, what: str, points: tuple[int, int], weight: int = 1) -> Packet:
    """A packet to or from a remote address; the other end is a VM."""
    out_of, into = points
    vm = "2001:db8:1::5" if ":" in remote else "198.51.100.5"
    src, dst = (vm, remote) if out_of != NOBODY else (remote, vm)
    return Packet(at, what, src, dst, packets=weight, out_of=out_of, into=into)
