"""`edgeguard check`: everything a run needs, looked at, and all findings told at once."""

from __future__ import annotations

from pathlib import Path

import click

from edgeguard.cli.options import DEFAULT_CONFIG, config_option, example, json_option

COLUMNS = ("area", "what", "", "finding")


@click.command(epilog=example("edgeguard check -c /etc/edgeguard/edgeguard.toml", "edgeguard check --json"))
@json_option
@config_option
@click.pass_context
def check(ctx: click.Context, as_json: bool, config_path: Path) -> None:
    """Check configuration, inventory, rights, back-ends, paths, mail server, uplinks and taps.

    Changes nothing and sends nothing. Exit 0 only when nothing is wrong.
    """
    from edgeguard.check import exit_code, findings  # noqa: PLC0415 - not for --help
    from edgeguard.cli import output  # noqa: PLC0415

    missing = config_path == DEFAULT_CONFIG and not config_path.exists()
    found = findings(None if missing else config_path)
    if as_json:
        for finding in found:
            output.print_json(output.plain(finding))
    else:
        output.print_table(COLUMNS, [(f.area, f.what, f.grade, f.text) for f in found], "nothing to check")
    ctx.exit(exit_code(found))
