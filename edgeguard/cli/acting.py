"""A request to the daemon, asked and its answer told: what a command does that does nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeguard.request import Ask


def act(config_path: Path, what: Ask, as_json: bool) -> None:
    """Print the answer. An error where it was done to some of several and not to all."""
    from edgeguard.cli import asking, others  # noqa: PLC0415 - not for --help

    answer = asking.ask(config_path, what)
    asking.tell(answer, as_json)
    others.tell(answer, what, config_path, as_json)
    others.fail(answer)
