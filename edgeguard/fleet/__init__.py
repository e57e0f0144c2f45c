"""Asking the fleet: one host sees only itself, a service that sees all may hold it back."""

from __future__ import annotations

from edgeguard.fleet.permit import Facts, Permit

__all__ = ["Facts", "Permit"]
