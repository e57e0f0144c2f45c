"""The lab's configuration files are ones that the product itself accepts."""

from __future__ import annotations

from pathlib import Path

from edgeguard import config
from edgeguard.inventory import FileInventory
from edgeguard.lab import addresses as plan
from edgeguard.lab import settings
from edgeguard.lab.addresses import NEIGHBOUR, VM


def test_the_live_configuration_is_valid_and_stays_in_its_directory(tmp_path: Path) -> None:
    """It loads without a finding, and every path in it lies in the lab's private directory."""
    (tmp_path / "inventory.toml").write_text(settings.inventory())
    (tmp_path / "edgeguard.toml").write_text(settings.live(tmp_path))
    live = config.load(tmp_path / "edgeguard.toml")
    assert live.uplinks == (plan.UPLINK,)
    for path in (live.paths.database, live.paths.socket, live.inventory.file):
        assert Path(path).parent == tmp_path
    assert live.mail.server == f"{plan.MAIL}:{plan.MAIL_PORT}"


def test_the_inventory_knows_both_vms(tmp_path: Path) -> None:
    """Each VM is found by its tap, its MAC and each of its addresses."""
    (tmp_path / "inventory.toml").write_text(settings.inventory())
    inventory = FileInventory(tmp_path / "inventory.toml")
    for station in (VM, NEIGHBOUR):
        found = inventory.by_tap(station.tap)
        assert found
        assert (found.id, found.contact) == (station.id, station.contact)
        assert inventory.by_mac(station.mac) == found
        assert {str(network.network_address) for network in found.addresses} == set(station.addresses)


def test_what_differs_from_the_defaults_is_said(tmp_path: Path) -> None:
    """Every number that the lab changes stands in the sentences printed as its own."""
    (tmp_path / "edgeguard.toml").write_text(settings.live(tmp_path))
    live, shipped = config.load(tmp_path / "edgeguard.toml"), config.build({})
    assert live.limits.syn == shipped.limits.syn
    assert live.limits.udp.hard != shipped.limits.udp.hard
    assert live.judging == shipped.judging
    changed = [name for name, value in live.clocks if getattr(shipped.clocks, name) != value]
    assert changed == ["quiet"]
    assert any(settings.QUIET in line for line in settings.OWN)
    assert any(f"{live.limits.udp.hard:,}" in line for line in settings.OWN)
