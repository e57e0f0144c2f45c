"""`edgeguard case claim|note|close`: what a person does with a case, through the daemon."""

from __future__ import annotations

from pathlib import Path

import click

from edgeguard.cli.acting import act
from edgeguard.cli.options import config_option, example, json_option, term_argument, why_option
from edgeguard.request import OUTCOMES


@click.command(epilog=example("edgeguard case claim web1 --why 'I call the owner'"))
@term_argument
@why_option
@json_option
@config_option
def claim(term: str, why: str, as_json: bool, config_path: Path) -> None:
    """Take a case: others see who decides. What is null-routed stays so, and no clock stops."""
    from edgeguard.request import ClaimCase  # noqa: PLC0415 - not for --help

    act(config_path, ClaimCase(term, why), as_json)


@click.command(epilog=example("edgeguard case note web1 --why 'owner called back, looks into it'"))
@term_argument
@why_option
@json_option
@config_option
def note(term: str, why: str, as_json: bool, config_path: Path) -> None:
    """Write a line into a case's story."""
    from edgeguard.request import NoteCase  # noqa: PLC0415 - not for --help

    act(config_path, NoteCase(term, why), as_json)


@click.command(epilog=example("edgeguard case close web1 --outcome overturned --why 'a load test that was announced'"))
@term_argument
@click.option("--outcome", required=True, type=click.Choice(OUTCOMES), help="Was it what it was taken for?")
@why_option
@json_option
@config_option
def close(term: str, outcome: str, why: str, as_json: bool, config_path: Path) -> None:
    """Say how a case ended, and its cause: also of one that the clock has settled. Once, and not while null-routed."""
    from edgeguard.request import CloseCase  # noqa: PLC0415 - not for --help

    act(config_path, CloseCase(term, why, outcome), as_json)
