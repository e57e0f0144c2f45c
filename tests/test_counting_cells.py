"""The cells of the rings: what they cannot hold is not counted, and nothing of it stays behind."""

from __future__ import annotations

import numpy as np
from oracles.counting import SLOT, Packet, rows

from edgeguard.clock import SECOND
from edgeguard.counting.window import Counting
from edgeguard.model import Subject

T = 1_767_225_600 * SECOND
HOST, TARGET = "192.0.2.10", "198.51.100.1"
FULL = 2**32 - 1


def test_a_slot_with_more_bytes_than_a_cell_holds_leaves_nothing_behind() -> None:
    """The clock is set back by less than a second while a VM sends 90 Gbit/s: all of that is one slot's. Its bytes are
    a lower bound then, and exact again once the slot has left the window."""
    made = Counting(16)
    made.assign(0, Subject("vm-1", "tap0", None), ())
    frame = Packet(T, "udp", HOST, TARGET, packets=40, bytes=60_000, out_of=0)
    made.add(rows([frame]), 0)
    many = np.repeat(rows([frame]), 190_000)  # 11 GB, all of them stamped alike
    made.add(many, 0)
    window = made.reading(0, T + SLOT)
    assert (window.packets["udp"], window.flows[0].packets) == (190_001 * 40, 190_001 * 40)
    made.add(rows([Packet(T + SLOT, "udp", HOST, TARGET, out_of=0)]), 0)
    window = made.reading(0, T + 2 * SLOT)
    assert window.bytes["udp"] == FULL + 60
    assert window.flows[0].bytes == FULL + 60
    later = [Packet(T + n * SLOT, "udp", HOST, TARGET, out_of=0) for n in range(2, 13)]
    made.add(rows(later), 0)
    window = made.reading(0, T + 13 * SLOT)
    assert (window.bytes["udp"], window.flows[0].bytes, window.packets["udp"]) == (600, 600, 10)
