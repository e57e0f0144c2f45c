"""The configuration: defaults.toml, overlaid by one TOML file; every finding reported together."""

from __future__ import annotations

from edgeguard.config.groups import Group, Setting
from edgeguard.config.limits import AllLimits, BitLimits, CustomerLimits, Limits, SumLimits
from edgeguard.config.loading import DEFAULTS, build, load
from edgeguard.config.sections import (
    CaptureSettings,
    Clocks,
    CountingSettings,
    EnforcementSettings,
    EvidenceSettings,
    Host,
    InventorySettings,
    Judging,
    Mail,
    Paths,
    Protected,
    RulesSettings,
)
from edgeguard.config.whole import Config

__all__ = [
    "DEFAULTS",
    "AllLimits",
    "BitLimits",
    "CaptureSettings",
    "Clocks",
    "Config",
    "CountingSettings",
    "CustomerLimits",
    "EnforcementSettings",
    "EvidenceSettings",
    "Group",
    "Host",
    "InventorySettings",
    "Judging",
    "Limits",
    "Mail",
    "Paths",
    "Protected",
    "RulesSettings",
    "Setting",
    "SumLimits",
    "build",
    "load",
]
