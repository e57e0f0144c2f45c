"""`edgeguard run`: the daemon, in the foreground."""

from __future__ import annotations

from pathlib import Path

import click

from edgeguard.cli.options import config_option, example, given, loaded


@click.command(epilog=example("edgeguard run -c /etc/edgeguard/edgeguard.toml"))
@config_option
def run(config_path: Path) -> None:
    """Capture, judge, and null-route what `enforce` names, until SIGTERM or Ctrl-C.

    On SIGHUP configuration and inventory are read again; the log says what differs.
    Needs CAP_NET_RAW and CAP_NET_ADMIN (root); the part that parses packets gives up the second one.
    """
    config = loaded(config_path, rules=True)
    from edgeguard import assembly  # noqa: PLC0415 - numba and the C extension: not before the configuration is right

    assembly.run(config, given(config_path))
