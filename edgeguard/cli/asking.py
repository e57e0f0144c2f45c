"""Asking the daemon for something, and waiting until the kernel agrees."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from edgeguard import control
from edgeguard.cases.reader import Reader
from edgeguard.cli import output
from edgeguard.cli.options import loaded
from edgeguard.errors import EnforcementError
from edgeguard.model import Happened, Outcome

KERNEL_S = 2.0  # for the acknowledgement of a null route
RELEASED_S = 10.0  # for the end of one: a person waits for nothing more important


def ask(config_path: Path, what: Any) -> dict[str, Any]:
    """The daemon's answer."""
    return control.ask(loaded(config_path).paths.socket, what)


def tell(answer: dict[str, Any], as_json: bool) -> None:
    """Its sentence `text`, or all of it as JSON."""
    if as_json:
        output.print_json(answer)
    else:
        click.echo(output.told(answer.get("text", "done")))


def await_kernel(config_path: Path, decision: str) -> None:
    """Return when the kernel has taken a null route; an error when it refused, or says nothing in time."""

    def taken(reader: Reader) -> bool:
        outcomes = reader.outcomes(decision)
        _refuse(outcomes, f"{decision}: not null-routed")
        return bool(outcomes)

    if not _within(config_path, KERNEL_S, taken):
        raise EnforcementError(f"{decision}: ordered, not acknowledged in {KERNEL_S} s; see 'edgeguard nullroute list'")


def await_end(config_path: Path, release: str) -> None:
    """Return when the kernel holds nothing any more of what a release ends; an error when it still may."""
    left: list[str] = []

    def gone(reader: Reader) -> bool:
        made = reader.recorded(release)
        ends = made.decision.releases if made and made.decision.enforced else ()
        left[:] = [one for one in ends if (found := reader.recorded(one)) and not found.ended]
        at = made.decision.at if made else 0
        for one in (release, *left):
            _refuse([o for o in reader.outcomes(one) if o.at >= at], f"{one}: still null-routed")
        return not left

    if not _within(config_path, RELEASED_S, gone):
        told = f"the release is recorded, but the kernel has not let go of {', '.join(left)} in {RELEASED_S:.0f} s"
        raise EnforcementError(f"{release}: {told}; see 'edgeguard nullroute list', or end all with 'edgeguard panic'")


def _refuse(outcomes: list[Outcome], what: str) -> None:
    refused = next((one for one in outcomes if one.happened is Happened.FAILED), None)
    if refused:
        raise EnforcementError(f"{what}: {refused.detail}")


def _within(config_path: Path, seconds: float, true: Callable[[Reader], bool]) -> bool:
    deadline = time.monotonic() + seconds
    with Reader(loaded(config_path).paths.database) as reader:
        while not true(reader):
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.05)
    return True
