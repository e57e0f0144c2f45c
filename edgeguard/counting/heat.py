"""From which window on a row is looked at every slot ('hot'), and at once: the levels of rows, and what follows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgeguard.counting import state
from edgeguard.counting.readings import JUDGED, RULES

Levels = Mapping[str, int]  # [packets] by rule; what is not named has none


def levels_of(levels: Levels) -> list[int]:
    """In the order of a row's rules."""
    return [levels.get(rule, state.NEVER) for rule in JUDGED]


class Heat:
    """The levels of `rows`; `st`, their state, counts those that are hot."""

    def __init__(self, rows: state.Array, st: state.Array) -> None:
        self._rows = rows
        self._state = st
        self.usual = np.full((2, state.RULES), state.NEVER, np.int64)  # loud, hard
        self.own = np.full((len(rows), 2, state.RULES), state.NEVER, np.int64)  # by point
        self._never: set[int] = set()

    def limits(self, loud: Levels, hard: Levels) -> None:
        """The levels of all points that get none of their own."""
        self.usual[:] = levels_of(loud), levels_of(hard)
        self.own[:] = self.usual
        self.own[list(self._never)] = state.NEVER
        self._rows["loud"], self._rows["arm"] = self.own[:, 0], self.own[:, 1]
        self._rows["hard"] = self.own[:, 1]
        self._rows["watch"] = 0

    def limit(self, point: int, loud: Levels, hard: Levels) -> None:
        self._set(point, np.array((levels_of(loud), levels_of(hard)), np.int64))

    def begin(self, point: int) -> None:
        """Another subject's row: the usual levels hold."""
        self._never.discard(point)
        self._set(point, self.usual)

    def never(self, point: int) -> None:
        self._never.add(point)
        self._set(point, np.full((2, state.RULES), state.NEVER, np.int64))

    def _set(self, point: int, levels: state.Array) -> None:
        self.own[point] = levels
        self._rows["loud"][point], self._rows["arm"][point] = levels
        self._rows["hard"][point] = levels[1]
        self._rows["watch"][point] = 0

    def lower(self, points: state.Array, loud: tuple[int, int], windows: state.Array) -> None:
        """Rows are hot from these windows of SYN and UDP on, or from their own levels where these are less.

        `windows`: [point, metric] as they are now; a level that falls below one makes its row hot at once.
        """
        self._rows["loud"][points] = self.own[points, 0]
        self._rows["loud"][points, : len(RULES)] = np.minimum(self.own[points, 0, : len(RULES)], loud)
        self._rows["watch"][points] = 0
        over = points[(windows[:, : state.RULES] >= self._rows["loud"][points]).any(axis=1)]
        self._state["hot"] += np.count_nonzero(self._rows["hot"][over] == 0)
        self._rows["hot"][over] = 1

    def cool(self, point: int) -> None:
        self._state["hot"] -= self._rows["hot"][point]
        for name in ("hot", "fresh", "track", "watch"):
            self._rows[name][point] = 0

    def rearm(self, point: int, rule: str, level: int) -> None:
        k = JUDGED.index(rule)
        if self._rows["arm"][point, k] == level and not self._rows["crossed"][point, k]:
            return
        self._rows["arm"][point, k] = level
        self._rows["crossed"][point, k] = 0
        self._rows["watch"][point, k] = 0
