"""At which window of a rule a crossing is reported next, so that a hard flood is found where it begins."""

from __future__ import annotations

from edgeguard.clock import SLOT
from edgeguard.config import Judging, Limits
from edgeguard.counting.counted import Counted
from edgeguard.detection.rules import measured, octets
from edgeguard.policies import loudness, missing
from edgeguard.reading import Reading


class Crossings:
    """Remembers which levels stand above those that the limits give."""

    def __init__(self, counting: Counted) -> None:
        self._counting = counting
        self._raised: set[tuple[int, str]] = set()  # point and rule

    def set(self, reading: Reading, rule: str, limits: Limits, judging: Judging) -> None:
        """Report the next crossing where this rule could first find a hard flood.

        What is answered does not count for every rule, so the level is raised by what was; but not by what leaves
        the window with the next slot.
        """
        key, packets = (reading.point, rule), reading.packets[rule]
        _, usual = loudness(limits)
        if packets < usual:
            if key in self._raised or reading.crossed[rule]:
                self._raised.discard(key)
                self._counting.rearm(*key, usual)
            return
        size = octets(rule, reading, judging) if limits.bits else 0
        more = missing(measured(rule, reading, judging), size, limits)
        if more > 0:
            leaving = 0 if reading.at % SLOT else self._counting.leaving(*key)
            self._raised.add(key)
            self._counting.rearm(*key, packets + more - leaving)

    def forget(self, point: int) -> None:
        """The point is another subject's now: counting has given it the usual levels."""
        self._raised = {key for key in self._raised if key[0] != point}

    def clear(self) -> None:
        """All levels are new."""
        self._raised.clear()
