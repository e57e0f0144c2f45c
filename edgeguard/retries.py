"""Null routes that the kernel refused: decided anew while the flood goes on, less and less often."""

from __future__ import annotations

from edgeguard.clock import HOUR, MINUTE

Key = tuple[int, str]  # attachment point and rule

FIRST = MINUTE  # the pause after the first refusal; it doubles
LONGEST = HOUR
_NEVER = 2**62


class Retries:
    """When each is tried again, and the pause before that. Times are packet time, ns."""

    def __init__(self) -> None:
        self._due: dict[Key, tuple[int, int]] = {}

    def later(self, key: Key, at: int) -> None:
        """It was refused at a time."""
        _, pause = self._due.get(key, (0, FIRST // 2))
        pause = min(2 * pause, LONGEST)
        self._due[key] = (at + pause, pause)

    def due(self, at: int) -> list[Key]:
        """Those whose pause is over; each once."""
        found = [key for key, (when, _) in self._due.items() if when <= at]
        for key in found:
            self._due[key] = (_NEVER, self._due[key][1])
        return found

    def drop(self, key: Key) -> None:
        """The flood is over, so that the next one begins anew."""
        self._due.pop(key, None)

    def stepped(self, by: int) -> None:
        """Packet time jumped: a pause keeps its length."""
        self._due = {key: (min(_NEVER, when + by), pause) for key, (when, pause) in self._due.items()}
