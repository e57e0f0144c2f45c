"""`edgeguard status`: how the running daemon is. glance.command answers first what is typed plainly."""

from __future__ import annotations

from pathlib import Path

import click

from edgeguard.cli.options import config_option, example, json_option, socket_of


@click.command(epilog=example("edgeguard status", "edgeguard status --json"))
@json_option
@config_option
def status(as_json: bool, config_path: Path) -> None:
    """Show how the daemon is: what is wrong, what is unsent, loss, null routes and their proof, who is loud.

    And the customers who send most, the flow memory's limits and how full it is, uplinks and connection table.
    """
    from edgeguard.glance import command  # noqa: PLC0415 - not for --help

    click.echo(command.status(socket_of(config_path), as_json))
