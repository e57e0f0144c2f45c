"""`edgeguard report`: a month in figures."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeguard.cli.options import config_option, example, json_option, loaded

if TYPE_CHECKING:
    from edgeguard.cases.month import Month


def _month(ctx: click.Context, parameter: click.Parameter, value: str | None) -> Month:
    from edgeguard import clock  # noqa: PLC0415 - not for --help
    from edgeguard.cases.month import Month  # noqa: PLC0415

    if value is None:
        return Month.of(clock.now())
    try:
        return Month.read(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command(
    epilog=example("edgeguard report --month 2026-11", "edgeguard report --month 2026-11 --html november.html")
)
@click.option("--month", callback=_month, metavar="YYYY-MM", help="The month, in UTC.  [default: the one that runs]")
@click.option(
    "--html",
    "html",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write one page with plots, too; a file of that name is replaced.",
)
@json_option
@config_option
def report(month: Month, html: Path | None, as_json: bool, config_path: Path) -> None:
    """Print a month's measures: warnings, null routes, how many were overturned, how long all took.

    Reads the database; needs no daemon. What each figure means is in docs/report.md.
    """
    import socket  # noqa: PLC0415 - not for --help

    from edgeguard import clock  # noqa: PLC0415
    from edgeguard.cases.measures import measures  # noqa: PLC0415
    from edgeguard.cases.reader import Reader  # noqa: PLC0415
    from edgeguard.cli import output  # noqa: PLC0415
    from edgeguard.report import document, page, text  # noqa: PLC0415

    config = loaded(config_path)
    host, now = config.host.name or socket.gethostname(), clock.now()
    with Reader(Path(config.paths.database)) as reader:
        found = measures(reader.account(month))
    if html is not None:
        _write(html, page.page(found, host, now))
    if as_json:
        output.print_json(document.document(found, host, now))
    else:
        click.echo(text.text(found, host, now))


def _write(path: Path, page: str) -> None:
    """Whole or not at all: who reads the old one meanwhile reads it to its end."""
    from edgeguard.errors import EdgeGuardError  # noqa: PLC0415 - not for --help

    scratch = path.with_name(f".{path.name}.new")
    try:
        scratch.write_text(page, encoding="utf-8")
        scratch.replace(path)
    except OSError as error:
        with suppress(OSError):
            scratch.unlink()
        raise EdgeGuardError(f"{path}: cannot write the page: {error.strerror}; check the folder") from None
