"""Several counters, each fed by a thread of its own, asked as one.

Every shard counts its part of the packets in rows of its own, so that counting needs no lock. Asked
is only while no shard counts, and while all of them stand in the same slot: `add` of a shard stops
where a slot ends, and goes on when every shard has come that far and the slot was looked at. So the
windows of a row simply add up. docs/counting.md says why nothing is missed.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Sequence

import numpy as np

from edgeguard.clock import GRID
from edgeguard.counting import place_sums, readings, state
from edgeguard.counting.customers import Customers
from edgeguard.counting.distinct import Distinct
from edgeguard.counting.flow_shards import FlowShards
from edgeguard.counting.heat import Levels, levels_of
from edgeguard.counting.readings import Ratios
from edgeguard.counting.window import Counting
from edgeguard.model import Network, Subject
from edgeguard.reading import Reading
from edgeguard.record import Records

FURTHER_TABLES = 64  # of every shard but the first; rows that find none count on, but not by target


def share(total: int, shards: int) -> int:
    """A sum that reaches `total` has a shard that reaches this."""
    return -(-total // shards) if total < state.NEVER else total


class Shards:
    """As many counters as there are threads. `remote`: their flow memories; `distinct`: counts that they share;
    `points`: rows of each."""

    def __init__(
        self,
        n: int,
        *,
        ratios: Ratios = Ratios(),  # noqa: B008 - frozen
        remote: FlowShards | None = None,
        distinct: Distinct | None = None,
        points: int = state.POINTS,
    ) -> None:
        if not 1 <= n <= state.SHARDS:
            raise ValueError(f"{n} shards: 1 to {state.SHARDS} are possible")
        self.remote = remote
        self.ratios = ratios
        memories = remote.of if remote else (None,) * n
        self.of = tuple(
            Counting(
                0,
                ratios=ratios,
                by_source=False,
                remote=memory,
                distinct=distinct.shard() if distinct else None,  # the same cells: nothing to add up
                points=points,
                tables=min(points, FURTHER_TABLES) if k else None,
            )
            for k, memory in enumerate(memories)
        )
        for shard in self.of:
            shard.watch(True)
        self._merged = state.merged()
        self._own = np.full((points, state.RULES), state.NEVER, np.int64)  # a point's levels, of the sums
        self._all = self._own[:1].copy()
        self.customers = Customers(self)

    # ---- what is counted for whom ------------------------------------------------------------

    def limits(self, loud: Levels, hard: Levels) -> None:
        """As of one counter; each shard reports its share, and the sum is looked at then."""
        for shard in self.of:
            shard.limits(self._shares(loud), self._shares(hard))
        self._all[0] = self._own[:] = levels_of(loud)

    def limit(self, point: int, loud: Levels, hard: Levels) -> None:
        for shard in self.of:
            shard.limit(point, self._shares(loud), self._shares(hard))
        self._own[point] = levels_of(loud)
        self.customers.relevel(point)

    def _shares(self, levels: Levels) -> dict[str, int]:
        return {rule: share(level, len(self.of)) for rule, level in levels.items()}

    def assign(self, point: int, subject: Subject, addresses: Iterable[Network]) -> None:
        own = tuple(addresses)
        for shard in self.of:
            shard.assign(point, subject, own)
        self._own[point] = self._all[0]
        self.customers.begin(point)

    def never_judge(self, point: int) -> None:
        for shard in self.of:
            shard.never_judge(point)
        self._own[point] = state.NEVER

    def own(self, point: int, addresses: Iterable[Network]) -> None:
        own = tuple(addresses)
        for shard in self.of:
            shard.own(point, own)

    def level(self, points: state.Array, loud: tuple[int, int]) -> None:
        for shard in self.of:
            shard.level(points, (share(loud[0], len(self.of)), share(loud[1], len(self.of))))

    def loud(self, points: state.Array, at: int) -> state.Array:
        over = self.windows(points, at)[:, : state.RULES] >= self._own[points]
        return np.asarray(over.any(axis=1))

    def least(self, points: state.Array) -> state.Array:
        return self._own[points, : len(readings.RULES)]

    def subject(self, point: int) -> Subject:
        return self.of[0].subject(point)

    # ---- packets and their time ----------------------------------------------------------------

    def add(self, records: Records, start: int) -> int:
        """Count in the first shard; the others are fed by themselves (`of`)."""
        return self.of[0].add(records, start)

    def until(self, times: Sequence[int]) -> int:
        """The packet time to look at, where each shard has counted everything until its one of `times`.

        The end of a slot is not passed before all have come there; within a slot the foremost counts.
        """
        self._follow()
        passed = min(times)
        return passed if passed >= self.slot_end else min(max(times), self.slot_end - 1)

    def _follow(self) -> None:
        """Where one shard knows that the clock was set back, all follow it."""
        slowest = min(self.of, key=lambda shard: shard.slot_end)
        if slowest.slot_end == max(shard.slot_end for shard in self.of):
            return
        at = slowest.grid_end - GRID
        for shard in self.of:
            if shard.slot_end != slowest.slot_end:
                shard.turn_back(at)
        if self.remote is not None:
            self.remote.turn_back(at)

    def turn_back(self, at: int) -> None:
        """The clock was set back to `at`. The flow memories follow with their packets."""
        for shard in self.of:
            shard.turn_back(at)

    def tick(self, at: int) -> None:
        """What happened until `at` was looked at. Only the end of a slot takes all shards along."""
        ended = at >= self.slot_end
        for shard in self.of:
            if ended:
                shard.tick(at)
            elif shard.grid_end <= at:
                shard.looked()
        if ended and self.remote is not None:
            self.remote.turn(at)

    # ---- looking -------------------------------------------------------------------------------

    @property
    def slot_end(self) -> int:
        return self.of[0].slot_end

    @property
    def grid_end(self) -> int:
        """The end of the first grid cell in which a shard reached its share."""
        return min((shard.grid_end for shard in self.of if shard.crossed), default=self.slot_end)

    @property
    def crossed(self) -> bool:
        return any(shard.crossed for shard in self.of)

    @property
    def late(self) -> int:
        return sum(shard.late for shard in self.of)

    @property
    def untabled(self) -> int:
        return sum(shard.untabled for shard in self.of)

    @property
    def memory(self) -> int:
        return sum(shard.memory for shard in self.of)

    def watch(self, wanted: bool) -> None:
        """Shards stop at every slot anyway."""

    def hot(self) -> list[int]:
        return sorted({point for shard in self.of for point in shard.hot()})

    def crossing(self) -> list[int]:
        return sorted({point for shard in self.of for point in shard.crossing()})

    def completions(self, point: int) -> tuple[int, int]:
        each = [shard.completions(point) for shard in self.of]
        return sum(syns for syns, _ in each), sum(acks for _, acks in each)

    def cool(self, point: int) -> None:
        for shard in self.of:
            shard.cool(point)

    def rearm(self, point: int, rule: str, level: int) -> None:
        """Report when a row's sum may have reached `level`, which it has not.

        Each shard may have its share of what is missing on top of what it has. Shares a with
        sum(a) <= level + N - 1 suffice: while every window is below its own, the sum is below the level.
        """
        windows = [shard.packets(point, rule) for shard in self.of]
        missing = max(1, level - sum(windows))
        for shard, packets in zip(self.of, windows, strict=True):
            shard.rearm(point, rule, packets + 1 + (missing - 1) // len(self.of))

    def leaving(self, point: int, rule: str) -> int:
        return sum(shard.leaving(point, rule) for shard in self.of)

    def frames(self, point: int) -> tuple[int, int]:
        each = [shard.frames(point) for shard in self.of]
        return sum(out for out, _ in each), sum(into for _, into in each)

    def reading(self, point: int, at: int) -> Reading:
        """The sums over all shards; a target's count is the sum of those of the shards that keep it."""
        sums = self._merge(point, at)
        spread = self.of[0].spread(point, at)
        return readings.reading(point, self.subject(point), at, sums, self._merged, 0, self.ratios, spread)

    def _merge(self, point: int, at: int) -> readings.Sums:
        """A row's sums over all shards, and its places put together."""
        sums = functools.reduce(operator.add, (shard.sums(point, at) for shard in self.of))
        place_sums.merge_none(self._merged)
        for shard in self.of:
            shard.merge(point, self._merged)
        return sums

    def windows(self, points: state.Array, at: int) -> state.Array:
        return functools.reduce(operator.add, (shard.windows(points, at) for shard in self.of))

    def one_way(self, point: int, at: int) -> tuple[int, int]:
        udp, back = self._merge(point, at).window[[state.UDP, state.UDP_BACK]].tolist()
        ratio = float(self.ratios.udp)
        packets, _, back = place_sums.one_way(self._merged, 0, state.UDP, state.BACK, udp, back, ratio)
        return packets, back

    def half_open(self, point: int, at: int) -> tuple[int, int]:
        syns, third = self._merge(point, at).window[[state.SYN, state.THIRD_ACKS]].tolist()
        ratio = 1 / self.ratios.completed
        packets, _, acks = place_sums.one_way(self._merged, 0, state.SYN, state.THIRD, syns, third, ratio)
        return packets, acks

    def within(self, point: int, rule: str, seconds: int) -> int:
        return sum(shard.within(point, rule, seconds) for shard in self.of)
