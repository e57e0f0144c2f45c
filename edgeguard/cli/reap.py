"""`edgeguard reap` and `edgeguard panic`: ending null routes without the daemon."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeguard.cli.options import config_option, example, json_option, loaded, why_option

if TYPE_CHECKING:
    from edgeguard.config import Config
    from edgeguard.reaping import Reaped


@click.command(epilog=example("edgeguard reap -c /etc/edgeguard/edgeguard.toml"))
@json_option
@config_option
def reap(as_json: bool, config_path: Path) -> None:
    """End null routes that are past their end, or that have no live case. Needs no daemon; for a timer.

    Beside a running daemon only what is overdue is ended: all else is the daemon's. Says nothing where
    there was nothing to do. Needs CAP_NET_ADMIN (root).
    """
    from edgeguard import reaping  # noqa: PLC0415 - not for --help

    _tell(reaping.reap(loaded(config_path)), as_json)


@click.command(epilog=example("edgeguard panic --why 'wrong servers are cut'"))
@why_option
@json_option
@config_option
def panic(why: str, as_json: bool, config_path: Path) -> None:
    """End ALL null routes of this host at once, and let EdgeGuard only observe from now on.

    Needs neither daemon nor database. To let it act again remove the kill file ([paths] kill), which
    this makes. The runbook has the plain `ip` and `nft` lines that do the same.
    """
    from edgeguard import reaping  # noqa: PLC0415 - not for --help
    from edgeguard.control import own_name  # noqa: PLC0415

    config = _whatever_is_right(config_path)
    if not why.isprintable():
        raise click.BadParameter("the reason must be one line", param_hint="--why")
    done = reaping.panic(config, why, own_name())
    if not as_json:
        observes = Path(config.paths.kill).exists()
        click.echo(f"EdgeGuard only observes until {config.paths.kill} is removed" if observes else "ended")
        if not done.removed:
            click.echo("nothing of EdgeGuard stood in the kernel")
    _tell(done, as_json)


def _whatever_is_right(path: Path) -> Config:
    """Nobody stays null-routed because of a mistake in the configuration: what is wrong there is passed over."""
    from edgeguard import config  # noqa: PLC0415
    from edgeguard.errors import ConfigError  # noqa: PLC0415

    try:
        return loaded(path)
    except ConfigError as error:
        click.echo(f"edgeguard: {error.findings[0]}; what is right of it is used", err=True)
        return config.what_is_right(path)


def _tell(done: Reaped, as_json: bool) -> None:
    from edgeguard import reaping  # noqa: PLC0415
    from edgeguard.cli import output  # noqa: PLC0415

    if as_json:
        output.print_json(output.plain(done))
    else:
        for line in reaping.told(done):
            click.echo(output.told(line))
    if error := reaping.failed(done):
        raise error
