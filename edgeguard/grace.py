"""What people allow: why they released a VM, and which traffic of it is to be left alone, until when.

The signature of what was released is VM, protocol, target, port and rate. An exemption is never wider than it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network

HEADROOM = 1.5  # times the rate that was released is still the same traffic
LONGEST = 30 * 24 * 3_600_000_000_000  # ns that one person may exempt for


class Disposition(StrEnum):
    """What a person found who releases: no release without one."""

    EXEMPT = "exempt"  # it is meant to be: the same is left alone, up to a ceiling and until an end
    FIXED = "fixed"  # its cause was found and taken away
    REBUILT = "rebuilt"  # the VM was made anew
    UNVERIFIED = "unverified"  # the owner says so; nobody looked
    OUR_FAULT = "our-fault"  # nothing was wrong with it: we were


@dataclass(frozen=True, slots=True)
class Rate:
    """How much a second; None: not measured."""

    packets: int | None
    bits: int | None

    def times(self, factor: float) -> Rate:
        return Rate(*(None if one is None else int(one * factor) for one in (self.packets, self.bits)))

    def of(self, unit: str) -> int | None:
        """In the unit of a verdict."""
        return self.bits if unit == "bits" else self.packets

    def covers(self, other: Rate) -> bool:
        """It is no less, in whatever the other was measured in."""
        pairs = ((self.packets, other.packets), (self.bits, other.bits))
        return all(theirs is None or (ours is not None and ours >= theirs) for ours, theirs in pairs)


@dataclass(frozen=True, slots=True)
class Exemption:
    """Traffic of one VM that automation leaves alone."""

    id: str
    vm: str
    protocol: int
    target: IPv4Network | IPv6Network
    port: int | None  # None: the protocol has none
    ceiling: Rate
    since: int
    until: int
    by: str
    why: str
    consent: str | None = None  # of the target's owner, where that is somebody else's address
    case: str | None = None
    second: str | None = None  # who agreed to more than 30 days

    def holds(self, at: int) -> bool:
        return self.since <= at < self.until

    def covers(self, other: Exemption) -> bool:
        """The same traffic of the same VM, up to no less; their times are not compared."""
        ours, theirs = ((one.vm, one.protocol, one.target, one.port) for one in (self, other))
        return ours == theirs and self.ceiling.covers(other.ceiling)


@dataclass(frozen=True, slots=True)
class Grace:
    """What a person's release says beside its reason."""

    disposition: Disposition
    rate: Rate = Rate(None, None)  # the most that was measured of what is released
    rules: tuple[str, ...] = ()  # that had found it; none: it was a person's null route
    exempts: tuple[Exemption, ...] = ()
    appeal: bool = False  # it decides the owner's appeal, by somebody who had no part in what that is against
