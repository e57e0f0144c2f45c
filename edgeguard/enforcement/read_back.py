"""When what stands is read back, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from edgeguard import clock
from edgeguard.enforcement.kernel import Kernel, Wanted
from edgeguard.errors import EnforcementError
from edgeguard.model import Tap

_EVERY = 10 * clock.SECOND  # whether anything hints at a change or not
_NEVER = 2**62
_SOON, _PAUSE = 50 * clock.MILLISECOND, 500 * clock.MILLISECOND  # after a hint; between two readings


class ReadBack:
    """`next` is when it is due, monotonic ns; not before it is known what shall stand (`begin`), because
    everything that an earlier child left would then be taken away."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._last, self.next = time.monotonic_ns(), _NEVER
        self._trouble = ""

    def begin(self) -> None:
        """From now on it is known what shall stand."""
        if self.next == _NEVER:
            self.postpone()

    def hint(self) -> None:
        """Somebody may have changed what we put: soon, and not more often than can be borne."""
        if self.next != _NEVER:
            self.next = min(self.next, max(time.monotonic_ns() + _SOON, self._last + _PAUSE))

    def postpone(self) -> None:
        """Not now, but at the next turn."""
        self._last = time.monotonic_ns()
        self.next = self._last + _EVERY

    def heal(self, wanted: Mapping[Tap, Collection[Wanted]]) -> tuple[dict[int, str], str]:
        """What was wrong by ifindex, and is put right; and a refusal of the kernel, each once."""
        self.postpone()
        try:
            found = self._kernel.heal(wanted)
        except EnforcementError as error:
            news, self._trouble = str(error) != self._trouble, str(error)
            return {}, self._trouble if news else ""
        self._trouble = ""
        return found, ""
