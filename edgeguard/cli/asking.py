"""Asking the daemon for something, and waiting until the kernel agrees."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from edgeguard import control
from edgeguard.cases.reader import Reader
from edgeguard.cli import output, reading
from edgeguard.cli.options import loaded
from edgeguard.errors import EnforcementError
from edgeguard.model import Happened, Outcome

KERNEL_S = 2.0  # for the acknowledgement of a null route
RELEASED_S = 10.0  # for the end of one: a person waits for nothing more important


def ask(config_path: Path, what: Any) -> dict[str, Any]:
    """The daemon's answer."""
    return control.ask(loaded(config_path).paths.socket, what)


def tell(answer: dict[str, Any], as_json: bool) -> None:
    """Its `text`, a line for each of several cases, or all of it as JSON."""
    if as_json:
        output.print_json(answer)
        return
    for line in answer.get("text", "done").splitlines():
        click.echo(output.told(line))


def await_kernel(config_path: Path, decision: str) -> None:
    """Return when the kernel has taken a null route; an error when it refused, or says nothing in time."""

    def taken(reader: Reader) -> bool:
        outcomes = reader.outcomes(decision)
        _refuse(outcomes, f"{decision}: not null-routed")
        return bool(outcomes)

    if not _within(config_path, KERNEL_S, taken):
        raise EnforcementError(f"{decision}: ordered, not acknowledged in {KERNEL_S} s; see 'edgeguard nullroute list'")


def await_ends(config_path: Path, releases: Sequence[str]) -> dict[str, str]:
    """Return when the kernel holds nothing any more of what these end: of which it still may, and why."""
    stands, deadline = {}, time.monotonic() + RELEASED_S
    for release in releases:
        try:
            await_end(config_path, release, max(0.0, deadline - time.monotonic()))
        except EnforcementError as error:
            stands[release] = str(error)
    return stands


def await_end(config_path: Path, release: str, seconds: float | None = None) -> None:
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

    if not _within(config_path, RELEASED_S if seconds is None else seconds, gone):
        told = f"the release is recorded, but the kernel has not let go of {', '.join(left)} in {RELEASED_S:.0f} s"
        raise EnforcementError(f"{release}: {told}; see 'edgeguard nullroute list', or end all with 'edgeguard panic'")


def _refuse(outcomes: list[Outcome], what: str) -> None:
    refused = next((one for one in outcomes if one.happened is Happened.FAILED), None)
    if refused:
        raise EnforcementError(f"{what}: {refused.detail}")


def _within(config_path: Path, seconds: float, true: Callable[[Reader], bool]) -> bool:
    deadline = time.monotonic() + seconds
    with reading.reader(config_path) as reader:
        while not true(reader):
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.05)
    return True
