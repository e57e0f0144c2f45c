"""The UDP rule: one-way UDP out of a subject, packets in a second.

One-way means: to targets from which fewer than one packet came back per `one_way_ratio` sent in the
same window. Targets too small for a place of their own are judged together.
"""

from __future__ import annotations

from edgeguard.config import Judging, Limits
from edgeguard.detection import rule
from edgeguard.detection.episode import Episode
from edgeguard.model import CameBack, Verdict
from edgeguard.reading import Reading
from edgeguard.record import PROTOCOL_UDP

NAME = "udp"


def measure(reading: Reading, judging: Judging) -> rule.Measured:
    """The one-way part of the window's UDP. Bytes are scaled to that part."""
    part = reading.one_way / reading.packets[NAME] if reading.packets[NAME] else 0.0
    return rule.Measured(
        packets=reading.one_way,
        bytes=round(reading.bytes[NAME] * part),
        foreign=min(reading.one_way, reading.foreign[NAME]) if reading.foreign else None,
        crossed=reading.crossed[NAME],
        flows=tuple(
            flow
            for flow in reading.flows
            if flow.protocol == PROTOCOL_UDP and flow.back * judging.one_way_ratio < flow.packets
        ),
        came_back=CameBack(packets=reading.one_way_back),
    )


def judge(
    reading: Reading, limits: Limits, judging: Judging, episode: Episode | None
) -> tuple[Episode | None, Verdict | None]:
    return rule.judge(NAME, reading, measure(reading, judging), limits, judging, episode)
