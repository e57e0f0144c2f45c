"""Where null routes live: the numbers and names that tell ours from everybody else's."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from ipaddress import ip_network
from typing import Any, Protocol

from edgeguard import kill_file
from edgeguard.enforcement.kept import NOTHING, Kept
from edgeguard.model import Network


class Settings(Protocol):
    """The [enforcement] section of the configuration."""

    @property
    def protocol(self) -> int: ...
    @property
    def priority(self) -> int: ...
    @property
    def table(self) -> int: ...
    @property
    def nft_table(self) -> str: ...
    @property
    def keep(self) -> tuple[Network, ...]: ...
    @property
    def keep_link(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Place:
    """What the child is started with."""

    protocol: int  # rtm_protocol of routes, FRA_PROTOCOL of rules
    priority: int  # rules use this .. this + 99
    table: int  # tables are this + ifindex
    nft_table: str  # netdev family
    uplinks: tuple[str, ...]  # empty: found at each proof
    verify_ns: int  # a null route is proved within this time
    kill: str = ""  # while this file exists nothing is put, nor put back
    kept: Kept = NOTHING  # what a full null route leaves alive

    @classmethod
    def of(cls, settings: Settings, uplinks: tuple[str, ...], verify_ns: int, kill: str = "") -> Place:
        """The configured place."""
        names = settings.protocol, settings.priority, settings.table, settings.nft_table
        return cls(*names, uplinks, verify_ns, kill, Kept(settings.keep, settings.keep_link))

    def killed(self) -> str | None:
        """Why nothing may be null-routed, by the kill file (`edgeguard panic`); None: there is none."""
        return kill_file.reason(self.kill) if self.kill else None

    def written(self) -> str:
        """As one command-line argument."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def read(cls, text: str) -> Place:
        """From that argument."""
        values: dict[str, Any] = json.loads(text)
        prefixes, link = values["kept"]["prefixes"], values["kept"]["link"]
        kept = Kept(tuple(map(ip_network, prefixes)), link)
        return cls(**{**values, "uplinks": tuple(values["uplinks"]), "kept": kept})
