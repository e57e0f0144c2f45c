"""At which window of a rule a crossing is reported next, so that a hard flood is found where it begins."""

from __future__ import annotations

from edgeguard.clock import SLOT
from edgeguard.config import Judging, Limits
from edgeguard.counting.counted import Counted
from edgeguard.detection.rules import measured, octets
from edgeguard.policies import loudness, missing
from edgeguard.reading import Reading


def rearm(counting: Counted, reading: Reading, rule: str, limits: Limits, judging: Judging) -> None:
    """Report the next crossing where this rule could first find a hard flood.

    What is answered does not count for every rule, so the level is raised by what was; but not by what leaves
    the window with the next slot. Counting lowers it again once the window is below what the limits give.
    """
    packets = reading.packets[rule]
    if packets < loudness(limits)[1]:
        return
    size = octets(rule, reading, judging) if limits.bits else 0
    more = missing(measured(rule, reading, judging), size, limits)
    if more > 0:
        leaving = 0 if reading.at % SLOT else counting.leaving(reading.point, rule)
        counting.rearm(reading.point, rule, packets + more - leaving)
