"""The limits of every rule: out of a VM, into it, and over all VMs of a customer."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Annotated

from pydantic import ConfigDict, Field, field_validator, model_validator

from edgeguard.config.fields import BitLimit, Packets, Section
from edgeguard.model import Band
from edgeguard.reading import OUT


class BitLimits(Section):
    """One rule's limits in bits of IP a second. None: no such limit, that band is judged by packets alone."""

    warn: BitLimit = None
    act: BitLimit = None
    hard: BitLimit = None

    @model_validator(mode="after")
    def _rising(self) -> BitLimits:
        given = [limit for limit in (self.warn, self.act, self.hard) if limit is not None]
        if given != sorted(given):
            raise ValueError(f"warn {self.warn or 0}, act {self.act or 0}, hard {self.hard or 0} must not fall")
        return self

    @property
    def judged(self) -> bool:
        """Whether there is any limit here."""
        return any(limit is not None for limit in (self.warn, self.act, self.hard))

    @property
    def only_in_harm(self) -> bool:
        """Whether `hard` holds only while others suffer (Circumstances.harm)."""
        return False


class UplinkLimits(BitLimits):
    """Limits taken from the uplink's speed: a part of it hurts nobody by itself."""

    @property
    def only_in_harm(self) -> bool:
        return True


class Limits(Section):
    """One rule's three limits, packets in a one-second window, and in bits where there are such."""

    warn: Packets
    act: Packets
    hard: Packets
    bits: BitLimits | None = None
    judged: Annotated[bool, Field(strict=True)] = True  # False: the rule is switched off

    @field_validator("bits")
    @classmethod
    def _some(cls, bits: BitLimits | None) -> BitLimits | None:
        return bits if bits and bits.judged else None

    @model_validator(mode="after")
    def _rising(self) -> Limits:
        if not self.warn <= self.act <= self.hard:
            raise ValueError(f"warn {self.warn}, act {self.act}, hard {self.hard} must not fall")
        return self

    def of(self, band: Band) -> int:
        """The limit of a band, packets a second."""
        return {Band.WARN: self.warn, Band.ACT: self.act, Band.HARD: self.hard}[band]


class SumLimits(Section):
    """Limits of the sum over all VMs of one customer. Both 0: it is counted and shown, never judged."""

    warn: Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)]
    hard: Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)]

    @model_validator(mode="after")
    def _rising(self) -> SumLimits:
        if bool(self.warn) != bool(self.hard):
            raise ValueError(f"warn {self.warn}, hard {self.hard}: both 0, so that no sum is judged, or both above it")
        if self.warn > self.hard:
            raise ValueError(f"warn {self.warn}, hard {self.hard} must not fall")
        return self

    def limits(self) -> Limits | None:
        """As a rule judges by them: a sum has no act, as nothing is ever done about it by itself."""
        return Limits(warn=self.warn, act=self.hard, hard=self.hard) if self.warn else None


class CustomerLimits(Section):
    syn: SumLimits
    udp: SumLimits


class RuleLimits(Section):
    """Of each rule in one direction."""

    syn: Limits
    udp: Limits
    icmp: Limits
    fragments: Limits
    tcp: Limits
    total: Limits


class AllLimits(RuleLimits):
    """`[limits]`: out of a VM as they stand, into it below `in`, a customer's sum below `customer`."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    into: RuleLimits = Field(alias="in")
    customer: CustomerLimits

    def by_rule(self) -> dict[str, Limits]:
        """All twelve, by the names of reading.OUT and reading.INTO."""
        return dict(_named(self, self.into))


class SomeRuleLimits(Section):
    """As RuleLimits, of those rules that are named."""

    syn: Limits | None = None
    udp: Limits | None = None
    icmp: Limits | None = None
    fragments: Limits | None = None
    tcp: Limits | None = None
    total: Limits | None = None


class SomeLimits(SomeRuleLimits):
    """The limits of a group or a VM: of those rules that it names, each whole (`load` fills what is not written)."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    into: SomeRuleLimits = Field(default=SomeRuleLimits(), alias="in")

    @functools.cached_property
    def named(self) -> dict[str, Limits]:
        """Those that are named, by the names of reading.OUT and reading.INTO."""
        return dict(_named(self, self.into))


def _named(out: Section, into: Section) -> Iterator[tuple[str, Limits]]:
    for suffix, side in (("", out), ("-in", into)):
        for rule in OUT:
            limits = getattr(side, rule)
            if limits is not None:
                yield rule + suffix, limits
