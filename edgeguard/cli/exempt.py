"""`edgeguard exempt`: traffic of a VM that automation leaves alone, up to a ceiling and until an end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeguard.cli.acting import act
from edgeguard.cli.group import Commands
from edgeguard.cli.options import config_option, duration, example, json_option, term_argument, why_option

if TYPE_CHECKING:
    from edgeguard.cases.case import Granted

COLUMNS = ("id", "vm", "target", "packets/s", "until", "by", "case", "ended")

period_option = click.option(
    "--for",
    "for_ns",
    required=True,
    callback=duration,
    metavar="DURATION",
    help="How long, like 7d; no exemption without.",
)
id_argument = click.argument("id", metavar="ID")


@click.group(cls=Commands, epilog=example("edgeguard exempt list"))
def exempt() -> None:
    """Leave alone what a VM is meant to send: by target, protocol and port, up to a ceiling, until an end."""


@exempt.command(
    epilog=example("edgeguard exempt add web1 --for 7d --why 'load test' --consent 'target owner, ticket 4711'")
)
@term_argument
@period_option
@why_option
@click.option(
    "--consent", default="", metavar="TEXT", help="How the owner of a target that is not the customer's agreed."
)
@click.option("--ceiling", type=click.IntRange(1), help="Packets a second for each target; as measured at most.")
@json_option
@config_option
def add(
    *, term: str, for_ns: int, why: str, consent: str, ceiling: int | None, as_json: bool, config_path: Path
) -> None:
    """Exempt what a case measured: its targets, protocols and ports, up to 1.5 times the rate.

    TERM is a case, VM, address or tap. One person exempts for 30 days at most.
    """
    from edgeguard.request import AddExemption  # noqa: PLC0415 - not for --help

    act(config_path, AddExemption(term, why, for_ns, consent, ceiling or 0), as_json)


@exempt.command(epilog=example("edgeguard exempt extend x-1f0c2ab9d44e --for 90d --why 'the tests go on until April'"))
@id_argument
@period_option
@why_option
@json_option
@config_option
def extend(id: str, for_ns: int, why: str, as_json: bool, config_path: Path) -> None:
    """Agree that an exemption lasts longer, counted from its beginning; above 30 days as a second person."""
    from edgeguard.request import ExtendExemption  # noqa: PLC0415 - not for --help

    act(config_path, ExtendExemption(id, why, for_ns), as_json)


@exempt.command(epilog=example("edgeguard exempt end x-1f0c2ab9d44e --why 'the test is over'"))
@id_argument
@why_option
@json_option
@config_option
def end(id: str, why: str, as_json: bool, config_path: Path) -> None:
    """End an exemption before its time."""
    from edgeguard.request import EndExemption  # noqa: PLC0415 - not for --help

    act(config_path, EndExemption(id, why), as_json)


@exempt.command("list", epilog=example("edgeguard exempt list", "edgeguard exempt list --all --json"))
@click.option("--all", "everything", is_flag=True, help="Those that are over, too.")
@json_option
@config_option
def list_exemptions(everything: bool, as_json: bool, config_path: Path) -> None:
    """List what is exempted. Reads the database; needs no daemon."""
    from edgeguard import clock  # noqa: PLC0415 - not for --help
    from edgeguard.cli import output, reading  # noqa: PLC0415

    now = clock.now()
    with reading.reader(config_path) as reader:
        found = [one for one in reader.exemptions() if everything or one.holds(now)]
    if as_json:
        for one in found:
            output.print_json({**output.plain(one), "holds": one.holds(now)})
        return
    output.print_table(COLUMNS, [_row(one) for one in found], "nothing is exempted")


def _row(one: Granted) -> tuple[object, ...]:
    from edgeguard.cli import output  # noqa: PLC0415
    from edgeguard.target import exempted_text  # noqa: PLC0415

    made = one.exemption
    by = f"{made.by} and {made.second}" if made.second else made.by
    ended = f"{output.when(one.ended)} by {one.ended_by}" if one.ended else ""
    return made.id, made.vm, exempted_text(made), made.ceiling.packets, output.when(made.until), by, made.case, ended
