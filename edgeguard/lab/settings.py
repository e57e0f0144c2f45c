"""The daemon's configuration in the lab: its limits, its shortened clocks, its two VMs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgeguard.lab import addresses as plan
from edgeguard.lab.addresses import STATIONS, Station

QUIET = "3s"
UDP_HARD = 50_000
OWN = (  # what differs from the defaults, for people
    f"quiet is {QUIET} (default 15m)",
    f"UDP hard is {UDP_HARD:,} packets a second (default 250,000)",
    'enforce = ["syn.hard", "udp.hard"] (default: nothing)',
)
PLACE = "the lab"
DESK = "desk@example.net"


def _judging() -> dict[str, dict[str, Any]]:
    return {
        "": {"enforce": ["syn.hard", "udp.hard"]},
        "host": {"name": "hypervisor.example.net", "place": PLACE},
        "limits.udp": {"hard": UDP_HARD},
        "clocks": {"quiet": QUIET},
        "mail": {
            "from": "EdgeGuard <abuse@example.net>",
            "reply_to": "abuse+{case}@example.net",
            "desk": DESK,
        },
    }


def _vm(station: Station) -> dict[str, Any]:
    return {
        "id": station.id,
        "name": station.name,
        "customer": station.customer,
        "contact": station.contact,
        "taps": [station.tap],
        "macs": [station.mac],
        "addresses": list(station.addresses),
        "place": PLACE,
    }


def _lines(table: dict[str, Any]) -> Iterator[str]:
    """TOML of plain values; its strings, numbers and lists are written as JSON writes them."""
    return (f"{key} = {json.dumps(value)}" for key, value in table.items())


def _toml(tables: dict[str, dict[str, Any]]) -> str:
    parts = []
    for name, table in tables.items():
        parts.append("\n".join([*([f"[{name}]"] if name else []), *_lines(table)]))
    return "\n\n".join(parts) + "\n"


def _vms(key: str) -> str:
    return "".join("\n" + "\n".join([f"[[{key}]]", *_lines(_vm(station))]) + "\n" for station in STATIONS)


def inventory() -> str:
    """The inventory file of the live lab."""
    return _vms("vm").lstrip()


def live(directory: Path, mirror: bool = False) -> str:
    """The configuration file of the live daemon, whose files are all in `directory`."""
    tables = _judging()
    if mirror:
        tables["capture"] = {"mirror": [plan.MIRROR]}
    tables[""]["uplinks"] = [plan.UPLINK]
    tables["mail"] |= {"server": f"{plan.MAIL}:{plan.MAIL_PORT}", "tls": "none"}
    tables["inventory"] = {"file": str(directory / "inventory.toml")}
    files = {"database": "edgeguard.sqlite", "socket": "edgeguard.sock", "kill": "observe-only"}
    tables["paths"] = {key: str(directory / name) for key, name in files.items()}
    return _toml(tables)


def replayed() -> str:
    """The configuration file beside a written savefile: the same judging, the VMs by MAC in it."""
    return _toml(_judging()) + _vms("inventory.vm")
