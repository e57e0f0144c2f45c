"""The SYN rule: connection attempts out of a subject (SYN without ACK), packets in a second.

SYN-ACKs never count: a victim that answers an inbound flood is no flooder.
"""

from __future__ import annotations

from edgeguard.config import Judging, Limits
from edgeguard.detection import rule
from edgeguard.detection.episode import Episode
from edgeguard.model import CameBack, Verdict
from edgeguard.reading import Reading
from edgeguard.record import PROTOCOL_TCP

NAME = "syn"


def measure(reading: Reading) -> rule.Measured:
    """All SYNs of the window."""
    return rule.Measured(
        packets=reading.packets[NAME],
        bytes=reading.bytes[NAME],
        foreign=reading.foreign[NAME] if reading.foreign else None,
        crossed=reading.crossed[NAME],
        flows=tuple(flow for flow in reading.flows if flow.protocol == PROTOCOL_TCP),
        came_back=CameBack(packets=reading.syn_acks + reading.resets, syn_acks=reading.syn_acks, resets=reading.resets),
    )


def judge(
    reading: Reading, limits: Limits, judging: Judging, episode: Episode | None
) -> tuple[Episode | None, Verdict | None]:
    return rule.judge(NAME, reading, measure(reading), limits, judging, episode)
