"""The whole configuration, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PrivateAttr, field_validator

from edgeguard.config.bounds import Breaker, Fleet, Pace
from edgeguard.config.fields import Bits, Section
from edgeguard.config.groups import Group, Setting
from edgeguard.config.limits import AllLimits
from edgeguard.config.modes import enforceable
from edgeguard.config.roster import Roster
from edgeguard.config.sections import (
    CaptureSettings,
    Clocks,
    CountingSettings,
    EnforcementSettings,
    EvidenceSettings,
    HooksSettings,
    Host,
    InventorySettings,
    Judging,
    LogSettings,
    Mail,
    MetricsSettings,
    NoticeSettings,
    PageSettings,
    Paths,
    Protected,
    RulesSettings,
)
from edgeguard.config.standing import StandingSettings


@dataclass(frozen=True, slots=True)
class Written:
    """What the configuration file itself says, to lay the next version of its rules file on."""

    values: dict[str, Any]
    source: str


class Config(Section):
    """`load` builds it; tests use `build(overrides)`."""

    enforce: tuple[Annotated[str, AfterValidator(enforceable)], ...]
    uplinks: tuple[str, ...]
    uplink_bits: Bits
    host: Host
    limits: AllLimits
    group: tuple[Group, ...] = ()
    vm: dict[str, Setting] = Field(default_factory=dict)
    rules: RulesSettings
    judging: Judging
    clocks: Clocks
    capture: CaptureSettings
    counting: CountingSettings
    protected: Protected
    breaker: Breaker
    pace: Pace
    fleet: Fleet
    standing: StandingSettings
    inventory: InventorySettings
    mail: Mail
    notice: NoticeSettings
    hooks: HooksSettings
    page: PageSettings
    roster: Roster
    paths: Paths
    evidence: EvidenceSettings
    log: LogSettings
    metrics: MetricsSettings
    enforcement: EnforcementSettings
    _written: Written | None = PrivateAttr(default=None)  # None: there is no rules file

    @field_validator("group")
    @classmethod
    def _told_apart(cls, groups: tuple[Group, ...]) -> tuple[Group, ...]:
        names = [group.name for group in groups]
        for name in dict.fromkeys(name for name in names if names.count(name) > 1):
            raise ValueError(f"{names.count(name)} groups are named {name!r}; nobody could tell which one is meant")
        return groups
