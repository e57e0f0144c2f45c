"""`edgeguard case claim|note|ask|close|hold|uphold|appeal|reopen`: what a person does with a case, by the daemon."""

from __future__ import annotations

from pathlib import Path

import click

from edgeguard.cli.acting import act
from edgeguard.cli.options import (
    config_option,
    duration,
    example,
    json_option,
    term_argument,
    together_option,
    why_option,
)
from edgeguard.request import OUTCOMES


@click.command(epilog=example("edgeguard case claim web1 --why 'I call the owner'"))
@term_argument
@why_option
@together_option
@json_option
@config_option
def claim(term: str, why: str, together: bool, as_json: bool, config_path: Path) -> None:
    """Take a case: others see who decides. What is null-routed stays so, and no clock stops."""
    from edgeguard.request import ClaimCase  # noqa: PLC0415 - not for --help

    act(config_path, ClaimCase(term, why, together), as_json)


@click.command(epilog=example("edgeguard case note web1 --why 'owner called back, looks into it'"))
@term_argument
@why_option
@json_option
@config_option
def note(term: str, why: str, as_json: bool, config_path: Path) -> None:
    """Write a line into a case's story."""
    from edgeguard.request import NoteCase  # noqa: PLC0415 - not for --help

    act(config_path, NoteCase(term, why), as_json)


@click.command(epilog=example("edgeguard case ask web1 --why 'may this customer run load tests?'"))
@term_argument
@why_option
@together_option
@json_option
@config_option
def ask(term: str, why: str, together: bool, as_json: bool, config_path: Path) -> None:
    """Ask the desk about a case, by mail: it reads it in the morning. Nothing else happens, and no clock stops."""
    from edgeguard.request import AskCase  # noqa: PLC0415 - not for --help

    act(config_path, AskCase(term, why, together), as_json)


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


@click.command(epilog=example("edgeguard case hold web1 --why 'the owner restores a snapshot tonight'"))
@term_argument
@why_option
@click.option("--for", "for_ns", callback=duration, metavar="DURATION", help="12h at most; without: to the next shift.")
@together_option
@json_option
@config_option
def hold(term: str, why: str, for_ns: int | None, together: bool, as_json: bool, config_path: Path) -> None:
    """Let a null route stay although it is quiet: one person, once, 12 hours at most."""
    from edgeguard.request import HoldCase  # noqa: PLC0415 - not for --help

    act(config_path, HoldCase(term, why, for_ns or 0, together), as_json)


@click.command(
    epilog=example(
        "edgeguard case uphold web1 --why 'third flood this month' --ends-when 'the server was rebuilt'",
        "edgeguard case uphold web1 --why 'I have read it, and agree'",
    )
)
@term_argument
@why_option
@click.option(
    "--ends-when", "conditions", multiple=True, metavar="TEXT", help="Of the first voice: enough to end it; repeatable."
)
@together_option
@json_option
@config_option
def uphold(term: str, why: str, conditions: tuple[str, ...], together: bool, as_json: bool, config_path: Path) -> None:
    """Keep a null route: the first person's voice changes nothing, the second's within 24 hours upholds it.

    It then ends after 24 hours without attempts, when a person releases it because a condition is met, or after 14
    days, unless two people read it again. Of a case that is appealed a third person says it alone.
    """
    from edgeguard.request import UpholdCase  # noqa: PLC0415 - not for --help

    act(config_path, UpholdCase(term, why, conditions, together), as_json)


@click.command(epilog=example("edgeguard case appeal web1 --why 'the owner called: it is the nightly dump'"))
@term_argument
@why_option
@json_option
@config_option
def appeal(term: str, why: str, as_json: bool, config_path: Path) -> None:
    """Enter that the owner disagrees: a third person upholds or releases; undecided after 24 hours it ends.

    Four hours where the whole VM is null-routed. Every other clock goes on.
    """
    from edgeguard.request import AppealCase  # noqa: PLC0415 - not for --help

    act(config_path, AppealCase(term, why), as_json)


@click.command(epilog=example("edgeguard case reopen EG-20260131-1f0c2ab9d44e --why 'the reporter sent a capture'"))
@term_argument
@why_option
@json_option
@config_option
def reopen(term: str, why: str, as_json: bool, config_path: Path) -> None:
    """Open a closed case again. Nothing is null-routed by that; a person closes it."""
    from edgeguard.request import ReopenCase  # noqa: PLC0415 - not for --help

    act(config_path, ReopenCase(term, why), as_json)
