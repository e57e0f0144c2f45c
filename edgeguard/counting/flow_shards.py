"""One flow memory a shard, asked as one: bounds of a key add up, and so do limits.

A key that sends T in a window sends ceil(T / N) of it through one of N shards (pigeonhole principle),
however its packets are spread. So each memory has ceil(T / N) as its limit, and what it promises of
that holds for the sum: docs/counting.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeguard.clock import SLOT
from edgeguard.counting.flow_memory import FlowMemory, Heavy
from edgeguard.counting.state import WINDOW
from edgeguard.model import Network
from edgeguard.record import RECORD

ENTRIES = 16_384
FURTHER_ENTRIES = 8_192  # of every shard but the first: keys are steered, so that each is in few of them


class FlowShards:
    """The flow memories of all shards, one for each secret key. Ask only while none of them counts."""

    def __init__(self, limits: dict[str, int], keys: Sequence[tuple[int, int]]) -> None:
        """`limits` hold for the sums."""
        self._limits = limits
        share = {name: -(-limit // len(keys)) for name, limit in limits.items()}
        self.of = tuple(FlowMemory(share, key, FURTHER_ENTRIES if n else ENTRIES) for n, key in enumerate(keys))

    @property
    def effective(self) -> dict[str, int]:
        """The sums that no key reaches without the limit of one memory."""
        each = [memory.effective for memory in self.of]
        sums = {name: sum(limits[name] for limits in each) for name in self._limits}
        return {name: max(limit, sums[name] - len(each) + 1) for name, limit in self._limits.items()}

    @property
    def capacity(self) -> int:
        return sum(memory.capacity for memory in self.of)

    @property
    def used(self) -> int:
        """Entries; a key may have one in several memories."""
        return sum(memory.used for memory in self.of)

    @property
    def refused(self) -> int:
        return sum(memory.refused for memory in self.of)

    @property
    def admitted(self) -> int:
        return sum(memory.admitted for memory in self.of)

    @property
    def memory(self) -> int:
        """Bytes, fixed at start."""
        return sum(memory.memory for memory in self.of)

    def turn(self, at: int) -> None:
        """Time goes on to `at` in every memory, so that all speak of the same second."""
        for memory in self.of:
            _pass(memory, at)

    def turn_back(self, at: int) -> None:
        """The clock was set back to `at`, as one of them knows: the others follow it."""
        newest = max(memory.slot for memory in self.of)
        for memory in self.of:
            if memory.slot < newest:
                _pass(memory, at - WINDOW * SLOT)
                _pass(memory, at)

    def bounds(self, network: Network, out: bool, name: str) -> tuple[int, int]:
        """(at least, at most) packets of a class of one key in the last second."""
        each = [memory.bounds(network, out, name) for memory in self.of]
        return sum(low for low, _ in each), sum(high for _, high in each)

    def heavy(self, name: str, at_most: int, most: int | None = None) -> list[Heavy]:
        """The keys whose upper bound in the last second reaches `at_most` packets of a class, largest first;
        all of them from the effective limit on, where no memory has more than `most` of them.

        A sum that reaches it has a memory that reaches its own share, which is in proportion to its
        limit in force: there the key has an entry. What the others have seen of it, they are asked.
        """
        leading: dict[tuple[Network, bool], Heavy] = {}
        for memory, share in zip(self.of, self._shares(name, at_most), strict=True):
            for heavy in memory.heavy(name, share, most):
                key = heavy.network, heavy.out
                if key not in leading or leading[key].at_least < heavy.at_least:
                    leading[key] = heavy
        found = []
        for (network, out), heavy in leading.items():
            low, high = self.bounds(network, out, name)
            if high >= at_most:
                found.append(Heavy(network, out, low, high, heavy.point))
        return sorted(found, key=lambda heavy: (-heavy.at_most, str(heavy.network)))

    def _shares(self, name: str, at_most: int) -> list[int]:
        each = [memory.effective[name] for memory in self.of]
        return [max(1, min(limit, at_most), at_most * limit // sum(each)) for limit in each]


def _pass(memory: FlowMemory, at: int) -> None:
    """A frame of nobody: all that it brings is the time."""
    frame = np.zeros(1, RECORD)
    frame["ts"] = at
    memory.add(frame, 0, 1)
