"""`edgeguard signal`: takes what others report of our addresses, and shows it to the desk."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeguard.cli.options import config_option, example, json_option, loaded

if TYPE_CHECKING:
    from edgeguard.cases.reader import Reader
    from edgeguard.cases.received import Reported
    from edgeguard.config import Config
    from edgeguard.incoming import Signal

COLUMNS = ("report", "came in", "about", "what", "case", "measured here")


@click.command(
    epilog=example(
        "edgeguard signal < report.json",
        "edgeguard signal --list",
        "edgeguard signal --show 550e8400-e29b-41d4-a716-446655440000",
    )
)
@click.option("--list", "listed", is_flag=True, help="List the youngest reports.")
@click.option(
    "--show", metavar="TERM", help="Print reports whole: of an id, case, VM, tap or address. For the desk only."
)
@json_option
@config_option
def signal(*, listed: bool, show: str | None, as_json: bool, config_path: Path) -> None:
    """Take a report in XARF 4 (JSON) from standard input.

    Its address is looked up, our own measurement is put beside it, and a case is opened or added to for the desk. It
    never null-routes and never lengthens a null route, and the customer is not written to.
    """
    if listed and show is not None:
        raise click.UsageError("--list and --show are two things: name one")
    config = loaded(config_path)
    if listed:
        _list(config, as_json)
    elif show is not None:
        _show(config, show)
    else:
        _take(config)


def _take(config: Config) -> None:
    from edgeguard import clock, control  # noqa: PLC0415 - not for --help
    from edgeguard.cli import output  # noqa: PLC0415
    from edgeguard.request import TakeSignal  # noqa: PLC0415
    from edgeguard.signals.report import LARGEST, read  # noqa: PLC0415

    one = read(sys.stdin.buffer.read(LARGEST + 1), clock.now())
    if control.is_held(config.paths.socket):
        said = str(control.ask(config.paths.socket, TakeSignal(one.document))["text"])
    else:
        said = _written(config, one)
    click.echo(output.told(said))


def _written(config: Config, one: Signal) -> str:
    """No daemon runs: the database is written here."""
    from edgeguard import clock, control  # noqa: PLC0415
    from edgeguard.cases.reader import Reader  # noqa: PLC0415
    from edgeguard.cases.store import Store  # noqa: PLC0415
    from edgeguard.handing import host  # noqa: PLC0415
    from edgeguard.inventory import configured  # noqa: PLC0415
    from edgeguard.outside import Outside  # noqa: PLC0415

    Reader(config.paths.database).close()  # says what is wrong where there is none
    with Store(config.paths.database) as store:
        outside = Outside(store, configured(config.inventory), host(config), config.mail)
        return outside.take(one, clock.now(), control.own_name())


def _list(config: Config, as_json: bool) -> None:
    from edgeguard.cases.reader import Reader  # noqa: PLC0415
    from edgeguard.cli import output  # noqa: PLC0415

    with Reader(config.paths.database) as reader:
        found = reader.signals.youngest()
    if as_json:
        for one in found:
            output.print_json(output.plain(one))
        return
    rows = [(one.id, output.when(one.at), one.source, one.sort, one.case, one.measured) for one in found]
    output.print_table(COLUMNS, rows, "no reports")


def _show(config: Config, term: str) -> None:
    import json  # noqa: PLC0415

    from edgeguard.cases.reader import Reader  # noqa: PLC0415
    from edgeguard.cli import output  # noqa: PLC0415
    from edgeguard.errors import EdgeGuardError  # noqa: PLC0415

    with Reader(config.paths.database) as reader:
        found = _found(config, reader, term)
    if not found:
        raise EdgeGuardError(f"no report of {term!r}; 'edgeguard signal --list' shows the reports there are")
    for one in found:
        output.print_json({**output.plain(one), "document": json.loads(one.document)})


def _found(config: Config, reader: Reader, term: str) -> list[Reported]:
    """The youngest first. Of a VM also what the inventory knows by TERM: a case that others' reports opened names no
    tap, and some reports have no case."""
    from edgeguard.inventory import configured  # noqa: PLC0415

    found = reader.signals.youngest(term)
    if any(term in (one.id, one.case, one.source) for one in found):
        return found
    vm = configured(config.inventory).by_term(term)
    single = [str(one.network_address) for one in vm.addresses if one.num_addresses == 1] if vm else []
    names = (vm.id, *single) if vm else ()
    every = {one.seq: one for one in (*found, *(one for name in names for one in reader.signals.youngest(name)))}
    return [every[seq] for seq in sorted(every, reverse=True)]
