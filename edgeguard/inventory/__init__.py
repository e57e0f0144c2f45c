"""Who owns a tap, a MAC, an address: looked up, never pushed."""

from __future__ import annotations

from edgeguard.config import InventorySettings
from edgeguard.inventory.entries import checked
from edgeguard.inventory.file import FileInventory
from edgeguard.inventory.index import Index
from edgeguard.inventory.protocol import Inventory

__all__ = ["FileInventory", "Index", "Inventory", "configured"]


def configured(settings: InventorySettings) -> Inventory:
    """The inventory that `[inventory]` names or holds; with neither it knows no VM."""
    if settings.file:
        return FileInventory(settings.file)
    return Index(checked(settings.vm, "[inventory]"))
