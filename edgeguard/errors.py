"""Every error an operator can meet, each one sentence with what to do.

EdgeGuardError                exit 1
  ConfigError                 exit 3: all findings of a configuration or inventory file together
  UsageError                  exit 2
  SavefileError               a savefile that cannot be read at all
  CaptureError                a ring or interface that cannot be opened
  RightsError                 a right (capability, sysctl) that is missing
  EnforcementError            the kernel or the enforcing child refused an order
  StoreError                  the database cannot be read or written
  DaemonError                 no daemon answers, or it refused
  DeliveryError               a hook, webhook or page that cannot be handed over
  EvidenceError               evidence that is not there, not whole, or cannot be written
"""

from __future__ import annotations


class EdgeGuardError(Exception):
    """One clear line: what was tried, on what, why it failed, what to do."""

    exit_code = 1


class ConfigError(EdgeGuardError):
    """A wrong configuration or inventory: every finding, each with file, section and key."""

    exit_code = 3

    def __init__(self, findings: list[str]) -> None:
        super().__init__("\n".join(findings))
        self.findings = findings


class UsageError(EdgeGuardError):
    """The command was called in a way it cannot serve."""

    exit_code = 2


class SavefileError(EdgeGuardError):
    """A savefile that cannot be read at all."""


class CaptureError(EdgeGuardError):
    """A ring or an interface that cannot be opened or followed."""


class RightsError(EdgeGuardError):
    """A capability or a sysctl that is missing."""


class EnforcementError(EdgeGuardError):
    """The kernel or the enforcing child refused an order."""


class StoreError(EdgeGuardError):
    """The database cannot be opened, read or written."""


class DaemonError(EdgeGuardError):
    """No daemon answers at the socket, or it refused the request."""


class DeliveryError(EdgeGuardError):
    """A hook, a webhook or a page cannot be handed over, or what hands it over cannot be started."""


class EvidenceError(EdgeGuardError):
    """Evidence that is not there or not whole, or that cannot be read or written."""
