"""The frames of a scenario's flood, for its sender and for its savefile."""

from __future__ import annotations

from edgeguard.lab import traffic
from edgeguard.lab.scenario import Flood
from edgeguard.lab.traffic import Frames


def frames(flood: Flood, aim: int, length: int | None = None) -> Frames:
    """What is sent in turn at the flood's `aim`th target; UDP payloads of `length` bytes where it is given."""
    if flood.random:
        return traffic.forged_random()
    target = flood.targets[aim]
    if "/" in target:
        return traffic.carpet(flood.source(target), target)
    source = flood.source(target)
    return traffic.syn_flood(source, target) if flood.rule == "syn" else traffic.udp_flood(source, target, length)
