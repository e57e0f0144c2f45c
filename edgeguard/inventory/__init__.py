"""Who owns a tap, a MAC, an address: looked up, never pushed."""

from __future__ import annotations

from edgeguard.inventory.file import FileInventory
from edgeguard.inventory.index import Index
from edgeguard.inventory.protocol import Inventory

__all__ = ["FileInventory", "Index", "Inventory", "configured"]


def configured(file: str) -> Inventory:
    """The inventory that `[inventory] file` names; an empty name is an inventory without VMs."""
    return FileInventory(file) if file else Index()
