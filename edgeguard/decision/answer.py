"""The three answers of a safety."""

from __future__ import annotations

PASS, REFUSE, UNKNOWN = "pass", "refuse", "unknown"
