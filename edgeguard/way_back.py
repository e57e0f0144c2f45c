"""The way back in packet time: for a replay, which has no clock to be sampled by.

for part in way_back.seconds(records):
    engine.feed(part)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from edgeguard.clock import SECOND
from edgeguard.counting.counted import Counted
from edgeguard.harm.return_path import ReturnPath
from edgeguard.harm.sender import Sender
from edgeguard.model import Vm
from edgeguard.reading import Circumstances
from edgeguard.record import Records


class WayBack:
    """The VMs of a savefile, one a row. Nothing is known of its host: no uplink, no connection table."""

    def __init__(self, counting: Counted, vms: Sequence[Vm]) -> None:
        self._counting, self._vms = counting, vms
        self._path = ReturnPath()
        self._second = 0

    def seconds(self, records: Records) -> Iterator[Records]:
        """The records, in parts that end where a second of packet time does; then a sample is taken."""
        if not self._vms:
            yield records
            return
        reached = np.maximum.accumulate(np.append(self._second, records["ts"] // SECOND))
        ends = np.flatnonzero(np.diff(reached))
        start = 0
        for end in ends.tolist():
            yield records[start:end]
            self._second, start = int(reached[end + 1]), end
            self._path.take(self._second * SECOND, [self._sender(point, vm) for point, vm in enumerate(self._vms)])
        yield records[start:]

    def circumstances(self, point: int) -> Circumstances:
        """Whether what came back to a VM is known."""
        if point >= len(self._vms):
            return Circumstances()
        return Circumstances(in_doubt=self._path.doubt(self._vms[point].customer))

    def _sender(self, point: int, vm: Vm) -> Sender:
        return Sender(point, vm.id, vm.customer, *self._counting.completions(point), *self._counting.frames(point))
