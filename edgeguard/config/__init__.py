"""The configuration: defaults.toml, overlaid by one TOML file; every finding reported together."""

from __future__ import annotations

from edgeguard.config.bounds import Breaker, Fleet, Pace
from edgeguard.config.groups import Group, Setting
from edgeguard.config.limits import AllLimits, BitLimits, CustomerLimits, Limits, SumLimits
from edgeguard.config.loading import DEFAULTS, build, load, what_is_right
from edgeguard.config.roster import Roster, Shift
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
from edgeguard.config.whole import Config

__all__ = [
    "DEFAULTS",
    "AllLimits",
    "BitLimits",
    "Breaker",
    "CaptureSettings",
    "Clocks",
    "Config",
    "CountingSettings",
    "CustomerLimits",
    "EnforcementSettings",
    "EvidenceSettings",
    "Fleet",
    "Group",
    "HooksSettings",
    "Host",
    "InventorySettings",
    "Judging",
    "Limits",
    "LogSettings",
    "Mail",
    "MetricsSettings",
    "NoticeSettings",
    "Pace",
    "PageSettings",
    "Paths",
    "Protected",
    "Roster",
    "RulesSettings",
    "Setting",
    "Shift",
    "SumLimits",
    "build",
    "load",
    "what_is_right",
]
