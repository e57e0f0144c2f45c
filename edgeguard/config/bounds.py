"""How much automation may do on this host before it holds itself back: breaker, pace, and what a fleet allows."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from edgeguard.config.fields import Duration, Program, Section, Share, Url

LONGEST_MEMORY = 24 * 3_600_000_000_000  # ns: what was null-routed before that is asked for by nothing
LONGEST_WAIT = 1_000_000_000  # ns: a decision waits so long for a fleet at most, and packets wait with it
Number = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]


class _Remembered(Section):
    """A bound over a time of which the daemon keeps what was decided."""

    within: Duration

    @model_validator(mode="after")
    def _kept(self) -> _Remembered:
        if self.within > LONGEST_MEMORY:
            raise ValueError("within: what was null-routed is remembered for 24h at most")
        return self


class Breaker(_Remembered):
    on: Annotated[bool, Field(strict=True)]
    customers: Number
    share: Share
    every: Duration
    lifetime: Duration

    def most(self, customers: int) -> int:
        """So many customers may be null-routed where so many have a VM on this host."""
        return max(self.customers, int(self.share * customers))


class Pace(_Remembered):
    full: Number
    standing: Number


class Fleet(_Remembered):
    """Who is asked whether this host may null-route more: a program or a URL; neither: nobody."""

    command: Program
    url: Url
    timeout: Duration
    keep: Duration
    customers: Number

    @property
    def is_asked(self) -> bool:
        return bool(self.command or self.url)

    @model_validator(mode="after")
    def _possible(self) -> Fleet:
        if self.command and self.url:
            raise ValueError("name a command or a url, one of the two")
        if self.timeout > LONGEST_WAIT:
            raise ValueError("timeout: 1s at most, as a decision waits for it")
        return self
