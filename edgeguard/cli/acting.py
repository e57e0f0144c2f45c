"""A request to the daemon, asked and its answer told: what a command does that does nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeguard.request import Ask


def act(config_path: Path, what: Ask, as_json: bool) -> None:
    """Print the answer."""
    from edgeguard.cli import asking  # noqa: PLC0415 - not for --help

    asking.tell(asking.ask(config_path, what), as_json)
