"""Where null routes live: the numbers and names that tell ours from everybody else's."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Protocol


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


@dataclass(frozen=True, slots=True)
class Place:
    """What the child is started with."""

    protocol: int  # rtm_protocol of routes, FRA_PROTOCOL of rules
    priority: int  # rules use this .. this + 99
    table: int  # tables are this + ifindex
    nft_table: str  # netdev family
    uplinks: tuple[str, ...]  # empty: found at each proof
    verify_ns: int  # a null route is proved within this time

    @classmethod
    def of(cls, settings: Settings, uplinks: tuple[str, ...], verify_ns: int) -> Place:
        """The configured place."""
        return cls(settings.protocol, settings.priority, settings.table, settings.nft_table, uplinks, verify_ns)

    def written(self) -> str:
        """As one command-line argument."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> Place:
        """From that argument."""
        values = json.loads(text)
        return cls(**{**values, "uplinks": tuple(values["uplinks"])})
