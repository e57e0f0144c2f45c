"""What another version of an inventory changes, in words for the log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields

from edgeguard.model import Vm

NAMED = 5  # VMs of each kind


def difference(before: Sequence[Vm], after: Sequence[Vm]) -> str:
    """'new: vm-3; gone: vm-4, vm-5; other: vm-1 (taps, addresses)', or that nothing is different."""
    old, new = {vm.id: vm for vm in before}, {vm.id: vm for vm in after}
    others = (f"{id} ({_what(old[id], vm)})" for id, vm in new.items() if id in old and vm != old[id])
    parts = {
        "new": _named(id for id in new if id not in old),
        "gone": _named(id for id in old if id not in new),
        "other": _named(others),
    }
    return "; ".join(f"{name}: {ids}" for name, ids in parts.items() if ids) or "nothing is different"


def _what(old: Vm, new: Vm) -> str:
    """The fields that differ."""
    names = (field.name for field in fields(Vm))
    return ", ".join(name for name in names if getattr(old, name) != getattr(new, name))


def _named(ids: Iterable[str]) -> str:
    found = list(ids)
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return ", ".join(found[:NAMED]) + more
