"""Uplinks and taps: which there are, of what kind, whose, and how each can be null-routed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from edgeguard.capture.taps import Taps
from edgeguard.check.finding import Finding, ok, warning, wrong
from edgeguard.check.unseen import PassedBy, unseen
from edgeguard.errors import CaptureError
from edgeguard.inventory import Inventory
from edgeguard.model import Tap, TapKind

HOW = {
    TapKind.ROUTED: "null-routed by a rule and a private routing table",
    TapKind.BRIDGED: "null-routed by an nftables chain on the tap",
}


def attachment(
    exclude: tuple[str, ...], uplinks: tuple[str, ...], inventory: Inventory, enforcing: bool
) -> Iterator[Finding]:
    """Every uplink, then every tap by name. `enforcing`: something may be null-routed by configuration."""
    try:
        taps = Taps(exclude, uplinks)
    except CaptureError as error:
        yield wrong("taps", "links", str(error))
        return
    found = sorted(taps.current().values(), key=lambda tap: tap.name)
    taps.close()
    if not taps.uplinks:
        yield wrong("uplinks", "default route", "there is none to take an uplink from; name them in `uplinks`")
    yield from (_uplink(name) for name in taps.uplinks)
    if not found:
        yield warning("taps", "links", "no tap, macvtap or veth of a VM is here yet; they are found when they appear")
    passed_by = PassedBy()
    yield from (_tap(tap, inventory, enforcing, passed_by) for tap in found)
    yield from unseen()


def _uplink(name: str) -> Finding:
    try:
        with contextlib.closing(Taps((), (name,))) as alone:
            alone.require_uplinks()
    except CaptureError as error:
        return wrong("uplinks", name, str(error).removeprefix(f"uplink {name}: "))
    return ok("uplinks", name, "up")


def _tap(tap: Tap, inventory: Inventory, enforcing: bool, passed_by: PassedBy) -> Finding:
    vm = inventory.by_tap(tap.name)
    if vm is None:
        text = f"{tap.kind_detail}; in no VM of the inventory: counted and reported, never acted upon"
        return warning("taps", tap.name, text)
    owner = vm.id if vm.name == vm.id else f"{vm.id} ({vm.name})"
    cannot = tap.kind_detail if tap.kind is TapKind.NONE else passed_by.stops(tap.name)
    if cannot:
        grade = wrong if enforcing else warning
        return grade("taps", tap.name, f"{owner}: cannot be null-routed: {cannot}")
    return ok("taps", tap.name, f"{owner}: {tap.kind_detail}, {HOW[tap.kind]}{passed_by.notes(tap)}")
