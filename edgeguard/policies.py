"""Whose limits hold at which attachment point, and from which window on that makes it worth a look."""

from __future__ import annotations

from collections.abc import Iterable

from edgeguard.config import Config, Limits
from edgeguard.counting.counted import Counted
from edgeguard.model import Vm
from edgeguard.policy import Policy, policy

LARGEST = 9_216  # bytes of a packet, where jumbo frames are let through


class Policies:
    """The policy of every point; `counting` is told its levels."""

    def __init__(self, config: Config, counting: Counted) -> None:
        self._counting = counting
        self.configure(config, ())

    def configure(self, config: Config, points: Iterable[tuple[int, Vm | None]]) -> None:
        """Other limits from now on."""
        self._config = config
        self._usual = policy(config, None)  # of a point whose VM is not known
        self._own: dict[int, Policy] = {}
        self._counting.limits(*levels(self._usual))
        for point, vm in points:
            self.fit(point, vm)

    def fit(self, point: int, vm: Vm | None) -> None:
        """The limits of a point are those of the VM that hangs there."""
        found = policy(self._config, vm) if vm else self._usual
        if found.limits == self._usual.limits:
            if self._own.pop(point, None) is None:
                return
        else:
            self._own[point] = found
        self._counting.limit(point, *levels(found))

    def limits(self, point: int) -> dict[str, Limits]:
        """By rule, what holds for a point; rules that are missing are not judged there."""
        return self._own.get(point, self._usual).limits


def levels(found: Policy) -> tuple[dict[str, int], dict[str, int]]:
    """By rule: from which window a point is looked at every slot, and at once."""
    both = {rule: loudness(limits) for rule, limits in found.limits.items()}
    return {rule: loud for rule, (loud, _) in both.items()}, {rule: hard for rule, (_, hard) in both.items()}


def loudness(limits: Limits) -> tuple[int, int]:
    """Packets in a window from which a rule wants a look at every slot, and at once.

    A limit in bits can be reached by so many packets of the largest size, and by no fewer.
    """
    loud, hard, bits = (limits.warn + 1) // 2, limits.hard, limits.bits
    if bits is not None:
        least = min(n for n in (bits.warn, bits.act, bits.hard) if n is not None)
        loud = max(1, min(loud, least // 16 // LARGEST))
        if bits.hard and not bits.only_in_harm:
            hard = max(1, min(hard, bits.hard // 8 // LARGEST))
    return loud, hard


def missing(packets: int, octets: int, limits: Limits) -> int:
    """How many more packets a rule needs at least until it could find a hard flood; below 1: it has found one.

    `packets` and `octets` are what its limits are compared with now.
    """
    needed = limits.hard - packets
    if limits.bits and limits.bits.hard and not limits.bits.only_in_harm:
        left = limits.bits.hard // 8 - octets
        return min(needed, left // LARGEST + (left > 0))
    return needed
