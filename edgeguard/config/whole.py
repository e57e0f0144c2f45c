"""The whole configuration, as a value."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from edgeguard.config.fields import Bits, Section
from edgeguard.config.limits import AllLimits
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
)
from edgeguard.reading import OUT

ENFORCEABLE = frozenset(f"{rule}.{band}" for rule in (*OUT, "scan", "all") for band in ("act", "hard"))


def _enforceable(name: str) -> str:
    if name.partition(".")[0].endswith("-in"):
        raise ValueError(f"{name!r} is judged on the way in: observed, never enforced")
    if name not in ENFORCEABLE:
        raise ValueError(f"{name!r} is nothing that can be enforced: one of {', '.join(sorted(ENFORCEABLE))}")
    return name


class Config(Section):
    """`load` builds it; tests use `build(overrides)`."""

    enforce: tuple[Annotated[str, AfterValidator(_enforceable)], ...]
    uplinks: tuple[str, ...]
    uplink_bits: Bits
    host: Host
    limits: AllLimits
    judging: Judging
    clocks: Clocks
    capture: CaptureSettings
    counting: CountingSettings
    protected: Protected
    inventory: InventorySettings
    mail: Mail
    paths: Paths
    evidence: EvidenceSettings
    enforcement: EnforcementSettings
