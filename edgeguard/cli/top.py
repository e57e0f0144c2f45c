"""`edgeguard top`: who is loud now and what is done about it. glance.command answers first what is typed plainly."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from edgeguard.cli.options import config_option, example, json_option, socket_of


@click.command(epilog=example("edgeguard top", "edgeguard top --once", "edgeguard top --json"))
@click.option("--once", is_flag=True, help="Print one frame and end; also where the output is no terminal.")
@json_option
@config_option
def top(once: bool, as_json: bool, config_path: Path) -> None:
    """Show every second who is loud, what is null-routed with the attempts behind it, loss and lag. `q` ends.

    Rates are packets of the last second, as counted at the taps: 12.3k is 12,300.
    """
    from edgeguard.glance import command, screen  # noqa: PLC0415 - not for --help

    socket = socket_of(config_path)
    if once or as_json or not sys.stdout.isatty():
        click.echo(command.top(socket, as_json))
    else:
        screen.watch(socket)
