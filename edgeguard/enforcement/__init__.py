"""Actions -> outcomes."""

from __future__ import annotations

from edgeguard.enforcement.client import Enforcer
from edgeguard.enforcement.dry_run import DryRun

__all__ = ["DryRun", "Enforcer"]
