"""What every inventory answers: who owns a tap, a MAC, an address."""

from __future__ import annotations

from typing import Protocol

from edgeguard.model import Vm
from edgeguard.record import Address


class Inventory(Protocol):
    """Looked up, never pushed: stages ask when they need to know."""

    def by_tap(self, name: str) -> Vm | None:
        """The VM behind an interface name of this host."""

    def by_mac(self, mac: str) -> Vm | None:
        """The VM that owns a MAC address, in any of the usual spellings."""

    def by_address(self, address: Address) -> Vm | None:
        """The VM that owns an address: the longest of its prefixes that holds it."""

    def by_term(self, text: str) -> Vm | None:
        """The VM an operator means: its id, tap, MAC, address or name, in this order.

        UsageError where a name fits several VMs.
        """

    def vms(self) -> tuple[Vm, ...]:
        """Every VM, in the order of the inventory."""

    @property
    def trouble(self) -> str | None:
        """What is wrong with the inventory as it stands now; None: nothing."""

    def reload_if_changed(self) -> str | None:
        """Read the inventory again where it changed: a sentence for the log, or None."""
