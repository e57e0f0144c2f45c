"""The UDP rule: one-way UDP out of a subject, packets in a second.

One-way means: to targets from which fewer than one packet came back per `one_way_ratio` sent in the
same window. Targets too small for a place of their own are judged together.
"""

from __future__ import annotations

from edgeguard.config import Judging, Limits
from edgeguard.detection import rule
from edgeguard.detection.episode import Episode
from edgeguard.model import CameBack, Flow, Reading, Verdict
from edgeguard.record import PROTOCOL_UDP

NAME = "udp"


def _answered(flow: Flow, ratio: int) -> bool:
    return flow.back * ratio >= flow.packets


def measure(reading: Reading, ratio: int) -> rule.Measured:
    """The one-way part of the window's UDP. Bytes and forged share are scaled to that part."""
    flows = tuple(flow for flow in reading.flows if flow.protocol == PROTOCOL_UDP)
    one_way = tuple(flow for flow in flows if not _answered(flow, ratio))
    packets = sum(flow.packets for flow in one_way)
    rest = reading.packets[NAME] - sum(flow.packets for flow in flows)
    rest_back = reading.udp_back - sum(flow.back for flow in flows)
    if rest_back * ratio < rest:
        packets += rest
    part = packets / reading.packets[NAME] if reading.packets[NAME] else 0.0
    return rule.Measured(
        packets=packets,
        bytes=round(reading.bytes[NAME] * part),
        foreign=min(packets, reading.foreign[NAME]) if reading.foreign else None,
        crossed=reading.crossed[NAME],
        flows=one_way,
        came_back=CameBack(packets=sum(flow.back for flow in one_way)),
    )


def judge(
    reading: Reading, limits: Limits, judging: Judging, episode: Episode | None
) -> tuple[Episode | None, Verdict | None]:
    return rule.judge(NAME, reading, measure(reading, judging.one_way_ratio), limits, judging, episode)
